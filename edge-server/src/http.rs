//! The HTTP side: values in and out, invalidation, health, metrics, the stream's upgrade, and the dashboard's files.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{DefaultBodyLimit, MatchedPath, Path, Query, Request, State, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::{Listener, ListenerExt};
use axum::{Json, Router};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::services::ServeDir;
use wire::key::TAGS_MAX;
use wire::{Codec, Key, Payload, Position, Scope, Tag};
use xxhash_rust::xxh3::xxh3_64;

use crate::access::{Grant, Token, same};
use crate::app::{Edge, ReadError, raised};
use crate::found::{found_of, found_response};
use crate::ingest;
use crate::prefetch::{Census, Reader};
use crate::problem::Problem;
use crate::session::GET_KEYS_MAX;
use crate::store::{AsOf, Batch, Committed, Fate, Purge, Write};
use crate::validate::VALUE_MAX;
use crate::ws;

const CACHE_MIN: HeaderName = HeaderName::from_static("cache-min");
const CACHE_AS_OF: HeaderName = HeaderName::from_static("cache-as-of");
const CACHE_VERSION: HeaderName = HeaderName::from_static("cache-version");
const CACHE_TAG: HeaderName = HeaderName::from_static("cache-tag");
/// Milliseconds that a value still lives.
const CACHE_TTL: HeaderName = HeaderName::from_static("cache-ttl");
/// A random id that a page draws for one visit: whose reads teach the prefetch model.
const CACHE_READER: HeaderName = HeaderName::from_static("cache-reader");
/// Values of one scope's answer.
const SCAN_MAX: usize = 100_000;
/// Names of one invalidation: all of them travel in one frame.
const INVALIDATE_MAX: usize = 1_000;
/// The WebSocket's read buffer: axum's own default costs 128 KiB a connection.
const SOCKET_BUFFER: usize = 4 * 1024;
/// The longest WebSocket message that is read. What is over the protocol's own limit is then refused with a reason; past
/// this one the connection just ends.
const SOCKET_MESSAGE: usize = 8 * wire::codec::CLIENT_FRAME_MAX;

type Answer = Result<Response, Problem>;
type Shared = State<Arc<Edge>>;
/// The key of a path: what is not UTF-8 is refused.
type PathKey = Result<Path<String>, PathRejection>;

/// Its connections send what they are given at once. Otherwise a frame waits until the client's system has confirmed the one
/// before, which it puts off by 40 ms.
pub fn prompt(listener: TcpListener) -> impl Listener<Io = TcpStream, Addr = SocketAddr> {
    listener.tap_io(|socket| {
        if let Err(error) = socket.set_nodelay(true) {
            tracing::debug!(%error, "a connection will be late");
        }
    })
}

/// Serves requests until it is told to stop, then lets open ones end.
pub async fn serve(listener: TcpListener, edge: Arc<Edge>, mut stopped: watch::Receiver<bool>) {
    let stop = async move { raised(&mut stopped).await };
    if let Err(error) = axum::serve(prompt(listener), router(edge)).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "the listener failed");
    }
}

/// Every route.
pub fn router(edge: Arc<Edge>) -> Router {
    let api = Router::new()
        .route("/v1/entries/{key}", get(entry).put(put_entry).delete(delete_entry))
        .route("/v1/entries", get(scan))
        .route("/v1/entries:get", post(entries))
        .route("/v1/ingest", post(ingest::ingest).layer(DefaultBodyLimit::disable()))
        .route("/v1/invalidate", post(invalidate))
        .route("/v1/stream", get(stream))
        .route("/v1/prefetch-model", get(prefetch_model))
        .route("/v1/audit", get(audit))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/health/detailed", get(detailed))
        .route("/metrics", get(metrics_text))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(count))
        .layer(cors(&edge.config().cors_origins));
    let www = &edge.config().www;
    let api = if www.as_os_str().is_empty() {
        api.fallback(nothing_here)
    } else {
        api.fallback_service(
            ServeDir::new(www).fallback(axum::handler::HandlerWithoutStateExt::into_service(nothing_here)),
        )
    };
    api.with_state(edge)
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse::<HeaderValue>().ok()))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_NONE_MATCH,
            CACHE_MIN,
            CACHE_READER,
            CACHE_TAG,
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, CACHE_AS_OF, CACHE_VERSION, CACHE_TAG, CACHE_TTL])
}

