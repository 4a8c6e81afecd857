//! What really happened: every write of the store, in lineages. Nobody in the model may look at it but the properties.

use wire::{Epoch, Offset, Position};

/// A write's number in the order of time, over all lineages. 0 is "never written".
pub type Serial = u8;
/// A key's number. Those below [`crate::Bounds::keys`] are followed, the next one lies elsewhere.
pub type KeyNumber = u8;
/// A lineage's place in the order of time.
pub type LineageNumber = u8;

/// One write; a commit has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Write {
    /// What was written.
    pub key: KeyNumber,
    /// Which write it was.
    pub serial: Serial,
    /// Whether the stream carries the value, or tells only that the key changed.
    pub pushed: bool,
}

/// The commits from the first on, those of earlier lineages that survived included.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lineage {
    /// What clients and edges know it by.
    pub epoch: Epoch,
    /// The write of offset n is at n - 1.
    pub writes: Vec<Write>,
}

impl Lineage {
    /// Its newest offset.
    pub fn head(&self) -> u64 {
        self.writes.len() as u64
    }

    /// The write that a key's value is of at an offset.
    pub fn value(&self, key: KeyNumber, upto: u64) -> Serial {
        let before = &self.writes[..upto.min(self.head()) as usize];
        before.iter().rev().find(|write| write.key == key).map_or(0, |write| write.serial)
    }
}

/// The store and all that it ever was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Truth {
    /// In the order of time; the last one is today's.
    pub lineages: Vec<Lineage>,
    /// The newest write.
    pub serial: Serial,
}

impl Truth {
    /// A store without a commit.
    pub fn new() -> Truth {
        Truth { lineages: vec![Lineage { epoch: epoch(1), writes: Vec::new() }], serial: 0 }
    }

    /// Today's lineage and its number.
    pub fn now(&self) -> (LineageNumber, &Lineage) {
        let number = self.lineages.len() - 1;
        (number as LineageNumber, &self.lineages[number])
    }

    /// Commits one write.
    pub fn commit(&mut self, key: KeyNumber, pushed: bool) {
        self.serial += 1;
        let write = Write { key, serial: self.serial, pushed };
        if let Some(now) = self.lineages.last_mut() {
            now.writes.push(write);
        }
    }

    /// A replica that has only the first `kept` commits takes over, under this epoch.
    pub fn fail_over(&mut self, kept: u64, epoch: Epoch) {
        let writes = self.now().1.writes[..kept as usize].to_vec();
        self.lineages.push(Lineage { epoch, writes });
    }

    /// Whether a value is older than what a key was at a place: of an earlier write, or of one that this lineage lost.
    pub fn is_older(&self, key: KeyNumber, serial: Serial, lineage: LineageNumber, upto: u64) -> bool {
        let own = &self.lineages[usize::from(lineage)];
        let of = |lineage: &Lineage| serial == 0 || lineage.writes.iter().any(|write| write.serial == serial);
        serial < own.value(key, upto) || !of(own) && !self.lineages[usize::from(lineage)..].iter().any(of)
    }
}

impl Default for Truth {
    fn default() -> Truth {
        Truth::new()
    }
}

/// An epoch of the model's: small, and never 0.
pub fn epoch(number: u64) -> Epoch {
    Epoch::from_random(number)
}

/// An offset of the model's: small.
pub fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap_or_default()
}

/// Where a lineage is at an offset, as its readers name it.
pub fn position(lineage: &Lineage, upto: u64) -> Position {
    Position { epoch: lineage.epoch, offset: offset(upto) }
}
