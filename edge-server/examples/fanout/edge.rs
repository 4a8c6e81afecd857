//! One reader of edge-server: follows a scope in `coherence.v1+postcard` by the cursor rule, and counts.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};

use wire::{Body, Change, ClientFrame, Codec, Cursor, Mode, Position, Scope, ServerFrame, SubRef, Verdict};

use crate::frames::push_message;
use crate::tally::Tally;

/// Where a reader was when its connection was cut. It outlives the connection.
#[derive(Default)]
pub(crate) struct Seat(Mutex<Option<Position>>);

impl Seat {
    fn position(&self) -> Option<Position> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The protocol's state of one connection.
pub(crate) struct Reader {
    seat: Arc<Seat>,
    scope: Scope,
    sid: Option<SubRef>,
    cursor: Option<Cursor>,
    live: bool,
}

impl Reader {
    /// Goes on from the seat's position, if it has one.
    pub(crate) fn new(seat: Arc<Seat>, scope: Scope) -> Reader {
        Reader { seat, scope, sid: None, cursor: None, live: false }
    }

    /// What is said first.
    pub(crate) fn hello(out: &mut Vec<u8>) {
        say(out, &ClientFrame::Hello { token: None, values: true });
    }

    /// Takes a frame.
    pub(crate) fn message(&mut self, bytes: &[u8], out: &mut Vec<u8>, tally: &Tally) -> Result<(), String> {
        let frame = Codec::Postcard.decode_server(bytes).map_err(|error| error.to_string())?;
        match frame {
            ServerFrame::Welcome { .. } => {
                let stamp = tally.now().as_millis() as u64;
                say(out, &ClientFrame::Sub { id: 1, scope: self.scope.clone(), since: self.seat.position(), stamp });
            }
            ServerFrame::SubOk { sid, epoch, offset, mode, .. } => {
                self.sid = Some(sid);
                self.cursor = Some(Cursor::at(Position { epoch, offset }));
                match mode {
                    Mode::Fresh => {}
                    Mode::Replayed => _ = tally.replayed.fetch_add(1, Relaxed),
                    Mode::Reset => _ = tally.reset.fetch_add(1, Relaxed),
                }
            }
            ServerFrame::Change { sid, change } if Some(sid) == self.sid => self.change(&change, tally)?,
            ServerFrame::Hb { subs, .. } => {
                tally.beats.fetch_add(1, Relaxed);
                if let Some((_, span)) = subs.iter().find(|(sid, _)| Some(*sid) == self.sid) {
                    self.advance(*span)?;
                    if !self.live {
                        self.live = true;
                        tally.live.fetch_add(1, Relaxed);
                    }
                }
                say(out, &ClientFrame::Pong { stamp: tally.now().as_millis() as u64 });
            }
            ServerFrame::Reset { epoch, offset, .. } => {
                self.cursor = Some(Cursor::at(Position { epoch, offset }));
                tally.reset.fetch_add(1, Relaxed);
            }
            frame => return Err(format!("{frame:?} was not asked for")),
        }
        Ok(())
    }

    fn change(&mut self, change: &Change, tally: &Tally) -> Result<(), String> {
        self.advance(change.span)?;
        tally.frames.fetch_add(1, Relaxed);
        if !change.scopes.is_empty() {
            tally.purged.fetch_add(1, Relaxed);
        }
        for item in &change.items {
            match &item.body {
                Body::Value { payload, .. } => tally.received(payload.as_bytes()),
                body => return Err(format!("{body:?} in place of a value")),
            }
        }
        Ok(())
    }

    fn advance(&mut self, span: wire::Span) -> Result<(), String> {
        let cursor = self.cursor.as_mut().ok_or("a range before its subscription")?;
        match cursor.check(cursor.position().epoch, span) {
            Verdict::Gap | Verdict::NewEpoch => return Err(format!("a gap: at {}, {span:?}", cursor.position())),
            Verdict::Duplicate => {}
            Verdict::Apply => cursor.advance(span.to()),
        }
        Ok(())
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(cursor) = self.cursor {
            *self.seat.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(cursor.position());
        }
    }
}

fn say(out: &mut Vec<u8>, frame: &ClientFrame) {
    // Every frame here can be written: no payload is in it.
    push_message(out, &Codec::Postcard.encode_client(frame).unwrap_or_default());
}
