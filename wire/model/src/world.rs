//! Everything that can happen, and what must hold whatever does.

use std::sync::Arc;

use stateright::{Model, Property};
use wire::{Key, Mode, Offset, Position, Scope, Span, Verdict};

use crate::client::{Client, Message, Ways};
use crate::edge::{Edge, Heard};
use crate::rule::Rule;
use crate::tally::{Event, Tally};
use crate::truth::{KeyNumber, LineageNumber, Truth, Write, epoch, offset, position};

/// P1, as a property's name.
pub const SAFETY: &str = "P1: nothing kept is older than what the page was told";
/// P3, as a property's name.
pub const COMPLETENESS: &str = "P3: a cursor steps over no commit that was not applied or purged";

/// A property that an event happens at all.
macro_rules! sometimes {
    ($($event:ident),*) => {
        vec![$(Property::sometimes(Event::$event.sentence(), |world: &World, _| world.tally.count(Event::$event) > 0)),*]
    };
}

/// How much may happen, over the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Pages.
    pub clients: usize,
    /// Edges; the first hears of everything at once unless announcements may lag.
    pub edges: usize,
    /// Keys that are followed; one more lies elsewhere.
    pub keys: usize,
    /// Commits.
    pub commits: usize,
    /// Failovers of the store.
    pub failovers: usize,
    /// Fills of all pages.
    pub fills: usize,
    /// Connections of all pages.
    pub connects: usize,
    /// Lost announcements, lost frames, frames that come again and records that become purges.
    pub faults: usize,
    /// Commits that an edge's ring holds.
    pub ring: usize,
}

impl Bounds {
    /// One page, and everything happens once: what a test explores, and where most rules are missed.
    pub const ONE: Bounds =
        Bounds { clients: 1, edges: 2, keys: 1, commits: 2, failovers: 1, fills: 1, connects: 2, faults: 1, ring: 1 };
    /// One page and a commit more, which a ring may lack or hold.
    pub const DEEP: Bounds = Bounds { commits: 3, faults: 0, ring: 2, ..Bounds::ONE };
    /// Two pages, and one of them comes back.
    pub const PAIR: Bounds = Bounds { clients: 2, connects: 3, faults: 0, ..Bounds::ONE };
    /// Two pages and a fault.
    pub const FAULTY: Bounds = Bounds { clients: 2, ..Bounds::ONE };
}

/// What is spent of the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Spent {
    fills: usize,
    connects: usize,
    faults: usize,
}

/// A state of everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The store.
    pub truth: Truth,
    /// The edges.
    pub edges: Vec<Edge>,
    /// The pages.
    pub clients: Vec<Arc<Client>>,
    /// What happened of what is bounded.
    pub spent: Spent,
}

/// Something that happens.
#[expect(missing_docs, reason = "the fields say which client, which edge, which key")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The store commits.
    Commit { key: KeyNumber, pushed: bool },
    /// A replica with this many commits takes over.
    FailOver { kept: u64 },
    /// An edge hears of the next commit.
    Announce { edge: usize },
    /// It does not.
    LoseAnnouncement { edge: usize },
    /// A page connects, and the edge takes its request to follow.
    Connect { client: usize, edge: usize },
    /// Its connection ends.
    Disconnect { client: usize },
    /// Its edge takes a request that it made since.
    Serve { client: usize },
    /// Its edge vouches, and it hears that.
    Beat { client: usize },
    /// What waits for it is too much and becomes a purge.
    Overflow { client: usize },
    /// The next message arrives.
    Deliver { client: usize },
    /// It is lost, and the connection goes on.
    Lose { client: usize },
    /// A change that had arrived arrives again.
    Again { client: usize, which: usize },
    /// A message of its ended connection arrives.
    Late { client: usize },
    /// It begins to read a key.
    Fill { client: usize, key: KeyNumber },
    /// An answer arrives, as of `upto` in `lineage`, with the value of `read`.
    Answer { client: usize, which: usize, lineage: LineageNumber, upto: u64, read: u64 },
}

/// The model.
#[derive(Debug)]
pub struct World {
    /// How much may happen.
    pub bounds: Bounds,
    /// The rule that is missing.
    pub without: Option<Rule>,
    /// What happened at all.
    pub tally: Arc<Tally>,
    keys: Vec<Key>,
    scope: Scope,
}

