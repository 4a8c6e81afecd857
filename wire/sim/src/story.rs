//! What happened, in sentences.

use bytes::Bytes;
use cache_wasm::Changed;
use wire::{Body, Change, Position, ServerFrame, Span};

use crate::plan::{Plan, Step};
use crate::world::World;

/// A value's text, short.
pub(crate) fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let short: String = text.trim_matches('"').chars().filter(|&c| c != '.').take(12).collect();
    if text.len() > 40 { format!("{short} ({} bytes)", text.len()) } else { short }
}

/// A position, or that there is none.
pub(crate) fn position(position: Option<Position>) -> String {
    position.map_or("nothing".into(), |position| position.to_string())
}

/// Positions in a row.
pub(crate) fn positions(positions: &[Position]) -> String {
    let texts: Vec<String> = positions.iter().map(Position::to_string).collect();
    texts.join(", ")
}

/// A batch, as `Debug` has it, without what is long in it.
pub(crate) fn batch(shown: Option<&str>) -> String {
    let mut dots = 0;
    let short = shown.unwrap_or_default().chars().filter(|&c| {
        dots = if c == '.' { dots + 1 } else { 0 };
        dots < 3
    });
    short.collect()
}

fn span(span: Span) -> String {
    format!("({}, {}]", span.from(), span.to())
}

fn change_of(change: &Change) -> String {
    let mut parts = vec![span(change.span)];
    parts.extend(change.scopes.iter().map(|scope| format!("purge of {scope}")));
    parts.extend(change.tags.iter().map(|tag| format!("purge of tag {tag}")));
    parts.extend(change.items.iter().map(|item| {
        let what = match &item.body {
            Body::Changed => "changed".into(),
            Body::Gone => "gone".into(),
            Body::Value { payload, .. } => format!("is {}", text(payload.as_bytes())),
        };
        format!("{} {what} at {}", item.key, item.version)
    }));
    parts.join(", ")
}

/// A frame of the server's.
pub(crate) fn frame(bytes: &Bytes) -> String {
    match World::decoded(bytes) {
        None => "bytes that are no frame".into(),
        Some(ServerFrame::Welcome { .. }) => "welcome".into(),
        Some(ServerFrame::SubOk { id, sid, epoch, offset, mode }) => {
            format!("sub_ok {mode:?} of request {id} as {sid}, at {epoch}:{offset}")
        }
        Some(ServerFrame::Change { sid, change }) => format!("change of {sid}: {}", change_of(&change)),
        Some(ServerFrame::Reset { sid, epoch, offset, .. }) => format!("reset of {sid} to {epoch}:{offset}"),
        Some(ServerFrame::Hb { echo, subs }) => {
            let subs: Vec<String> = subs.iter().map(|(sid, range)| format!("{sid} {}", span(*range))).collect();
            format!("heartbeat, echo {echo:?}: {}", subs.join(", "))
        }
        Some(ServerFrame::Bye { code, .. }) => format!("bye {code}"),
        Some(ServerFrame::Got { .. }) => "got".into(),
    }
}

/// What an application is told.
pub(crate) fn changed(changed: &Changed) -> String {
    let Changed { values, changed, gone, purged, .. } = changed;
    format!("values {values:?}, changed {changed:?}, gone {gone:?}, purged {purged}")
}

/// A plan's steps, one a line.
pub fn plan(plan: &Plan) -> String {
    let mut at = 300;
    let mut lines = vec![format!(
        "seed {}, edges keep {} commits, values up to {} bytes travel",
        plan.seed, plan.ring, plan.push_max
    )];
    for (number, Step { after, op }) in plan.steps.iter().enumerate() {
        at += if number == 0 { 0 } else { *after };
        lines.push(format!("{at:>7} ms  {op:?}"));
    }
    lines.join("\n")
}

/// The sentences, one a line.
pub fn lines(story: &[(u64, String)]) -> String {
    let lines: Vec<String> = story.iter().map(|(at, sentence)| format!("{at:>7} ms  {sentence}")).collect();
    lines.join("\n")
}
