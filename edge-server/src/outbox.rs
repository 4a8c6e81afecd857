//! What one connection is still to be told: one merged record a subscription, however slow its reader (P6).
//!
//! A record that grows over its limits becomes a purge of its scope: the reader then fetches what it wants. Nothing is
//! dropped in silence and nothing grows with the time that a reader sleeps.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wire::{Body, Change, Position, Scope, SubRef, Tag};

use crate::publish::Published;

/// Keys of one merged record.
pub const KEYS_MAX: usize = 4_096;
/// Bytes of one merged record, as they are counted here: keys and values.
pub const BYTES_MAX: usize = 256 * 1024;

/// Adds a later change to an earlier one: the newest of each key, and purges over what came before them.
pub fn absorb(earlier: &mut Change, later: &Change) {
    earlier.span = earlier.span.union(later.span);
    if !later.scopes.is_empty() {
        earlier.items.retain(|item| !later.scopes.iter().any(|scope| scope.contains(&item.key)));
        extend_set(&mut earlier.scopes, &later.scopes);
    }
    if !later.tags.is_empty() {
        // A pushed value may carry one of the tags: it is to be fetched.
        for item in &mut earlier.items {
            if matches!(&item.body, Body::Value { tags, .. } if tags.iter().any(|tag| later.tags.contains(tag))) {
                item.body = Body::Changed;
            }
        }
        extend_set(&mut earlier.tags, &later.tags);
    }
    let newer: HashMap<_, _> = later.items.iter().map(|item| (&item.key, ())).collect();
    earlier.items.retain(|item| !newer.contains_key(&item.key));
    earlier.items.extend(later.items.iter().cloned());
}

fn extend_set<T: PartialEq + Clone>(set: &mut Vec<T>, more: &[T]) {
    for one in more {
        if !set.contains(one) {
            set.push(one.clone());
        }
    }
}

/// What waits for one subscription.
#[derive(Debug)]
pub enum Waiting {
    /// One change, shared with everybody who follows the scope: its bytes are made once.
    Shared(Arc<Published>),
    /// Several, merged for this connection.
    Merged(Change),
    /// Begin anew here.
    Reset(Position),
}

/// The waiting records of one connection. The hub fills it, the connection's task empties it.
#[derive(Debug, Default)]
pub struct Mailbox {
    waiting: Mutex<Vec<(SubRef, Waiting)>>,
    /// Told when something waits.
    pub notify: Notify,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Vec<(SubRef, Waiting)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what waits for a subscription.
    pub fn forget(&self, sid: SubRef) {
        self.lock().retain(|(waiting, _)| *waiting != sid);
    }

    /// Adds a change.
    pub fn push(&self, published: &Arc<Published>) {
        let mut waiting = self.lock();
        match waiting.iter_mut().rev().find(|(sid, _)| *sid == published.sid) {
            // After a reset comes what follows it, as a record of its own.
            None | Some((_, Waiting::Reset(_))) => waiting.push((published.sid, Waiting::Shared(published.clone()))),
            Some((_, Waiting::Merged(earlier))) => merge(earlier, published),
            Some((_, record)) => {
                if let Waiting::Shared(earlier) = record {
                    let mut merged = earlier.change.clone();
                    merge(&mut merged, published);
                    *record = Waiting::Merged(merged);
                }
            }
        }
        self.notify.notify_one();
    }

    /// Replaces what waits for a subscription by a reset.
    pub fn reset(&self, sid: SubRef, position: Position) {
        let mut waiting = self.lock();
        waiting.retain(|(other, _)| *other != sid);
        waiting.push((sid, Waiting::Reset(position)));
        self.notify.notify_one();
    }

    /// How many records wait, and the bytes of the largest.
    pub fn weight(&self) -> (usize, usize) {
        let waiting = self.lock();
        let bytes = waiting.iter().map(|(_, record)| match record {
            Waiting::Shared(published) => size_of(&published.change),
            Waiting::Merged(change) => size_of(change),
            Waiting::Reset(_) => 0,
        });
        (waiting.len(), bytes.max().unwrap_or_default())
    }

    /// Takes what waits, in order.
    pub fn take(&self) -> Vec<(SubRef, Waiting)> {
        std::mem::take(&mut *self.lock())
    }
}

/// Adds a change to a merged record and keeps that within its bounds.
fn merge(earlier: &mut Change, published: &Published) {
    absorb(earlier, &published.change);
    bound(earlier, &published.scope);
}

/// Turns a record over its limits into a purge of its scope.
pub fn bound(change: &mut Change, scope: &Scope) {
    if change.items.len() > KEYS_MAX || size_of(change) > BYTES_MAX {
        change.items.clear();
        change.tags.clear();
        change.scopes = vec![scope.clone()];
    }
}

fn size_of(change: &Change) -> usize {
    let length = |tags: &[Tag]| tags.iter().map(|tag| tag.as_str().len()).sum::<usize>();
    let body = |body: &Body| match body {
        Body::Value { tags, payload, .. } => length(tags) + payload.as_bytes().len(),
        Body::Changed | Body::Gone => 0,
    };
    let items: usize = change.items.iter().map(|item| item.key.as_str().len() + 16 + body(&item.body)).sum();
    let scopes: usize = change.scopes.iter().map(|scope| scope.as_str().len()).sum();
    items + scopes + length(&change.tags)
}
