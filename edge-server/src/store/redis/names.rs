//! What things are called in Redis. All of a partition has one hash tag, and so one slot of a cluster.
//!
//! The tags are chosen so that partitions are spread evenly over the slots: `{0}` to `{15}` as they are would put twice as
//! many on one of six nodes as on another.

use wire::Key;

use crate::store::{Layout, Partition};

const SLOTS: u32 = 16_384;

/// The names of one partition.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// Hash: `e` epoch, `s` offset, `l` lineage, `w:<producer>` the newest batch of a producer.
    pub(super) meta: String,
    /// Stream: the commits, by their offsets.
    pub(super) log: String,
    /// Sorted set: the keys that have a value, in their order.
    pub(super) index: String,
    /// Sorted set: keys by when they end, in milliseconds since 1970 UTC.
    pub(super) ends: String,
    /// Where commits are announced. Redis knows one set of channels for all its databases.
    pub(super) channel: String,
    /// What stands before a key in the name of its value.
    pub(super) value_prefix: String,
    lane_prefix: String,
}

impl Names {
    /// The names of a partition, under a namespace that deployments on one Redis differ in.
    pub(super) fn new(namespace: &str, database: i64, layout: Layout, partition: Partition) -> Names {
        let tag = balanced_tag(partition, layout.partitions().count() as u32);
        let name = |what: &str| format!("{namespace}:{{{tag}}}:{what}");
        Names {
            meta: name("meta"),
            log: name("log"),
            index: name("index"),
            ends: name("ends"),
            channel: format!("{namespace}:{{{tag}}}:{database}:inv"),
            value_prefix: name("v:"),
            lane_prefix: name("lane:"),
        }
    }

    /// The name of a value.
    pub(super) fn value(&self, key: &Key) -> String {
        format!("{}{key}", self.value_prefix)
    }

    /// The name of what is remembered of a lane.
    pub(super) fn lane(&self, instance: u64, lane: u32) -> String {
        format!("{}{instance:x}:{lane}", self.lane_prefix)
    }
}

/// Where a namespace says how its keys are laid out.
pub(super) fn layout_name(namespace: &str) -> String {
    format!("{namespace}:layout")
}

/// The first tag whose slot lies in the partition's own part of all slots.
fn balanced_tag(partition: Partition, partitions: u32) -> String {
    let number = u32::from(partition.0);
    let (from, to) = (number * SLOTS / partitions, (number + 1) * SLOTS / partitions);
    let own = from..to.max(from + 1);
    let tags = (0..=u32::MAX).map(|attempt| format!("{number}.{attempt}"));
    tags.into_iter().find(|tag| own.contains(&slot(tag.as_bytes()))).unwrap_or_default()
}

/// The slot of a hash tag: CRC-16/XMODEM, as the cluster specification has it.
fn slot(tag: &[u8]) -> u32 {
    let crc = tag.iter().fold(0u16, |crc, &byte| {
        (0..8).fold(
            crc ^ (u16::from(byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    });
    u32::from(crc) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31c3);
        assert_eq!(slot(b"user1000"), 3_443);
    }

    #[test]
    fn partitions_are_spread_evenly_over_the_nodes_of_a_cluster() {
        for (partitions, nodes) in [(16, 3), (16, 4), (128, 6), (1, 3)] {
            let node = |partition| slot(balanced_tag(Partition(partition), partitions).as_bytes()) * nodes / SLOTS;
            let mut counts = vec![0; nodes as usize];
            (0..partitions as u16).for_each(|partition| counts[node(partition) as usize] += 1);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{partitions} over {nodes}: {counts:?}");
        }
    }

    #[test]
    fn all_of_a_partition_has_its_tag() {
        let names = Names::new("edge", 2, Layout::new(4), Partition(3));
        let Names { meta, log, index, ends, channel, .. } = &names;
        let (value, lane) = (names.value(&Key::parse("s:a:1").unwrap()), names.lane(255, 1));
        let tag = |name: &str| name[name.find('{').unwrap()..=name.find('}').unwrap()].to_owned();
        for name in [log, index, ends, channel, &value, &lane] {
            assert_eq!(tag(name), tag(meta));
        }
        assert!(value.ends_with(":v:s:a:1") && lane.ends_with(":lane:ff:1") && channel.ends_with(":2:inv"));
    }
}
