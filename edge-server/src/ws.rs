//! The socket of one connection: moves messages between axum and a connection, and gives up on a reader that stopped.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
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

/// Why a connection's loop ended.
enum End {
    /// The client closed, or the network did.
    Gone,
    /// This side closes.
    Close(Violation),
}

/// Serves a connection until it ends.
pub async fn serve(mut socket: WebSocket, codec: Codec, edge: Arc<Edge>) {
    // Held until the connection has closed: the server waits for that when it goes away.
    let mut draining = edge.draining();
    let id = edge.next_connection();
    let mut connection = Connection::new(Session::new(id, codec, edge.timing(), edge.clock_ms()));
    metrics::gauge!("edge_connections").increment(1.0);
    let end = converse(&mut socket, &mut connection, &edge, &mut draining).await;
    connection.leave(edge.hub());
    metrics::gauge!("edge_connections").decrement(1.0);
    if let End::Close(Violation { code, reason }) = end {
        metrics::counter!("edge_closed_total", "code" => code.code().to_string()).increment(1);
        tracing::info!(session = id, code = code.code(), reason, "closing a connection");
        // A close frame holds at most 123 bytes of reason.
        let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
        let frame = Message::Close(Some(CloseFrame { code: code.code(), reason: reason.into() }));
        drop(timeout(PROGRESS, socket.send(frame)).await);
    }
    // Reading on sends the answer to the client's close, or takes the client's answer to this side's.
    let closed = async { while let Some(Ok(_)) = socket.recv().await {} };
    drop(timeout(CLOSING, closed).await);
}

async fn converse(
    socket: &mut WebSocket,
    connection: &mut Connection,
    edge: &Arc<Edge>,
    draining: &mut watch::Receiver<bool>,
) -> End {
    let mailbox = connection.mailbox().clone();
    loop {
        connection.tell();
        if let Err(end) = flush(socket, connection).await {
            return end;
        }
        let due = Instant::now() + Duration::from_millis(connection.poll_timeout().saturating_sub(edge.clock_ms()));
        tokio::select! {
            message = socket.recv() => {
                let Some(Ok(message)) = message else { return End::Gone };
                if let Err(end) = received(message, connection, edge).await {
                    return end;
                }
            }
            () = mailbox.notify.notified() => {}
            () = sleep_until(due) => {
                if let Err(violation) = connection.wake(edge.hub(), edge.clock_ms()) {
                    return End::Close(violation);
                }
            }
            () = raised(draining) => {
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
        metrics::counter!("edge_frames_sent_total").increment(1);
        metrics::counter!("edge_bytes_sent_total").increment(bytes.len() as u64);
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
