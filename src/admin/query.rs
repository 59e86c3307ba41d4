//! What requests have in common: parameters, JSON bodies, how much of a list is wanted, and from where on.

use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::answer::Failure;
use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};
use crate::runtime::Cursor;

/// The parameters of a request's URL; what is not known is refused.
pub struct Parameters<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(parameters) = query.map_err(|error: QueryRejection| Failure::bad_request(error.body_text()))?;
        Ok(Self(parameters))
    }
}

/// The body of a request: a JSON object. What is not known in it is refused.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        // Through a map, as an array would do for an object otherwise.
        let Json(object) = Json::<Map<String, Value>>::from_request(request, state).await.map_err(Failure::from)?;
        let wanted = T::deserialize(Value::Object(object));
        wanted.map(Self).map_err(|error| Failure::bad_request(format!("the body: {error}")))
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        let status = rejection.status();
        match rejection {
            _ if status == StatusCode::PAYLOAD_TOO_LARGE => Self::too_large(),
            JsonRejection::MissingJsonContentType(_) => Self::with_status(
                status,
                "bad-request",
                "the body must be declared as JSON: Content-Type: application/json",
            ),
            JsonRejection::JsonDataError(_) => {
                Self::with_status(status, "bad-request", "the body must be a JSON object")
            }
            _ => Self::with_status(status, "bad-request", format!("the body is no JSON: {}", rejection.body_text())),
        }
    }
}

/// Where a page begins: the `next` of the page before.
pub fn cursor<'de, D: Deserializer<'de>, P: FromStr>(from: D) -> Result<Cursor<P>, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

/// Most entries of a page.
pub fn limit<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let limit = String::deserialize(from)?.parse().ok().filter(|limit| (1..=PAGE_ENTRIES_MAX).contains(limit));
    limit.ok_or_else(|| serde::de::Error::custom(format!("limit must be from 1 to {PAGE_ENTRIES_MAX}")))
}

pub fn default_limit() -> usize {
    PAGE_ENTRIES_DEFAULT
}
