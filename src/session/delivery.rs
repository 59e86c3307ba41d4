//! One message on its way to one session.

use std::rc::Rc;

use smallvec::SmallVec;

use crate::broker::Message;
use crate::codec::Qos;

/// A message with what one subscriber makes of it.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub message: Rc<Message>,
    /// The lower one of the message's and the subscription's.
    pub qos: Qos,
    /// The RETAIN flag as this subscriber gets it.
    pub retain: bool,
    /// Subscription Identifiers of all subscriptions that matched.
    pub subscription_ids: SmallVec<[u32; 2]>,
    /// The shared subscription through which it came, so that another member can get it.
    pub group: Option<Rc<GroupName>>,
    /// Number of the store's entry for it; 0 if it is not kept.
    pub entry: u64,
}

/// Names a shared subscription independently of a shard's tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName {
    pub share: Box<str>,
    pub filter: Box<str>,
}
