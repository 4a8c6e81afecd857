//! The least of WebSocket that a reader needs, because 10,000 full clients would take the machine from the server: an
//! upgrade, whole messages in, masked messages out. The mask is 0, which the protocol allows.

use std::net::SocketAddr;

use wire::Codec;

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The request that makes a connection a WebSocket.
pub(crate) fn upgrade(address: SocketAddr, path: &str, subprotocol: Option<Codec>) -> Vec<u8> {
    let offered = subprotocol.map(|codec| format!("Sec-WebSocket-Protocol: {}\r\n", codec.subprotocol()));
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{}\r\n",
        offered.unwrap_or_default()
    )
    .into_bytes()
}

/// The length of the answer to an upgrade, once it is there whole.
///
/// # Errors
/// The answer, when it is no 101.
pub(crate) fn upgraded(bytes: &[u8]) -> Result<Option<usize>, String> {
    let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    if bytes.starts_with(b"HTTP/1.1 101") { Ok(Some(end + 4)) } else { Err(bytes.escape_ascii().to_string()) }
}

/// Appends a message of this side.
pub(crate) fn push_message(out: &mut Vec<u8>, payload: &[u8]) {
    push(out, BINARY, payload);
}

fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(0x80 | opcode);
    match payload.len() {
        length @ 0..126 => out.push(0x80 | length as u8),
        length @ 126..65_536 => {
            out.push(0x80 | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    out.extend(payload);
}

/// Gives every whole message at the front of `bytes` to `message`, answers pings, and returns how many bytes that were.
///
/// # Errors
/// A close, or what this reader does not understand.
pub(crate) fn read(
    bytes: &[u8],
    out: &mut Vec<u8>,
    mut message: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), String>,
) -> Result<usize, String> {
    let mut read = 0;
    while let Some((opcode, start, end)) = frame(&bytes[read..])? {
        let payload = &bytes[read + start..read + end];
        match opcode {
            BINARY => message(payload, out)?,
            PING => push(out, PONG, payload),
            PONG => {}
            CLOSE => return Err(closed(payload)),
            other => return Err(format!("a frame of kind {other}")),
        }
        read += end;
    }
    Ok(read)
}

/// The kind of the frame at the front, and where its payload begins and ends; none when it is not there whole.
fn frame(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, String> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err(format!("a frame that begins with {first:#x} {second:#x}: in pieces, packed or masked"));
    }
    let (start, length) = match (second, rest) {
        (126, [a, b, ..]) => (4, usize::from(u16::from_be_bytes([*a, *b]))),
        (127, [a, b, c, d, e, f, g, h, ..]) => (10, u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]) as usize),
        (126 | 127, _) => return Ok(None),
        (length, _) => (2, usize::from(*length)),
    };
    let end = start + length;
    Ok((bytes.len() >= end).then_some((first & 0x0f, start, end)))
}

fn closed(payload: &[u8]) -> String {
    match payload {
        [a, b, reason @ ..] => format!("closed with {}: {}", u16::from_be_bytes([*a, *b]), reason.escape_ascii()),
        _ => "closed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        push(&mut bytes, opcode, payload);
        // A server's frame is the same without the mask.
        let mask = bytes.len() - payload.len() - 4;
        bytes.drain(mask..mask + 4);
        bytes[1] &= 0x7f;
        bytes
    }

    #[test]
    fn messages_of_every_length_are_read_whole_however_they_are_cut() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; length];
            let bytes = [server_frame(BINARY, &payload), server_frame(BINARY, b"next")].concat();
            let whole = bytes.len() - 6;
            for cut in [1, whole - 1, whole, whole + 1] {
                let mut seen = Vec::new();
                let note = |message: &[u8], _: &mut Vec<u8>| {
                    seen.push(message.to_vec());
                    Ok(())
                };
                let read = read(&bytes[..cut], &mut Vec::new(), note).unwrap();
                assert_eq!(read, if cut < whole { 0 } else { whole }, "{length} bytes cut at {cut}");
                assert_eq!(seen.first().is_some_and(|first| *first == payload), cut >= whole);
            }
        }
    }

    #[test]
    fn a_ping_is_answered_and_a_close_ends_it() {
        let mut out = Vec::new();
        let nothing = |_: &[u8], _: &mut Vec<u8>| Ok(());
        assert_eq!(read(&server_frame(PING, b"hi"), &mut out, nothing), Ok(4));
        assert_eq!(out, [0x80 | PONG, 0x82, 0, 0, 0, 0, b'h', b'i']);
        let close = server_frame(CLOSE, &[&4_008_u16.to_be_bytes()[..], b"slow"].concat());
        assert_eq!(read(&close, &mut out, nothing), Err("closed with 4008: slow".into()));
    }
}
