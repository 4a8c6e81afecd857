//! The rules that keep the promises, each of which can be taken away.

use crate::world::Bounds;

/// A rule of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// R3: a fill's floor begins at the cursor.
    FillFloor,
    /// R3: a change in flight raises it.
    FillRaised,
    /// R3: an answer of another epoch is refused.
    FillEpoch,
    /// HTTP: the position is read before the value.
    AsOfFirst,
    /// R2: a change drops what is older than it.
    ChangeDrops,
    /// R1: at a gap the client asks again.
    Gap,
    /// R1: a range that was processed is ignored.
    Duplicate,
    /// R1: a heartbeat's range is checked as well.
    BeatRange,
    /// Resume: only what the ring reaches back to is replayed.
    ResumeRing,
    /// Resume: only a cursor of the same epoch goes on.
    ResumeEpoch,
    /// R5: a reset purges.
    ResetPurges,
    /// R5: a reset raises the fills in flight.
    ResetRaises,
    /// R5: an edge that lags takes no cursor back.
    NeverBack,
    /// The store: another lineage is another epoch.
    Lineage,
    /// The edge follows its store by R1: a hole resets its followers.
    EdgeGap,
    /// The edge follows its store by R1: another epoch resets them.
    EdgeEpoch,
    /// R1: frames of an earlier flow are ignored: of a connection that was let go, and before the answer to the last
    /// request.
    Generation,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Rule; 17] = [
        Rule::FillFloor,
        Rule::FillRaised,
        Rule::FillEpoch,
        Rule::AsOfFirst,
        Rule::ChangeDrops,
        Rule::Gap,
        Rule::Duplicate,
        Rule::BeatRange,
        Rule::ResumeRing,
        Rule::ResumeEpoch,
        Rule::ResetPurges,
        Rule::ResetRaises,
        Rule::NeverBack,
        Rule::Lineage,
        Rule::EdgeGap,
        Rule::EdgeEpoch,
        Rule::Generation,
    ];

    /// Where it is missed: what happens there beside that would only make the search longer.
    pub fn bounds(self) -> Bounds {
        match self {
            // Only a lineage that was two commits ahead has a frame that the next one could take for its own.
            Rule::Generation => Bounds { commits: 3, fills: 0, faults: 0, ..Bounds::ONE },
            Rule::Gap | Rule::Duplicate | Rule::BeatRange | Rule::ResetRaises | Rule::EdgeGap => {
                Bounds { failovers: 0, ..Bounds::ONE }
            }
            Rule::ResumeRing | Rule::NeverBack => Bounds { failovers: 0, faults: 0, ..Bounds::ONE },
            _ => Bounds { faults: 0, ..Bounds::ONE },
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Rule::FillFloor => "fill-floor",
            Rule::FillRaised => "fill-raised",
            Rule::FillEpoch => "fill-epoch",
            Rule::AsOfFirst => "as-of-first",
            Rule::ChangeDrops => "change-drops",
            Rule::Gap => "gap",
            Rule::Duplicate => "duplicate",
            Rule::BeatRange => "beat-range",
            Rule::ResumeRing => "resume-ring",
            Rule::ResumeEpoch => "resume-epoch",
            Rule::ResetPurges => "reset-purges",
            Rule::ResetRaises => "reset-raises",
            Rule::NeverBack => "never-back",
            Rule::Lineage => "lineage",
            Rule::EdgeGap => "edge-gap",
            Rule::EdgeEpoch => "edge-epoch",
            Rule::Generation => "generation",
        }
    }

    /// What it says.
    pub fn sentence(self) -> &'static str {
        match self {
            Rule::FillFloor => "an answer must have reached the cursor of the request",
            Rule::FillRaised => "a change of its key raises what the answer must have reached",
            Rule::FillEpoch => "an answer must be of the stream's epoch",
            Rule::AsOfFirst => "an answer's position is read before its value",
            Rule::ChangeDrops => "a change drops the entries that are older",
            Rule::Gap => "a range that begins after the cursor is not applied; the client asks again",
            Rule::Duplicate => "a range that was processed is ignored",
            Rule::BeatRange => "a heartbeat that begins after the cursor does not move it",
            Rule::ResumeRing => "a stream goes on only if the ring reaches back to the cursor",
            Rule::ResumeEpoch => "a stream goes on only from a cursor of its epoch",
            Rule::ResetPurges => "a reset purges what is kept",
            Rule::ResetRaises => "a reset raises the fills in flight",
            Rule::NeverBack => "within an epoch no reset takes the cursor back",
            Rule::Lineage => "a failover begins another epoch",
            Rule::EdgeGap => "an edge that missed an announcement resets its followers",
            Rule::EdgeEpoch => "an edge that hears of another epoch resets its followers",
            Rule::Generation => "frames of an earlier flow are ignored",
        }
    }
}
