//! One GET to an upstream: with `audit/reads`, which reads from this server itself, all that names reqwest.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, RETRY_AFTER};

/// The longest answer taken, in bytes, decompressed: a final game's feed has 1.7 MB.
pub const ANSWER_MAX: usize = 32 * 1024 * 1024;

/// The base of an upstream's URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(reqwest::Url);

impl BaseUrl {
    /// Reads an `http` or `https` URL.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn parse(text: &str) -> Result<BaseUrl, String> {
        let url = reqwest::Url::parse(text).map_err(|error| format!("`{text}` is not a URL: {error}"))?;
        match url.scheme() {
            "http" | "https" => Ok(BaseUrl(url)),
            scheme => Err(format!("`{text}` begins with `{scheme}:`; write `http://` or `https://`")),
        }
    }
}

/// Why there is no answer. Every one may be tried again later.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No answer came.
    #[error("no answer: {0}")]
    Network(String),
    /// An answer with another status than 200.
    #[error("status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server asks to wait, in milliseconds.
        retry_after_ms: Option<u64>,
    },
    /// More than [`ANSWER_MAX`] bytes.
    #[error("the answer has more than {ANSWER_MAX} bytes")]
    TooLong,
}

impl FetchError {
    /// How long the server asks to wait, in milliseconds.
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            FetchError::Status { retry_after_ms, .. } => *retry_after_ms,
            FetchError::Network(_) | FetchError::TooLong => None,
        }
    }
}

/// An HTTP client for one upstream. Cloning it shares its connections.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: reqwest::Client,
    base: BaseUrl,
}

impl Fetcher {
    /// A client with gzip and brotli, and limits on time.
    ///
    /// # Errors
    /// A sentence, when the platform's TLS roots cannot be read.
    pub fn new(base: BaseUrl, timeout: Duration) -> Result<Fetcher, String> {
        // Another part of the process may have chosen a provider before.
        let _chosen = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(timeout / 2)
            .timeout(timeout)
            .user_agent(concat!("edge-server/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Fetcher { client, base })
    }

    /// The body of a path's answer with status 200.
    ///
    /// # Errors
    /// [`FetchError`]; its text names no query, which may hold a secret.
    pub async fn get(&self, path: &str) -> Result<Bytes, FetchError> {
        let network = |error: reqwest::Error| FetchError::Network(describe(error));
        let url = self.base.0.join(path).map_err(|error| FetchError::Network(error.to_string()))?;
        let mut response = self.client.get(url).header(ACCEPT, "application/json").send().await.map_err(network)?;
        if response.status() != reqwest::StatusCode::OK {
            let seconds =
                response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
            let retry_after_ms = seconds.map(|seconds| seconds.saturating_mul(1000));
            return Err(FetchError::Status { status: response.status().as_u16(), retry_after_ms });
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(network)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

/// The error and its causes in one line, without the URL.
fn describe(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
