//! One reader of nats-server: subscribes to a subject's subtree over WebSocket, and counts.

use std::sync::atomic::Ordering::Relaxed;

use crate::frames::push_message;
use crate::tally::Tally;

/// The protocol's state of one connection: the stream of its lines may be cut anywhere.
pub(crate) struct Reader {
    subject: String,
    rest: Vec<u8>,
}

impl Reader {
    pub(crate) fn new(subject: &str) -> Reader {
        Reader { subject: subject.into(), rest: Vec::new() }
    }

    /// Takes a message of the socket.
    pub(crate) fn message(&mut self, bytes: &[u8], out: &mut Vec<u8>, tally: &Tally) -> Result<(), String> {
        if self.rest.is_empty() {
            let read = self.lines(bytes, out, tally)?;
            self.rest.extend(&bytes[read..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.rest);
        whole.extend(bytes);
        let read = self.lines(&whole, out, tally)?;
        whole.drain(..read);
        self.rest = whole;
        Ok(())
    }

    fn lines(&self, bytes: &[u8], out: &mut Vec<u8>, tally: &Tally) -> Result<usize, String> {
        let mut read = 0;
        while let Some(length) = bytes[read..].windows(2).position(|two| two == b"\r\n") {
            let line = &bytes[read..read + length];
            let next = read + length + 2;
            if line.starts_with(b"MSG ") {
                let size = line.rsplit(|&byte| byte == b' ').next().and_then(|size| std::str::from_utf8(size).ok());
                let size: usize = size.and_then(|size| size.parse().ok()).ok_or("a MSG without its size")?;
                let Some(payload) = bytes.get(next..next + size).filter(|_| bytes.len() >= next + size + 2) else {
                    return Ok(read);
                };
                tally.frames.fetch_add(1, Relaxed);
                tally.received(payload);
                read = next + size + 2;
                continue;
            }
            if line.starts_with(b"INFO ") {
                let begin = format!(
                    "CONNECT {{\"verbose\":false,\"pedantic\":false,\"protocol\":1}}\r\nSUB {} 1\r\nPING\r\n",
                    self.subject
                );
                push_message(out, begin.as_bytes());
            } else if line == b"PING" {
                push_message(out, b"PONG\r\n");
            } else if line == b"PONG" {
                tally.live.fetch_add(1, Relaxed);
            } else {
                return Err(format!("nats-server said {}", line.escape_ascii()));
            }
            read = next;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_wherever_the_stream_is_cut() {
        let payload = Tally::payload(std::time::Duration::ZERO, 80);
        let stream = format!("INFO {{}}\r\nPONG\r\nMSG a.b 1 80\r\n{payload}\r\nPING\r\n");
        for cut in 0..stream.len() {
            let (tally, mut out) = (Tally::new(), Vec::new());
            let mut reader = Reader::new("a.>");
            for part in [&stream[..cut], &stream[cut..]] {
                reader.message(part.as_bytes(), &mut out, &tally).unwrap();
            }
            assert_eq!((tally.values.load(Relaxed), tally.live.load(Relaxed)), (1, 1), "cut at {cut}");
            assert!(out.ends_with(b"PONG\r\n"));
        }
    }
}
