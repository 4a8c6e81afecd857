//! A seed's sequence of operations, as data: a failing one is made smaller by leaving operations out.

use fastrand::Rng;

use crate::names::{CLIENTS, EDGES, KEYS, ROOT_KEYS, SCOPES};

/// How many bytes a value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// It travels with its announcement.
    Small,
    /// It is fetched.
    Large,
    /// It travels, and a few of them are more than a waiting record may hold.
    Huge,
}

/// Who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A single write, told apart from no other.
    Api,
    /// One of two ingesters of one name: their batches are numbered and fenced.
    Ingester(usize),
}

/// Who answers a fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// An edge, from the store.
    Edge,
    /// An edge whose view is so many commits behind. It heeds `Cache-Min`, and says honestly where it is.
    Lagging(u64),
    /// Something between that answers with what it was told before, and heeds nothing.
    HttpCache,
    /// Nobody: the answer is lost.
    Lost,
}

/// What a relay that breaks the stream's order does to the next frame that tells or vouches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relay {
    /// Loses it.
    Drop,
    /// Sends it twice.
    Duplicate,
    /// Sends it behind the next one.
    Reorder,
    /// Sends an earlier one again.
    Repeat,
}

/// What a fill reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Want {
    /// A key.
    Key(usize),
    /// A scope.
    Scope(usize),
}

/// One thing that is done, or goes wrong. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each operation's sentence says what its fields are")]
pub enum Op {
    /// Values are observed, and committed `late` afterwards. Those of one batch lie in one partition.
    Write { by: By, keys: Vec<usize>, size: Size, tagged: bool, ttl: Option<u64>, late: u64 },
    /// Values as they stand are observed again.
    Again { by: By, key: usize },
    /// Keys are observed to be gone.
    Remove { by: By, key: usize, late: u64 },
    /// Caches are told to drop a key.
    PurgeKey(usize),
    /// Caches are told to drop a scope.
    PurgeScope(usize),
    /// Caches are told to drop what carries the tag, in every partition.
    PurgeTag,
    /// An ingester does not know what became of its last batch and sends it again.
    Retry(usize),
    /// An ingester takes over with a larger fence; the other one does not know yet.
    TakeOver(usize),
    /// A page reads, and asks for what it misses. The answer takes `slow` to come back.
    Fetch { client: usize, category: u16, want: Want, via: Via, slow: u64 },
    /// A page follows a scope, or leaves it.
    Toggle { client: usize, scope: usize },
    /// A page leaves a scope and follows it again at once.
    Refollow { client: usize, scope: usize },
    /// A connection breaks; the server hears of it only when nothing comes any more if `half`.
    Cut { client: usize, half: bool },
    /// A relay between breaks the order.
    Relay { client: usize, fault: Relay },
    /// A link is slow for a while.
    Lag { client: usize, delay: u64, during: u64 },
    /// A page takes nothing from its socket for a while.
    SlowReader { client: usize, during: u64 },
    /// A machine sleeps; its monotonic clock may stand still.
    Sleep { client: usize, during: u64, stands: bool },
    /// A page is frozen into the back/forward cache, where its socket dies.
    Freeze { client: usize, during: u64 },
    /// A page's wall clock jumps.
    WallJump { client: usize, by: i64 },
    /// A page ends and the next visit takes up what it left.
    Revisit { client: usize },
    /// The server's wall clock jumps.
    ServerWallJump { by: i64 },
    /// The server dies, and comes back with an empty store.
    Crash { down: u64 },
    /// An edge restarts over the same store, and says so before if `drained`.
    Restart { edge: usize, drained: bool },
    /// The store fails over, and its last inputs are lost.
    FailOver { lost: usize },
    /// An edge hears of no commit for a while.
    Stall { edge: usize, during: u64 },
    /// An edge misses the next announcement.
    Miss { edge: usize },
    /// An edge hears the last announcement again.
    Echo { edge: usize },
    /// Nothing is done.
    Rest,
}

/// An operation and the time after the one before, in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Milliseconds after the step before.
    pub after: u64,
    /// What is done.
    pub op: Op,
}

/// What a seed says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Drives what no operation says: delays, and what the halves draw themselves.
    pub seed: u64,
    /// Commits that edges keep for those who come back.
    pub ring: usize,
    /// Values up to so many bytes travel with their announcement.
    pub push_max: usize,
    /// The steps.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64) -> Plan {
        let mut rng = Rng::with_seed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let ring = [3, 8, 64][rng.usize(..3)];
        let push_max = if rng.u32(..4) == 0 { 48 * 1024 } else { 256 };
        let steps = (0..rng.usize(60..160)).map(|_| Step { after: gap(&mut rng), op: op(&mut rng) }).collect();
        Plan { seed, ring, push_max, steps }
    }
}