impl World {
    /// A world with these bounds, without one of the rules.
    ///
    /// # Panics
    /// Never: its names are names.
    pub fn new(bounds: Bounds, without: Option<Rule>) -> World {
        let name = |key: usize| Key::parse(&format!("s:m:{key}")).expect("a key");
        let keys = (0..bounds.keys).map(name).collect();
        World { bounds, without, tally: Arc::default(), keys, scope: Scope::parse("s:m:").expect("a scope") }
    }

    /// What a client acts by.
    pub fn ways(&self) -> Ways<'_> {
        Ways { without: self.without, keys: &self.keys, scope: &self.scope, tally: &self.tally }
    }

    /// Whether a write lies in what is followed.
    pub fn is_followed(&self, write: &Write) -> bool {
        usize::from(write.key) < self.bounds.keys
    }

    fn announce(&self, state: &mut State, place: usize) {
        let (lineage, now) = state.truth.now();
        let edge = &mut state.edges[place];
        let write = now.writes[edge.next as usize - 1];
        let at = position(now, edge.next);
        edge.next += 1;
        let heard = edge.hear(at, write, lineage, self.bounds.ring, self.without);
        for client in &mut state.clients {
            let follows = client.link.as_ref().is_some_and(|link| link.edge == place && link.told.is_some());
            if !follows {
                continue;
            }
            let Some(link) = &mut Arc::make_mut(client).link else { continue };
            match heard {
                Heard::Known => {}
                Heard::Publish if self.is_followed(&write) => {
                    let Some((told, vouched)) = &mut link.told else { continue };
                    let from = std::mem::replace(told, at.offset).min(at.offset);
                    *vouched = at.offset;
                    push(&mut link.down, from, (at.offset, write), lineage);
                }
                Heard::Publish => {}
                Heard::Reset(_) => {
                    link.told = Some((at.offset, at.offset));
                    link.down.push(Message::Reset { position: at, lineage });
                }
            }
        }
        match heard {
            Heard::Reset(Verdict::Gap) => self.tally.note(Event::EdgeHoled),
            Heard::Reset(_) => self.tally.note(Event::EdgeMoved),
            Heard::Known | Heard::Publish => {}
        }
    }

    /// An edge takes a request to follow.
    fn serve(&self, edges: &[Edge], client: &mut Client) {
        let Some(link) = &mut client.link else { return };
        let Some((id, since)) = link.asked.take() else { return };
        let edge = &edges[link.edge];
        let (begins, mode, missed) = edge.begin(since, self.without);
        let (head, lineage) = (edge.cursor.position().offset, edge.lineage);
        link.told = Some((head, begins.offset.max(head)));
        link.down.push(Message::SubOk { id, position: begins, mode, lineage });
        if mode == Mode::Replayed
            && let Ok(span) = Span::new(begins.offset, head)
        {
            let writes: Vec<_> = missed.into_iter().filter(|(_, write)| self.is_followed(write)).collect();
            if !writes.is_empty() {
                self.tally.note(Event::Replayed);
            }
            link.down.push(Message::Change { span, writes, purge: false, lineage });
        }
    }

    fn answers(&self, state: &State, client: usize, actions: &mut Vec<Action>) {
        for which in 0..state.clients[client].open.len() {
            let key = state.clients[client].open[which].1;
            for (number, lineage) in state.truth.lineages.iter().enumerate() {
                for upto in 0..=lineage.head() {
                    let reads = match self.without {
                        Some(Rule::AsOfFirst) => upto.saturating_sub(1)..=upto,
                        _ => upto..=(upto + 1).min(lineage.head()),
                    };
                    let mut values = Vec::new();
                    for read in reads {
                        let value = lineage.value(key, read);
                        if !values.contains(&value) {
                            values.push(value);
                            let lineage = number as LineageNumber;
                            actions.push(Action::Answer { client, which, lineage, upto, read });
                        }
                    }
                }
            }
        }
    }

    fn of_client(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let (bounds, spent, client) = (&self.bounds, &state.spent, &*state.clients[number]);
        let may_fault = spent.faults < bounds.faults;
        if let Some(link) = &client.link {
            if link.asked.is_some() {
                actions.push(Action::Serve { client: number });
            }
            match link.down.first() {
                Some(first) => {
                    actions.push(Action::Deliver { client: number });
                    if may_fault && matches!(first, Message::Change { .. }) {
                        actions.push(Action::Lose { client: number });
                    }
                }
                None if link.told.is_some() => actions.push(Action::Beat { client: number }),
                None => {}
            }
            if may_fault {
                let again = (0..link.again.len()).map(|which| Action::Again { client: number, which });
                actions.extend(again);
                if matches!(link.down.last(), Some(Message::Change { purge: false, writes, .. }) if !writes.is_empty())
                {
                    actions.push(Action::Overflow { client: number });
                }
            }
            // A last connection that ends leaves what is kept as it is.
            if spent.connects < bounds.connects {
                actions.push(Action::Disconnect { client: number });
            }
        } else if spent.connects < bounds.connects {
            let edges = (0..bounds.edges).map(|edge| Action::Connect { client: number, edge });
            actions.extend(edges);
        }
        if !client.late.is_empty() {
            actions.push(Action::Late { client: number });
        }
        if spent.fills < bounds.fills && client.replica.position().is_some() {
            let keys = (0..bounds.keys).map(|key| Action::Fill { client: number, key: key as KeyNumber });
            actions.extend(keys);
        }
        self.answers(state, number, actions);
    }

    fn safe(&self, state: &State) -> bool {
        state.clients.iter().all(|client| {
            let Some(told) = &client.told else { return true };
            let entries = client.entries.iter().enumerate();
            let mut kept = entries.filter_map(|(key, entry)| Some((key as KeyNumber, (*entry)?.serial)));
            kept.all(|(key, serial)| !state.truth.is_older(key, serial, told.lineage, told.upto))
        })
    }

    fn complete(&self, state: &State) -> bool {
        state.clients.iter().all(|client| {
            let Some(told) = &client.told else { return true };
            let lineage = &state.truth.lineages[usize::from(told.lineage)];
            let upto = told.upto.min(lineage.head()) as usize;
            let passed = lineage.writes.get(told.purged as usize..upto).unwrap_or_default();
            passed.iter().all(|write| !self.is_followed(write) || told.writes.contains(&write.serial))
        })
    }
}

