//! Values keep their text: JSON carries it as it is, digit for digit.

use proptest::prelude::*;
use wire::{Body, Change, Codec, Item, Key, Offset, Payload, ServerFrame, Span};

use crate::strategies::json;

fn frame(payload: &[u8]) -> ServerFrame {
    let payload = Payload::new(payload);
    let body = Body::Value { source_ts: 0, tags: Vec::new(), payload };
    let items = vec![Item { key: Key::parse("s:m").unwrap(), version: Offset::ZERO, body }];
    let span = Span::new(Offset::ZERO, Offset::ZERO).unwrap();
    ServerFrame::Change { sid: 1, change: Change { span, items, scopes: Vec::new(), tags: Vec::new() } }
}

/// What arrives of a payload that was sent as JSON.
fn carried(payload: &[u8]) -> Vec<u8> {
    let bytes = Codec::Json.encode_server(&frame(payload)).unwrap();
    let Ok(ServerFrame::Change { change, .. }) = Codec::Json.decode_server(&bytes) else {
        panic!("{}", bytes.escape_ascii());
    };
    let Body::Value { payload, .. } = &change.items[0].body else { panic!("{change:?}") };
    payload.as_bytes().to_vec()
}

#[test]
fn json_carries_a_payload_as_it_was_written() {
    let check = |text: &str| {
        assert_eq!(carried(text.as_bytes()), text.as_bytes(), "{text}");
        let bytes = Codec::Json.encode_server(&frame(text.as_bytes())).unwrap();
        let value = format!(r#""payload":{text}}}"#);
        assert!(String::from_utf8(bytes).unwrap().contains(&value), "{text}");
    };
    check("1.0");
    check("1.50");
    check("-0");
    check("1E+2");
    check("1e400");
    check("0.1000000000000000055511151231257827");
    check("9007199254740993");
    check("123456789012345678901234567890");
    check(r#"{"b":1,"a":2,"a":3}"#);
    check(r#""\u00e9 \/ é""#);
    check("[ 1,\n\t2 ]");
    check("null");
}

proptest! {
    #[test]
    fn json_carries_any_payload_as_it_was_written(text in json()) {
        prop_assert_eq!(carried(text.as_bytes()), text.as_bytes());
    }
}

#[test]
fn space_around_a_payload_is_not_part_of_it() {
    assert_eq!(carried(b" \n[1, 2]\t"), b"[1, 2]");
}

#[test]
fn a_payload_that_is_not_one_json_text_cannot_be_written_as_json() {
    for payload in [&b""[..], b"{", b"1 2", b"nul", b"1}", b"'a'", b"\"\xff\"", b"01", b"\xef\xbb\xbf1"] {
        assert!(Codec::Json.encode_server(&frame(payload)).is_err(), "{}", payload.escape_ascii());
        let bytes = Codec::Postcard.encode_server(&frame(payload)).unwrap();
        assert_eq!(Codec::Postcard.decode_server(&bytes), Ok(frame(payload)), "postcard carries any bytes");
    }
}

#[test]
fn a_deeply_nested_payload_does_not_use_the_stack() {
    let deep = ["[".repeat(200_000), "]".repeat(200_000)].concat();
    assert_eq!(carried(deep.as_bytes()), deep.as_bytes());
}
