//! A reader that stops reading, and later reads on. It keeps every value it is told, as a page would, so that at the end
//! it can be compared with the server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use wire::{
    Body, Change, ClientFrame, Codec, Cursor, Key, Mode, Offset, Position, Scope, ServerFrame, SubRef, Verdict,
};

/// Values under a scope: version and bytes.
pub(crate) type Values = BTreeMap<Key, (Offset, Vec<u8>)>;

/// So little that it is full soon after nobody reads.
const RECEIVE_BUFFER: u32 = 4 * 1024;

/// What the readers are to do.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Read,
    Stop,
    /// Read on until these positions are vouched for, then end.
    Reach(Vec<Position>),
}

/// How it went on after it had stopped.
#[derive(Debug, Default, Clone)]
pub(crate) struct Story {
    /// Scopes that it was told to drop, and read whole again.
    pub(crate) purged: u32,
    /// How the server closed its connection, if it did.
    pub(crate) closed: Option<String>,
    /// Subscriptions that went on after their cursor on a new connection.
    pub(crate) replayed: u32,
    /// Subscriptions that began anew.
    pub(crate) reset: u32,
}

/// A running reader: how it went on and what it has, once it has reached what it was ordered to.
pub(crate) type Laggard = JoinHandle<Result<(Story, Values)>>;

struct Following {
    scope: Scope,
    sid: Option<SubRef>,
    cursor: Option<Cursor>,
    /// Up to where the server vouched.
    vouched: Option<Position>,
    begun: bool,
}

struct Reader {
    address: SocketAddr,
    http: reqwest::Client,
    following: Vec<Following>,
    values: Values,
    story: Story,
}

/// Starts one that follows these scopes.
pub(crate) fn start(
    address: SocketAddr,
    http: reqwest::Client,
    scopes: &[Scope],
    orders: watch::Receiver<Order>,
    begun: Arc<tokio::sync::Semaphore>,
) -> Laggard {
    let follow =
        |scope: &Scope| Following { scope: scope.clone(), sid: None, cursor: None, vouched: None, begun: false };
    let following = scopes.iter().map(follow).collect();
    let reader = Reader { address, http, following, values: Values::new(), story: Story::default() };
    tokio::spawn(reader.run(orders, begun))
}

/// Everything under a scope as the server has it, and as of when.
pub(crate) async fn snapshot(http: &reqwest::Client, address: SocketAddr, scope: &Scope) -> Result<(Position, Values)> {
    let request = http.get(format!("http://{address}/v1/entries?scope={scope}"));
    let response = request.header("accept", "application/vnd.coherence+postcard").send().await?.error_for_status()?;
    let as_of = response.headers().get("cache-as-of").and_then(|text| text.to_str().ok()?.parse().ok());
    let bytes = response.bytes().await?;
    let ServerFrame::Got { items, .. } = Codec::Postcard.decode_answer(&bytes)? else { bail!("no answer of values") };
    let as_of: Position = as_of.context("an answer without its position")?;
    let value = |found: wire::Found| match found.value {
        Some((version, Body::Value { payload, .. })) => Some((found.key, (version, payload.as_bytes().to_vec()))),
        _ => None,
    };
    Ok((as_of, items.into_iter().filter_map(value).collect()))
}

