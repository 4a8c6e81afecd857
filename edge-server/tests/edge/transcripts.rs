//! The transcripts of `wire/transcripts`, with this server as their other side: it is given what the client says and
//! what the store commits, and must say what they have. Every one in both codecs.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use edge_server::access::{Access, sign};
use edge_server::outbox::Mailbox;
use edge_server::publish::Hub;
use edge_server::session::{Due, Request, Session, Timing, Violation};
use edge_server::store::{Commit, Layout, Partition};
use serde_json::Value;
use transcripts::{By, Event, Names, Side, Transcript};
use wire::{CloseCode, Codec, Item, Position};

use crate::commits::{scope, tag};

const ZERO: Partition = Partition(0);
const SECRET: &str = "a secret that only the replays know of";

/// One replay.
struct Server<'a> {
    transcript: &'a Transcript,
    codec: Codec,
    hub: Hub,
    names: Names,
    now: u64,
    confirmed: bool,
    connections: u64,
    /// The connection, while there is one.
    open: Option<Open>,
}

struct Open {
    session: Session,
    mailbox: Arc<Mailbox>,
    /// Why this side has closed.
    closed: Option<Violation>,
    frames: VecDeque<Value>,
}

impl<'a> Server<'a> {
    fn new(transcript: &'a Transcript, codec: Codec) -> Server<'a> {
        let head = transcript.header.head.parse().unwrap();
        Server {
            transcript,
            codec,
            hub: Hub::new(Layout::new(1), vec![head], transcript.header.ring, 0),
            names: Names::default(),
            now: 0,
            confirmed: true,
            connections: 0,
            open: None,
        }
    }

    fn open(&mut self) -> Result<&mut Open, String> {
        self.open.as_mut().ok_or_else(|| "there is no connection".into())
    }

    fn pass(&mut self, until: u64) -> Result<(), String> {
        let due = self.open.as_ref().map(|open| open.session.poll_timeout());
        self.now = until;
        match due {
            Some(due) if due < until => Err(format!("before {until} the server speaks, at {due}")),
            _ => Ok(()),
        }
    }

    fn step(&mut self, event: &Event) -> Result<(), String> {
        if let (Some(open), Event::Cut {}) = (&mut self.open, event) {
            open.collect(self.codec);
            if let Some(frame) = open.frames.front() {
                return Err(format!("the server says {frame}, which is not expected"));
            }
        }
        match event {
            Event::Connect(connect) if !connect.never => self.connect(),
            Event::C2s(template) => {
                let mut filled = self.names.filled(template);
                self.sign_token(&mut filled);
                let text = filled.to_string();
                let frame = Codec::Json.decode_client(text.as_bytes()).map_err(|error| error.to_string())?;
                self.hear(&self.codec.encode_client(&frame).unwrap())?;
            }
            Event::C2sText(text) if self.codec == Codec::Json => self.hear(text.as_bytes())?,
            // The same fault in the other form.
            Event::C2sText(_) => self.hear(b"\xff\xff\xff")?,
            Event::C2sBytes(length) => self.hear(&vec![b'x'; *length])?,
            Event::S2c(template) | Event::S2cLost(template) => {
                let frame = self.next()?.ok_or_else(|| format!("the server does not say {template}"))?;
                self.names.check(template, &frame)?;
            }
            Event::S2cAny(templates) => {
                let mut left: Vec<&Value> = templates.iter().collect();
                while !left.is_empty() {
                    let frame = self.next()?.ok_or_else(|| format!("the server does not say {left:?}"))?;
                    let said = left.iter().position(|template| self.names.check(template, &frame).is_ok());
                    left.remove(said.ok_or_else(|| format!("of {left:?}\n    it said {frame}"))?);
                }
            }
            Event::Close(close) if close.by == By::Server => {
                let now = self.now;
                let open = self.open()?;
                if open.closed.is_none()
                    && let Due::Close(violation) = open.session.wake(now)
                {
                    open.closed = Some(violation);
                }
                let code = open.closed.as_ref().map(|violation| violation.code.code());
                if code != Some(close.code) {
                    return Err(format!("the server closes with {code:?}"));
                }
                self.end();
            }
            Event::Close(_) | Event::Cut {} => self.end(),
            Event::Commit(commit) => self.hub.publish(&Arc::new(commit_of(commit)?)),
            Event::Restart(head) => {
                let head = head.parse().unwrap();
                self.hub = Hub::new(Layout::new(1), vec![head], self.transcript.header.ring, self.now);
            }
            Event::Confirmed(confirmed) => self.confirmed = *confirmed,
            Event::Drain(drain) => {
                let open = self.open()?;
                for (sid, waiting) in open.mailbox.take() {
                    open.session.tell(sid, waiting);
                }
                open.session.say_bye(CloseCode::Drain, drain.after_ms, drain.jitter_ms);
                open.closed = Some(Violation { code: CloseCode::Drain, reason: String::new() });
            }
            // The client's own.
            _ => {}
        }
        Ok(())
    }

    fn connect(&mut self) {
        self.connections += 1;
        let timing = Timing { hb_ms: self.transcript.header.hb_ms, lease_ms: self.transcript.header.lease_ms };
        let session = Session::new(self.connections, self.codec, timing, self.now);
        let session = if self.transcript.header.tokens.is_empty() { session } else { session.guarded() };
        self.open = Some(Open { session, mailbox: Arc::default(), closed: None, frames: VecDeque::new() });
    }

    /// A token that the transcript is about, as this server takes it.
    fn sign_token(&self, frame: &mut Value) {
        let Some(shown) = frame.pointer_mut("/hello/token") else { return };
        let known = shown.as_str().and_then(|text| self.transcript.header.tokens.get(text));
        if let Some(token) = known {
            let scopes: Vec<&str> = token.scopes.iter().map(String::as_str).collect();
            *shown = sign(SECRET, (token.ends / 1_000) as i64, &scopes).into();
        }
    }

    fn end(&mut self) {
        let Some(open) = self.open.take() else { return };
        for scope in open.session.scopes() {
            self.hub.unsubscribe(scope, open.session.id());
        }
    }

    /// Takes a message, and does what the session asks for.
    fn hear(&mut self, bytes: &[u8]) -> Result<(), String> {
        let now = self.now;
        let open = self.open.as_mut().ok_or("there is no connection")?;
        if open.closed.is_some() {
            // Who has closed reads no more.
            return Ok(());
        }
        match open.session.handle(bytes, now) {
            Err(violation) => open.closed = Some(violation),
            Ok(None) => {}
            Ok(Some(Request::Greet { token })) => {
                match Access::new(&[SECRET.into()], "").judge(token.as_ref(), now as i64) {
                    Ok(grant) => open.session.admit(grant, now, now as i64),
                    Err(refusal) => open.closed = Some(refusal.into()),
                }
            }
            Ok(Some(Request::Subscribe { id, scope, since })) => {
                let begun = self.hub.subscribe(&scope, since, open.session.id(), &open.mailbox);
                open.session.begun(id, scope, begun, now);
            }
            Ok(Some(Request::Unsubscribe(scope))) => self.hub.unsubscribe(&scope, open.session.id()),
            Ok(Some(Request::Get { .. })) => return Err("values are not in transcripts".into()),
        }
        Ok(())
    }

    /// The next frame that the session says, which may be a heartbeat that is due. What waits is told when the server is
    /// expected to speak: several commits before that are a reader that takes its time.
    fn next(&mut self) -> Result<Option<Value>, String> {
        let (now, codec) = (self.now, self.codec);
        let head = self.hub.head(ZERO);
        let heads = if self.confirmed { HashMap::from([(ZERO, head)]) } else { HashMap::new() };
        let open = self.open()?;
        open.collect(codec);
        if open.frames.is_empty() {
            open.mailbox.take().into_iter().for_each(|(sid, waiting)| open.session.tell(sid, waiting));
            open.collect(codec);
        }
        if open.frames.is_empty() && open.closed.is_none() && open.session.wake(now) == Due::Heartbeat {
            open.session.beat(&heads, now);
            open.collect(codec);
        }
        Ok(open.frames.pop_front())
    }
}

impl Open {
    fn collect(&mut self, codec: Codec) {
        while let Some(bytes) = self.session.poll() {
            let frame = codec.decode_server(&bytes).unwrap();
            let json = Codec::Json.encode_server(&frame).unwrap();
            self.frames.push_back(serde_json::from_slice(&json).unwrap());
        }
    }
}

fn commit_of(given: &transcripts::Commit) -> Result<Commit, String> {
    let position: Position = given.position.parse().unwrap();
    let item = |value: &Value| {
        let mut value = value.clone();
        value["version"] = position.offset.get().into();
        // By its text, because a payload is taken from there as it is.
        serde_json::from_str::<Item>(&value.to_string()).map_err(|error| error.to_string())
    };
    Ok(Commit {
        partition: ZERO,
        position,
        items: given.items.iter().map(item).collect::<Result<_, _>>()?,
        scopes: given.scopes.iter().map(|text| scope(text)).collect(),
        tags: given.tags.iter().map(|text| tag(text)).collect(),
    })
}

fn replay(transcript: &Transcript, codec: Codec) -> Result<(), String> {
    let mut server = Server::new(transcript, codec);
    for (number, line) in &transcript.lines {
        let passed = line.at.map_or(Ok(()), |at| server.pass(at));
        let done = passed.and_then(|()| server.step(&line.event));
        done.map_err(|error| format!("{}:{number}, in {codec:?}: {error}", transcript.file))?;
    }
    let more = if server.open.is_some() { server.next()? } else { None };
    more.map_or(Ok(()), |frame| Err(format!("{}, in {codec:?}: at the end it says {frame}", transcript.file)))
}

#[test]
fn the_server_does_what_every_transcript_has() {
    let all = transcripts::of(Side::Server);
    assert!(all.len() >= 20, "only {} transcripts were found", all.len());
    let runs = all.iter().flat_map(|transcript| Codec::ALL.map(|codec| replay(transcript, codec)));
    let failures: Vec<String> = runs.filter_map(Result::err).collect();
    assert!(failures.is_empty(), "of {} transcripts these fail:\n{}", all.len(), failures.join("\n"));
}
