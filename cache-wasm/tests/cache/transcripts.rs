//! The transcripts of `wire/transcripts`, with this cache as their client: it is given what the server and the network do,
//! and must say and return what they have.
#![expect(clippy::unwrap_used, reason = "every function here is a test's own")]

use std::collections::BTreeMap;

use cache_wasm::fill::Ticket;
use cache_wasm::slots::StreamRef;
use cache_wasm::{Answer, Changed, Filled, Input, Output};
use serde_json::Value;
use transcripts::{By, Event, Names, Side, Then, Told, Transcript};
use wire::Codec;

use crate::page::{Page, at, category, key, scope, tag};

/// One replay.
struct Client {
    page: Page,
    names: Names,
    streams: BTreeMap<String, StreamRef>,
    tickets: BTreeMap<String, Ticket>,
    /// When the connection was lost, and when another one was asked for.
    lost: f64,
    asked: Option<f64>,
}

impl Client {
    fn new() -> Client {
        let mut page = Page::with(vec![category("values", 1_000)], u64::MAX);
        page.manager.set_token(None);
        page.now = 0.0;
        Client {
            page,
            names: Names::default(),
            streams: BTreeMap::new(),
            tickets: BTreeMap::new(),
            lost: 0.0,
            asked: None,
        }
    }

    /// Lets time pass, and wakes the cache when it wants to be woken.
    fn pass(&mut self, until: f64) {
        while let Some(due) = self.page.manager.poll_timeout().filter(|&due| due <= until) {
            self.page.now = self.page.now.max(due);
            self.page.input(Input::Woke);
            self.note();
            if self.page.manager.poll_timeout().is_some_and(|next| next <= due) {
                break;
            }
        }
        self.page.now = until;
    }

    /// Whether a connection was asked for.
    fn note(&mut self) {
        if self.page.take_connects() > 0 {
            self.asked = Some(self.page.now);
        }
    }

    fn input(&mut self, input: Input) {
        self.page.input(input);
        self.note();
    }

    fn step(&mut self, event: &Event) -> Result<(), String> {
        // What the cache has said must be in the transcript before anything else happens.
        let is_input =
            !matches!(event, Event::C2s(_) | Event::Read(_) | Event::Told(_) | Event::State(_) | Event::Close(_));
        if let (true, Some(frame)) = (is_input, self.page.sent.front()) {
            return Err(format!("it said {frame:?}, which is not expected"));
        }
        match event {
            Event::Connect(connect) => self.connect(connect)?,
            Event::C2s(template) => {
                let frame = self.page.sent.pop_front().ok_or_else(|| format!("it did not say {template}"))?;
                let bytes = Codec::Json.encode_client(&frame).unwrap();
                self.names.check(template, &serde_json::from_slice(&bytes).unwrap())?;
            }
            Event::S2c(template) => self.hear(template)?,
            Event::S2cAny(templates) => templates.iter().try_for_each(|template| self.hear(template))?,
            Event::S2cBytes(bytes) => self.input(Input::Message(bytes)),
            Event::Close(close) if close.by == By::Server => {
                self.lost = self.page.now;
                self.input(Input::Closed(Some(close.code)));
            }
            Event::Close(close) => {
                let closed = |output: &Output| matches!(output, Output::Disconnect(code, _) if *code == close.code);
                let place = self.page.outputs.iter().position(closed);
                self.page.outputs.remove(place.ok_or_else(|| format!("it did not close: {:?}", self.page.outputs))?);
                self.lost = self.page.now;
            }
            Event::Cut {} => {
                self.lost = self.page.now;
                self.input(Input::Closed(None));
            }
            Event::Token(token) => self.page.manager.set_token(Some(token.clone())),
            Event::Follow(follow) => {
                let stream = self.page.follow_into(&follow.scope, follow.keep.then_some(0));
                self.streams.insert(follow.scope.clone(), stream);
                self.note();
            }
            Event::Unfollow(name) => {
                let stream = self.streams.remove(name).ok_or("it is not followed")?;
                self.page.unfollow(stream);
            }
            Event::Refused(name) => {
                if self.page.manager.follow(&scope(name), None, self.page.now).is_ok() {
                    return Err(format!("{name} was followed"));
                }
            }
            Event::Fetch(fetch) => {
                let (ticket, min) = self.page.fill(&fetch.key);
                self.tickets.insert(fetch.name.clone(), ticket);
                let expected = fetch.min.as_deref().map(at);
                if min != expected {
                    return Err(format!("it asks for {min:?}, not {expected:?}"));
                }
            }
            Event::Answer(answer) => self.answer(answer)?,
            Event::Set(set) => {
                let (bytes, tags) =
                    (set.value.to_string().into_bytes(), set.tags.iter().map(|text| tag(text)).collect());
                let now = self.page.now;
                self.page.manager.set(0, key(&set.key), bytes.as_slice().into(), None, tags, now).unwrap();
                self.page.settle();
            }
            Event::Read(reads) => {
                for (name, expected) in reads {
                    let text = self.page.read(name);
                    let value: Value = text.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
                    if value != *expected {
                        return Err(format!("a read of {name} returns {value}, not {expected}"));
                    }
                }
            }
            Event::Told(expected) => {
                let told: Vec<Told> = self.page.told().into_iter().map(told_of).collect();
                if told != [sorted(expected.clone())] {
                    return Err(format!("the application was told {told:?}"));
                }
            }
            Event::State(expected) => {
                if self.page.state() != expected {
                    return Err(format!("the connection is {}", self.page.state()));
                }
            }
            // The server's own.
            Event::C2sText(_)
            | Event::C2sBytes(_)
            | Event::S2cLost(_)
            | Event::Commit(_)
            | Event::Restart(_)
            | Event::Confirmed(_)
            | Event::Drain(_) => {}
        }
        Ok(())
    }

