//! Whether the store accepts, as a retained message that operators can subscribe to: `1`, or `0`.

use std::rc::Rc;

use super::publication::Publication;
use super::publish::Admit;
use super::{Message, Shard};
use crate::codec::Qos;
use crate::routing::ShardIndex;

/// Where it is published.
pub const STORE_ACCEPTING_TOPIC: &str = "$SYS/broker/ringmq/store/accepting";

impl Shard {
    /// One shard tells it for all.
    pub(super) fn publish_store_notice(&mut self) {
        if self.own != ShardIndex(0) {
            return;
        }
        let payload = if self.durability.accepting { b"1" } else { b"0" };
        let mut message = Message::new(STORE_ACCEPTING_TOPIC, &[], payload, Qos::AtMostOnce, true);
        message.stamp = self.next_stamp();
        self.route(&Publication::from_message(&Rc::new(message)), Admit::Always);
    }

    /// Whether the store takes what must be kept; true without one.
    pub fn is_store_accepting(&self) -> bool {
        self.durability.accepting
    }
}
