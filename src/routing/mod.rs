//! Who gets a message: subscriptions of this shard in detail, of the other shards only that they are interested.
//!
//! Filters and topics come in already checked (`codec::topic`). Sessions are numbers here; what is behind them is the
//! broker's business.

mod choice;
mod exact;
pub mod groups;
pub mod index;
mod keyed_hash;
mod level_order;
mod levels;
mod members;
mod merge;
pub mod retained;
pub mod shards;
mod slab;
mod table;
mod target;
mod trie;

pub use groups::{Choice, GroupId, MemberState, Strategy};
pub use index::{LocalMatch, Matches, Removed, Subscribed, Subscription, TopicIndex};
pub use retained::{RetainedTree, Search};
pub use shards::{ShardIndex, ShardSet};

/// A session of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u32);
