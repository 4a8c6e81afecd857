//! RFC 6455 as `/v1/stream` keeps it, byte for byte over a plain TCP connection: the families of Autobahn's testsuite, whose
//! Python package runs on Python 2 alone and expects an echo besides. What arrives is no frame of the protocol, and
//! where RFC 6455 is content the protocol's own refusal (4009) is the sign that the message was taken whole.

use std::net::SocketAddr;

use futures_util::future::join_all;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wire::{ClientFrame, Codec};

use crate::server::{Server, start};
use crate::soon;

const CONTINUE: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// Of the first byte.
const FIN: u8 = 0x80;

/// What the server does in the end.
#[derive(Debug, PartialEq, Clone)]
enum Then {
    /// It answers so, and a ping after that: the connection is good.
    Pongs(Vec<Vec<u8>>),
    /// It closes with this code, or with none.
    Closes(Option<u16>),
}

fn goes_on() -> Then {
    Then::Pongs(Vec::new())
}

fn closes(code: u16) -> Then {
    Then::Closes(Some(code))
}

/// A frame as a client sends it: masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length @ 126..65_536 => bytes.extend([&[0xfe][..], &(length as u16).to_be_bytes()].concat()),
        length => bytes.extend([&[0xff][..], &(length as u64).to_be_bytes()].concat()),
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    bytes
}

fn whole(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(FIN | opcode, payload)
}

/// A client frame of the protocol in JSON, as text.
fn text(client: &ClientFrame) -> Vec<u8> {
    Codec::Json.encode_client(client).unwrap()
}

fn hello() -> Vec<u8> {
    text(&ClientFrame::Hello { token: None, values: true })
}

/// `unsub` of nothing: a message that is taken and not answered.
fn quiet() -> Vec<u8> {
    text(&ClientFrame::Unsub { id: 77 })
}

