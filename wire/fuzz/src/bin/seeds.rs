//! Writes what the fuzzers begin with into `corpus/`: the frames and names of the transcripts, in both codecs. They are made
//! when they are wanted, and not kept in the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use transcripts::{Event, Names, Side};
use wire::Codec;

/// Inputs by target.
#[derive(Default)]
struct Seeds(BTreeSet<(&'static str, Vec<u8>)>);

impl Seeds {
    fn add(&mut self, target: &'static str, bytes: impl Into<Vec<u8>>) {
        self.0.insert((target, bytes.into()));
    }

    fn client(&mut self, frame: &Value) {
        let text = frame.to_string();
        let Ok(frame) = Codec::Json.decode_client(text.as_bytes()) else { return };
        for codec in Codec::ALL {
            self.0.extend(codec.encode_client(&frame).ok().map(|bytes| ("client_frame", bytes)));
        }
    }

    fn server(&mut self, frame: &Value) {
        let text = frame.to_string();
        let Ok(frame) = Codec::Json.decode_server(text.as_bytes()) else { return };
        for codec in Codec::ALL {
            let Ok(bytes) = codec.encode_server(&frame) else { continue };
            if codec == Codec::Postcard {
                // As a message that comes while the cache follows: connect, open, the frame.
                self.add("manager", [&[0, 0, 15, 0, 0, 9, 8, 64][..], &bytes].concat());
            }
            self.add("server_frame", bytes);
        }
    }

    fn names(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.add("key", text.as_bytes());
                self.add("scope", format!("{text}s:m:a").into_bytes());
            }
            Value::Array(all) => all.iter().for_each(|value| self.names(value)),
            Value::Object(all) => all.values().for_each(|value| self.names(value)),
            _ => {}
        }
    }
}

fn main() -> std::io::Result<()> {
    let mut seeds = Seeds::default();
    for transcript in [Side::Client, Side::Server].into_iter().flat_map(transcripts::of) {
        let mut names = Names::default();
        seeds.add("position", format!("{} 7:10 7:11", transcript.header.head).into_bytes());
        for (_, line) in &transcript.lines {
            match &line.event {
                Event::C2s(frame) => {
                    let frame = names.filled(frame);
                    seeds.names(&frame);
                    seeds.client(&frame);
                }
                Event::S2c(frame) | Event::S2cLost(frame) => {
                    let frame = names.filled(frame);
                    seeds.names(&frame);
                    seeds.server(&frame);
                }
                Event::C2sText(text) => seeds.add("client_frame", text.as_bytes()),
                _ => {}
            }
        }
    }
    // Values over HTTP are in no transcript.
    let item = r#"{"key":"s:m:a","as_of":{"epoch":7,"offset":12},"value":[11,{"value":{"source_ts":3,"tags":["t"],"payload":[1, 2]}}],"ttl_ms":5}"#;
    let none = r#"{"key":"s:m:b","as_of":{"epoch":8,"offset":1},"value":null,"ttl_ms":null}"#;
    for items in [String::new(), item.into(), format!("{item},{none}"), [item; 20].join(",")] {
        let got = Codec::Json.decode_server(format!(r#"{{"got":{{"id":0,"items":[{items}]}}}}"#).as_bytes());
        let bytes = got.ok().and_then(|frame| Codec::Postcard.encode_server(&frame).ok()).unwrap_or_default();
        for piece in [0, 6, 255] {
            seeds.add("answer", [&[piece], &*bytes].concat());
        }
        seeds.add("server_frame", bytes);
    }
    // Enough bytes for a conversation.
    for number in 0u64..64 {
        let byte = |at: u64| (number * 1_000 + at).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        seeds.add("manager", (0..800).map(|at| byte(at) as u8).collect::<Vec<u8>>());
    }
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (number, (target, bytes)) in seeds.0.iter().enumerate() {
        let folder = corpus.join(target);
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("seed-{number:04}")), bytes)?;
    }
    println!("{} seeds are in {}", seeds.0.len(), corpus.display());
    Ok(())
}
