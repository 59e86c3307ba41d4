//! The filters of a session, so that they can be taken out of the topic index when it ends. They are walked in an order that
//! depends on nothing but the filters and the client's requests.

use std::collections::BTreeSet;

/// Up to this many filters are kept in a list.
const FEW: usize = 8;

/// Stands between the filters of a list: no filter has it ([MQTT-1.5.4-2]).
const SEPARATOR: char = '\0';

/// A set of filters, `$share/name/` included; small for the many sessions that have one or two.
#[derive(Debug)]
pub enum Subscriptions {
    /// One allocation for all of them, in the order in which they were asked for.
    Few(Box<str>),
    Many(Box<BTreeSet<Box<str>>>),
}

const _: () = assert!(size_of::<Subscriptions>() == 16);

impl Default for Subscriptions {
    fn default() -> Self {
        Self::Few(Box::default())
    }
}

impl Subscriptions {
    pub fn len(&self) -> usize {
        match self {
            Self::Few(list) => split(list).count(),
            Self::Many(set) => set.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn contains(&self, filter: &str) -> bool {
        match self {
            Self::Few(list) => split(list).any(|known| known == filter),
            Self::Many(set) => set.contains(filter),
        }
    }

    /// Adds a filter that may be there already. It is not empty ([MQTT-4.7.3-1]).
    pub fn insert(&mut self, filter: &str) {
        debug_assert!(!filter.is_empty() && !filter.contains(SEPARATOR));
        if self.contains(filter) {
            return;
        }
        match self {
            Self::Few(list) if list.is_empty() => *list = filter.into(),
            Self::Few(list) if split(list).count() < FEW => *list = join(split(list).chain([filter])),
            Self::Few(list) => {
                let set = split(list).chain([filter]).map(Box::from).collect();
                *self = Self::Many(Box::new(set));
            }
            Self::Many(set) => {
                set.insert(filter.into());
            }
        }
    }

    pub fn remove(&mut self, filter: &str) {
        match self {
            Self::Few(list) => *list = join(split(list).filter(|known| *known != filter)),
            Self::Many(set) => {
                set.remove(filter);
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (few, many) = match self {
            Self::Few(list) => (Some(split(list)), None),
            Self::Many(set) => (None, Some(set.iter())),
        };
        few.into_iter().flatten().chain(many.into_iter().flatten().map(|filter| &**filter))
    }
}

fn split(list: &str) -> impl Iterator<Item = &str> {
    list.split(SEPARATOR).filter(|filter| !filter.is_empty())
}

fn join<'a>(filters: impl Iterator<Item = &'a str>) -> Box<str> {
    let mut list = String::new();
    for filter in filters {
        if !list.is_empty() {
            list.push(SEPARATOR);
        }
        list.push_str(filter);
    }
    list.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_come_and_go_in_a_list_and_beyond_it() {
        let mut subscriptions = Subscriptions::default();
        assert!(subscriptions.is_empty());
        let filters: Vec<String> = (0..2 * FEW).map(|number| format!("f/{number:02}")).collect();
        for (count, filter) in filters.iter().enumerate() {
            assert!(!subscriptions.contains(filter));
            subscriptions.insert(filter);
            subscriptions.insert(filter);
            assert_eq!(subscriptions.iter().collect::<Vec<_>>(), filters[..=count]);
            assert_eq!(subscriptions.len(), count + 1);
        }
        for (count, filter) in filters.iter().enumerate() {
            subscriptions.remove("f");
            subscriptions.remove(filter);
            assert_eq!(subscriptions.iter().collect::<Vec<_>>(), filters[count + 1..]);
        }
        assert!(subscriptions.is_empty());
    }

    #[test]
    fn a_list_forgets_from_any_place() {
        for gone in 0..3 {
            let filters = ["a", "a/b", "#"];
            let mut subscriptions = Subscriptions::default();
            filters.iter().for_each(|filter| subscriptions.insert(filter));
            subscriptions.remove(filters[gone]);
            let left: Vec<&str> = filters.iter().copied().filter(|filter| *filter != filters[gone]).collect();
            assert_eq!(subscriptions.iter().collect::<Vec<_>>(), left);
            assert!(!subscriptions.contains(filters[gone]));
        }
    }
}
