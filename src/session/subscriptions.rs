//! The filters of a session, so that they can be taken out of the topic index when it ends. They are walked in an order that
//! depends on nothing but the filters and the client's requests.

use std::collections::BTreeSet;

/// Up to this many filters are kept in a list.
const FEW: usize = 8;

/// A set of filters, `$share/name/` included; small for the many sessions that have one or two.
#[derive(Debug)]
pub enum Subscriptions {
    Few(Vec<Box<str>>),
    Many(Box<BTreeSet<Box<str>>>),
}

impl Default for Subscriptions {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Subscriptions {
    pub fn len(&self) -> usize {
        match self {
            Self::Few(list) => list.len(),
            Self::Many(set) => set.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, filter: &str) -> bool {
        match self {
            Self::Few(list) => list.iter().any(|known| **known == *filter),
            Self::Many(set) => set.contains(filter),
        }
    }

    /// Adds a filter that may be there already.
    pub fn insert(&mut self, filter: &str) {
        if self.contains(filter) {
            return;
        }
        match self {
            Self::Few(list) if list.len() < FEW => {
                list.reserve_exact(1);
                list.push(filter.into());
            }
            Self::Few(list) => {
                let set = list.drain(..).chain([filter.into()]).collect();
                *self = Self::Many(Box::new(set));
            }
            Self::Many(set) => {
                set.insert(filter.into());
            }
        }
    }

    pub fn remove(&mut self, filter: &str) {
        match self {
            Self::Few(list) => list.retain(|known| **known != *filter),
            Self::Many(set) => {
                set.remove(filter);
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (few, many) = match self {
            Self::Few(list) => (Some(list.iter()), None),
            Self::Many(set) => (None, Some(set.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten()).map(|filter| &**filter)
    }
}