async fn count(request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "other".into(), |path| path.as_str().to_owned());
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    metrics::counter!("edge_http_requests_total", "route" => route, "status" => status).increment(1);
    response
}

async fn nothing_here(request: Request) -> Problem {
    Problem::not_found(format!("there is nothing at {}; `edge-server --help` lists the paths", request.uri().path()))
}

async fn method_not_allowed(request: Request) -> Problem {
    Problem::method_not_allowed(format!("{} does not answer {}", request.uri().path(), request.method()))
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Problem {
        match error {
            ReadError::Store(error) => error.into(),
            ReadError::TooEarly { .. } => Problem::too_early(error.to_string()),
        }
    }
}

/// Whether the request may write.
pub(crate) fn check_writer(edge: &Edge, headers: &HeaderMap) -> Result<(), Problem> {
    let token = &edge.config().write_token;
    let shown = bearer_of(headers);
    if token.is_empty() || shown.is_some_and(|shown| same(shown.as_bytes(), token.as_bytes())) {
        Ok(())
    } else {
        Err(Problem::unauthorized())
    }
}

fn bearer_of(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// What the request may read.
fn grant_of(edge: &Edge, headers: &HeaderMap) -> Result<Grant, Problem> {
    let token = bearer_of(headers).map(|shown| Token::from(shown.to_owned()));
    edge.access().judge(token.as_ref(), edge.wall_ms()).map_err(|refusal| Problem::unauthorized_reader(&refusal))
}

fn check_key(grant: &Grant, key: &Key) -> Result<(), Problem> {
    if grant.allows_key(key) { Ok(()) } else { Err(Problem::forbidden(key)) }
}

fn check_scope(grant: &Grant, scope: &Scope) -> Result<(), Problem> {
    if grant.allows_scope(scope) { Ok(()) } else { Err(Problem::forbidden(scope)) }
}

fn key_of(text: &str) -> Result<Key, Problem> {
    Key::parse(text).map_err(|error| Problem::bad_request(format!("key `{text}`: {error}")))
}

fn scope_of(text: &str) -> Result<Scope, Problem> {
    Scope::parse(text).map_err(|error| Problem::bad_request(format!("scope `{text}`: {error}")))
}

fn path(key: PathKey) -> Result<String, Problem> {
    key.map(|Path(key)| key).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

fn min_of(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    let Some(value) = headers.get(CACHE_MIN) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    text.parse().map(Some).map_err(|error| Problem::bad_request(format!("header Cache-Min: {error}")))
}

fn tags_of(headers: &HeaderMap) -> Result<Vec<Tag>, Problem> {
    let Some(value) = headers.get(CACHE_TAG) else { return Ok(Vec::new()) };
    let text = value.to_str().map_err(|_| Problem::bad_request("header Cache-Tag: not ASCII"))?;
    let tags = text.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(Tag::parse);
    let tags: Vec<Tag> =
        tags.collect::<Result<_, _>>().map_err(|error| Problem::bad_request(format!("header Cache-Tag: {error}")))?;
    check_tags(&tags).map_err(|error| Problem::bad_request(format!("header Cache-Tag: {error}")))?;
    Ok(tags)
}

/// Tags travel with their value: their number is bounded as its bytes are.
pub(crate) fn check_tags(tags: &[Tag]) -> Result<(), String> {
    match tags.len() {
        0..=TAGS_MAX => Ok(()),
        given => Err(format!("{given} tags are given; at most {TAGS_MAX} are allowed")),
    }
}

/// Who reads. An id that is none is nobody's, and the request is answered as any other.
fn reader_of(headers: &HeaderMap) -> Option<Reader<'_>> {
    Reader::parse(headers.get(CACHE_READER)?.as_bytes())
}

fn header_of(text: &str) -> HeaderValue {
    // Tags may hold any printable text; what a header cannot carry is left out with the header.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

/// Values are JSON text, kept as it was written.
pub(crate) fn payload_of(body: &[u8]) -> Result<Payload, String> {
    if body.len() > VALUE_MAX {
        return Err(format!("the value has {} bytes; at most {VALUE_MAX} are allowed", body.len()));
    }
    serde_json::from_slice::<&RawValue>(body)
        .map(|raw| Payload::new(raw.get().as_bytes()))
        .map_err(|error| format!("the value is not JSON: {error}"))
}

async fn entry(State(edge): Shared, key: PathKey, headers: HeaderMap) -> Answer {
    let grant = grant_of(&edge, &headers)?;
    let key = key_of(&path(key)?)?;
    check_key(&grant, &key)?;
    let min = min_of(&headers)?;
    let partition = edge.store().layout().of_key(&key);
    edge.reach(partition, min).await?;
    let now_ms = edge.now_ms();
    let read = edge.store().read(partition, std::slice::from_ref(&key), now_ms).await?;
    let as_of = read.position;
    let Some(stored) = read.values.into_iter().next().flatten() else {
        let mut response = Problem::not_found(format!("`{key}` has no value")).into_response();
        response.headers_mut().insert(CACHE_AS_OF, header_of(&as_of.to_string()));
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return Ok(response);
    };
    edge.learn(reader_of(&headers), [&key]);
    let mut response = Bytes::copy_from_slice(stored.payload.as_bytes()).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CACHE_AS_OF, header_of(&as_of.to_string()));
    headers.insert(CACHE_VERSION, HeaderValue::from(stored.version.get()));
    if !stored.tags.is_empty() {
        let tags: Vec<&str> = stored.tags.iter().map(Tag::as_str).collect();
        headers.insert(CACHE_TAG, header_of(&tags.join(",")));
    }
    if let Some(ttl_ms) = stored.ttl_ms(now_ms) {
        headers.insert(CACHE_TTL, HeaderValue::from(ttl_ms));
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutQuery {
    /// Milliseconds that the value lives.
    ttl_ms: Option<u64>,
    /// When it was observed, in milliseconds since 1970 UTC; now, if absent.
    source_ts: Option<i64>,
}

fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Problem> {
    query.map(|Query(query)| query).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

async fn put_entry(
    State(edge): Shared,
    key: PathKey,
    parameters: Result<Query<PutQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    check_writer(&edge, &headers)?;
    let (key, tags) = (key_of(&path(key)?)?, tags_of(&headers)?);
    let PutQuery { ttl_ms, source_ts } = query(parameters)?;
    let body = axum::body::to_bytes(body, VALUE_MAX)
        .await
        .map_err(|_| Problem::too_large(format!("a value has at most {VALUE_MAX} bytes")))?;
    let payload = Some(payload_of(&body).map_err(Problem::bad_request)?);
    write_one(&edge, Write { key, source_ts: source_ts.unwrap_or_else(|| edge.now_ms()), ttl_ms, tags, payload }).await
}

async fn delete_entry(
    State(edge): Shared,
    key: PathKey,
    parameters: Result<Query<PutQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    check_writer(&edge, &headers)?;
    let key = key_of(&path(key)?)?;
    let source_ts = query(parameters)?.source_ts.unwrap_or_else(|| edge.now_ms());
    write_one(&edge, Write { key, source_ts, ttl_ms: None, tags: Vec::new(), payload: None }).await
}

/// Commits one write and says what became of it. A stale one is no error: the newer observation stays, as it should.
async fn write_one(edge: &Edge, write: Write) -> Answer {
    let partition = edge.store().layout().of_key(&write.key);
    let batch = Batch { writes: vec![write], ..Batch::default() };
    let Committed { position, fates } = edge.commit(partition, batch).await?;
    let fate = fates.first().copied().unwrap_or(Fate::Unchanged);
    let body = json!({ "fate": format!("{fate:?}").to_lowercase(), "position": position.to_string() });
    let mut response = Json(body).into_response();
    response.headers_mut().insert(CACHE_AS_OF, header_of(&position.to_string()));
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScanQuery {
    /// What to read.
    scope: String,
}

async fn scan(State(edge): Shared, parameters: Result<Query<ScanQuery>, QueryRejection>, headers: HeaderMap) -> Answer {
    let grant = grant_of(&edge, &headers)?;
    let scope = scope_of(&query(parameters)?.scope)?;
    check_scope(&grant, &scope)?;
    edge.reach(edge.store().layout().of_scope(&scope), min_of(&headers)?).await?;
    let now_ms = edge.now_ms();
    let AsOf { position: as_of, values } = edge.store().scan(&scope, SCAN_MAX + 1, now_ms).await?;
    if values.len() > SCAN_MAX {
        return Err(Problem::too_large(format!("`{scope}` has more than {SCAN_MAX} values; read narrower scopes")));
    }
    let items = values.into_iter().map(|(key, stored)| found_of(key, as_of, Some(stored), now_ms)).collect();
    let mut response = found_response(items, &headers);
    response.headers_mut().insert(CACHE_AS_OF, header_of(&as_of.to_string()));
    Ok(response)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntriesBody {
    keys: Vec<String>,
}

fn json_body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    body.map(|Json(body)| body).map_err(|rejection| Problem::bad_request(rejection.body_text()))
}

async fn entries(State(edge): Shared, headers: HeaderMap, body: Result<Json<EntriesBody>, JsonRejection>) -> Answer {
    let grant = grant_of(&edge, &headers)?;
    let EntriesBody { keys } = json_body(body)?;
    if keys.len() > GET_KEYS_MAX as usize {
        return Err(Problem::too_large(format!(
            "{} keys are asked for; at most {GET_KEYS_MAX} are allowed",
            keys.len()
        )));
    }
    let keys: Vec<Key> = keys.iter().map(|key| key_of(key)).collect::<Result<_, _>>()?;
    keys.iter().try_for_each(|key| check_key(&grant, key))?;
    let items = edge.find(&keys, min_of(&headers)?).await?;
    let with_values = items.iter().filter(|found| found.value.is_some());
    edge.learn(reader_of(&headers), with_values.map(|found| &found.key));
    Ok(found_response(items, &headers))
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct InvalidateBody {
    keys: Vec<String>,
    scopes: Vec<String>,
    tags: Vec<String>,
}

/// Tells every cache to drop what is named. Values stay: who asks for them next gets them from here.
async fn invalidate(
    State(edge): Shared,
    headers: HeaderMap,
    body: Result<Json<InvalidateBody>, JsonRejection>,
) -> Answer {
    check_writer(&edge, &headers)?;
    let body = json_body(body)?;
    let bad = |what: &str, text: &str, error| Problem::bad_request(format!("{what} `{text}`: {error}"));
    let layout = edge.store().layout();
    let mut purges: HashMap<_, Purge> = HashMap::new();
    for text in &body.keys {
        let key = Key::parse(text).map_err(|error| bad("key", text, error))?;
        purges.entry(layout.of_key(&key)).or_default().keys.push(key);
    }
    for text in &body.scopes {
        let scope = Scope::parse(text).map_err(|error| bad("scope", text, error))?;
        purges.entry(layout.of_scope(&scope)).or_default().scopes.push(scope);
    }
    for text in &body.tags {
        let tag = Tag::parse(text).map_err(|error| bad("tag", text, error))?;
        for partition in layout.partitions() {
            purges.entry(partition).or_default().tags.push(tag.clone());
        }
    }
    let named = body.keys.len() + body.scopes.len() + body.tags.len();
    if named > INVALIDATE_MAX {
        let detail = format!("{named} names are given; at most {INVALIDATE_MAX} are allowed: name a scope instead");
        return Err(Problem::too_large(detail));
    }
    if purges.is_empty() {
        return Err(Problem::bad_request("nothing is named; send {\"keys\":[..],\"scopes\":[..],\"tags\":[..]}"));
    }
    let mut commits = 0;
    for (partition, purge) in purges {
        edge.commit(partition, Batch { purge, ..Batch::default() }).await?;
        commits += 1;
    }
    Ok(Json(json!({ "commits": commits })).into_response())
}

async fn stream(
    State(edge): Shared,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Answer {
    let upgrade = upgrade.map_err(|rejection| match rejection {
        WebSocketUpgradeRejection::InvalidWebSocketVersionHeader(_) => Problem::upgrade_required(),
        rejection => Problem::bad_request(rejection.body_text()),
    })?;
    let offered = headers.get(header::SEC_WEBSOCKET_PROTOCOL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let codec = offered.split(',').find_map(|name| Codec::from_subprotocol(name.trim()));
    let Some(codec) = codec else {
        let spoken: Vec<&str> = Codec::ALL.iter().map(|codec| codec.subprotocol()).collect();
        return Err(Problem::bad_request(format!("offer one of the subprotocols {}", spoken.join(", "))));
    };
    Ok(upgrade
        .protocols([codec.subprotocol()])
        .read_buffer_size(SOCKET_BUFFER)
        .max_message_size(SOCKET_MESSAGE)
        .max_frame_size(SOCKET_MESSAGE)
        .on_upgrade(move |socket| ws::serve(socket, codec, edge)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelQuery {
    /// Contexts under this alone.
    scope: Option<String>,
}

async fn prefetch_model(
    State(edge): Shared,
    parameters: Result<Query<ModelQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Answer {
    let grant = grant_of(&edge, &headers)?;
    let scope = query(parameters)?.scope.as_deref().map(scope_of).transpose()?;
    let Some(mut model) = edge.prefetch_model(scope.as_ref()) else {
        return Err(Problem::not_found("nothing is learned from reads here: prefetch.enabled is false"));
    };
    model.restrict(|key| grant.allows_key(key));
    let body = serde_json::to_vec(&model).unwrap_or_default();
    let tag = format!("\"{:016x}\"", xxh3_64(&body));
    let validity =
        [(header::ETAG, tag.as_str()), (header::CACHE_CONTROL, "max-age=60"), (header::VARY, "authorization")];
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, validity).into_response());
    }
    Ok((validity, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// Whether the request names this tag, or any. It asks to compare weakly: RFC 9110, 13.1.2.
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let named = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|list| list.split(',')).map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

async fn live() -> Json<serde_json::Value> {
    // Its clock, so that who reads times of this server can tell how far their own is from it.
    Json(json!({ "status": "live", "now": jiff::Timestamp::now() }))
}

fn lagging(edge: &Edge) -> Vec<u16> {
    let now_ms = edge.clock_ms();
    let partitions = edge.store().layout().partitions();
    partitions.filter(|&partition| !edge.hub().is_confirmed(partition, now_ms)).map(|partition| partition.0).collect()
}

async fn ready(State(edge): Shared) -> Answer {
    let lagging = lagging(&edge);
    if *edge.draining().borrow() {
        return Err(Problem::unavailable("the server is going away"));
    }
    if !lagging.is_empty() {
        return Err(Problem::unavailable(format!("partitions {lagging:?} are behind the store")));
    }
    Ok(Json(json!({ "status": "ready" })).into_response())
}

async fn detailed(State(edge): Shared) -> Answer {
    let mut partitions = Vec::new();
    let heads =
        edge.store().layout().partitions().map(async |partition| (partition, edge.store().head(partition).await));
    for (partition, head) in futures_util::future::join_all(heads).await {
        // A store that does not answer is told of too: its last word is then missing.
        let (store, hub) = (head.ok(), edge.hub().head(partition));
        if store.is_none_or(|head| head.offset.get() > 0) {
            partitions.push(json!({
                "partition": partition.0,
                "head": store.map(|head| head.to_string()),
                "published": hub.to_string(),
                "confirmed": edge.hub().is_confirmed(partition, edge.clock_ms()),
            }));
        }
    }
    let body = json!({
        "status": if lagging(&edge).is_empty() { "ok" } else { "degraded" },
        "version": env!("CARGO_PKG_VERSION"),
        "started_at": edge.started_at,
        "uptime_ms": edge.clock_ms(),
        "store": { "kind": edge.store_kind, "components": edge.components.all(), "partitions": partitions },
        "stream": { "hb_ms": edge.timing().hb_ms, "lease_ms": edge.timing().lease_ms },
        "audit": edge.audit(|auditor| auditor.report().summary()),
        "sources": edge.health.sources(),
    });
    Ok((StatusCode::OK, Json(body)).into_response())
}

/// What the auditor found: the counts, and the newest violations with their traces, of the keys that may be read.
async fn audit(State(edge): Shared, headers: HeaderMap) -> Answer {
    let grant = grant_of(&edge, &headers)?;
    let found = edge.audit(|auditor| {
        let (mut found, report) = (auditor.report().summary(), auditor.report());
        let violations = report.violations.iter().filter(|violation| grant.allows_key(&violation.key));
        found["violations"] = violations.map(|violation| json!(violation)).collect();
        found
    });
    let Some(found) = found else {
        return Err(Problem::not_found("nothing is audited here: audit.enabled is false"));
    };
    Ok(Json(found).into_response())
}

async fn metrics_text(State(edge): Shared) -> String {
    edge.audit(|auditor| auditor.report().show());
    if let Some(Census { contexts, transitions, withheld }) = edge.prefetch_census() {
        metrics::gauge!("edge_prefetch_contexts").set(contexts as f64);
        metrics::gauge!("edge_prefetch_transitions").set(transitions as f64);
        metrics::gauge!("edge_prefetch_withheld").set(withheld as f64);
    }
    crate::metrics::recorder().render()
}
