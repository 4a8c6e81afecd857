//! A server on a free port, and requests to it.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use edge_server::app;
use edge_server::config::Config;
use edge_server::store::{Commit, Layout, Store};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::commits::key;
use crate::soon;

/// A key that is in another partition than those of `sport:mlb`, by the built-in number of partitions.
pub(crate) fn elsewhere() -> String {
    let layout = Layout::new(Config::default().store.partitions);
    let here = layout.of_key(&key("sport:mlb:1"));
    (0..).map(|number| format!("sport:s{number}:1")).find(|name| layout.of_key(&key(name)) != here).unwrap()
}

/// A running server. Dropped, it ends with its test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    http: reqwest::Client,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), String>>,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: reqwest::header::HeaderMap,
    pub(crate) body: Bytes,
}

/// A client of this process: reqwest needs to be told whose TLS to use, even where there is none.
pub(crate) fn client() -> reqwest::Client {
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Starts a server with these settings.
pub(crate) async fn start(settings: &[(&str, &str)]) -> Server {
    let settings: Vec<(String, String)> = settings.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    let config = Config::load(None, [], &settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let running = tokio::spawn(app::run(listener, config, async move { drop(stopped.await) }));
    Server { address, http: client(), stop, running }
}

/// Starts a server on a store made from the channel that it announces its commits to.
pub(crate) async fn start_on(
    settings: &[(&str, &str)],
    store: impl FnOnce(mpsc::Sender<Arc<Commit>>) -> Arc<dyn Store>,
) -> Server {
    let settings: Vec<(String, String)> = settings.iter().map(|&(key, value)| (key.into(), value.into())).collect();
    let config = Config::load(None, [], &settings).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (announce, announced) = mpsc::channel(64);
    let (stop, stopped) = oneshot::channel();
    let serving = app::run_on(store(announce), announced, listener, config, async move { drop(stopped.await) });
    Server { address, http: client(), stop, running: tokio::spawn(serving) }
}

impl Server {
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn put(&self, path: &str, body: &str) -> Answer {
        send(self.request(Method::PUT, path).body(body.to_owned())).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    /// Posts a JSON body.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        send(request.body(body.to_owned())).await
    }

    /// Writes a value that must be taken.
    pub(crate) async fn set(&self, key: &str, value: &str) -> Answer {
        let answer = self.put(&format!("/v1/entries/{key}"), value).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        soon("the server's end", self.running).await.unwrap().unwrap();
    }
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    let response = soon("an answer", request.send()).await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: soon("a body", response.bytes()).await.unwrap() }
}

/// Sends bytes as they are and reads to the connection's end: for requests that no client makes.
pub(crate) async fn raw(address: SocketAddr, parts: &[&[u8]]) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    for part in parts {
        socket.write_all(part).await.unwrap();
        socket.flush().await.unwrap();
    }
    let mut answer = Vec::new();
    soon("a raw answer", socket.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The position of the header Cache-As-Of.
    pub(crate) fn as_of(&self) -> wire::Position {
        self.header("cache-as-of").unwrap_or_else(|| panic!("no position: {self:?}")).parse().unwrap()
    }
}
