//! Finds entries by tag. An entry without tags costs nothing here.
//!
//! Each tag has a list of the entries that carry it, each entry the places it has in those lists: taking one out costs
//! its own tags, not the lists' lengths.

use alloc::vec::Vec;

use hot_paths::{Table, hash_bytes, hash_of};
use wire::Tag;

use crate::slots::Slot;

/// A tag's entries, each with the number that the tag has among the entry's own.
#[derive(Debug)]
struct Group {
    tag: Tag,
    members: Vec<(Slot, u8)>,
}

/// Where an entry stands in a group's list.
#[derive(Debug, Clone, Copy)]
struct Membership {
    group: u32,
    place: u32,
}

/// An entry that carries tags.
#[derive(Debug)]
struct Labelled {
    slot: Slot,
    memberships: Vec<Membership>,
}

/// The tags of all entries. Without members a group is a hole, and without memberships a labelled entry is.
#[derive(Debug, Default)]
pub struct Tags {
    groups: Vec<Group>,
    by_tag: Table,
    free_groups: Vec<u32>,
    labelled: Vec<Labelled>,
    by_slot: Table,
    free_labelled: Vec<u32>,
}

fn hash_of_slot(slot: Slot) -> u64 {
    hash_bytes(&slot.to_le_bytes())
}

impl Tags {
    /// Labels a slot that has no labels. A tag named twice counts once.
    pub fn insert(&mut self, slot: Slot, tags: &[Tag]) {
        if tags.is_empty() {
            return;
        }
        let mut memberships = Vec::with_capacity(tags.len());
        for (number, tag) in tags.iter().enumerate().filter(|(number, tag)| !tags[..*number].contains(tag)) {
            let group = self.group_of(tag);
            let members = &mut self.groups[group as usize].members;
            members.push((slot, memberships.len() as u8));
            memberships.push(Membership { group, place: members.len() as u32 - 1 });
            debug_assert!(number < usize::from(u8::MAX), "the wire allows 16");
        }
        let labelled = Labelled { slot, memberships };
        let place = match self.free_labelled.pop() {
            Some(place) => {
                self.labelled[place as usize] = labelled;
                place
            }
            None => {
                self.labelled.push(labelled);
                self.labelled.len() as u32 - 1
            }
        };
        let all = &self.labelled;
        self.by_slot.insert(hash_of_slot(slot), place, &|other| hash_of_slot(all[other as usize].slot));
    }

    fn group_of(&mut self, tag: &Tag) -> u32 {
        if let Some(group) = self.find(tag) {
            return group;
        }
        let made = Group { tag: tag.clone(), members: Vec::new() };
        let group = match self.free_groups.pop() {
            Some(group) => {
                self.groups[group as usize] = made;
                group
            }
            None => {
                self.groups.push(made);
                self.groups.len() as u32 - 1
            }
        };
        let groups = &self.groups;
        self.by_tag.insert(hash_of(tag.as_str()), group, &|other| hash_of(groups[other as usize].tag.as_str()));
        group
    }

    fn find(&self, tag: &Tag) -> Option<u32> {
        self.by_tag.find(hash_of(tag.as_str()), &|group| self.groups[group as usize].tag == *tag)
    }

    fn find_labelled(&self, slot: Slot) -> Option<u32> {
        self.by_slot.find(hash_of_slot(slot), &|place| self.labelled[place as usize].slot == slot)
    }

    fn memberships(&self, slot: Slot) -> &[Membership] {
        self.find_labelled(slot).map_or(&[], |place| &self.labelled[place as usize].memberships)
    }

    /// Takes a slot's labels off.
    pub fn remove(&mut self, slot: Slot) {
        let Some(own) = self.find_labelled(slot) else { return };
        self.by_slot.replace(hash_of_slot(slot), own, None);
        self.free_labelled.push(own);
        for Membership { group, place } in core::mem::take(&mut self.labelled[own as usize].memberships) {
            let Group { tag, members } = &mut self.groups[group as usize];
            members.swap_remove(place as usize);
            if members.is_empty() {
                self.by_tag.replace(hash_of(tag.as_str()), group, None);
                self.free_groups.push(group);
            } else if let Some(&(moved, number)) = members.get(place as usize)
                && let Some(moved) = self.find_labelled(moved)
            {
                self.labelled[moved as usize].memberships[usize::from(number)].place = place;
            }
        }
    }

    /// Whether a slot's labels are just these.
    pub fn are(&self, slot: Slot, tags: &[Tag]) -> bool {
        let own = self.memberships(slot);
        own.len() == tags.len() && own.iter().zip(tags).all(|(own, tag)| self.groups[own.group as usize].tag == *tag)
    }

    /// A slot's labels.
    pub fn of(&self, slot: Slot) -> Vec<Tag> {
        let own = self.memberships(slot);
        own.iter().map(|own| self.groups[own.group as usize].tag.clone()).collect()
    }

    /// The slots that carry a tag.
    pub fn slots_of(&self, tag: &Tag) -> Vec<Slot> {
        let group = self.find(tag).map(|group| &self.groups[group as usize]);
        group.map(|group| group.members.iter().map(|&(slot, _)| slot).collect()).unwrap_or_default()
    }

    /// Tags in use.
    pub fn len(&self) -> usize {
        self.by_tag.len()
    }

    /// Whether no tag is in use.
    pub fn is_empty(&self) -> bool {
        self.by_tag.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a plain map: the same slots by tag, and the same tags by slot.
        #[test]
        fn tags_agree_with_a_plain_map(steps in prop::collection::vec((0u32..12, prop::collection::vec(0u8..5, 0..4)), 1..80)) {
            let tag = |number: &u8| Tag::parse(&format!("t{number}")).unwrap();
            let (mut tags, mut model) = (Tags::default(), BTreeMap::<Slot, Vec<Tag>>::new());
            for (slot, numbers) in steps {
                if model.remove(&slot).is_some() {
                    tags.remove(slot);
                } else {
                    let own: Vec<Tag> = numbers.iter().map(tag).collect();
                    tags.insert(slot, &own);
                    let once = own.iter().enumerate().filter(|(at, tag)| !own[..*at].contains(tag));
                    model.insert(slot, once.map(|(_, tag)| tag.clone()).collect());
                }
                for number in 0..5 {
                    let mut found = tags.slots_of(&tag(&number));
                    found.sort_unstable();
                    let carry = model.iter().filter(|(_, own)| own.contains(&tag(&number)));
                    prop_assert_eq!(found, carry.map(|(&slot, _)| slot).collect::<Vec<_>>());
                }
                for (&slot, own) in &model {
                    prop_assert!(tags.are(slot, own) && tags.of(slot) == *own);
                }
            }
            for slot in model.into_keys() {
                tags.remove(slot);
            }
            prop_assert!(tags.is_empty());
        }
    }
}
