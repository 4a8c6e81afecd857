//! The socket of one connection: moves messages between axum and a connection, and gives up on a reader that stopped.

use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use metrics::Counter;
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};
use wire::{Body, CloseCode, Codec, Found};

use crate::app::{Edge, raised};
use crate::connection::{Connection, PROGRESS_MS, Taken};
use crate::session::{Session, Violation};

/// How long one frame may take to leave.
const PROGRESS: Duration = Duration::from_millis(PROGRESS_MS);
/// Bytes of the values of one `got`, well under what a client takes as one frame.
const GOT_MAX: usize = wire::codec::SERVER_FRAME_MAX / 2;
/// How long the other side's part of a close is waited for.
const CLOSING: Duration = Duration::from_secs(1);
/// How long after a drain clients come back, in milliseconds, and over how much more they spread.
const DRAIN_AFTER_MS: u32 = 200;
const DRAIN_JITTER_MS: u32 = 2_000;

/// What is counted of each frame: looked up by its name once, not each time.
struct Sent {
    frames: Counter,
    bytes: Counter,
}

static SENT: LazyLock<Sent> = LazyLock::new(|| Sent {
    frames: metrics::counter!("edge_frames_sent_total"),
    bytes: metrics::counter!("edge_bytes_sent_total"),
});

/// Why a connection's loop ended.
enum End {
    /// The client closed, or the network did.
    Gone,
    /// This side closes.
    Close(Violation),
    /// What came is no WebSocket message that could be read: nothing more is.
    Broken(u16, String),
}

/// What a reading that failed means to the other side, if it is still there: RFC 6455, 7.4.1.
fn broken(error: axum::Error) -> End {
    use tungstenite::Error;
    match error.into_inner().downcast_ref() {
        Some(error @ Error::Capacity(_)) => End::Broken(CloseCode::Protocol.code(), error.to_string()),
        Some(error @ Error::Protocol(_)) => End::Broken(1002, error.to_string()),
        Some(error @ Error::Utf8(_)) => End::Broken(1007, error.to_string()),
        _ => End::Gone,
    }
}

/// Serves a connection until it ends.
pub async fn serve(mut socket: WebSocket, codec: Codec, edge: Arc<Edge>) {
    // Held until the connection has closed: the server waits for that when it goes away.
    let mut draining = edge.draining();
    let id = edge.next_connection();
    let session = Session::new(id, codec, edge.timing(), edge.clock_ms());
    let session = if edge.access().is_open() { session } else { session.guarded() };
    let mut connection = Connection::new(session);
    metrics::gauge!("edge_connections").increment(1.0);
    let end = converse(&mut socket, &mut connection, &edge, &mut draining).await;
    connection.leave(edge.hub());
    metrics::gauge!("edge_connections").decrement(1.0);
    match end {
        End::Gone => {}
        End::Close(Violation { code, reason }) => close(&mut socket, id, code.code(), &reason).await,
        End::Broken(code, reason) => {
            close(&mut socket, id, code, &reason).await;
            // What the client is still sending is not read. Ending the connection over it would reset it, and with that
            // take the reason away from who has not read it yet.
            return sleep(CLOSING).await;
        }
    }
    // Reading on sends the answer to the client's close, or takes the client's answer to this side's.
    let closed = async { while let Some(Ok(_)) = socket.recv().await {} };
    drop(timeout(CLOSING, closed).await);
}

async fn close(socket: &mut WebSocket, session: u64, code: u16, reason: &str) {
    metrics::counter!("edge_closed_total", "code" => code.to_string()).increment(1);
    tracing::info!(session, code, reason, "closing a connection");
    // A close frame holds at most 123 bytes of reason.
    let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
    let frame = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
    drop(timeout(PROGRESS, socket.send(frame)).await);
}

