//! Tells a way through the world in sentences.

use crate::client::{Client, Message};
use crate::truth::{KeyNumber, Serial, position};
use crate::world::{Action, SAFETY, State, World, beat};

fn key(number: KeyNumber) -> String {
    char::from(b'a' + number).to_string()
}

fn page(number: usize) -> String {
    format!("page {}", number + 1)
}

fn edge(number: usize) -> String {
    format!("edge {}", number + 1)
}

fn value(serial: Serial) -> String {
    if serial == 0 { "nothing".into() } else { format!("v{serial}") }
}

fn message(message: &Message) -> String {
    match message {
        Message::SubOk { position, mode, .. } => format!("`sub_ok` {mode:?} at {position}"),
        Message::Change { span, purge: true, .. } => {
            format!("a purge of the scope for ({}, {}]", span.from(), span.to())
        }
        Message::Change { span, writes, .. } => {
            let told = |(at, write): &(wire::Offset, crate::truth::Write)| match write.pushed {
                true => format!("{} = v{} at {at}", key(write.key), write.serial),
                false => format!("{} changed at {at}", key(write.key)),
            };
            let told: Vec<String> = writes.iter().map(told).collect();
            let told = if told.is_empty() { "nothing".to_owned() } else { told.join(", ") };
            format!("`change` ({}, {}]: {told}", span.from(), span.to())
        }
        Message::Reset { position, .. } => format!("`reset` to {position}"),
        Message::Beat { span, .. } => format!("`hb` ({}, {}]", span.from(), span.to()),
    }
}

fn stands(client: &Client) -> String {
    client.replica.position().map_or_else(|| "nowhere".into(), |position| position.to_string())
}