/// A heartbeat that comes behind everything that was sent.
pub(crate) fn beat(edges: &[Edge], client: &mut Client) -> Option<Message> {
    let link = client.link.as_mut()?;
    let (edge, (_, vouched)) = (&edges[link.edge], link.told.as_mut()?);
    let head = edge.cursor.position().offset;
    let span = Span::new(std::mem::replace(vouched, head).min(head), head).ok()?;
    Some(Message::Beat { span, lineage: edge.lineage })
}

/// Adds a commit to what waits for a client, as its outbox does.
fn push(down: &mut Vec<Message>, from: Offset, kept: (Offset, Write), lineage: LineageNumber) {
    if let Some(Message::Change { span, writes, lineage: of, .. }) = down.last_mut()
        && let Ok(more) = Span::new(from, kept.0)
    {
        *span = span.union(more);
        writes.push(kept);
        *of = lineage;
    } else if let Ok(span) = Span::new(from, kept.0) {
        down.push(Message::Change { span, writes: vec![kept], purge: false, lineage });
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let Bounds { clients, edges, keys, .. } = self.bounds;
        vec![State {
            truth: Truth::new(),
            edges: vec![Edge::new(); edges],
            clients: (0..clients).map(|_| Arc::new(Client::new(&self.scope, keys))).collect(),
            spent: Spent { fills: 0, connects: 0, faults: 0 },
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let (bounds, (_, now)) = (&self.bounds, state.truth.now());
        if usize::from(state.truth.serial) < bounds.commits {
            for key in 0..bounds.keys as KeyNumber {
                actions.push(Action::Commit { key, pushed: false });
                actions.push(Action::Commit { key, pushed: true });
            }
            actions.push(Action::Commit { key: bounds.keys as KeyNumber, pushed: false });
        }
        if state.truth.lineages.len() <= bounds.failovers {
            actions.extend((0..=now.head()).map(|kept| Action::FailOver { kept }));
        }
        for (place, edge) in state.edges.iter().enumerate() {
            if edge.next <= now.head() {
                actions.push(Action::Announce { edge: place });
                if state.spent.faults < bounds.faults {
                    actions.push(Action::LoseAnnouncement { edge: place });
                }
            }
        }
        (0..bounds.clients).for_each(|client| self.of_client(state, client, actions));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        let ways = self.ways();
        match action {
            Action::Commit { key, pushed } => {
                let (number, now) = state.truth.now();
                let is_lost_one = |lineage: &crate::truth::Lineage| lineage.head() > now.head();
                if state.truth.lineages[..usize::from(number)].iter().any(is_lost_one) {
                    self.tally.note(Event::UsedTwice);
                }
                state.truth.commit(key, pushed);
            }
            Action::FailOver { kept } => {
                let (number, now) = state.truth.now();
                let keeps = self.without == Some(Rule::Lineage);
                let epoch = if keeps { now.epoch } else { epoch(u64::from(number) + 2) };
                state.truth.fail_over(kept, epoch);
                // What was on its way from the lost primary is lost with it.
                state.edges.iter_mut().for_each(|edge| edge.next = kept + 1);
            }
            Action::Announce { edge } => self.announce(&mut state, edge),
            Action::LoseAnnouncement { edge } => {
                state.edges[edge].next += 1;
                state.spent.faults += 1;
            }
            Action::Connect { client, edge } => {
                state.spent.connects += 1;
                let client = Arc::make_mut(&mut state.clients[client]);
                client.connect(edge);
                self.serve(&state.edges, client);
            }
            Action::Disconnect { client } => {
                let client = Arc::make_mut(&mut state.clients[client]);
                client.disconnect();
                if self.without != Some(Rule::Generation) {
                    // They are not heard: whenever they come, nothing changes.
                    client.late.drain(..).for_each(|_| self.tally.note(Event::Late));
                }
            }
            Action::Serve { client } => self.serve(&state.edges, Arc::make_mut(&mut state.clients[client])),
            Action::Beat { client } => {
                let beaten = Arc::make_mut(&mut state.clients[client]);
                let message = beat(&state.edges, beaten)?;
                beaten.take(&message, &ways);
                if beaten == &*last.clients[client] {
                    return None;
                }
            }
            Action::Overflow { client } => {
                state.spent.faults += 1;
                let link = Arc::make_mut(&mut state.clients[client]).link.as_mut()?;
                if let Some(Message::Change { purge, .. }) = link.down.last_mut() {
                    *purge = true;
                }
            }
            Action::Deliver { client } => {
                let may_come_again = state.spent.faults < self.bounds.faults;
                let client = Arc::make_mut(&mut state.clients[client]);
                let link = client.link.as_mut()?;
                let message = link.down.remove(0);
                match &message {
                    Message::Change { .. } if may_come_again => link.again.push(message.clone()),
                    // What was told before belongs to a flow that is over.
                    Message::SubOk { .. } | Message::Reset { .. } => link.again.clear(),
                    Message::Change { .. } | Message::Beat { .. } => {}
                }
                client.take(&message, &ways);
            }
            Action::Lose { client } => {
                state.spent.faults += 1;
                let link = Arc::make_mut(&mut state.clients[client]).link.as_mut()?;
                link.down.remove(0);
            }
            Action::Again { client, which } => {
                state.spent.faults += 1;
                let client = Arc::make_mut(&mut state.clients[client]);
                let message = client.link.as_ref()?.again.get(which)?.clone();
                client.take(&message, &ways);
            }
            Action::Late { client } => {
                let client = Arc::make_mut(&mut state.clients[client]);
                let message = client.late.remove(0);
                client.take(&message, &ways);
            }
            Action::Fill { client, key } => {
                state.spent.fills += 1;
                Arc::make_mut(&mut state.clients[client]).fill(key, &ways).then_some(())?;
            }
            Action::Answer { client, which, lineage, upto, read } => {
                let lineage = &state.truth.lineages[usize::from(lineage)];
                let client = Arc::make_mut(&mut state.clients[client]);
                let serial = lineage.value(client.open[which].1, read);
                client.answered(which, Position { epoch: lineage.epoch, offset: offset(upto) }, serial, &ways);
            }
        }
        if state.spent.faults >= self.bounds.faults {
            for client in &mut state.clients {
                if client.link.as_ref().is_some_and(|link| !link.again.is_empty()) {
                    let link = &mut Arc::make_mut(client).link;
                    link.iter_mut().for_each(|link| link.again.clear());
                }
            }
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<World>> {
        let mut properties = sometimes![
            FillKept,
            FillLate,
            FillForeign,
            FillAhead,
            Pushed,
            Ignored,
            Holed,
            BeatHoled,
            Resumed,
            Replayed,
            Reset,
            Behind,
            EdgeHoled,
            EdgeMoved,
            Late,
            BeforeAnswer,
            Purged,
            UsedTwice
        ];
        properties.push(Property::always(SAFETY, |world: &World, state| world.safe(state)));
        properties.push(Property::always(COMPLETENESS, |world: &World, state| world.complete(state)));
        properties
    }
}
