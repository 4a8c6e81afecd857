//! An upstream that answers as its test says: boards of PrizePicks' kind, errors, pages of HTML.

use std::net::SocketAddr;

use axum::Router;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::soon;

/// What is answered from now on.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) retry_after: Option<&'static str>,
}

pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    reply: watch::Sender<Reply>,
    /// The paths asked for, in order.
    asked: watch::Receiver<Vec<String>>,
}

impl Reply {
    pub(crate) fn document(rows: &[Value]) -> Reply {
        Reply { status: 200, body: board(rows).to_string(), retry_after: None }
    }

    pub(crate) fn error(status: u16, retry_after: Option<&'static str>) -> Reply {
        Reply { status, body: "an error".into(), retry_after }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap();
        match self.retry_after {
            Some(seconds) => (status, [(header::RETRY_AFTER, seconds)], self.body).into_response(),
            None => (status, self.body).into_response(),
        }
    }
}

/// An upstream whose answer is this, until it is told another.
pub(crate) async fn upstream(reply: Reply) -> Upstream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (reply, replies) = watch::channel(reply);
    let (asks, asked) = watch::channel(Vec::new());
    let answer = async move |uri: Uri| {
        asks.send_modify(|asked: &mut Vec<String>| asked.push(uri.to_string()));
        replies.borrow().clone()
    };
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Upstream { address, reply, asked }
}

impl Upstream {
    pub(crate) fn answer(&self, reply: Reply) {
        self.reply.send_replace(reply);
    }

    /// Waits for so many more requests, and gives the last one's path.
    pub(crate) async fn asked(&mut self, more: usize) -> String {
        let until = self.asked.borrow().len() + more;
        let asked = soon("a request", self.asked.wait_for(|asked| asked.len() >= until)).await.unwrap();
        asked.last().unwrap().clone()
    }

    /// The settings of a server that polls this one.
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        [
            ("sources.prizepicks.enabled", "true"),
            ("sources.prizepicks.base_url", &format!("http://{}", self.address)),
            ("sources.prizepicks.leagues", "7"),
            ("sources.prizepicks.poll_ms", "100"),
        ]
        .map(|(key, value)| (key.into(), value.into()))
        .to_vec()
    }
}

/// The key of a row.
pub(crate) fn row_key(id: &str) -> String {
    format!("sport:nba:props:player:31:pts_asts:{id}")
}

/// A projection of player 31.
pub(crate) fn row(id: &str, line: f64) -> Value {
    json!({
        "type": "projection", "id": id,
        "attributes": {
            "stat_type": "Pts+Asts", "line_score": line, "start_time": "2026-08-07T18:10:00.000-04:00",
            "updated_at": "2026-08-07T15:00:00-04:00", "status": "pre_game", "description": "LAL"
        },
        "relationships": {
            "league": {"data": {"type": "league", "id": "7"}},
            "new_player": {"data": {"type": "new_player", "id": "31"}}
        }
    })
}

/// A projection whose line is no number: its key can be told, its value cannot.
pub(crate) fn malformed_row(id: &str) -> Value {
    let mut row = row(id, 0.0);
    row["attributes"]["line_score"] = json!("many");
    row
}

fn board(rows: &[Value]) -> Value {
    json!({
        "data": rows,
        "included": [
            {"type": "new_player", "id": "31", "attributes": {"name": "A. Player", "team": "DEN", "position": "C"}}
        ],
        "meta": {"current_page": 1, "total_pages": 1}
    })
}
