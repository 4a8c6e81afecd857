//! What is never taken: frames over their length, names and numbers out of their bounds, lengths that lie.

use serde::Serialize;
use wire::codec::{ANSWER_MAX, CLIENT_FRAME_MAX, SERVER_FRAME_MAX};
use wire::position::NUMBER_END;
use wire::{Body, ClientFrame, Codec, DecodeError, Epoch, Found, Key, Offset, Payload, Position, ServerFrame};

use crate::codecs;

/// A frame that is as long as it is to be, by way of one text whose length it grows with.
fn of_length<F>(length: usize, codec: Codec, frame: impl Fn(String) -> F, encode: impl Fn(Codec, &F) -> Vec<u8>) -> F {
    let around = encode(codec, &frame("x".repeat(length - 100))).len() - (length - 100);
    let frame = frame("x".repeat(length - around));
    assert_eq!(encode(codec, &frame).len(), length);
    frame
}

#[test]
fn a_client_frame_of_the_limit_is_taken_and_one_byte_more_is_not() {
    let hello = |token| ClientFrame::Hello { token: Some(token), values: true };
    for &codec in codecs() {
        let encode = |codec: Codec, frame: &ClientFrame| codec.encode_client(frame).unwrap();
        let frame = of_length(CLIENT_FRAME_MAX, codec, hello, encode);
        assert_eq!(codec.decode_client(&encode(codec, &frame)), Ok(frame));
        let length = CLIENT_FRAME_MAX + 1;
        let longer = encode(codec, &of_length(length, codec, hello, encode));
        assert_eq!(codec.decode_client(&longer), Err(DecodeError::TooLong { length, max: CLIENT_FRAME_MAX }));
    }
}

#[test]
fn a_server_frame_over_the_limit_is_taken_only_as_an_answer() {
    let got = |text: String| {
        let as_of = Position { epoch: Epoch::new(1).unwrap(), offset: Offset::ZERO };
        let payload = Payload::new(format!("\"{text}\"").into_bytes());
        let value = Some((Offset::ZERO, Body::Value { source_ts: 0, tags: Vec::new(), payload }));
        ServerFrame::Got { id: 0, items: vec![Found { key: Key::parse("s:m").unwrap(), as_of, value, ttl_ms: None }] }
    };
    for &codec in codecs() {
        let encode = |codec: Codec, frame: &ServerFrame| codec.encode_server(frame).unwrap();
        let frame = of_length(SERVER_FRAME_MAX, codec, got, encode);
        assert_eq!(codec.decode_server(&encode(codec, &frame)), Ok(frame));
        let length = SERVER_FRAME_MAX + 1;
        let frame = of_length(length, codec, got, encode);
        let longer = encode(codec, &frame);
        assert_eq!(codec.decode_server(&longer), Err(DecodeError::TooLong { length, max: SERVER_FRAME_MAX }));
        assert_eq!(codec.decode_answer(&longer), Ok(frame));
    }
}

#[test]
fn an_answer_over_its_limit_is_refused_unread() {
    let length = ANSWER_MAX + 1;
    let bytes = vec![0; length];
    for codec in codecs() {
        assert_eq!(codec.decode_answer(&bytes), Err(DecodeError::TooLong { length, max: ANSWER_MAX }));
    }
}

/// Postcard bytes of any parts: an enum is its variant's number, a struct is its fields, a list its length and items.
fn parts(parts: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(parts).unwrap()
}

/// Whether the text is taken as a frame of the client's, and of the server's.
#[cfg(feature = "json")]
fn json_takes(text: &str) -> (bool, bool) {
    (Codec::Json.decode_client(text.as_bytes()).is_ok(), Codec::Json.decode_server(text.as_bytes()).is_ok())
}