async fn converse(
    socket: &mut WebSocket,
    connection: &mut Connection,
    edge: &Arc<Edge>,
    draining: &mut watch::Receiver<bool>,
) -> End {
    let mailbox = connection.mailbox().clone();
    // Both live as long as the loop: a timer that is set anew for each frame is a good part of what a frame costs.
    let mut drained = pin!(raised(draining));
    let mut alarm = pin!(sleep_until(edge.instant(connection.poll_timeout())));
    loop {
        if let Err(violation) = connection.tell(edge.clock_ms()) {
            return End::Close(violation);
        }
        if let Err(end) = flush(socket, connection).await {
            return end;
        }
        let due = edge.instant(connection.poll_timeout());
        if alarm.deadline() != due {
            alarm.as_mut().reset(due);
        }
        tokio::select! {
            message = socket.recv() => {
                let message = match message {
                    Some(Ok(message)) => message,
                    Some(Err(error)) => return broken(error),
                    None => return End::Gone,
                };
                if let Err(end) = received(message, connection, edge).await {
                    return end;
                }
            }
            () = mailbox.notify.notified() => {}
            () = &mut alarm => {
                if let Err(violation) = connection.wake(edge.hub(), edge.clock_ms()) {
                    return End::Close(violation);
                }
            }
            () = &mut drained => {
                connection.say_bye(CloseCode::Drain, DRAIN_AFTER_MS, DRAIN_JITTER_MS);
                if let Err(end) = flush(socket, connection).await {
                    return end;
                }
                return End::Close(Violation { code: CloseCode::Drain, reason: "the server is going away".into() });
            }
        }
    }
}

async fn received(message: Message, connection: &mut Connection, edge: &Arc<Edge>) -> Result<(), End> {
    let bytes: Bytes = match (message, connection.session().codec()) {
        (Message::Binary(bytes), Codec::Postcard) => bytes,
        (Message::Text(text), Codec::Json) => text.into(),
        (Message::Close(_), _) => return Err(End::Gone),
        (Message::Ping(_) | Message::Pong(_), _) => return Ok(()),
        (Message::Binary(_) | Message::Text(_), codec) => {
            let kind = if codec == Codec::Postcard { "binary" } else { "text" };
            let reason = format!("{} is spoken in {kind} messages", codec.subprotocol());
            return Err(End::Close(Violation { code: CloseCode::Protocol, reason }));
        }
    };
    match connection.handle(&bytes, edge.hub(), edge.clock_ms()).map_err(End::Close)? {
        Taken::Done => {}
        Taken::Greet { token } => {
            let wall_ms = edge.wall_ms();
            let grant = edge.access().judge(token.as_ref(), wall_ms);
            let grant = grant.map_err(|refusal| End::Close(refusal.into()))?;
            connection.admit(grant, edge.clock_ms(), wall_ms);
        }
        Taken::Following(mode) => {
            metrics::counter!("edge_subscriptions_total", "mode" => format!("{mode:?}").to_lowercase()).increment(1);
        }
        Taken::Get { id, keys, min } => {
            let found = edge
                .find(&keys, min)
                .await
                .map_err(|error| End::Close(Violation { code: CloseCode::StateLost, reason: error.to_string() }))?;
            let bytes: usize = found.iter().map(size_of).sum();
            if bytes > GOT_MAX {
                let reason = format!("the answer to get {id} has over {GOT_MAX} bytes; name fewer keys");
                return Err(End::Close(Violation { code: CloseCode::Protocol, reason }));
            }
            connection.got(id, found);
        }
    }
    Ok(())
}

fn size_of(found: &Found) -> usize {
    match &found.value {
        Some((_, Body::Value { payload, .. })) => found.key.as_str().len() + payload.as_bytes().len(),
        _ => found.key.as_str().len(),
    }
}

async fn flush(socket: &mut WebSocket, connection: &mut Connection) -> Result<(), End> {
    while let Some(bytes) = connection.poll() {
        SENT.frames.increment(1);
        SENT.bytes.increment(bytes.len() as u64);
        let message = match connection.session().codec() {
            Codec::Postcard => Message::Binary(bytes),
            // The JSON codec writes UTF-8.
            Codec::Json => Message::Text(bytes.try_into().map_err(|_| End::Gone)?),
        };
        match timeout(PROGRESS, socket.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(End::Gone),
            Err(_) => {
                let reason = "no progress for 15 s".into();
                return Err(End::Close(Violation { code: CloseCode::Slow, reason }));
            }
        }
    }
    Ok(())
}
