//! A client of the stream, over a real socket.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use wire::{Change, ClientFrame, Codec, Mode, Position, ServerFrame, SubRef};

use crate::commits::scope;
use crate::soon;

pub(crate) struct Peer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    codec: Codec,
    requests: u32,
}

/// How a subscription began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Followed {
    pub(crate) id: u32,
    pub(crate) sid: SubRef,
    pub(crate) mode: Mode,
    pub(crate) position: Position,
}

impl Peer {
    /// Connects and says nothing.
    pub(crate) async fn connect(address: SocketAddr, codec: Codec) -> Peer {
        let mut request = format!("ws://{address}/v1/stream").into_client_request().unwrap();
        let protocol = codec.subprotocol().parse().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (socket, answer) = soon("an upgrade", connect_async(request)).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], codec.subprotocol());
        Peer { socket, codec, requests: 0 }
    }

    /// Connects and is welcomed.
    pub(crate) async fn welcomed(address: SocketAddr, codec: Codec) -> Peer {
        let mut peer = Peer::connect(address, codec).await;
        peer.say(&ClientFrame::Hello { token: None, values: true }).await;
        let frame = peer.hear().await;
        assert!(matches!(frame, ServerFrame::Welcome { .. }), "{frame:?}");
        peer
    }

    pub(crate) async fn say(&mut self, frame: &ClientFrame) {
        let message = self.encode(frame);
        self.send(message).await;
    }

    /// Says what the server may have closed before.
    pub(crate) async fn try_say(&mut self, frame: &ClientFrame) {
        let message = self.encode(frame);
        drop(self.socket.send(message).await);
    }

    fn encode(&self, frame: &ClientFrame) -> Message {
        let bytes = self.codec.encode_client(frame).unwrap();
        match self.codec {
            Codec::Postcard => Message::Binary(bytes.into()),
            Codec::Json => Message::Text(String::from_utf8(bytes).unwrap().into()),
        }
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.socket.send(message).await.unwrap();
    }

    pub(crate) async fn message(&mut self) -> Message {
        soon("a message", self.socket.next()).await.expect("the connection ended without a close frame").unwrap()
    }

    /// The next frame.
    pub(crate) async fn hear(&mut self) -> ServerFrame {
        let message = self.message().await;
        self.decode(message)
    }

    fn decode(&self, message: Message) -> ServerFrame {
        match (message, self.codec) {
            (Message::Binary(bytes), Codec::Postcard) => self.codec.decode_server(&bytes).unwrap(),
            (Message::Text(text), Codec::Json) => self.codec.decode_server(text.as_bytes()).unwrap(),
            (message, codec) => panic!("{message:?} in a session of {codec:?}"),
        }
    }

    /// The next frame that is no heartbeat. Heartbeats are answered.
    pub(crate) async fn news(&mut self) -> ServerFrame {
        let news = async {
            loop {
                match self.hear().await {
                    ServerFrame::Hb { .. } => self.say(&ClientFrame::Pong { stamp: 1 }).await,
                    frame => return frame,
                }
            }
        };
        soon("a frame that is no heartbeat", news).await
    }

    /// Follows a scope.
    pub(crate) async fn follow(&mut self, name: &str, since: Option<Position>) -> Followed {
        self.requests += 1;
        let asked = self.requests;
        self.say(&ClientFrame::Sub { id: asked, scope: scope(name), since, stamp: 1 }).await;
        match self.news().await {
            ServerFrame::SubOk { id, sid, epoch, offset, mode } if id == asked => {
                Followed { id, sid, mode, position: Position { epoch, offset } }
            }
            frame => panic!("{frame:?} in answer to sub {asked}"),
        }
    }

    /// The next change, of this subscription.
    pub(crate) async fn change(&mut self, of: Followed) -> Change {
        match self.news().await {
            ServerFrame::Change { sid, change } if sid == of.sid => change,
            frame => panic!("{frame:?} in place of a change"),
        }
    }

    /// How the server closed the connection: nothing but heartbeats may come before.
    pub(crate) async fn closed(&mut self) -> (u16, String) {
        loop {
            let message = self.message().await;
            if let Message::Close(Some(frame)) = message {
                return (frame.code.into(), frame.reason.to_string());
            }
            let frame = self.decode(message);
            assert!(matches!(frame, ServerFrame::Hb { .. }), "{frame:?} in place of a close");
        }
    }

    /// Closes from this side, and waits for the server's answer.
    pub(crate) async fn leave(mut self) {
        self.socket.close(None).await.unwrap();
        while let Some(message) = soon("the close's answer", self.socket.next()).await {
            message.expect("the server answers a close");
        }
    }
}