/// Frames of both sides that hold the names, in every place that a name may have.
fn check_names(key: &str, scope: &str, tag: &str, expected: [bool; 3]) {
    let [key_is_taken, scope_is_taken, tag_is_taken] = expected;
    let span = (3u64, 4u64);
    let value = (1u32, 0i64, (1u8, tag), "1");
    let client = |bytes: Vec<u8>| Codec::Postcard.decode_client(&bytes).is_ok();
    let server = |bytes: Vec<u8>| Codec::Postcard.decode_server(&bytes).is_ok();
    let names = format!("{key:?} {scope:?} {tag:?}");
    assert_eq!(client(parts(&(3u32, 1u32, (1u8, key), None::<()>))), key_is_taken, "get: {names}");
    assert_eq!(server(parts(&(2u32, 1u32, span, (1u8, key, 4u64, 0u32), 0u8, 0u8))), key_is_taken, "item: {names}");
    assert_eq!(server(parts(&(3u32, 1u32, (1u8, key, span, None::<()>, None::<()>)))), key_is_taken, "answer: {names}");
    assert_eq!(client(parts(&(1u32, 1u32, scope, None::<()>, 5u64))), scope_is_taken, "sub: {names}");
    assert_eq!(server(parts(&(2u32, 1u32, span, 0u8, (1u8, scope), 0u8))), scope_is_taken, "purge: {names}");
    assert_eq!(server(parts(&(2u32, 1u32, span, 0u8, 0u8, (1u8, tag)))), tag_is_taken, "purged tag: {names}");
    assert_eq!(server(parts(&(2u32, 1u32, span, (1u8, "s:m", 4u64, value), 0u8, 0u8))), tag_is_taken, "tag: {names}");
    #[cfg(feature = "json")]
    {
        let change =
            |lists: &str| format!(r#"{{"change":{{"sid":1,"change":{{"span":{{"from":3,"to":4}},{lists}}}}}}}"#);
        let get = format!(r#"{{"get":{{"id":1,"keys":["{key}"],"min":null}}}}"#);
        let sub = format!(r#"{{"sub":{{"id":1,"scope":"{scope}","since":null,"stamp":5}}}}"#);
        let purge = change(&format!(r#""items":[],"scopes":["{scope}"],"tags":[]"#));
        let tags = change(&format!(r#""items":[],"scopes":[],"tags":["{tag}"]"#));
        assert_eq!(json_takes(&get).0, key_is_taken, "{get}");
        assert_eq!(json_takes(&sub).0, scope_is_taken, "{sub}");
        assert_eq!(json_takes(&purge).1, scope_is_taken, "{purge}");
        assert_eq!(json_takes(&tags).1, tag_is_taken, "{tags}");
    }
}

#[test]
fn a_name_inside_a_frame_is_checked() {
    check_names("s:m:a", "s:m:", "t", [true, true, true]);
    for key in ["", "s", "s::a", "s:m:", "s:{m}", &"k:".repeat(200)] {
        check_names(key, "s:m:", "t", [false, true, true]);
    }
    for scope in ["", "s:", "s:m", ":m:", "s:*:", &"k:".repeat(200)] {
        check_names("s:m:a", scope, "t", [true, false, true]);
    }
    for tag in ["", "a,b", "a b", "{t}", &"t".repeat(65)] {
        check_names("s:m:a", "s:m:", tag, [true, true, false]);
    }
}

#[test]
fn a_number_inside_a_frame_is_checked() {
    let check = |epoch: u64, offset: u64, is_taken: bool| {
        let sub = parts(&(1u32, 1u32, "s:m:", Some((epoch, offset)), 5u64));
        let get = parts(&(3u32, 1u32, 0u8, Some((epoch, offset))));
        let outcomes = [
            Codec::Postcard.decode_client(&sub).map(drop),
            Codec::Postcard.decode_client(&get).map(drop),
            Codec::Postcard.decode_server(&parts(&(1u32, 1u32, 1u32, epoch, offset, 0u32))).map(drop),
            Codec::Postcard.decode_server(&parts(&(4u32, 1u32, epoch, offset, ""))).map(drop),
            Codec::Postcard
                .decode_server(&parts(&(3u32, 1u32, (1u8, "s:m", epoch, offset, None::<()>, None::<()>))))
                .map(drop),
        ];
        for outcome in outcomes {
            assert_eq!(outcome.is_ok(), is_taken, "{epoch}:{offset}: {outcome:?}");
        }
        #[cfg(feature = "json")]
        {
            let since = format!(r#"{{"epoch":{epoch},"offset":{offset}}}"#);
            let sub = format!(r#"{{"sub":{{"id":1,"scope":"s:m:","since":{since},"stamp":5}}}}"#);
            let reset = format!(r#"{{"reset":{{"sid":1,"epoch":{epoch},"offset":{offset},"why":""}}}}"#);
            assert_eq!((json_takes(&sub).0, json_takes(&reset).1), (is_taken, is_taken), "{epoch}:{offset}");
        }
    };
    check(1, 0, true);
    check(NUMBER_END - 1, NUMBER_END - 1, true);
    check(0, 1, false);
    check(1, NUMBER_END, false);
    check(NUMBER_END, 1, false);
    check(u64::MAX, u64::MAX, false);
}

#[test]
fn a_range_inside_a_frame_is_checked() {
    let check = |from: u64, to: u64, is_taken: bool| {
        let outcomes = [
            Codec::Postcard.decode_server(&parts(&(2u32, 1u32, from, to, 0u8, 0u8, 0u8))),
            Codec::Postcard.decode_server(&parts(&(5u32, None::<()>, (1u8, 1u32, from, to)))),
        ];
        for outcome in outcomes {
            assert_eq!(outcome.is_ok(), is_taken, "({from}, {to}]: {outcome:?}");
        }
        #[cfg(feature = "json")]
        {
            let hb = format!(r#"{{"hb":{{"echo":null,"subs":[[1,{{"from":{from},"to":{to}}}]]}}}}"#);
            assert_eq!(json_takes(&hb).1, is_taken, "{hb}");
        }
    };
    check(3, 4, true);
    check(4, 4, true);
    check(0, NUMBER_END - 1, true);
    check(5, 4, false);
    check(NUMBER_END - 1, NUMBER_END, false);
}

#[cfg(feature = "json")]
#[test]
fn json_numbers_are_whole_and_not_negative() {
    let check = |offset: &str, is_taken: bool| {
        let frame = format!(r#"{{"reset":{{"sid":1,"epoch":1,"offset":{offset},"why":""}}}}"#);
        assert_eq!(json_takes(&frame).1, is_taken, "{frame}");
    };
    check("1", true);
    check("1.0", false);
    check("1e3", false);
    check("-1", false);
    check("\"1\"", false);
    check("null", false);
}

#[test]
fn a_lifetime_inside_a_frame_is_checked() {
    let check = |ttl_ms: u64, is_taken: bool| {
        let bytes = parts(&(3u32, 1u32, (1u8, "s:m", 1u64, 4u64, None::<()>, Some(ttl_ms))));
        assert_eq!(Codec::Postcard.decode_server(&bytes).is_ok(), is_taken, "{ttl_ms}");
        #[cfg(feature = "json")]
        {
            let found = format!(r#"{{"key":"s:m","as_of":{{"epoch":1,"offset":4}},"value":null,"ttl_ms":{ttl_ms}}}"#);
            assert_eq!(json_takes(&format!(r#"{{"got":{{"id":1,"items":[{found}]}}}}"#)).1, is_taken, "{found}");
        }
    };
    check(1, true);
    check(NUMBER_END - 1, true);
    check(0, false);
    check(NUMBER_END, false);
    check(u64::MAX, false);
}

/// A length that promises more than there is must not be believed: room for it would end the process.
#[test]
fn a_length_that_lies_is_an_error() {
    for claim in [1u64 << 60, 1 << 34, 1 << 31, 4_000, 9] {
        let client = [
            ("a token", parts(&(0u32, Some(claim)))),
            ("a scope", parts(&(1u32, 1u32, claim))),
            ("keys", parts(&(3u32, 1u32, claim))),
            ("keys, of which one is there", parts(&(3u32, 1u32, claim, "s:m:a"))),
            ("a key", parts(&(3u32, 1u32, 1u8, claim))),
        ];
        for (what, bytes) in client {
            assert!(matches!(Codec::Postcard.decode_client(&bytes), Err(DecodeError::Malformed(_))), "{what}: {claim}");
        }
        let span = (3u64, 4u64);
        let value = ("s:m:a", 4u64, 1u32, 0i64);
        let server = [
            ("items", parts(&(2u32, 1u32, span, claim))),
            ("items, of which one is there", parts(&(2u32, 1u32, span, claim, ("s:m:a", 4u64, 0u32)))),
            ("a value's tags", parts(&(2u32, 1u32, span, 1u8, value, claim))),
            ("a payload", parts(&(2u32, 1u32, span, 1u8, value, 0u8, claim))),
            ("scopes", parts(&(2u32, 1u32, span, 0u8, claim))),
            ("tags", parts(&(2u32, 1u32, span, 0u8, 0u8, claim))),
            ("answers", parts(&(3u32, 1u32, claim))),
            ("a reason", parts(&(4u32, 1u32, 1u64, 1u64, claim))),
            ("subscriptions", parts(&(5u32, None::<()>, claim))),
        ];
        for (what, bytes) in server {
            assert!(matches!(Codec::Postcard.decode_server(&bytes), Err(DecodeError::Malformed(_))), "{what}: {claim}");
            assert!(matches!(Codec::Postcard.decode_answer(&bytes), Err(DecodeError::Malformed(_))), "{what}: {claim}");
        }
    }
}