fn sentence(world: &World, before: &State, after: &State, action: &Action) -> String {
    match action {
        Action::Commit { key: of, pushed } => {
            let (_, now) = after.truth.now();
            let (at, serial) = (position(now, now.head()), after.truth.serial);
            let how = match (usize::from(*of) < world.bounds.keys, pushed) {
                (true, true) => "the stream will carry the value",
                (true, false) => "the stream will say that it changed",
                (false, _) => "nobody follows it",
            };
            format!("The store commits {at}: {} = v{serial}; {how}.", key(*of))
        }
        Action::FailOver { .. } => {
            let (_, lost) = before.truth.now();
            let (_, now) = after.truth.now();
            let lost = lost.head() - now.head();
            format!("The store fails over and loses {lost} commits; it stands at {}.", position(now, now.head()))
        }
        Action::Announce { edge: of } => {
            let next = before.edges[*of].next;
            let at = position(before.truth.now().1, next);
            let here = after.edges[*of].cursor.position();
            format!("{} hears of {at}, and stands at {here}.", capital(&edge(*of)))
        }
        Action::LoseAnnouncement { edge: of } => {
            let at = position(before.truth.now().1, before.edges[*of].next);
            format!("The announcement of {at} never reaches {}.", edge(*of))
        }
        Action::Connect { client, edge: to } => {
            let since = before.clients[*client].replica.position();
            let since = since.map_or_else(|| "from nothing".into(), |since| format!("on from {since}"));
            let sent = after.clients[*client].link.iter().flat_map(|link| &link.down).map(message);
            let sent = sent.collect::<Vec<_>>().join(", then ");
            format!("{} connects to {} to follow {since}; the answer is {sent}.", capital(&page(*client)), edge(*to))
        }
        Action::Disconnect { client } => format!("The connection of {} ends.", page(*client)),
        Action::Serve { client } => {
            let down = |state: &State| state.clients[*client].link.as_ref().map_or(0, |link| link.down.len());
            let sent = after.clients[*client].link.iter().flat_map(|link| &link.down[down(before)..]).map(message);
            format!("The request of {} is answered: {}.", page(*client), sent.collect::<Vec<_>>().join(", then "))
        }
        Action::Beat { client } => {
            let mut of = (*before.clients[*client]).clone();
            let sent = beat(&before.edges, &mut of).as_ref().map(message).unwrap_or_default();
            let is = &after.clients[*client];
            let asks = if is.id > of.id { " and asks again" } else { "" };
            format!("{} receives {sent}; it stands at {}{asks}.", capital(&page(*client)), stands(is))
        }
        Action::Overflow { client } => format!("What waits for {} becomes a purge of its scope.", page(*client)),
        Action::Deliver { client } | Action::Again { client, .. } | Action::Late { client } => {
            let of = &before.clients[*client];
            let (what, how) = match action {
                Action::Again { which, .. } => (of.link.as_ref().and_then(|link| link.again.get(*which)), " once more"),
                Action::Late { .. } => (of.late.first(), " late, of the connection before"),
                _ => (of.link.as_ref().and_then(|link| link.down.first()), ""),
            };
            let what = what.map(message).unwrap_or_default();
            let here = stands(&after.clients[*client]);
            let (was, is) = (&before.clients[*client], &after.clients[*client]);
            let asks = if is.id > was.id { " and asks again" } else { "" };
            format!("{} receives{how} {what}; it stands at {here}{asks}.", capital(&page(*client)))
        }
        Action::Lose { client } => {
            let lost = before.clients[*client].link.iter().filter_map(|link| link.down.first()).map(message);
            format!("On its way to {} a frame is lost: {}.", page(*client), lost.collect::<String>())
        }
        Action::Fill { client, key: of } => {
            let cursor = stands(&before.clients[*client]);
            format!("{} asks for {} while it stands at {cursor}.", capital(&page(*client)), key(*of))
        }
        Action::Answer { client, which, lineage, upto, read } => {
            let of = before.clients[*client].open[*which].1;
            let lineage = &before.truth.lineages[usize::from(*lineage)];
            let answer = value(lineage.value(of, *read));
            let kept = after.clients[*client].entries != before.clients[*client].entries;
            let fate = if kept { "it is kept" } else { "it changes nothing" };
            let at = position(lineage, *upto);
            format!("The answer for {} reaches {}: {answer}, as of {at}; {fate}.", key(of), page(*client))
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// What is wrong in the end.
fn verdict(state: &State, property: &str) -> String {
    for (number, client) in state.clients.iter().enumerate() {
        let Some(told) = &client.told else { continue };
        let lineage = &state.truth.lineages[usize::from(told.lineage)];
        let upto = position(lineage, told.upto);
        if property != SAFETY {
            let passed = lineage.writes.iter().enumerate().skip(told.purged as usize).take(told.upto as usize);
            let missed = passed.filter(|(_, write)| usize::from(write.key) < client.entries.len());
            let mut missed = missed.filter(|(_, write)| !told.writes.contains(&write.serial));
            if let Some((at, write)) = missed.next() {
                let at = position(lineage, at as u64 + 1);
                let of = key(write.key);
                return format!("Now {} stands at {upto} and was never told of {of} at {at}.", page(number));
            }
            continue;
        }
        for (of, entry) in client.entries.iter().enumerate() {
            let (of, Some(entry)) = (of as KeyNumber, entry) else { continue };
            if state.truth.is_older(of, entry.serial, told.lineage, told.upto) {
                let is = value(lineage.value(of, told.upto));
                let kept = value(entry.serial);
                let of = key(of);
                return format!(
                    "Now {} keeps {of} = {kept} and was told up to {upto}, where it is {is}.",
                    page(number)
                );
            }
        }
    }
    "Nothing is wrong.".into()
}

/// The way to a broken promise, a sentence a step.
pub fn tell(world: &World, property: &str, path: &[(State, Option<Action>)]) -> Vec<String> {
    let afters = path.iter().skip(1).map(|(state, _)| state);
    let mut told: Vec<String> = path
        .iter()
        .zip(afters)
        .filter_map(|((before, action), after)| Some(sentence(world, before, after, action.as_ref()?)))
        .collect();
    told.extend(path.last().map(|(state, _)| verdict(state, property)));
    told
}
