//! How many bytes would deltas save? Follows a running server, and compares each pushed value with what would lead to it
//! from the one before: a JSON patch (RFC 6902), a JSON merge patch (RFC 7386), and LZ4 with the value before as its
//! dictionary. `wire/README.md` says what came of it.
//!
//!     cargo xtask demo                                           in one terminal; it prints the server's address
//!     cargo run -p edge-server --example deltas -- ADDRESS [SECONDS]

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use wire::{Body, ClientFrame, Codec, Key, Scope, ServerFrame};

const CODEC: Codec = Codec::Postcard;
/// What the demo's sources write under.
const SCOPES: [&str; 2] = ["sport:mlb:", "sport:nba:"];
const SECONDS: u64 = 120;

/// Bytes, of values that had one before.
#[derive(Default)]
struct Sums {
    values: u64,
    whole: u64,
    patch: u64,
    merge: u64,
    lz4: u64,
    /// What the smallest of the three, or the whole value, would take.
    best: u64,
    /// All frames, as they came.
    frames: u64,
    /// Each of them packed by itself, by LZ4 and by deflate, where that is shorter.
    frames_lz4: u64,
    frames_deflate: u64,
    /// Values that the client had nothing to take a delta from.
    first: u64,
    /// Keys that changed without a value: over `push_max_bytes`.
    unpushed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().context("name the server, as in 127.0.0.1:8080")?;
    let seconds = arguments.next().map_or(Ok(SECONDS), |text| text.parse()).context("SECONDS is no number")?;
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let mut request = format!("ws://{address}/v1/stream").into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", CODEC.subprotocol().parse()?);
    let (mut socket, _) = connect_async(request).await.with_context(|| format!("no server at {address}"))?;
    let mut say = vec![ClientFrame::Hello { token: None, values: true }];
    for (id, scope) in (1..).zip(SCOPES) {
        say.push(ClientFrame::Sub { id, scope: Scope::parse(scope)?, since: None, stamp: 0 });
    }
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut sums, mut known) = (Sums::default(), HashMap::new());
    loop {
        for frame in say.drain(..) {
            socket.send(Message::Binary(CODEC.encode_client(&frame)?.into())).await?;
        }
        let Ok(message) = timeout_at(end, socket.next()).await else { break };
        let Some(Message::Binary(bytes)) = message.transpose()? else { bail!("the server ended the connection") };
        sums.pack(&bytes)?;
        match CODEC.decode_server(&bytes)? {
            ServerFrame::Hb { .. } => say.push(ClientFrame::Pong { stamp: 0 }),
            ServerFrame::Change { change, .. } => {
                for item in change.items {
                    sums.take(&mut known, item.key, &item.body)?;
                }
            }
            _ => {}
        }
    }
    sums.print(seconds);
    Ok(())
}

impl Sums {
    fn pack(&mut self, frame: &[u8]) -> Result<()> {
        let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(frame)?;
        self.frames += frame.len() as u64;
        self.frames_lz4 += frame.len().min(lz4(frame, &[])?) as u64;
        self.frames_deflate += frame.len().min(deflate.finish()?.len()) as u64;
        Ok(())
    }

    fn take(&mut self, known: &mut HashMap<Key, Vec<u8>>, key: Key, body: &Body) -> Result<()> {
        let Body::Value { payload, .. } = body else {
            self.unpushed += u64::from(*body == Body::Changed);
            known.remove(&key);
            return Ok(());
        };
        let whole = payload.as_bytes().to_vec();
        match known.insert(key, whole.clone()) {
            None => self.first += 1,
            Some(before) => self.compare(&before, &whole)?,
        }
        Ok(())
    }

    fn compare(&mut self, before: &[u8], whole: &[u8]) -> Result<()> {
        let (from, to): (Value, Value) = (serde_json::from_slice(before)?, serde_json::from_slice(whole)?);
        let patch = serde_json::to_vec(&json_patch::diff(&from, &to))?.len();
        let merge = serde_json::to_vec(&merge_patch(&from, &to))?.len();
        let lz4 = lz4(whole, before)?;
        let best = whole.len().min(patch).min(merge).min(lz4);
        self.values += 1;
        for (sum, bytes) in [
            (&mut self.whole, whole.len()),
            (&mut self.patch, patch),
            (&mut self.merge, merge),
            (&mut self.lz4, lz4),
            (&mut self.best, best),
        ] {
            *sum += bytes as u64;
        }
        Ok(())
    }

    fn print(&self, seconds: u64) {
        let mean = |bytes: u64| bytes as f64 / self.values.max(1) as f64;
        let of_whole = |bytes: u64| bytes as f64 / self.whole.max(1) as f64;
        println!(
            "{seconds} s: {} values with one before, {} without; {} changes without a value",
            self.values, self.first, self.unpushed
        );
        println!("{} bytes of frames in all, {:.0} a second", self.frames, self.frames as f64 / seconds as f64);
        for (name, bytes) in [
            ("whole values", self.whole),
            ("RFC 6902", self.patch),
            ("merge patch", self.merge),
            ("LZ4 with dictionary", self.lz4),
            ("the smallest of all", self.best),
        ] {
            println!("{name:<20} {bytes:>9} bytes, {:>6.1} a value, {:.2} of the whole", mean(bytes), of_whole(bytes));
        }
        for (name, bytes) in [("LZ4", self.frames_lz4), ("deflate", self.frames_deflate)] {
            println!("all frames, each by {name}: {:.3} of their bytes", bytes as f64 / self.frames.max(1) as f64);
        }
        let saved = self.whole.saturating_sub(self.best);
        println!(
            "saved of all bytes of frames: {:.3}, {:.0} bytes a second",
            saved as f64 / self.frames.max(1) as f64,
            saved as f64 / seconds as f64
        );
    }
}

/// Bytes of a text that LZ4 packs with this dictionary.
fn lz4(text: &[u8], dictionary: &[u8]) -> Result<usize> {
    let mut packed = vec![0; lz4_flex::block::get_maximum_output_size(text.len())];
    Ok(lz4_flex::block::compress_into_with_dict(text, &mut packed, dictionary)?)
}

/// RFC 7386: members that differ, null for those that are gone.
fn merge_patch(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = Map::new();
    for (name, value) in to {
        match from.get(name) {
            Some(before) if before == value => {}
            Some(before) => drop(patch.insert(name.clone(), merge_patch(before, value))),
            None => drop(patch.insert(name.clone(), value.clone())),
        }
    }
    patch.extend(from.keys().filter(|name| !to.contains_key(*name)).map(|name| (name.clone(), Value::Null)));
    Value::Object(patch)
}
