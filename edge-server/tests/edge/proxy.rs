//! A network between a server and its Redis that can be cut, turned to another Redis, or made to lose what it carries
//! while every connection looks alive.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    network: Arc<Network>,
}

struct Network {
    target: Mutex<SocketAddr>,
    /// Subscribers hear nothing, and stay connected.
    muted: AtomicBool,
    /// What is sent with these bytes is answered into the void, and its connection ends.
    unanswered: Mutex<Option<Vec<u8>>>,
    cut: watch::Sender<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let network = Arc::new(Network {
            target: Mutex::new(target),
            muted: AtomicBool::new(false),
            unanswered: Mutex::new(None),
            cut: watch::Sender::new(()),
        });
        let shared = network.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let network = shared.clone();
                tokio::spawn(async move {
                    let mut cut = network.cut.subscribe();
                    let carry = carry(&network, socket);
                    tokio::select! { _ = cut.changed() => {}, () = carry => {} }
                });
            }
        });
        Proxy { address, network }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Whether subscribers hear nothing from now on.
    pub(crate) fn mute(&self, muted: bool) {
        self.network.muted.store(muted, Ordering::SeqCst);
    }

    /// The next command with these bytes gets no answer, once.
    pub(crate) fn lose_answer_to(&self, bytes: &str) {
        *self.network.unanswered.lock().unwrap() = Some(bytes.as_bytes().to_vec());
    }

    /// Every connection ends; new ones go to this server.
    pub(crate) fn turn_to(&self, target: SocketAddr) {
        *self.network.target.lock().unwrap() = target;
        self.network.cut.send_replace(());
    }
}

async fn carry(network: &Network, mut client: TcpStream) {
    let target = *network.target.lock().unwrap();
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let (subscribed, losing) = (AtomicBool::new(false), AtomicBool::new(false));
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    let up = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            if holds(&bytes[..length], b"SUBSCRIBE") {
                subscribed.store(true, Ordering::SeqCst);
            }
            {
                let mut unanswered = network.unanswered.lock().unwrap();
                if unanswered.as_ref().is_some_and(|part| holds(&bytes[..length], part)) {
                    *unanswered = None;
                    losing.store(true, Ordering::SeqCst);
                }
            }
            if to_server.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    let down = async {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut bytes).await {
            if losing.load(Ordering::SeqCst) {
                return;
            }
            if subscribed.load(Ordering::SeqCst) && network.muted.load(Ordering::SeqCst) {
                continue;
            }
            if to_client.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = up => {}, () = down => {} }
}