    fn hear(&mut self, template: &Value) -> Result<(), String> {
        let filled = self.names.filled(template);
        let frame = Codec::Json.decode_server(filled.to_string().as_bytes()).map_err(|error| error.to_string())?;
        // News of before are not taken for those of this frame.
        self.page.outputs.retain(|output| !matches!(output, Output::Changed(..)));
        self.page.server(&frame);
        self.note();
        Ok(())
    }

    fn connect(&mut self, connect: &transcripts::Connect) -> Result<(), String> {
        self.pass(self.page.now);
        let asked = self.asked.take().ok_or("it did not ask for a connection")?;
        if let Some((least, most)) = connect.after {
            let waited = asked - self.lost;
            if !(least..=most).contains(&waited) {
                return Err(format!("it waited {waited} ms"));
            }
        }
        if !connect.never {
            self.page.input(Input::Opened);
        }
        Ok(())
    }

    fn answer(&mut self, given: &transcripts::Answer) -> Result<(), String> {
        let ticket = self.tickets.remove(&given.name).ok_or("nothing was asked for by this name")?;
        let answer = Answer {
            as_of: given.as_of.as_deref().map(at),
            bytes: (!given.value.is_null()).then(|| given.value.to_string().as_bytes().into()),
            tags: given.tags.iter().map(|text| tag(text)).collect(),
            ..Answer::default()
        };
        let filled = self.page.manager.end_fill(ticket, answer, self.page.now);
        self.page.settle();
        let (then, min) = match filled {
            Filled::Stored(_) | Filled::Absent => (Then::Stored, None),
            Filled::Delivered => (Then::Delivered, None),
            Filled::Retry(min) => (Then::Retry, min),
            Filled::Unfenced => (Then::Unfenced, None),
            other => return Err(format!("the answer is {other:?}")),
        };
        if (then, min) == (given.then, given.min.as_deref().map(at)) {
            Ok(())
        } else {
            Err(format!("the answer is {filled:?}"))
        }
    }
}

fn told_of(changed: Changed) -> Told {
    let Changed { values, changed, gone, purged, observed: _ } = changed;
    sorted(Told { values, changed, gone, purged })
}

fn sorted(mut told: Told) -> Told {
    for names in [&mut told.values, &mut told.changed, &mut told.gone] {
        names.sort();
    }
    told
}

fn replay(transcript: &Transcript) -> Result<(), String> {
    let mut client = Client::new();
    for (number, line) in &transcript.lines {
        if let Some(at) = line.at {
            client.pass(at as f64);
        }
        client.step(&line.event).map_err(|error| format!("{}:{number}: {error}", transcript.file))?;
    }
    match client.page.sent.front() {
        Some(frame) => Err(format!("{}: at the end it says {frame:?}", transcript.file)),
        None => Ok(()),
    }
}

#[test]
fn the_client_does_what_every_transcript_has() {
    let all = transcripts::of(Side::Client);
    assert!(all.len() >= 20, "only {} transcripts were found", all.len());
    let failures: Vec<String> = all.iter().filter_map(|transcript| replay(transcript).err()).collect();
    assert!(failures.is_empty(), "of {} transcripts these fail:\n{}", all.len(), failures.join("\n"));
}
