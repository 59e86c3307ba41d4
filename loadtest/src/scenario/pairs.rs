//! Pairs: each publisher has one subscriber of its own. Nothing is shared between pairs, so this measures what a message
//! costs, without help from batching over subscribers.

use crate::engine::plan::{Delivery, Group, Topic};

/// `pairs` groups of one publisher and one subscriber.
pub fn plan(pairs: usize, prefix: &str) -> Vec<Group> {
    (0..pairs)
        .map(|pair| {
            let name = format!("{prefix}/pair/{pair}");
            let topic = Topic { name: name.clone(), receivers: vec![0] };
            Group { publishers: vec![vec![topic]], subscribers: vec![name], delivery: Delivery::Each }
        })
        .collect()
}
