//! The last topics of a client, with what the rules say of them: most clients use few, and comparing names is quicker than a walk
//! along the rules.

use super::rule_tree::Bits;

const TOPICS: usize = 4;

/// A longer topic is not remembered, in bytes: each client that has rules would hold it.
const TOPIC_LENGTH_MAX: usize = 128;

/// A few topics, the oldest forgotten first. Their memory is used again.
#[derive(Debug, Default)]
pub(super) struct Recent {
    topics: [(String, Bits); TOPICS],
    next: usize,
}

impl Recent {
    #[inline]
    pub fn get(&self, topic: &str) -> Option<Bits> {
        self.topics.iter().find(|(known, _)| known == topic).map(|(_, bits)| *bits)
    }

    pub fn insert(&mut self, topic: &str, bits: Bits) {
        if topic.is_empty() || topic.len() > TOPIC_LENGTH_MAX {
            return;
        }
        if let Some((oldest, of_oldest)) = self.topics.get_mut(self.next % TOPICS) {
            oldest.clear();
            oldest.push_str(topic);
            *of_oldest = bits;
        }
        self.next = (self.next + 1) % TOPICS;
    }
}
