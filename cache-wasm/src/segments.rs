//! Where payload bytes lie: in segments outside of this module's own memory, appended to and given back whole.
//!
//! WebAssembly memory cannot shrink, so that payloads do not lie in it: the segments belong to whoever implements
//! [`Backing`], the browser in a page. A segment that is a sixth dead is emptied by moving what lives in it, and dropped.
//! This module knows no payload; it is told which bytes are dead.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;

/// The least and the greatest size of a segment that many payloads share, in bytes.
const SIZES: (u32, u32) = (4 << 10, 64 << 10);

/// The part of a segment that may be dead is one in so many. To gain a byte, up to five are moved: off the critical path,
/// where that costs less than to keep them.
const WASTE: u32 = 6;

/// Memory that is not this module's.
pub trait Backing: Debug {
    /// Makes a segment of so many bytes, under a number that is not in use.
    fn add(&mut self, segment: u32, size: u32);
    /// Writes into a segment.
    fn write(&mut self, segment: u32, at: u32, bytes: &[u8]);
    /// Reads from a segment.
    fn read(&self, segment: u32, at: u32, into: &mut [u8]);
    /// Gives a segment's memory back.
    fn remove(&mut self, segment: u32);
}

/// Segments on this machine's heap: for tests, and for programs that are no page.
#[derive(Debug, Default)]
pub struct Heap(Vec<Vec<u8>>);

impl Backing for Heap {
    fn add(&mut self, segment: u32, size: u32) {
        if self.0.len() <= segment as usize {
            self.0.resize(segment as usize + 1, Vec::new());
        }
        self.0[segment as usize] = vec![0; size as usize];
    }

    fn write(&mut self, segment: u32, at: u32, bytes: &[u8]) {
        self.0[segment as usize][at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    fn read(&self, segment: u32, at: u32, into: &mut [u8]) {
        into.copy_from_slice(&self.0[segment as usize][at as usize..][..into.len()]);
    }

    fn remove(&mut self, segment: u32) {
        self.0[segment as usize] = Vec::new();
    }
}

/// Where some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Their segment.
    pub segment: u32,
    at: u32,
    /// How many.
    pub length: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Segment {
    size: u32,
    used: u32,
    live: u32,
}

/// All segments. A number whose size is 0 is free.
#[derive(Debug)]
pub struct Segments {
    backing: Box<dyn Backing>,
    segments: Vec<Segment>,
    /// The one that is appended to.
    current: Option<u32>,
    live: u64,
    allocated: u64,
}

impl Segments {
    /// No segments yet.
    pub fn new(backing: Box<dyn Backing>) -> Segments {
        Segments { backing, segments: Vec::new(), current: None, live: 0, allocated: 0 }
    }

    /// Stores bytes. None at all take no place in any segment.
    pub fn append(&mut self, bytes: &[u8]) -> Place {
        let length = bytes.len() as u32;
        let segment = self.with_room(length);
        let Segment { used, live, .. } = &mut self.segments[segment as usize];
        let at = *used;
        *used += length;
        *live += length;
        self.live += u64::from(length);
        self.backing.write(segment, at, bytes);
        Place { segment, at, length }
    }

    fn with_room(&mut self, length: u32) -> u32 {
        let fits = |segment: &Segment| segment.size - segment.used >= length;
        if let Some(current) = self.current.filter(|&current| fits(&self.segments[current as usize])) {
            return current;
        }
        // A small cache pays for no large segment, a large payload fills one of its own.
        let shared = u32::try_from(self.live / 4).unwrap_or(u32::MAX).clamp(SIZES.0, SIZES.1);
        let is_own = length > shared / 4;
        let size = if is_own { length } else { shared };
        let segment = self.segments.iter().position(|segment| segment.size == 0).unwrap_or(self.segments.len());
        if segment == self.segments.len() {
            self.segments.push(Segment::default());
        }
        self.segments[segment] = Segment { size: size.max(1), used: 0, live: 0 };
        self.allocated += u64::from(size.max(1));
        let segment = segment as u32;
        self.backing.add(segment, size.max(1));
        if !is_own {
            self.seal();
            self.current = Some(segment);
        }
        segment
    }

    /// Appends no more to the current segment.
    pub fn seal(&mut self) {
        if let Some(current) = self.current.take() {
            self.drop_if_dead(current);
        }
    }

    /// Says that bytes are dead. The last of a segment frees it.
    pub fn release(&mut self, place: Place) {
        self.segments[place.segment as usize].live -= place.length;
        self.live -= u64::from(place.length);
        self.drop_if_dead(place.segment);
    }

    fn drop_if_dead(&mut self, segment: u32) {
        let state = &mut self.segments[segment as usize];
        if state.live == 0 && state.size > 0 && self.current != Some(segment) {
            self.allocated -= u64::from(state.size);
            *state = Segment::default();
            self.backing.remove(segment);
        }
    }

    /// Reads bytes into a buffer of just their length.
    pub fn read(&self, place: Place, into: &mut Vec<u8>) {
        into.clear();
        into.resize(place.length as usize, 0);
        self.backing.read(place.segment, place.at, into);
    }

    /// A segment that wastes the most, if that is over a sixth of it: its payloads are to be moved. What is still free in the
    /// one that is appended to is no waste.
    pub fn wasteful(&mut self) -> Option<u32> {
        let current = self.current;
        let waste = |&(number, segment): &(u32, &Segment)| {
            let end = if current == Some(number) { segment.used } else { segment.size };
            end - segment.live
        };
        let worst = (0..).zip(&self.segments).filter(|(_, segment)| segment.live > 0).max_by_key(waste)?;
        if waste(&worst) <= worst.1.size / WASTE {
            return None;
        }
        let (number, _) = worst;
        if current == Some(number) {
            self.current = None;
        }
        Some(number)
    }

    /// Bytes that are not dead.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// Bytes of all segments.
    pub fn allocated(&self) -> u64 {
        self.allocated
    }
}
