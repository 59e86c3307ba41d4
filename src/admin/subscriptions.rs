//! `/api/v1/subscriptions`: who has subscribed to what. `/api/v1/topics`: the filters that somebody has subscribed to.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::answer::Failure;
use super::query::{self, Parameters};
use crate::broker::inspect::{
    ClientSubscription, FilterPlace, FilterState, SubscriptionFilter, SubscriptionPlace, SubscriptionState,
};
use crate::codec::RetainHandling;
use crate::codec::topic::check_name;
use crate::runtime::{Cursor, ServerHandle};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedSubscriptions {
    client_id: Option<String>,
    /// As it was subscribed to, with `$share/name/`.
    filter: Option<String>,
    /// What the filter matches.
    topic: Option<String>,
    shared: Option<bool>,
    #[serde(default, deserialize_with = "query::cursor")]
    after: Cursor<SubscriptionPlace>,
    #[serde(default = "query::default_limit", deserialize_with = "query::limit")]
    limit: usize,
}

#[derive(Serialize)]
pub struct SubscriptionPage {
    subscriptions: Vec<ShownClientSubscription>,
    next: Option<String>,
}

#[derive(Serialize)]
pub struct ShownClientSubscription {
    client_id: String,
    is_connected: bool,
    #[serde(flatten)]
    subscription: ShownSubscription,
}

/// One subscription as it is in force.
#[derive(Serialize)]
pub struct ShownSubscription {
    /// With `$share/name/`, if it is shared.
    filter: String,
    qos: u8,
    no_local: bool,
    retain_as_published: bool,
    /// `send`, `send_if_new` or `do_not_send`.
    retain_handling: &'static str,
    /// Subscription Identifier; `null` is none.
    subscription_id: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WantedTopics {
    #[serde(default, deserialize_with = "query::cursor")]
    after: Cursor<FilterPlace>,
    #[serde(default = "query::default_limit", deserialize_with = "query::limit")]
    limit: usize,
}

#[derive(Serialize)]
pub struct TopicPage {
    topics: Vec<ShownTopic>,
    next: Option<String>,
}

#[derive(Serialize)]
pub struct ShownTopic {
    /// Without `$share/name/`.
    filter: String,
    /// Sessions that are in no group.
    subscribers: usize,
    /// Members of each group of a shared subscription, by its share name.
    groups: BTreeMap<String, usize>,
}

pub async fn list(
    State(server): State<ServerHandle>,
    Parameters(wanted): Parameters<WantedSubscriptions>,
) -> Result<Json<SubscriptionPage>, Failure> {
    let WantedSubscriptions { client_id, filter, topic, shared, after, limit } = wanted;
    if let Some(topic) = &topic {
        let checked = check_name(topic, usize::MAX, usize::MAX);
        checked.map_err(|violation| Failure::bad_request(format!("topic: {violation}")))?;
    }
    let page = server.subscriptions(SubscriptionFilter { client_id, filter, topic, is_shared: shared }, after, limit);
    let page = page.await?;
    let subscriptions = page.entries.into_iter().map(|(_, subscription)| subscription.into()).collect();
    Ok(Json(SubscriptionPage { subscriptions, next: page.next.map(|next| next.to_string()) }))
}

pub async fn topics(
    State(server): State<ServerHandle>,
    Parameters(WantedTopics { after, limit }): Parameters<WantedTopics>,
) -> Result<Json<TopicPage>, Failure> {
    let page = server.filters(after, limit).await?;
    let topics = page.entries.into_iter().map(|(_, FilterState { filter, subscribers, groups })| ShownTopic {
        filter,
        subscribers,
        groups: groups.into_iter().collect(),
    });
    Ok(Json(TopicPage { topics: topics.collect(), next: page.next.map(|next| next.to_string()) }))
}

impl From<ClientSubscription> for ShownClientSubscription {
    fn from(ClientSubscription { client_id, is_connected, subscription }: ClientSubscription) -> Self {
        Self { client_id, is_connected, subscription: subscription.into() }
    }
}

impl From<SubscriptionState> for ShownSubscription {
    fn from(SubscriptionState { filter, subscription }: SubscriptionState) -> Self {
        let options = subscription.options;
        Self {
            filter,
            qos: options.qos as u8,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: match options.retain_handling {
                RetainHandling::Send => "send",
                RetainHandling::SendIfNew => "send_if_new",
                RetainHandling::DoNotSend => "do_not_send",
            },
            subscription_id: Some(subscription.subscription_id).filter(|id| *id != 0),
        }
    }
}
