//! The HTTP shell around an [`Upstream`]: routes, faults, and counts of what was served. The only file with a socket in
//! it besides `main.rs`; it knows nothing of baseball.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::faults::{Faults, Verdict};
use crate::upstream::Upstream;

/// Paths counted one by one; requests to further ones are counted together.
const PATHS: usize = 200;

/// What all requests share.
pub(crate) struct Shell {
    upstream: Mutex<Box<dyn Upstream>>,
    faults: Mutex<Faults>,
    served: Mutex<Served>,
    began: Instant,
}

/// Counts since start.
#[derive(Default)]
struct Served {
    by_path: BTreeMap<String, u64>,
    by_status: BTreeMap<u16, u64>,
}

impl Served {
    fn count(&mut self, path: String, status: StatusCode) {
        *self.by_status.entry(status.as_u16()).or_default() += 1;
        let known = self.by_path.contains_key(&path) || self.by_path.len() < PATHS;
        *self.by_path.entry(if known { path } else { "others".to_owned() }).or_default() += 1;
    }
}

impl Shell {
    pub(crate) fn new(upstream: Box<dyn Upstream>, faults: Faults) -> Arc<Self> {
        Arc::new(Shell {
            upstream: Mutex::new(upstream),
            faults: Mutex::new(faults),
            served: Mutex::default(),
            began: Instant::now(),
        })
    }

    /// Moves the upstream on by one step.
    pub(crate) async fn step(&self) -> u64 {
        self.upstream.lock().await.step()
    }
}

type Shared = State<Arc<Shell>>;

/// All endpoints. Faults and counts concern those of the upstream, not `/control`.
pub(crate) fn router(shell: Arc<Shell>) -> Router {
    let upstream = Router::new()
        .route("/api/v1/schedule", get(schedule))
        .route("/api/v1.1/game/{pk}/feed/live", get(feed))
        .route("/api/v1.1/game/{pk}/feed/live/diffPatch", get(diff_patch))
        .route("/projections", get(projections))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(shell.clone(), with_faults));
    Router::new()
        .route("/control/step", post(control_step))
        .route("/control/state", get(control_state))
        .merge(upstream)
        .with_state(shell)
}

async fn with_faults(State(shell): Shared, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let (delay, verdict) = shell.faults.lock().await.judge(shell.began.elapsed());
    if delay > Duration::ZERO {
        tokio::time::sleep(delay).await;
    }
    let response = match verdict {
        Verdict::Serve => next.run(request).await,
        Verdict::Fail(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, 1, "Internal error occurred")
        }
        Verdict::Refuse(seconds) => {
            let refusal = error(StatusCode::TOO_MANY_REQUESTS, 29, "Too many requests");
            ([(header::RETRY_AFTER, seconds.to_string())], refusal).into_response()
        }
    };
    tracing::debug!(path, status = response.status().as_u16(), ?delay, "served");
    shell.served.lock().await.count(path, response.status());
    response
}

async fn schedule(State(shell): Shared) -> Response {
    body(shell.upstream.lock().await.schedule())
}

async fn feed(State(shell): Shared, Path(pk): Path<String>) -> Response {
    let Ok(pk) = pk.parse() else { return not_found().await };
    match shell.upstream.lock().await.feed(pk) {
        Some(feed) => body(feed),
        None => not_found().await,
    }
}

#[derive(Deserialize)]
struct Since {
    #[serde(rename = "startTimecode", default)]
    start_timecode: String,
}

async fn diff_patch(State(shell): Shared, Path(pk): Path<String>, Query(since): Query<Since>) -> Response {
    let Ok(pk) = pk.parse() else { return not_found().await };
    match shell.upstream.lock().await.diff_patch(pk, &since.start_timecode) {
        Some(answer) => body(answer),
        None => not_found().await,
    }
}

#[derive(Deserialize)]
struct League {
    #[serde(default)]
    league_id: String,
}

async fn projections(State(shell): Shared, Query(league): Query<League>) -> Response {
    let board = shell.upstream.lock().await.projections(league.league_id.parse().unwrap_or_default());
    body(shell.faults.lock().await.spoil(board))
}

async fn control_step(State(shell): Shared) -> Response {
    axum::Json(json!({ "step": shell.step().await })).into_response()
}

