//! What is answered when something is wrong: a status, a reason for programs and a message for people.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::limits::ADMIN_BODY_SIZE_MAX;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    status: StatusCode,
    reason: &'static str,
    message: Cow<'static, str>,
}

impl Failure {
    pub const UNKNOWN_ROUTE: Self = Self::new(StatusCode::NOT_FOUND, "unknown-route", "there is nothing at this path");
    pub const METHOD_NOT_ALLOWED: Self =
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "this path has other methods");
    pub const ENDED: Self = Self::new(StatusCode::SERVICE_UNAVAILABLE, "ended", "the server has stopped, or failed");
    pub const UNAUTHORIZED: Self = Self::new(
        StatusCode::UNAUTHORIZED,
        "unauthorized",
        "the request needs the header `Authorization: Bearer`, with the token of admin.token_file",
    );
    pub const WRONG_HOST: Self = Self::new(
        StatusCode::FORBIDDEN,
        "wrong-host",
        "without a token the host must be localhost, or an address of this machine",
    );
    pub const CROSS_SITE: Self =
        Self::new(StatusCode::FORBIDDEN, "cross-site", "a page of another site has sent this request");
    pub const NO_SUCH_BAN: Self = Self::new(StatusCode::NOT_FOUND, "no-such-ban", "there is no such ban in force");

    pub const NO_SUCH_CLIENT: Self =
        Self::new(StatusCode::NOT_FOUND, "no-such-client", "no client has a session under this id");
    pub const NOT_CONNECTED: Self =
        Self::new(StatusCode::NOT_FOUND, "not-connected", "no client of this id is connected");

    pub const NO_SUCH_TOPIC: Self =
        Self::new(StatusCode::NOT_FOUND, "no-such-topic", "the topic has no retained message");

    pub const NOT_HERE: Self = Self::new(
        StatusCode::NOT_IMPLEMENTED,
        "not-here",
        "the program around this server does not offer it, or is busy with too many requests",
    );

    const fn new(status: StatusCode, reason: &'static str, message: &'static str) -> Self {
        Self { status, reason, message: Cow::Borrowed(message) }
    }

    pub fn too_large() -> Self {
        let message =
            format!("a body has at most {ADMIN_BODY_SIZE_MAX} bytes; larger messages are published over MQTT");
        Self::with_status(StatusCode::PAYLOAD_TOO_LARGE, "too-large", message)
    }

    /// The request cannot be understood.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::with_status(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    pub fn with_status(status: StatusCode, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, reason, message: message.into() }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let is_unauthorized = self.status == StatusCode::UNAUTHORIZED;
        let body = Json(json!({ "reason": self.reason, "message": self.message }));
        let mut response = (self.status, body).into_response();
        if is_unauthorized {
            // RFC 6750, section 3.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
