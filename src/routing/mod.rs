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
pub(crate) mod slab;
pub(crate) mod table;
mod target;
mod trie;

pub use groups::{Choice, GroupId, MemberState, Strategy};
pub use index::{FilterPlace, ListedFilter, LocalMatch, Matches, Removed, Subscribed, Subscription, TopicIndex};
pub use retained::{RetainedTree, Search};
pub use shards::{ShardIndex, ShardSet};

/// Whether a filter without a share name matches a topic (section 4.7), for one pair at a time.
pub fn matches_filter(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            // Also the parent level: "sport/#" matches "sport".
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// A session of this shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u32);