async fn control_state(State(shell): Shared) -> Response {
    let upstream = shell.upstream.lock().await;
    let served = shell.served.lock().await;
    axum::Json(json!({
        "step": upstream.steps(),
        "games": upstream.games(),
        "projections": upstream.projection_counts(),
        "requests": served.by_path,
        "statuses": served.by_status,
    }))
    .into_response()
}

async fn not_found() -> Response {
    error(StatusCode::NOT_FOUND, 10, "Object not found")
}

fn body(json: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json;charset=UTF-8")], json).into_response()
}

/// An error in the form of the MLB API.
fn error(status: StatusCode, number: u32, message: &str) -> Response {
    let document = json!({
        "messageNumber": number,
        "message": message,
        "timestamp": Timestamp::now().to_string(),
        "traceId": null,
    });
    (status, axum::Json(document)).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};

    use super::*;
    use crate::faults::Rates;
    use crate::world::World;

    /// Serves a world on a free port while `client` runs, which talks plain HTTP.
    fn serving(rates: Rates, client: impl FnOnce(SocketAddr)) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let world = World::new(1, Timestamp::constant(1_786_000_000, 0), 1);
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(Shell::new(Box::new(world), Faults::new(rates, 1)));
        let server = runtime.spawn(async move { axum::serve(listener, router).await });
        client(address);
        server.abort();
    }

    /// The status line and headers, and the body.
    fn ask(address: SocketAddr, method: &str, target: &str) -> (String, serde_json::Value) {
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!("{method} {target} HTTP/1.1\r\nHost: upstream\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.to_owned(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn every_endpoint_answers_in_its_form() {
        serving(Rates::default(), |address| {
            let (_, schedule) = ask(address, "GET", "/api/v1/schedule?sportId=1&date=2026-08-06");
            let games = schedule["dates"].as_array().unwrap().iter().flat_map(|day| day["games"].as_array().unwrap());
            let live = games.clone().find(|game| game["status"]["detailedState"] == "In Progress").unwrap();
            let link = live["link"].as_str().unwrap();
            let (_, feed) = ask(address, "GET", link);
            let since = feed["metaData"]["timeStamp"].as_str().unwrap();
            let diff = format!("{link}/diffPatch?startTimecode={since}");
            assert_eq!(ask(address, "GET", &diff).1, json!([]));
            assert_eq!(ask(address, "POST", "/control/step").1, json!({ "step": 1 }));
            assert_eq!(ask(address, "GET", &diff).1.as_array().unwrap().len(), 1);
            assert_eq!(ask(address, "GET", &format!("{link}/diffPatch")).1["gamePk"], live["gamePk"]);
            assert!(ask(address, "GET", "/projections?league_id=7").1["data"].as_array().unwrap().len() > 100);
            assert_eq!(ask(address, "GET", "/projections?league_id=99").1["data"], json!([]));
            for unknown in ["/api/v1.1/game/1/feed/live", "/api/v1.1/game/x/feed/live/diffPatch", "/nowhere"] {
                let (head, refusal) = ask(address, "GET", unknown);
                assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
                assert_eq!((&refusal["messageNumber"], &refusal["message"]), (&json!(10), &json!("Object not found")));
            }
            let (_, state) = ask(address, "GET", "/control/state");
            assert_eq!((&state["step"], &state["requests"]["/projections"]), (&json!(1), &json!(2)));
            assert_eq!(state["games"].as_array().unwrap().len(), games.count());
        });
    }

    #[test]
    fn beyond_the_quota_the_answer_is_429_with_retry_after_but_control_still_answers() {
        serving(Rates { quota: Some(1), ..Rates::default() }, |address| {
            assert!(ask(address, "GET", "/api/v1/schedule").0.starts_with("HTTP/1.1 200 "));
            let (head, _) = ask(address, "GET", "/api/v1/schedule");
            assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
            let header = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
            assert!((1..=60).contains(&header.parse::<u32>().unwrap()), "{header}");
            assert_eq!(ask(address, "GET", "/control/state").1["statuses"], json!({ "200": 1, "429": 1 }));
        });
    }

    #[test]
    fn failures_are_server_errors_in_json() {
        serving(Rates { errors: 1.0, ..Rates::default() }, |address| {
            let (head, body) = ask(address, "GET", "/projections?league_id=7");
            assert!(head.starts_with("HTTP/1.1 50"), "{head}");
            assert_eq!(body["message"], "Internal error occurred");
        });
    }
}
