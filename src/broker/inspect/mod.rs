//! What a shard says of itself to those who ask, in parts: each call looks at a bounded number of entries and says where the next
//! one goes on. What comes and goes between two calls is seen or not, and nothing that stays is left out.

mod client;
mod clients;

pub use client::{ClientState, ConnectionState, SubscriptionState};
pub use clients::{ClientDetail, ClientFilter};

/// One part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<T> {
    pub entries: Vec<T>,
    /// Where the next part begins; `None` is the end.
    pub next: Option<u32>,
}

impl<T> Part<T> {
    /// The same part of a list of something else.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Part<U> {
        Part { entries: self.entries.into_iter().map(change).collect(), next: self.next }
    }
}
