//! What the lists have in common: how much of them is wanted, and from where on.

use std::str::FromStr;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

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
