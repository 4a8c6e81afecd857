//! Who wants what: the followed scopes, each with the number that slots and leases know it by.

use alloc::vec::Vec;

use wire::{Key, Scope, SubId, SubRef};

use crate::replica::{Phase, Replica};
use crate::slots::{STREAMS_MAX, StreamRef};

/// The followed scopes.
#[derive(Debug, Default)]
pub struct Subs {
    /// The replica of stream `n` is at `n - 1`; a hole is a number to be given again.
    replicas: Vec<Option<Replica>>,
}

impl Subs {
    /// Follows a scope, or adds a follower to it. `None` when [`STREAMS_MAX`] are followed.
    pub fn add(&mut self, scope: &Scope, category: Option<u16>) -> Option<StreamRef> {
        if let Some((stream, replica)) = self.iter_mut().find(|(_, replica)| replica.scope == *scope) {
            replica.followers += 1;
            replica.category = replica.category.or(category);
            return Some(stream);
        }
        let replica = Some(Replica::new(scope.clone(), category));
        let hole = self.replicas.iter().position(Option::is_none);
        let index = match hole {
            Some(index) => {
                self.replicas[index] = replica;
                index
            }
            None if self.replicas.len() < STREAMS_MAX => {
                self.replicas.push(replica);
                self.replicas.len() - 1
            }
            None => return None,
        };
        Some(index as StreamRef + 1)
    }

    /// Takes one follower away; the last one ends the replica, which is given back.
    pub fn remove(&mut self, stream: StreamRef) -> Option<Replica> {
        let place = self.replicas.get_mut((stream as usize).checked_sub(1)?)?;
        let replica = place.as_mut()?;
        replica.followers -= 1;
        if replica.followers == 0 { place.take() } else { None }
    }

    /// The replica of a stream.
    pub fn get(&self, stream: StreamRef) -> Option<&Replica> {
        self.replicas.get((stream as usize).checked_sub(1)?)?.as_ref()
    }

    /// The replica of a stream, to change.
    pub fn get_mut(&mut self, stream: StreamRef) -> Option<&mut Replica> {
        self.replicas.get_mut((stream as usize).checked_sub(1)?)?.as_mut()
    }

    /// Every stream.
    pub fn iter(&self) -> impl Iterator<Item = (StreamRef, &Replica)> {
        self.replicas.iter().enumerate().filter_map(|(i, r)| Some((i as StreamRef + 1, r.as_ref()?)))
    }

    /// Every stream, to change.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (StreamRef, &mut Replica)> {
        self.replicas.iter_mut().enumerate().filter_map(|(i, r)| Some((i as StreamRef + 1, r.as_mut()?)))
    }

    /// Whether nothing is followed.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The stream whose frames carry this number.
    pub fn following(&self, sid: SubRef) -> Option<StreamRef> {
        self.iter().find(|(_, replica)| replica.is_following(sid)).map(|(stream, _)| stream)
    }

    /// The stream that waits for the answer to this request.
    pub fn asking(&self, id: SubId) -> Option<StreamRef> {
        self.iter().find(|(_, replica)| replica.phase == Phase::Asked { id }).map(|(stream, _)| stream)
    }

    /// The stream that vouches for a key: one that is being followed before one that is not yet.
    pub fn covering(&self, key: &Key) -> Option<StreamRef> {
        let covers = || self.iter().filter(|(_, replica)| replica.scope.contains(key));
        let following = covers().find(|(_, replica)| matches!(replica.phase, Phase::Following { .. }));
        following
            .or_else(|| covers().find(|(_, replica)| replica.position().is_some()))
            .or_else(|| covers().next())
            .map(|(stream, _)| stream)
    }
}
