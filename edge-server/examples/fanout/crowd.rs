//! Many readers, a task each, that read into one buffer a thread: what they cost this process is to leave the server its
//! share of the machine.

use std::cell::RefCell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wire::{Codec, Scope};

use crate::tally::Tally;
use crate::{edge, frames, nats};

/// How long all may take to be live.
const PATIENCE: Duration = Duration::from_secs(120);

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// Whom the readers talk to, and in what.
#[derive(Clone)]
pub(crate) enum Service {
    /// edge-server; the readers' seats, one each.
    Edge { scope: Scope, seats: Arc<Vec<Arc<edge::Seat>>> },
    /// nats-server.
    Nats { subject: Arc<str> },
}

/// How the readers come.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Arrival {
    /// So many at a time.
    Orderly(usize),
    /// As those do whose connection was cut (R7): each after 200 to 400 ms, drawn evenly, whatever the others do.
    Storm,
}

impl Arrival {
    async fn wait(self) {
        if matches!(self, Arrival::Storm) {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(200..400))).await;
        }
    }
}

/// The connections; dropping it cuts them all.
pub(crate) struct Crowd {
    tasks: JoinSet<()>,
    tally: Arc<Tally>,
}

impl Crowd {
    /// Connects so many readers and returns when each has been told that it is up to date.
    pub(crate) async fn gather(
        address: SocketAddr,
        service: &Service,
        count: usize,
        arrival: Arrival,
        tally: &Arc<Tally>,
    ) -> Result<Crowd> {
        tally.live.store(0, SeqCst);
        let mut tasks = JoinSet::new();
        let gate = Arc::new(Semaphore::new(match arrival {
            Arrival::Orderly(at_once) => at_once,
            Arrival::Storm => count,
        }));
        for number in 0..count {
            let speaker = match service {
                Service::Edge { scope, seats } => {
                    Speaker::Edge(edge::Reader::new(seats[number].clone(), scope.clone()))
                }
                Service::Nats { subject } => Speaker::Nats(nats::Reader::new(subject)),
            };
            let (gate, tally) = (gate.clone(), tally.clone());
            tasks.spawn(async move {
                arrival.wait().await;
                if let Err(error) = follow(address, speaker, &gate, &tally).await {
                    tally.fault(format!("connection {number}: {error}"));
                }
            });
        }
        let crowd = Crowd { tasks, tally: tally.clone() };
        let began = Instant::now();
        while (tally.live.load(SeqCst) as usize) < count {
            crowd.check()?;
            if began.elapsed() > PATIENCE {
                bail!("{} of {count} connections are live after {} s", tally.live.load(SeqCst), PATIENCE.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(crowd)
    }

    /// Whether all is well.
    pub(crate) fn check(&self) -> Result<()> {
        self.tally.faulty().map_or(Ok(()), |fault| bail!("{fault}"))
    }

    /// Cuts every connection, without a close.
    pub(crate) async fn cut(mut self) {
        self.tasks.shutdown().await;
    }
}

enum Speaker {
    Edge(edge::Reader),
    Nats(nats::Reader),
}

impl Speaker {
    fn upgrade(&self, address: SocketAddr) -> Vec<u8> {
        match self {
            Speaker::Edge(_) => frames::upgrade(address, "/v1/stream", Some(Codec::Postcard)),
            Speaker::Nats(_) => frames::upgrade(address, "/", None),
        }
    }

    fn hello(&self, out: &mut Vec<u8>) {
        match self {
            Speaker::Edge(_) => edge::Reader::hello(out),
            Speaker::Nats(_) => {}
        }
    }

    fn message(&mut self, bytes: &[u8], out: &mut Vec<u8>, tally: &Tally) -> Result<(), String> {
        match self {
            Speaker::Edge(reader) => reader.message(bytes, out, tally),
            Speaker::Nats(reader) => reader.message(bytes, out, tally),
        }
    }
}

async fn follow(address: SocketAddr, speaker: Speaker, gate: &Semaphore, tally: &Tally) -> Result<(), String> {
    let permit = gate.acquire().await.map_err(|error| error.to_string())?;
    let socket = TcpStream::connect(address).await.map_err(|error| format!("cannot connect: {error}"))?;
    socket.set_nodelay(true).map_err(|error| error.to_string())?;
    // Cut is cut: no port waits for the other side's last word, or there would be none left to come back from.
    socket.set_zero_linger().map_err(|error| error.to_string())?;
    let mut out = speaker.upgrade(address);
    let mut reading = Reading { socket, speaker, open: false, rest: Vec::new() };
    let mut permit = Some(permit);
    loop {
        send(&reading.socket, &mut out).await.map_err(|error| format!("cannot send: {error}"))?;
        poll_fn(|context| reading.poll(context, &mut out, tally)).await?;
        if reading.open {
            permit.take();
        }
    }
}

async fn send(socket: &TcpStream, out: &mut Vec<u8>) -> std::io::Result<()> {
    while !out.is_empty() {
        socket.writable().await?;
        match socket.try_write(out) {
            Ok(sent) => _ = out.drain(..sent),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    // It is empty nearly always, and there are many.
    *out = Vec::new();
    Ok(())
}

struct Reading {
    socket: TcpStream,
    speaker: Speaker,
    /// Whether the upgrade has been answered.
    open: bool,
    /// The beginning of what is not there whole yet.
    rest: Vec<u8>,
}

impl Reading {
    /// Reads once, into the thread's buffer, and takes what is whole.
    fn poll(
        &mut self,
        context: &mut std::task::Context<'_>,
        out: &mut Vec<u8>,
        tally: &Tally,
    ) -> Poll<Result<(), String>> {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            if let Err(error) = ready!(Pin::new(&mut self.socket).poll_read(context, &mut read)) {
                return Poll::Ready(Err(format!("cannot read: {error}")));
            }
            if read.filled().is_empty() {
                return Poll::Ready(Err("the connection ended".into()));
            }
            Poll::Ready(self.take(read.filled(), out, tally))
        })
    }

    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>, tally: &Tally) -> Result<(), String> {
        let mut joined = std::mem::take(&mut self.rest);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend(bytes);
            &joined
        };
        let mut read = 0;
        if !self.open {
            let Some(length) = frames::upgraded(bytes)? else {
                self.rest = bytes.to_vec();
                return Ok(());
            };
            read = length;
            self.open = true;
            self.speaker.hello(out);
        }
        read += frames::read(&bytes[read..], out, |message, out| self.speaker.message(message, out, tally))?;
        self.rest = bytes[read..].to_vec();
        Ok(())
    }
}
