//! One instance of every frame, byte for byte.
//!
//! Peers of either form are deployed apart from each other. If one of these fails, the form has changed: that needs a
//! new subprotocol name in `codec.rs`, spoken beside the old one, and new instances here beside these.

use wire::{
    Body, Change, ClientFrame, Codec, Epoch, Found, Item, Key, Limits, Mode, Offset, Payload, Position, Scope,
    ServerFrame, Span, Tag,
};

fn key(text: &str) -> Key {
    Key::parse(text).unwrap()
}

fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

fn tag(text: &str) -> Tag {
    Tag::parse(text).unwrap()
}

fn epoch(number: u64) -> Epoch {
    Epoch::new(number).unwrap()
}

fn offset(number: u64) -> Offset {
    Offset::new(number).unwrap()
}

fn at(text: &str) -> Position {
    text.parse().unwrap()
}

fn span(from: u64, to: u64) -> Span {
    Span::new(offset(from), offset(to)).unwrap()
}

fn value(source_ts: i64, tags: &[&str], payload: &str) -> Body {
    let tags = tags.iter().map(|text| tag(text)).collect();
    Body::Value { source_ts, tags, payload: Payload::new(payload.as_bytes()) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Spaces and line ends in `expected_hex` only set its fields apart.
fn check(codec: Codec, written: &[u8], expected_hex: &str, expected_json: &str) {
    match codec {
        Codec::Postcard => assert_eq!(hex(written), expected_hex.split_whitespace().collect::<String>()),
        Codec::Json => assert_eq!(String::from_utf8_lossy(written), expected_json),
    }
}

fn check_client(frame: &ClientFrame, expected_hex: &str, expected_json: &str) {
    for codec in crate::codecs() {
        let bytes = codec.encode_client(frame).unwrap();
        check(*codec, &bytes, expected_hex, expected_json);
        assert_eq!(codec.decode_client(&bytes).as_ref(), Ok(frame));
    }
}

fn check_server(frame: &ServerFrame, expected_hex: &str, expected_json: &str) {
    for codec in crate::codecs() {
        let bytes = codec.encode_server(frame).unwrap();
        check(*codec, &bytes, expected_hex, expected_json);
        assert_eq!(codec.decode_server(&bytes).as_ref(), Ok(frame));
    }
}

/// A frame that is added fails to compile here until it has its instance below.
const _: fn(ClientFrame) = |frame| match frame {
    ClientFrame::Hello { token: _, values: _ } => {}
    ClientFrame::Sub { id: _, scope: _, since: _, stamp: _ } => {}
    ClientFrame::Unsub { id: _ } => {}
    ClientFrame::Get { id: _, keys: _, min: _ } => {}
    ClientFrame::Pong { stamp: _ } => {}
};

const _: fn(ServerFrame) = |frame| match frame {
    ServerFrame::Welcome { session: _, hb_ms: _, lease_ms: _, limits: _ } => {}
    ServerFrame::SubOk { id: _, sid: _, epoch: _, offset: _, mode: _ } => {}
    ServerFrame::Change { sid: _, change: Change { span: _, items: _, scopes: _, tags: _ } } => {}
    ServerFrame::Got { id: _, items: _ } => {}
    ServerFrame::Reset { sid: _, epoch: _, offset: _, why: _ } => {}
    ServerFrame::Hb { echo: _, subs: _ } => {}
    ServerFrame::Bye { code: _, after_ms: _, jitter_ms: _ } => {}
};

#[test]
fn the_subprotocols_have_these_names() {
    assert_eq!(Codec::ALL.map(Codec::subprotocol), ["coherence.v1+postcard", "coherence.v1+json"]);
}

#[test]
fn hello() {
    check_client(
        &ClientFrame::Hello { token: Some("tok".into()), values: true },
        "00 01 03 746f6b 01",
        r#"{"hello":{"token":"tok","values":true}}"#,
    );
    check_client(
        &ClientFrame::Hello { token: None, values: false },
        "00 00 00",
        r#"{"hello":{"token":null,"values":false}}"#,
    );
}

#[test]
fn sub() {
    check_client(
        &ClientFrame::Sub { id: 300, scope: scope("s:m:"), since: Some(at("7:10")), stamp: 1_000 },
        "01 ac02 04 733a6d3a 01 07 0a e807",
        r#"{"sub":{"id":300,"scope":"s:m:","since":{"epoch":7,"offset":10},"stamp":1000}}"#,
    );
    check_client(
        &ClientFrame::Sub { id: 1, scope: scope("s:m:"), since: None, stamp: 0 },
        "01 01 04 733a6d3a 00 00",
        r#"{"sub":{"id":1,"scope":"s:m:","since":null,"stamp":0}}"#,
    );
}

#[test]
fn unsub() {
    check_client(&ClientFrame::Unsub { id: 9 }, "02 09", r#"{"unsub":{"id":9}}"#);
}

#[test]
fn get() {
    check_client(
        &ClientFrame::Get { id: 2, keys: vec![key("s:m:a"), key("s:m:\"é\"")], min: Some(at("9007199254740991:1")) },
        "03 02 02 05 733a6d3a61 08 733a6d3a22c3a922 01 ffffffffffffff0f 01",
        r#"{"get":{"id":2,"keys":["s:m:a","s:m:\"é\""],"min":{"epoch":9007199254740991,"offset":1}}}"#,
    );
}

#[test]
fn pong() {
    check_client(&ClientFrame::Pong { stamp: 1_000 }, "04 e807", r#"{"pong":{"stamp":1000}}"#);
}

#[test]
fn welcome() {
    let limits = Limits { frame_bytes: 65_536, subscriptions: 256, get_keys: 1_000 };
    check_server(
        &ServerFrame::Welcome { session: 5, hb_ms: 5_000, lease_ms: 15_000, limits },
        "00 05 8827 9875 808004 8002 e807",
        concat!(
            r#"{"welcome":{"session":5,"hb_ms":5000,"lease_ms":15000,"#,
            r#""limits":{"frame_bytes":65536,"subscriptions":256,"get_keys":1000}}}"#,
        ),
    );
}

#[test]
fn sub_ok_in_each_mode() {
    for (mode, number, name) in
        [(Mode::Fresh, "00", "fresh"), (Mode::Replayed, "01", "replayed"), (Mode::Reset, "02", "reset")]
    {
        check_server(
            &ServerFrame::SubOk { id: 300, sid: 9, epoch: epoch(7), offset: offset(10), mode },
            &format!("01 ac02 09 07 0a {number}"),
            &format!(r#"{{"sub_ok":{{"id":300,"sid":9,"epoch":7,"offset":10,"mode":"{name}"}}}}"#),
        );
    }
}

#[test]
fn change_with_each_body() {
    let items = vec![
        Item { key: key("s:m:a"), version: offset(11), body: Body::Changed },
        Item { key: key("s:m:b"), version: offset(12), body: value(-2, &["t", "u"], r#"{"n":1.50}"#) },
        Item { key: key("s:m:c"), version: offset(12), body: Body::Gone },
    ];
    let change = Change { span: span(10, 12), items, scopes: vec![scope("s:m:x:")], tags: vec![tag("t")] };
    check_server(
        &ServerFrame::Change { sid: 9, change },
        "02 09 0a 0c
         03  05 733a6d3a61 0b 00
             05 733a6d3a62 0c 01 03 02 01 74 01 75 0a 7b226e223a312e35307d
             05 733a6d3a63 0c 02
         01  06 733a6d3a783a
         01  01 74",
        concat!(
            r#"{"change":{"sid":9,"change":{"span":{"from":10,"to":12},"items":["#,
            r#"{"key":"s:m:a","version":11,"body":"changed"},"#,
            r#"{"key":"s:m:b","version":12,"body":{"value":{"source_ts":-2,"tags":["t","u"],"payload":{"n":1.50}}}},"#,
            r#"{"key":"s:m:c","version":12,"body":"gone"}],"#,
            r#""scopes":["s:m:x:"],"tags":["t"]}}}"#,
        ),
    );
}

#[test]
fn got() {
    let items = vec![
        Found {
            key: key("s:m:a"),
            as_of: at("7:12"),
            value: Some((offset(11), value(3, &[], "[1, 2]"))),
            ttl_ms: Some(1_000),
        },
        Found { key: key("s:m:b"), as_of: at("8:1"), value: None, ttl_ms: None },
    ];
    check_server(
        &ServerFrame::Got { id: 2, items },
        "03 02 02
         05 733a6d3a61 07 0c 01 0b 01 06 00 06 5b312c20325d 01 e807
         05 733a6d3a62 08 01 00 00",
        concat!(
            r#"{"got":{"id":2,"items":["#,
            r#"{"key":"s:m:a","as_of":{"epoch":7,"offset":12},"#,
            r#""value":[11,{"value":{"source_ts":3,"tags":[],"payload":[1, 2]}}],"ttl_ms":1000},"#,
            r#"{"key":"s:m:b","as_of":{"epoch":8,"offset":1},"value":null,"ttl_ms":null}]}}"#,
        ),
    );
}

#[test]
fn reset() {
    check_server(
        &ServerFrame::Reset { sid: 9, epoch: epoch(8), offset: offset(0), why: "lost".into() },
        "04 09 08 00 04 6c6f7374",
        r#"{"reset":{"sid":9,"epoch":8,"offset":0,"why":"lost"}}"#,
    );
}

#[test]
fn hb() {
    check_server(
        &ServerFrame::Hb { echo: Some(1_000), subs: vec![(9, span(10, 12)), (300, span(5, 5))] },
        "05 01 e807 02 09 0a 0c ac02 05 05",
        r#"{"hb":{"echo":1000,"subs":[[9,{"from":10,"to":12}],[300,{"from":5,"to":5}]]}}"#,
    );
    check_server(&ServerFrame::Hb { echo: None, subs: vec![] }, "05 00 00", r#"{"hb":{"echo":null,"subs":[]}}"#);
}

#[test]
fn bye() {
    check_server(
        &ServerFrame::Bye { code: 4_000, after_ms: 200, jitter_ms: 2_000 },
        "06 a01f c801 d00f",
        r#"{"bye":{"code":4000,"after_ms":200,"jitter_ms":2000}}"#,
    );
}
