//! Clubs and people of the generated world, drawn from a seed. Every name is invented: cities, nicknames and surnames
//! are ours, and no club or player of any league is meant.

use std::collections::HashSet;
use std::sync::Arc;

use fastrand::Rng;

/// Home cities. The first three letters of each are unique: they are the abbreviation.
const CITIES: [&str; 28] = [
    "Ashmere",
    "Brackwater",
    "Caldery",
    "Dunhollow",
    "Elmscar",
    "Fennick",
    "Gravenport",
    "Harrowmere",
    "Ironquay",
    "Juniper Falls",
    "Kestrel Bay",
    "Larkhaven",
    "Mirewood",
    "Northmarch",
    "Orrinsport",
    "Pellworth",
    "Quillford",
    "Redmoor",
    "Saltmere",
    "Thornwick",
    "Umberton",
    "Velmont",
    "Westerlea",
    "Yarrowby",
    "Zephyr Point",
    "Copperline",
    "Driftmere",
    "Stonevale",
];
const BASEBALL: [&str; 28] = [
    "Anvils",
    "Badgers",
    "Coopers",
    "Drummers",
    "Egrets",
    "Ferrymen",
    "Gulls",
    "Herons",
    "Inkwells",
    "Jackdaws",
    "Kilns",
    "Lanterns",
    "Millers",
    "Nightjars",
    "Otters",
    "Potters",
    "Quarrymen",
    "Rooks",
    "Sextants",
    "Tinkers",
    "Umbrals",
    "Voyagers",
    "Weavers",
    "Yeomen",
    "Zeniths",
    "Cobblers",
    "Dories",
    "Stoats",
];
const BASKETBALL: [&str; 28] = [
    "Arrows",
    "Breakers",
    "Cinders",
    "Dynamos",
    "Embers",
    "Foxgloves",
    "Glaciers",
    "Harriers",
    "Ibexes",
    "Jesters",
    "Keystones",
    "Lodestars",
    "Mallets",
    "Novas",
    "Orbits",
    "Pulse",
    "Quakes",
    "Ramblers",
    "Shadows",
    "Torches",
    "Unity",
    "Vagabonds",
    "Wardens",
    "Yaks",
    "Zebras",
    "Corsairs",
    "Drifters",
    "Sirens",
];
const FIRST: [&str; 40] = [
    "Abel", "Andrés", "Arlo", "Beau", "Brant", "Caleb", "Cato", "Dario", "Deon", "Edwin", "Elio", "Ezra", "Felix",
    "Gage", "Hideo", "Ivo", "Jalen", "Jonas", "José", "Kai", "Kenzo", "Lamar", "Levi", "Luca", "Marek", "Milo", "Nico",
    "Omar", "Otis", "Pax", "Quinn", "Raúl", "Rhett", "Sami", "Soren", "Teo", "Tyrell", "Umar", "Wade", "Zane",
];
const ONSET: [&str; 28] = [
    "Bre", "Cal", "Dra", "El", "Fen", "Gar", "Hol", "Is", "Jor", "Kel", "Lun", "Mab", "Nor", "Or", "Pel", "Quo", "Rav",
    "Sól", "Tar", "Ul", "Ver", "Wex", "Yar", "Zam", "Brí", "Cor", "Dov", "Mun",
];
const CODA: [&str; 24] = [
    "vanek", "dison", "quero", "thwaite", "bellow", "mander", "zetti", "kovar", "linde", "sombe", "trova", "wicke",
    "gannon", "farro", "dúza", "merrin", "noski", "pardo", "rusk", "stane", "vorro", "yeda", "lomax", "brandt",
];

/// The two leagues the world plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum League {
    Mlb,
    Nba,
}

impl League {
    /// The id PrizePicks gives the league.
    pub(crate) fn id(self) -> u32 {
        match self {
            League::Mlb => 2,
            League::Nba => 7,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            League::Mlb => "MLB",
            League::Nba => "NBA",
        }
    }
}

/// A fielding position in the words of the MLB API.
#[derive(Clone, Copy)]
pub(crate) struct Position {
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) abbreviation: &'static str,
}

const fn position(code: &'static str, name: &'static str, kind: &'static str, abbreviation: &'static str) -> Position {
    Position { code, name, kind, abbreviation }
}