/// The same with so many bytes, by members that are passed over.
fn quiet_of(length: usize) -> Vec<u8> {
    let (head, tail) = (br#"{"unsub":{"id":77,"pad":""#, br#""}}"#);
    [&head[..], &vec![b'x'; length - head.len() - tail.len()], tail].concat()
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    whole(CLOSE, &[&code.to_be_bytes(), reason].concat())
}

async fn connect(address: SocketAddr, codec: Codec) -> TcpStream {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET /v1/stream HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        codec.subprotocol()
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    // RFC 6455, 1.3: the accept of this very key.
    assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
    assert!(!head.contains("sec-websocket-extensions"), "none was offered");
    socket
}

/// The next frame, which no server masks: its first byte and its payload. `None` where the connection has ended.
async fn next(socket: &mut (impl AsyncRead + Unpin)) -> Option<(u8, Vec<u8>)> {
    let (first, second) = (socket.read_u8().await.ok()?, socket.read_u8().await.ok()?);
    assert_eq!(second & 0x80, 0, "a server does not mask");
    let length = match second {
        126 => u64::from(socket.read_u16().await.ok()?),
        127 => socket.read_u64().await.ok()?,
        length => u64::from(length),
    };
    let mut payload = vec![0; length as usize];
    socket.read_exact(&mut payload).await.ok()?;
    Some((first, payload))
}

/// What the server does when it is sent these bytes in pieces.
async fn outcome(server: &Server, bytes: Vec<u8>, piece: usize) -> Then {
    let (mut reads, mut writes) = connect(server.address, Codec::Json).await.into_split();
    let sending = tokio::spawn(async move {
        for piece in bytes.chunks(piece) {
            // Who closes does not read on.
            if writes.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        writes
    });
    let mut pongs = Vec::new();
    let then = loop {
        let Some((first, payload)) = soon("a frame", next(&mut reads)).await else { break Then::Closes(None) };
        match (first & !FIN, payload) {
            _ if first & FIN == 0 || first & 0x70 != 0 => panic!("a frame that begins with {first:#x}"),
            (PONG, payload) if payload == b"the end" => return Then::Pongs(pongs),
            (PONG, payload) => pongs.push(payload),
            (CLOSE, payload) => break Then::Closes(code_of(&payload)),
            // The welcome, and heartbeats.
            (TEXT, _) => {}
            (opcode, payload) => panic!("opcode {opcode:#x} with {payload:?}"),
        }
    };
    // After a close nothing comes any more, and the server ends the connection: RFC 6455, 5.5.1 and 7.1.1.
    assert_eq!(soon("the connection's end", next(&mut reads)).await, None);
    drop(sending.await);
    then
}

fn code_of(payload: &[u8]) -> Option<u16> {
    payload.get(..2).map(|code| u16::from_be_bytes([code[0], code[1]]))
}

/// A name, the frames after `hello`, and what comes of them.
type Case = (&'static str, Vec<Vec<u8>>, Then);

/// Each case in one piece, and byte by byte where it is short; all of them at a time, because a server that refuses what
/// it cannot read waits a second for the reason to arrive.
async fn check(cases: Vec<Case>) {
    let server = &start(&[]).await;
    let checks = cases.into_iter().map(|(name, frames, expected)| async move {
        let bytes = [&[whole(TEXT, &hello())], &*frames, &[whole(PING, b"the end")]].concat().concat();
        let piece = if bytes.len() < 2_000 { 1 } else { 1_009 };
        for piece in [piece, bytes.len()] {
            let then = outcome(server, bytes.clone(), piece).await;
            assert_eq!(then, expected, "{name}, in pieces of {piece}");
        }
    });
    join_all(checks).await;
}

#[tokio::test]
async fn frames_of_every_length_are_taken() {
    let taken = |length| ("a length", vec![whole(TEXT, &quiet_of(length))], goes_on());
    let mut cases: Vec<Case> = [40, 125, 126, 127, 128, 255, 256, 65_535, 65_536].map(taken).into();
    cases.push(("one byte over the protocol's limit", vec![whole(TEXT, &quiet_of(65_537))], closes(4_009)));
    cases.push(("an empty text", vec![whole(TEXT, b"")], closes(4_009)));
    cases.push(("an empty binary message", vec![whole(BINARY, b"")], closes(4_009)));
    cases.push(("a binary message in a session of texts", vec![whole(BINARY, &quiet())], closes(4_009)));
    let mut unmasked = vec![FIN | TEXT, quiet().len() as u8];
    unmasked.extend(quiet());
    cases.push(("a frame that is not masked", vec![unmasked], closes(1_002)));
    check(cases).await;
}

#[tokio::test]
async fn pings_are_answered_with_what_they_carry() {
    let echoed = |payload: &[u8]| Then::Pongs(vec![payload.to_vec()]);
    let longest = [0xfe; 125];
    check(vec![
        ("a ping that carries nothing", vec![whole(PING, b"")], echoed(b"")),
        ("a ping that carries text", vec![whole(PING, b"Hello")], echoed(b"Hello")),
        ("a ping that carries bytes", vec![whole(PING, &[0, 0xff, 0xfe, 0xfd, 0])], echoed(&[0, 0xff, 0xfe, 0xfd, 0])),
        ("the longest ping", vec![whole(PING, &longest)], echoed(&longest)),
        ("one byte more", vec![whole(PING, &[0xfe; 126])], closes(1_002)),
        ("a pong that nobody asked for", vec![whole(PONG, b"")], goes_on()),
        ("one that carries something", vec![whole(PONG, b"unasked")], goes_on()),
        ("a pong and then a ping", vec![whole(PONG, b"unasked"), whole(PING, b"asked")], echoed(b"asked")),
        ("a pong of 126 bytes", vec![whole(PONG, &[0; 126])], closes(1_002)),
    ])
    .await;
}

#[tokio::test]
async fn bits_and_opcodes_that_mean_nothing_are_refused() {
    let mut cases: Vec<Case> = Vec::new();
    for bits in 1..=7u8 {
        for (opcode, payload) in [(TEXT, quiet()), (PING, vec![]), (CLOSE, vec![])] {
            cases.push(("reserved bits", vec![frame(FIN | bits << 4 | opcode, &payload)], closes(1_002)));
        }
    }
    for opcode in [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF] {
        cases.push(("a reserved opcode", vec![whole(opcode, b"")], closes(1_002)));
        cases.push(("one with a payload", vec![whole(opcode, b"payload"), whole(PING, b"")], closes(1_002)));
    }
    check(cases).await;
}

#[tokio::test]
async fn a_message_may_come_in_fragments_with_control_frames_between() {
    let message = quiet();
    let (head, tail) = message.split_at(7);
    let ping = whole(PING, b"between");
    let ponged = Then::Pongs(vec![b"between".to_vec()]);
    let many: Vec<Vec<u8>> = std::iter::once(frame(TEXT, b""))
        .chain(message.iter().map(|&byte| frame(CONTINUE, &[byte])))
        .chain([whole(CONTINUE, b"")])
        .collect();
    check(vec![
        ("two fragments", vec![frame(TEXT, head), whole(CONTINUE, tail)], goes_on()),
        ("a ping between", vec![frame(TEXT, head), ping.clone(), whole(CONTINUE, tail)], ponged),
        ("empty fragments and single bytes", many, goes_on()),
        ("two messages in fragments", vec![[frame(TEXT, head), whole(CONTINUE, tail)].concat().repeat(2)], goes_on()),
        ("a ping in fragments", vec![frame(PING, b"a"), whole(CONTINUE, b"b")], closes(1_002)),
        ("a pong in fragments", vec![frame(PONG, b"a"), whole(CONTINUE, b"b")], closes(1_002)),
        ("a close in fragments", vec![frame(CLOSE, b""), whole(CONTINUE, b"")], closes(1_002)),
        ("a fragment that goes on from nothing", vec![whole(CONTINUE, &message)], closes(1_002)),
        ("one that does not even end", vec![frame(CONTINUE, &message)], closes(1_002)),
        ("a new message inside of another", vec![frame(TEXT, head), whole(TEXT, &message)], closes(1_002)),
        ("after a whole message a fragment", vec![whole(TEXT, &message), whole(CONTINUE, tail)], closes(1_002)),
        ("fragments over the protocol's limit", fragments(65_537, 4_096), closes(4_009)),
        ("fragments of the protocol's limit", fragments(65_536, 4_096), goes_on()),
    ])
    .await;
}

fn fragments(length: usize, each: usize) -> Vec<Vec<u8>> {
    let message = quiet_of(length);
    let count = message.len().div_ceil(each);
    let first = |at: usize| if at == 0 { TEXT } else { CONTINUE } | if at + 1 == count { FIN } else { 0 };
    message.chunks(each).enumerate().map(|(at, piece)| frame(first(at), piece)).collect()
}

/// A message that is taken, with this text in a member that is passed over.
fn padded(text: &[u8]) -> Vec<u8> {
    [br#"{"unsub":{"id":77,"pad":""#, text, br#""}}"#].concat()
}

#[tokio::test]
async fn a_text_is_utf_8_or_refused_as_none() {
    let mut cases: Vec<Case> = Vec::new();
    for good in [
        "κόσμε",
        "\u{0}",
        "\u{7f}",
        "\u{80}",
        "\u{7ff}",
        "\u{800}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{fffd}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
    ] {
        // As a message, which JSON may refuse for its control characters; that is 4009 and not 1007.
        let taken = if good.bytes().any(|byte| byte < 0x20) { closes(4_009) } else { goes_on() };
        cases.push(("a text", vec![whole(TEXT, &padded(good.as_bytes()))], taken));
    }
    let broken: [&[u8]; 14] = [
        b"\x80",
        b"\xbf",
        b"\xc0\xaf",
        b"\xc1\xbf",
        b"\xe0\x80\xaf",
        b"\xe0\x9f\xbf",
        b"\xf0\x80\x80\xaf",
        b"\xf0\x8f\xbf\xbf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"\xfe",
        b"\xff",
    ];
    for bytes in broken {
        cases.push(("bytes that are no text", vec![whole(TEXT, &padded(bytes))], closes(1_007)));
    }
    for cut in [&b"\xce"[..], b"\xe1\xbd", b"\xf0\x9d\x84"] {
        cases.push(("a character cut off at the end", vec![whole(TEXT, cut)], closes(1_007)));
    }
    let message = padded("κ𝄞".as_bytes());
    for at in 24..32 {
        let (head, tail) = message.split_at(at);
        cases.push(("a character in two fragments", vec![frame(TEXT, head), whole(CONTINUE, tail)], goes_on()));
    }
    let bad = padded(b"\xce\xce");
    let (head, tail) = bad.split_at(26);
    cases.push(("one that is none in two fragments", vec![frame(TEXT, head), whole(CONTINUE, tail)], closes(1_007)));
    check(cases).await;
}

#[tokio::test]
async fn a_close_is_answered_with_its_code_and_nothing_comes_after() {
    let mut cases: Vec<Case> = vec![
        ("a close without a code", vec![whole(CLOSE, b"")], Then::Closes(None)),
        ("with a code and no reason", vec![close(1_000, b"")], closes(1_000)),
        ("with a reason", vec![close(1_000, "bis später".as_bytes())], closes(1_000)),
        ("with the longest reason", vec![close(1_000, &[b'x'; 123])], closes(1_000)),
        ("with one byte more", vec![close(1_000, &[b'x'; 124])], closes(1_002)),
        ("with half a code", vec![whole(CLOSE, &[3])], closes(1_002)),
        ("with a reason that is no text", vec![close(1_000, b"\xce\xba\xe1\xbd\xff")], closes(1_007)),
        ("a message after a close", vec![close(1_000, b""), whole(TEXT, &quiet())], closes(1_000)),
        ("a ping after a close", vec![close(1_000, b""), whole(PING, b"too late")], closes(1_000)),
        ("two closes", vec![close(1_000, b""), close(1_001, b"")], closes(1_000)),
        ("a close inside of a message", vec![frame(TEXT, b"{"), close(1_000, b"")], closes(1_000)),
    ];
    for code in [1_000, 1_001, 1_002, 1_003, 1_007, 1_008, 1_009, 1_010, 1_011, 3_000, 3_999, 4_000, 4_999] {
        cases.push(("a code that may be sent", vec![close(code, b"")], closes(code)));
    }
    for code in [0, 999, 1_004, 1_005, 1_006, 1_015, 1_016, 1_100, 2_000, 2_999, 5_000, 65_535] {
        cases.push(("a code that may not", vec![close(code, b"")], closes(1_002)));
    }
    check(cases).await;
}

#[tokio::test]
async fn a_message_that_is_too_long_to_be_read_is_refused_with_4009_before_it_has_come() {
    let claims = |length: u64| [&[FIN | TEXT, 0xff][..], &length.to_be_bytes(), &[0; 4]].concat();
    check(vec![
        ("600 KiB in a frame", vec![whole(TEXT, &quiet_of(600 * 1024))], closes(4_009)),
        ("600 KiB in fragments", fragments(600 * 1024, 32 * 1024), closes(4_009)),
        ("4 MiB in a frame", vec![whole(TEXT, &quiet_of(4 * 1024 * 1024))], closes(4_009)),
        ("a length of 2^40 bytes", vec![claims(1 << 40)], closes(4_009)),
        ("the greatest length there is", vec![claims(u64::MAX)], closes(4_009)),
        ("just what is still read", vec![whole(TEXT, &quiet_of(512 * 1024))], closes(4_009)),
    ])
    .await;
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_over_http() {
    let server = start(&[]).await;
    let good = [
        ("Host", "edge"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Protocol", "coherence.v1+json"),
    ];
    let ask = async |line: &str, change: (&str, Option<&str>)| {
        let mut request = format!("{line}\r\n");
        for (name, value) in good {
            let value = if name == change.0 { change.1 } else { Some(value) };
            request.extend(value.map(|value| format!("{name}: {value}\r\n")));
        }
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(soon("a head", socket.read_u8()).await.unwrap());
        }
        String::from_utf8(head).unwrap().to_lowercase()
    };
    let get = "GET /v1/stream HTTP/1.1";
    let status = |head: &str| head.split(' ').nth(1).map(str::to_owned).unwrap();
    for (line, change, expected) in [
        (get, ("", None), "101"),
        (get, ("Connection", Some("keep-alive, Upgrade")), "101"),
        (get, ("Upgrade", Some("WebSocket")), "101"),
        (get, ("Connection", None), "400"),
        (get, ("Connection", Some("close")), "400"),
        (get, ("Upgrade", None), "400"),
        (get, ("Upgrade", Some("h2c")), "400"),
        (get, ("Sec-WebSocket-Key", None), "400"),
        (get, ("Sec-WebSocket-Version", None), "426"),
        (get, ("Sec-WebSocket-Version", Some("8")), "426"),
        (get, ("Sec-WebSocket-Protocol", None), "400"),
        (get, ("Sec-WebSocket-Protocol", Some("chat")), "400"),
        ("POST /v1/stream HTTP/1.1", ("", None), "405"),
        ("GET /v1/stream HTTP/1.0", ("", None), "400"),
    ] {
        let head = ask(line, change).await;
        assert_eq!(status(&head), expected, "{line} {change:?}: {head}");
        // RFC 6455, 4.4: which version would do.
        assert_eq!(expected == "426", head.contains("sec-websocket-version: 13"), "{head}");
    }
}