impl Reader {
    async fn run(
        mut self,
        mut orders: watch::Receiver<Order>,
        begun: Arc<tokio::sync::Semaphore>,
    ) -> Result<(Story, Values)> {
        let mut socket = self.connect().await?;
        loop {
            let order = orders.borrow_and_update().clone();
            if let Order::Reach(positions) = &order
                && self.has_reached(positions)
            {
                return Ok((self.story, self.values));
            }
            let message = tokio::select! {
                changed = orders.changed() => {
                    changed.context("nobody gives orders any more")?;
                    continue;
                }
                message = socket.next(), if !matches!(order, Order::Stop) => message,
            };
            let frame = match message {
                Some(Ok(Message::Binary(bytes))) => Codec::Postcard.decode_server(&bytes)?,
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(frame))) => {
                    self.story.closed = Some(frame.map_or("without a code".into(), |frame| frame.code.to_string()));
                    socket = self.connect().await?;
                    continue;
                }
                // What the server gave up on ends in the middle of a message.
                None | Some(Err(Error::Io(_) | Error::Protocol(_) | Error::ConnectionClosed)) => {
                    self.story.closed.get_or_insert_with(|| "cut".into());
                    socket = self.connect().await?;
                    continue;
                }
                Some(other) => bail!("{other:?} from the server"),
            };
            if let Some(answer) = self.take(frame).await? {
                say(&mut socket, &answer).await?;
            }
            if self.following.iter().all(|following| following.vouched.is_some() && !following.begun) {
                self.following.iter_mut().for_each(|following| following.begun = true);
                begun.add_permits(1);
            }
        }
    }

    async fn connect(&mut self) -> Result<WebSocketStream<TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        let stream = socket.connect(self.address).await?;
        let mut request = format!("ws://{}/v1/stream", self.address).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", Codec::Postcard.subprotocol().parse()?);
        let (mut socket, _) = tokio_tungstenite::client_async(request, stream).await?;
        say(&mut socket, &ClientFrame::Hello { token: None, values: true }).await?;
        for (id, following) in (0..).zip(&mut self.following) {
            following.sid = None;
            let since = following.cursor.map(Cursor::position);
            say(&mut socket, &ClientFrame::Sub { id, scope: following.scope.clone(), since, stamp: 1 }).await?;
        }
        Ok(socket)
    }

    fn has_reached(&self, positions: &[Position]) -> bool {
        self.following.iter().zip(positions).all(|(following, position)| {
            following.vouched.is_some_and(|at| at.epoch == position.epoch && at.offset >= position.offset)
        })
    }

    async fn take(&mut self, frame: ServerFrame) -> Result<Option<ClientFrame>> {
        match frame {
            ServerFrame::Welcome { .. } => {}
            ServerFrame::SubOk { id, sid, epoch, offset, mode } => {
                let following = self.following.get_mut(id as usize).context("an answer to nothing")?;
                let resumes = following.cursor.is_some();
                following.sid = Some(sid);
                following.cursor = Some(Cursor::at(Position { epoch, offset }));
                match mode {
                    Mode::Replayed => self.story.replayed += 1,
                    Mode::Fresh => self.load(id as usize).await?,
                    Mode::Reset => {
                        self.story.reset += u32::from(resumes);
                        self.load(id as usize).await?;
                    }
                }
            }
            ServerFrame::Change { sid, change } => {
                let at = self.at(sid).context("a change of nothing")?;
                self.change(at, change).await?;
            }
            ServerFrame::Reset { sid, epoch, offset, .. } => {
                let at = self.at(sid).context("a reset of nothing")?;
                self.following[at].cursor = Some(Cursor::at(Position { epoch, offset }));
                self.story.reset += 1;
                self.load(at).await?;
            }
            ServerFrame::Hb { subs, .. } => {
                for (sid, span) in subs {
                    let Some(at) = self.at(sid) else { continue };
                    let cursor = self.following[at].cursor.as_mut().context("vouched for before it began")?;
                    match cursor.check(cursor.position().epoch, span) {
                        Verdict::Gap | Verdict::NewEpoch => bail!("a heartbeat after a gap"),
                        Verdict::Apply | Verdict::Duplicate => cursor.advance(span.to().max(cursor.position().offset)),
                    }
                    self.following[at].vouched = Some(cursor.position());
                }
                return Ok(Some(ClientFrame::Pong { stamp: 1 }));
            }
            frame => bail!("{frame:?} was not asked for"),
        }
        Ok(None)
    }

    fn at(&self, sid: SubRef) -> Option<usize> {
        self.following.iter().position(|following| following.sid == Some(sid))
    }

    async fn change(&mut self, at: usize, change: Change) -> Result<()> {
        let cursor = self.following[at].cursor.as_mut().context("a change before it began")?;
        match cursor.check(cursor.position().epoch, change.span) {
            Verdict::Gap | Verdict::NewEpoch => bail!("a gap: at {}, told {:?}", cursor.position(), change.span),
            Verdict::Duplicate => return Ok(()),
            Verdict::Apply => cursor.advance(change.span.to()),
        }
        if !change.scopes.is_empty() {
            self.story.purged += 1;
            self.load(at).await?;
        }
        for item in change.items {
            let known = self.values.get(&item.key).map(|(version, _)| *version);
            match item.body {
                _ if known.is_some_and(|known| known >= item.version) => {}
                Body::Value { payload, .. } => {
                    self.values.insert(item.key, (item.version, payload.as_bytes().to_vec()));
                }
                Body::Gone => _ = self.values.remove(&item.key),
                Body::Changed => bail!("{} came without its value", item.key),
            }
        }
        Ok(())
    }

    /// Drops what it has of a scope and reads all of it. No frame is taken meanwhile, so the answer is not older than the
    /// cursor if the server is not.
    async fn load(&mut self, at: usize) -> Result<()> {
        let Following { scope, cursor, .. } = &self.following[at];
        let (as_of, values) = snapshot(&self.http, self.address, scope).await?;
        let cursor = cursor.context("a load before it began")?.position();
        if as_of.epoch != cursor.epoch || as_of.offset < cursor.offset {
            bail!("{scope} was read as of {as_of}, which is before {cursor}");
        }
        self.values.retain(|key, _| !scope.contains(key));
        self.values.extend(values);
        Ok(())
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, frame: &ClientFrame) -> Result<()> {
    Ok(socket.send(Message::Binary(Codec::Postcard.encode_client(frame)?.into())).await?)
}
