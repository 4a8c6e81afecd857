//! Arbitrary names, numbers and frames, their bounds among them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use wire::key::NAME_MAX;
use wire::position::NUMBER_END;
use wire::{
    Body, Change, ClientFrame, Epoch, Found, Item, Key, Limits, Mode, Offset, Payload, Position, Scope, ServerFrame,
    Span, Tag,
};

/// Two to six segments, with characters that JSON escapes or that take several bytes.
fn segments() -> impl Strategy<Value = String> {
    vec(r#"[a-z0-9+/.,'"\\é日𝄞-]{1,8}"#, 2..=6).prop_map(|segments| segments.join(":"))
}

pub(crate) fn key() -> impl Strategy<Value = Key> {
    let longest = format!("s:{}", "k".repeat(NAME_MAX - 2));
    let widest = ["a"; wire::key::SEGMENTS_MAX].join(":");
    prop_oneof![16 => segments(), 1 => Just(longest), 1 => Just(widest)].prop_map(|text| Key::parse(&text).unwrap())
}

pub(crate) fn scope() -> impl Strategy<Value = Scope> {
    segments().prop_map(|text| Scope::parse(&format!("{text}:")).unwrap())
}

pub(crate) fn tag() -> impl Strategy<Value = Tag> {
    r#"[a-z0-9:"\\-]{1,16}"#.prop_map(|text| Tag::parse(&text).unwrap())
}

/// Small ones, any, and the last.
fn number(least: u64) -> impl Strategy<Value = u64> {
    prop_oneof![least..300, least..NUMBER_END, Just(least), Just(NUMBER_END - 1)]
}

pub(crate) fn offset() -> impl Strategy<Value = Offset> {
    number(0).prop_map(|number| Offset::new(number).unwrap())
}

pub(crate) fn epoch() -> impl Strategy<Value = Epoch> {
    number(1).prop_map(|number| Epoch::new(number).unwrap())
}

pub(crate) fn position() -> impl Strategy<Value = Position> {
    (epoch(), offset()).prop_map(|(epoch, offset)| Position { epoch, offset })
}

pub(crate) fn span() -> impl Strategy<Value = Span> {
    (offset(), offset()).prop_map(|(a, b)| Span::new(a.min(b), a.max(b)).unwrap())
}

/// JSON text, with forms that a parser would write differently.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        r"-?(0|[1-9][0-9]{0,29})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,3})?",
        r#""([a-zé日 ]|\\n|\\"|\\/|\\u00e9){0,12}""#,
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let space = " {0,2}";
        prop_oneof![
            (vec(inner.clone(), 0..4), space).prop_map(|(items, space)| format!("[{space}{}]", items.join(","))),
            (vec(("[a-c]", inner), 0..4), space).prop_map(|(members, space)| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}{space}}}", members.join(", "))
            }),
        ]
    })
}

pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    json().prop_map(|text| Payload::new(text.into_bytes()))
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        Just(Body::Changed),
        Just(Body::Gone),
        (any::<i64>(), vec(tag(), 0..3), payload()).prop_map(|(source_ts, tags, payload)| Body::Value {
            source_ts,
            tags,
            payload
        }),
    ]
}

fn item() -> impl Strategy<Value = Item> {
    (key(), offset(), body()).prop_map(|(key, version, body)| Item { key, version, body })
}

fn change() -> impl Strategy<Value = Change> {
    (span(), vec(item(), 0..5), vec(scope(), 0..3), vec(tag(), 0..3)).prop_map(|(span, items, scopes, tags)| Change {
        span,
        items,
        scopes,
        tags,
    })
}

fn found() -> impl Strategy<Value = Found> {
    (key(), position(), option::of((offset(), body())), option::of(1..NUMBER_END))
        .prop_map(|(key, as_of, value, ttl_ms)| Found { key, as_of, value, ttl_ms })
}

fn limits() -> impl Strategy<Value = Limits> {
    any::<(u32, u32, u32)>().prop_map(|(frame_bytes, subscriptions, get_keys)| Limits {
        frame_bytes,
        subscriptions,
        get_keys,
    })
}

/// Any client frame.
pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    prop_oneof![
        (option::of(".{0,20}"), any::<bool>()).prop_map(|(token, values)| ClientFrame::Hello { token, values }),
        (any::<u32>(), scope(), option::of(position()), any::<u64>())
            .prop_map(|(id, scope, since, stamp)| ClientFrame::Sub { id, scope, since, stamp }),
        any::<u32>().prop_map(|id| ClientFrame::Unsub { id }),
        (any::<u32>(), vec(key(), 0..5), option::of(position())).prop_map(|(id, keys, min)| ClientFrame::Get {
            id,
            keys,
            min
        }),
        any::<u64>().prop_map(|stamp| ClientFrame::Pong { stamp }),
    ]
}

/// Any server frame.
pub(crate) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    let mode = prop_oneof![Just(Mode::Fresh), Just(Mode::Replayed), Just(Mode::Reset)];
    prop_oneof![
        (any::<u64>(), any::<u32>(), any::<u32>(), limits()).prop_map(|(session, hb_ms, lease_ms, limits)| {
            ServerFrame::Welcome { session, hb_ms, lease_ms, limits }
        }),
        (any::<u32>(), any::<u32>(), epoch(), offset(), mode)
            .prop_map(|(id, sid, epoch, offset, mode)| ServerFrame::SubOk { id, sid, epoch, offset, mode }),
        (any::<u32>(), change()).prop_map(|(sid, change)| ServerFrame::Change { sid, change }),
        (any::<u32>(), vec(found(), 0..5)).prop_map(|(id, items)| ServerFrame::Got { id, items }),
        (any::<u32>(), epoch(), offset(), ".{0,20}").prop_map(|(sid, epoch, offset, why)| ServerFrame::Reset {
            sid,
            epoch,
            offset,
            why
        }),
        (option::of(any::<u64>()), vec((any::<u32>(), span()), 0..5))
            .prop_map(|(echo, subs)| ServerFrame::Hb { echo, subs }),
        any::<(u16, u32, u32)>().prop_map(|(code, after_ms, jitter_ms)| ServerFrame::Bye { code, after_ms, jitter_ms }),
    ]
}