const PITCHER: Position = position("1", "Pitcher", "Pitcher", "P");
/// The nine of a batting order, designated hitter last.
const LINEUP: [Position; 9] = [
    position("2", "Catcher", "Catcher", "C"),
    position("3", "First Base", "Infielder", "1B"),
    position("4", "Second Base", "Infielder", "2B"),
    position("5", "Third Base", "Infielder", "3B"),
    position("6", "Shortstop", "Infielder", "SS"),
    position("7", "Outfielder", "Outfielder", "LF"),
    position("8", "Outfielder", "Outfielder", "CF"),
    position("9", "Outfielder", "Outfielder", "RF"),
    position("10", "Designated Hitter", "Hitter", "DH"),
];
const COURT: [&str; 5] = ["PG", "SG", "SF", "PF", "C"];

/// How many of a baseball club's players bat; the pitchers follow them in `Club::players`.
pub(crate) const BATTERS: usize = 9;
/// How many of a baseball club's players pitch.
pub(crate) const PITCHERS: usize = 4;
/// Players of a basketball club that have projections.
const ROTATION: usize = 8;

/// One person, the same through every game of a world.
pub(crate) struct Player {
    /// In the MLB feed; PrizePicks counts on its own, see `prizepicks::player_id`.
    pub(crate) id: u32,
    pub(crate) first: String,
    pub(crate) last: String,
    pub(crate) position: Position,
    pub(crate) bats: &'static str,
    pub(crate) throws: &'static str,
    pub(crate) number: u32,
}

impl Player {
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }
}

/// A team and its players, who never change sides.
pub(crate) struct Club {
    pub(crate) id: u32,
    pub(crate) city: &'static str,
    pub(crate) nickname: &'static str,
    pub(crate) abbreviation: String,
    pub(crate) players: Vec<Player>,
}

/// All clubs of a league. The same generator state gives the same clubs.
pub(crate) fn clubs(league: League, rng: &mut Rng) -> Vec<Arc<Club>> {
    let mut taken = HashSet::new();
    let (nicknames, first_club) = match league {
        League::Mlb => (BASEBALL, 501),
        League::Nba => (BASKETBALL, 701),
    };
    let mut next_player = first_club * 1_800;
    let mut clubs = Vec::with_capacity(CITIES.len());
    for (id, (city, nickname)) in (first_club..).zip(CITIES.into_iter().zip(nicknames)) {
        let mut players = Vec::new();
        for position in roster(league) {
            let (first, last) = person(&mut taken, rng);
            players.push(Player {
                id: next_player,
                first,
                last,
                position,
                bats: ["R", "R", "L", "S"][rng.usize(..4)],
                throws: ["R", "R", "L"][rng.usize(..3)],
                number: rng.u32(1..78),
            });
            next_player += rng.u32(1..9);
        }
        let abbreviation = city.chars().take(3).collect::<String>().to_uppercase();
        clubs.push(Arc::new(Club { id, city, nickname, abbreviation, players }));
    }
    rng.shuffle(&mut clubs);
    clubs
}

fn roster(league: League) -> Vec<Position> {
    match league {
        League::Mlb => LINEUP.into_iter().chain([PITCHER; PITCHERS]).collect(),
        League::Nba => COURT.into_iter().cycle().take(ROTATION).map(|at| position("0", at, at, at)).collect(),
    }
}

/// A name that nobody in `taken` has yet.
fn person(taken: &mut HashSet<(usize, usize, usize)>, rng: &mut Rng) -> (String, String) {
    loop {
        let parts = (rng.usize(..FIRST.len()), rng.usize(..ONSET.len()), rng.usize(..CODA.len()));
        if taken.insert(parts) {
            return (FIRST[parts.0].to_owned(), format!("{}{}", ONSET[parts.1], CODA[parts.2]));
        }
    }
}

/// The name as PrizePicks writes it, without accents: the two upstreams differ in this, and a client has to cope.
pub(crate) fn unaccented(name: &str) -> String {
    let plain = |letter| match letter {
        'á' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ú' => 'u',
        other => other,
    };
    name.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_abbreviations_are_unique_within_a_league() {
        for league in [League::Mlb, League::Nba] {
            let clubs = clubs(league, &mut Rng::with_seed(5));
            let short: HashSet<_> = clubs.iter().map(|club| &club.abbreviation).collect();
            assert_eq!(short.len(), CITIES.len());
            let people: Vec<_> = clubs.iter().flat_map(|club| &club.players).collect();
            let named: HashSet<_> = people.iter().map(|player| unaccented(&player.name())).collect();
            let numbered: HashSet<_> = people.iter().map(|player| player.id).collect();
            assert_eq!((named.len(), numbered.len()), (people.len(), people.len()));
        }
    }
}
