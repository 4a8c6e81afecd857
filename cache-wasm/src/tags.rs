//! Finds entries by tag. An entry without tags costs nothing here.
//!
//! Each tag has a list of the entries that carry it, each entry the places it has in those lists: taking one out costs
//! its own tags, not the lists' lengths.

use std::collections::HashMap;

use foldhash::fast::FixedState;
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

/// The tags of all entries.
#[derive(Debug, Default)]
pub struct Tags {
    by_tag: HashMap<Tag, u32, FixedState>,
    groups: Vec<Group>,
    free: Vec<u32>,
    of: HashMap<Slot, Vec<Membership>, FixedState>,
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
        self.of.insert(slot, memberships);
    }

    fn group_of(&mut self, tag: &Tag) -> u32 {
        if let Some(&group) = self.by_tag.get(tag) {
            return group;
        }
        let made = Group { tag: tag.clone(), members: Vec::new() };
        let group = match self.free.pop() {
            Some(group) => {
                self.groups[group as usize] = made;
                group
            }
            None => {
                self.groups.push(made);
                self.groups.len() as u32 - 1
            }
        };
        self.by_tag.insert(tag.clone(), group);
        group
    }

    /// Takes a slot's labels off.
    pub fn remove(&mut self, slot: Slot) {
        if self.of.is_empty() {
            return;
        }
        for Membership { group, place } in self.of.remove(&slot).unwrap_or_default() {
            let Group { tag, members } = &mut self.groups[group as usize];
            members.swap_remove(place as usize);
            if let Some(&(moved, number)) = members.get(place as usize)
                && let Some(memberships) = self.of.get_mut(&moved)
            {
                memberships[usize::from(number)].place = place;
            }
            if members.is_empty() {
                self.by_tag.remove(tag);
                self.free.push(group);
            }
        }
    }

    /// Whether a slot's labels are just these.
    pub fn are(&self, slot: Slot, tags: &[Tag]) -> bool {
        let own = self.of.get(&slot).map_or(&[][..], Vec::as_slice);
        own.len() == tags.len() && own.iter().zip(tags).all(|(own, tag)| self.groups[own.group as usize].tag == *tag)
    }

    /// A slot's labels.
    pub fn of(&self, slot: Slot) -> Vec<Tag> {
        let own = self.of.get(&slot).map_or(&[][..], Vec::as_slice);
        own.iter().map(|own| self.groups[own.group as usize].tag.clone()).collect()
    }

    /// The slots that carry a tag.
    pub fn slots_of(&self, tag: &Tag) -> Vec<Slot> {
        let group = self.by_tag.get(tag).map(|&group| &self.groups[group as usize]);
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