fn gap(rng: &mut Rng) -> u64 {
    match rng.u32(..20) {
        0..12 => rng.u64(0..25),
        12..19 => rng.u64(25..300),
        _ => rng.u64(300..2_500),
    }
}

fn op(rng: &mut Rng) -> Op {
    let client = rng.usize(..CLIENTS);
    let edge = rng.usize(..EDGES);
    let scope = rng.usize(..SCOPES.len());
    let key = rng.usize(..KEYS.len());
    match rng.u32(..1_000) {
        0..250 => write(rng),
        250..270 => Op::Again { by: by(rng), key },
        270..310 => Op::Remove { by: by(rng), key, late: late(rng) },
        310..320 => Op::PurgeKey(key),
        320..330 => Op::PurgeScope(scope),
        330..345 => Op::PurgeTag,
        345..362 => Op::Retry(rng.usize(..2)),
        362..374 => Op::TakeOver(rng.usize(..2)),
        374..690 => fetch(rng, client),
        690..720 => Op::Toggle { client, scope },
        720..732 => Op::Refollow { client, scope },
        732..757 => Op::Cut { client, half: rng.bool() },
        757..817 => Op::Relay { client, fault: relay(rng) },
        817..837 => Op::Lag { client, delay: rng.u64(50..1_500), during: rng.u64(100..3_000) },
        837..852 => Op::SlowReader { client, during: long(rng) },
        852..867 => Op::Sleep { client, during: long(rng), stands: rng.bool() },
        867..877 => Op::Freeze { client, during: long(rng) },
        877..889 => Op::WallJump { client, by: jump(rng) },
        889..897 => Op::Revisit { client },
        897..903 => Op::ServerWallJump { by: jump(rng) },
        903..910 => Op::Crash { down: rng.u64(0..2_000) },
        910..920 => Op::Restart { edge, drained: rng.bool() },
        920..932 => Op::FailOver { lost: rng.usize(..6) },
        932..950 => {
            Op::Stall { edge, during: if rng.u32(..4) == 0 { rng.u64(6_000..12_000) } else { rng.u64(20..4_500) } }
        }
        950..960 => Op::Miss { edge },
        960..970 => Op::Echo { edge },
        _ => Op::Rest,
    }
}

fn by(rng: &mut Rng) -> By {
    if rng.bool() { By::Api } else { By::Ingester(rng.usize(..2)) }
}

fn late(rng: &mut Rng) -> u64 {
    if rng.u32(..3) == 0 { rng.u64(1..800) } else { 0 }
}

fn long(rng: &mut Rng) -> u64 {
    if rng.u32(..4) == 0 { rng.u64(8_000..20_000) } else { rng.u64(200..4_500) }
}

fn jump(rng: &mut Rng) -> i64 {
    let by = if rng.bool() { rng.i64(1..200) } else { rng.i64(200..12_000) };
    if rng.bool() { by } else { -by }
}

fn write(rng: &mut Rng) -> Op {
    let (size, most) = match rng.u32(..20) {
        0 => (Size::Huge, ROOT_KEYS),
        1..6 => (Size::Large, 3),
        _ => (Size::Small, 3),
    };
    let mut keys: Vec<usize> =
        if rng.u32(..5) == 0 { (ROOT_KEYS..KEYS.len()).collect() } else { (0..ROOT_KEYS).collect() };
    rng.shuffle(&mut keys);
    keys.truncate(if size == Size::Huge { rng.usize(3..=most) } else { rng.usize(1..=most) });
    let ttl = (rng.u32(..8) == 0).then(|| rng.u64(50..4_000));
    Op::Write { by: by(rng), keys, size, tagged: rng.u32(..4) == 0, ttl, late: late(rng) }
}

fn fetch(rng: &mut Rng, client: usize) -> Op {
    let want =
        if rng.u32(..6) == 0 { Want::Scope(rng.usize(..SCOPES.len())) } else { Want::Key(rng.usize(..KEYS.len())) };
    let via = match rng.u32(..20) {
        0..10 => Via::Edge,
        10..14 => Via::Lagging(rng.u64(1..6)),
        14..19 => Via::HttpCache,
        _ => Via::Lost,
    };
    let slow = match rng.u32(..6) {
        0 => rng.u64(300..4_000),
        1 | 2 => rng.u64(20..300),
        _ => rng.u64(0..20),
    };
    Op::Fetch { client, category: rng.u16(..2), want, via, slow }
}

fn relay(rng: &mut Rng) -> Relay {
    [Relay::Drop, Relay::Duplicate, Relay::Reorder, Relay::Repeat][rng.usize(..4)]
}
