//! Retained messages of a shard's partition.

use super::Part;
use crate::broker::own::is_own;
use crate::broker::{Message, Millis, NotPublished, Shard};
use crate::codec::Qos;
use crate::limits::{RETAINED_BATCH, RETAINED_STEPS};
use crate::routing::retained::Search;

/// A retained message without what may be long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainedState {
    pub topic: String,
    pub qos: Qos,
    pub payload_size: usize,
    /// Milliseconds until it expires, if it does.
    pub expires_in_ms: Option<Millis>,
}

/// A retained message as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainedMessage {
    pub state: RetainedState,
    pub payload: Vec<u8>,
    /// Its properties as they are encoded in a PUBLISH, without the Message Expiry Interval.
    pub properties: Vec<u8>,
}

impl Shard {
    /// Retained messages of this partition whose topic `filter` matches, behind the topic `after` in their order. Empty is before all
    /// topics.
    pub fn retained(&self, filter: &str, after: &str, limit: usize, now: Millis) -> Part<RetainedState, String> {
        let mut part = Part::default();
        let mut place = (!after.is_empty()).then(|| after.to_owned());
        let mut steps = RETAINED_STEPS;
        while part.entries.len() < limit.min(RETAINED_BATCH) && steps > 0 {
            match self.retained.next_matching(filter, place.as_deref(), &mut steps) {
                Search::Found(topic, message) => {
                    place = Some(topic.to_owned());
                    // One that has expired goes when a subscriber looks for it.
                    part.entries.extend(state_of(message, now));
                }
                Search::Paused(topic) => place = Some(topic.to_owned()),
                Search::Done => return part,
            }
        }
        part.next = place;
        part
    }

    /// The retained message of a topic, if this is its partition.
    pub fn retained_message(&self, topic: &str, now: Millis) -> Option<RetainedMessage> {
        let message = self.retained.get(topic)?;
        let (payload, properties) = (message.payload().to_vec(), message.properties().to_vec());
        state_of(message, now).map(|state| RetainedMessage { state, payload, properties })
    }

    /// Forgets the retained message of a topic. Nobody is told: those who subscribe from now on do not get it. False if there is none.
    pub fn delete_retained(&mut self, topic: &str, now: Millis) -> Result<bool, NotPublished> {
        self.now = now;
        if is_own(topic) {
            return Err(NotPublished::Own);
        }
        let is_there = self.retained.get(topic).is_some_and(|message| state_of(message, now).is_some());
        self.forget_retained(topic);
        Ok(is_there)
    }
}

/// `None` if it has expired.
fn state_of(message: &Message, now: Millis) -> Option<RetainedState> {
    if message.expires_at.is_some_and(|at| at <= now) {
        return None;
    }
    Some(RetainedState {
        topic: message.topic().to_owned(),
        qos: message.qos,
        payload_size: message.payload().len(),
        expires_in_ms: message.expires_at.map(|at| at - now),
    })
}
