//! Errors over HTTP: `application/problem+json` (RFC 9457) that says what is wrong, where, and how to mend it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::store::StoreError;

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(skip)]
    code: StatusCode,
    /// The status, repeated for readers that lost the header.
    status: u16,
    /// The kind of problem, in a few words.
    title: &'static str,
    /// This problem, in a sentence or two.
    detail: String,
}

impl Problem {
    fn new(code: StatusCode, title: &'static str, detail: impl Into<String>) -> Problem {
        Problem { code, status: code.as_u16(), title, detail: detail.into() }
    }

    /// The request is wrong.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "bad request", detail)
    }

    /// There is nothing here.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not found", detail)
    }

    /// The method does not exist here.
    pub fn method_not_allowed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed", detail)
    }

    /// The body is too long.
    pub fn too_large(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too large", detail)
    }

    /// Writing needs a token.
    pub fn unauthorized() -> Problem {
        let detail = "writing needs the header `Authorization: Bearer <write_token>` with the server's write_token";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// Reading needs a token, or another one.
    pub fn unauthorized_reader(why: &impl std::fmt::Display) -> Problem {
        let detail = format!("{why}; reading needs the header `Authorization: Bearer <token>`");
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// The token does not allow it.
    pub fn forbidden(name: &impl std::fmt::Display) -> Problem {
        Problem::new(StatusCode::FORBIDDEN, "forbidden", format!("the token does not allow `{name}`"))
    }

    /// Another version of WebSocket is asked for than the one that is spoken.
    pub fn upgrade_required() -> Problem {
        let detail = "the stream is a WebSocket of version 13 (RFC 6455)";
        Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade required", detail)
    }

    /// The position asked for has not been reached.
    pub fn too_early(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::TOO_EARLY, "too early", detail)
    }

    /// The store cannot answer.
    pub fn unavailable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::Fenced { .. } => Problem::new(StatusCode::CONFLICT, "fenced off", error.to_string()),
            StoreError::Closed | StoreError::Unavailable(_) => Problem::unavailable(error.to_string()),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.code, body).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if self.code == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if self.code == StatusCode::UPGRADE_REQUIRED {
            response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        if self.code == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
