//! `/api/v1/publish`: publishes a message.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::answer::Failure;
use super::query::Body;
use crate::broker::{NotPublished, ServerPublish};
use crate::codec::{PublishProperties, Qos, UserProperties, encode, write_user_property};
use crate::runtime::ServerHandle;

/// A string of a packet has a length of two bytes (section 1.5.4).
const TEXT_MAX: usize = u16::MAX as usize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedPublish {
    topic: String,
    /// As text, or else in `payload_base64`; neither is an empty payload.
    payload: Option<String>,
    payload_base64: Option<String>,
    #[serde(default)]
    qos: u8,
    #[serde(default)]
    retain: bool,
    #[serde(default)]
    properties: WantedProperties,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WantedProperties {
    payload_is_utf8: bool,
    message_expiry_s: Option<u32>,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data_base64: Option<String>,
    /// Names and values, in this order.
    user_properties: Vec<(String, String)>,
}

/// The properties of a message that go to its subscribers.
#[derive(Serialize)]
pub struct ShownProperties {
    payload_is_utf8: bool,
    content_type: Option<String>,
    response_topic: Option<String>,
    correlation_data_base64: Option<String>,
    user_properties: Vec<(String, String)>,
}

#[derive(Serialize)]
pub struct Answer {
    /// Sessions that have subscribed to the topic, and groups of shared subscriptions.
    subscribers: usize,
}

pub async fn publish(
    State(server): State<ServerHandle>,
    Body(wanted): Body<WantedPublish>,
) -> Result<(StatusCode, Json<Answer>), Failure> {
    let published = server.publish(wanted.into_message()?).await??;
    Ok((StatusCode::ACCEPTED, Json(Answer { subscribers: published.subscribers })))
}

impl From<NotPublished> for Failure {
    fn from(error: NotPublished) -> Self {
        let (status, reason) = match error {
            NotPublished::Violation(_) => (StatusCode::BAD_REQUEST, "bad-request"),
            NotPublished::Own => (StatusCode::FORBIDDEN, "own-topic"),
            NotPublished::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
            NotPublished::StoreFull => (StatusCode::INSUFFICIENT_STORAGE, "store-full"),
        };
        Self::with_status(status, reason, error.to_string())
    }
}

impl WantedPublish {
    fn into_message(self) -> Result<ServerPublish, Failure> {
        let payload = match (self.payload, self.payload_base64) {
            (Some(_), Some(_)) => return Err(Failure::bad_request("payload and payload_base64 exclude each other")),
            (Some(text), None) => text.into_bytes(),
            (None, Some(encoded)) => decoded("payload_base64", &encoded)?,
            (None, None) => Vec::new(),
        };
        let qos = Qos::from_bits(self.qos).ok_or_else(|| Failure::bad_request("qos must be 0, 1 or 2"))?;
        let properties = self.properties.encoded()?;
        Ok(ServerPublish { topic: self.topic, payload, qos, retain: self.retain, properties })
    }
}

impl WantedProperties {
    fn encoded(self) -> Result<Vec<u8>, Failure> {
        let correlation_data = self.correlation_data_base64.as_deref();
        let correlation_data = correlation_data.map(|data| decoded("correlation_data_base64", data)).transpose()?;
        let texts = [&self.content_type, &self.response_topic].into_iter().flatten();
        let pairs = self.user_properties.iter().flat_map(|(name, value)| [name, value]);
        if texts.chain(pairs).any(|text| text.len() > TEXT_MAX)
            || correlation_data.as_ref().is_some_and(|data| data.len() > TEXT_MAX)
        {
            return Err(Failure::bad_request(format!("no property has more than {TEXT_MAX} bytes")));
        }
        let mut user_properties = Vec::new();
        for (name, value) in &self.user_properties {
            write_user_property(&mut user_properties, name, value);
        }
        let mut block = Vec::new();
        let properties = PublishProperties {
            block: &user_properties,
            payload_is_utf8: self.payload_is_utf8,
            message_expiry_s: self.message_expiry_s,
            content_type: self.content_type.as_deref(),
            response_topic: self.response_topic.as_deref(),
            correlation_data: correlation_data.as_deref(),
            ..PublishProperties::default()
        };
        encode::publish_properties(&mut block, &properties);
        Ok(block)
    }
}

impl From<&PublishProperties<'_>> for ShownProperties {
    fn from(properties: &PublishProperties<'_>) -> Self {
        let pairs = UserProperties { block: properties.block };
        Self {
            payload_is_utf8: properties.payload_is_utf8,
            content_type: properties.content_type.map(str::to_owned),
            response_topic: properties.response_topic.map(str::to_owned),
            correlation_data_base64: properties.correlation_data.map(|data| STANDARD.encode(data)),
            user_properties: pairs.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }
}

fn decoded(name: &str, encoded: &str) -> Result<Vec<u8>, Failure> {
    STANDARD.decode(encoded).map_err(|error| Failure::bad_request(format!("{name}: it is no base64: {error}")))
}
