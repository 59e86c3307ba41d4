//! What the server publishes itself, below `$SYS/`: true while it runs, and nobody else's to say.

use std::rc::Rc;

use super::publication::Publication;
use super::publish::Admit;
use super::{Message, Millis, Shard};
use crate::codec::Qos;

/// Where all of it is.
const OWN: &str = "$SYS/";

/// Whether the topic is the server's own: no client publishes there.
#[inline]
pub(in crate::broker) fn is_own(topic: &str) -> bool {
    topic.starts_with(OWN)
}

impl Shard {
    /// Publishes a value, and retains it while the server runs: with the QoS that mosquitto gives its own, 2, if that is allowed.
    pub fn publish_own(&mut self, topic: &str, payload: &[u8], now: Millis) {
        self.now = now;
        let qos = Qos::ExactlyOnce.min(self.settings.maximum_qos);
        let mut message = Message::new(topic, &[], payload, qos, true);
        message.stamp = self.next_stamp();
        if self.route(&Publication::from_message(&Rc::new(message)), Admit::Always).is_some_and(|it| it.began_ticket) {
            self.end_ticket(false);
        }
    }

    /// Whether a retained message of this topic is kept over a restart.
    pub(super) fn is_topic_kept(&self, topic: &str) -> bool {
        self.settings.persistence && !is_own(topic)
    }
}
