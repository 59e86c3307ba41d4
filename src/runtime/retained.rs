//! The retained messages of a running server, and messages that it publishes for those who administrate it.

use super::pages::{Cursor, Page};
use super::question::Ended;
use super::server_handle::ServerHandle;
use crate::broker::inspect::{RetainedMessage, RetainedState};
use crate::broker::{NotPublished, ServerPublish, home_of_topic};

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Sessions that have subscribed to the topic, and groups of shared subscriptions, each of which gets it once.
    pub subscribers: usize,
}

impl ServerHandle {
    /// Retained messages whose topic `filter` matches, at most `limit`: shard by shard, in the order of topics on each.
    pub async fn retained(
        &self,
        filter: String,
        from: Cursor<String>,
        limit: usize,
    ) -> Result<Page<RetainedState, String>, Ended> {
        self.page(from, limit, move |driver, after, wanted| driver.shard.retained(&filter, &after, wanted, driver.now))
            .await
    }

    /// The retained message of a topic.
    pub async fn retained_message(&self, topic: String) -> Result<Option<RetainedMessage>, Ended> {
        self.ask(self.home_of_topic(&topic), move |driver| driver.shard.retained_message(&topic, driver.now)).await
    }

    /// Forgets the retained message of a topic, and tells nobody. False if there is none.
    pub async fn delete_retained(&self, topic: String) -> Result<Result<bool, NotPublished>, Ended> {
        self.ask(self.home_of_topic(&topic), move |driver| driver.shard.delete_retained(&topic, driver.now)).await
    }

    /// Publishes a message as a client would that may publish everything. Messages of one topic keep their order.
    pub async fn publish(&self, message: ServerPublish) -> Result<Result<Published, NotPublished>, Ended> {
        let home = self.home_of_topic(&message.topic);
        let topic = message.topic.clone();
        let counts = self.ask_all(move |driver| driver.shard.subscriber_counts(&topic)).await?;
        let sessions: usize = counts.iter().map(|(sessions, _)| sessions).sum();
        // Each shard knows all groups.
        let groups = counts.get(home).map_or(0, |(_, groups)| *groups);
        let published = self.ask(home, move |driver| driver.shard.publish(&message, driver.now)).await?;
        Ok(published.map(|_| Published { subscribers: sessions + groups }))
    }

    /// The shard that keeps a topic's retained message, and publishes for who is no client.
    fn home_of_topic(&self, topic: &str) -> usize {
        usize::from(home_of_topic(topic, &self.common.settings, self.shards()).0)
    }
}
