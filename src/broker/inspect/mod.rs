//! What a shard says of itself to those who ask, in parts: each call looks at a bounded number of entries and says where the next
//! one goes on. What comes and goes between two calls is seen or not, and nothing that stays is left out.

mod client;
mod clients;
mod retained;
mod slow;
mod subscriptions;

pub use client::{ClientState, ConnectionState, SubscriptionState};
pub use clients::{ClientDetail, ClientFilter};
pub use retained::{RetainedMessage, RetainedState};
pub use slow::Slowest;
pub use subscriptions::{ClientSubscription, FilterState, SubscriptionFilter, SubscriptionPlace};

pub use crate::routing::FilterPlace;

/// One part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T, P = u32> {
    pub entries: Vec<T>,
    /// Where the next part begins; `None` is the end.
    pub next: Option<P>,
}

impl<T, P> Part<T, P> {
    /// The same part of a list of something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Part<U, P> {
        Part { entries: self.entries.into_iter().map(change).collect(), next: self.next }
    }
}

impl<T, P> Default for Part<T, P> {
    /// The whole of an empty list.
    fn default() -> Self {
        Self { entries: Vec::new(), next: None }
    }
}
