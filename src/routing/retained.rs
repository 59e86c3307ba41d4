//! Retained messages by topic, in level order, searched by filter in steps that can be resumed.
//!
//! The topics are in one ordered map, by `level_order`. A search walks it like a reader of a dictionary: it looks at
//! one topic, and if the filter does not match that, it works out the first place at which a match is possible and goes
//! there directly. So `a/+/c` does not read what is between `a/x/d` and the end of `a/x`, however much it is, and what
//! is left out costs one descent of the tree for each gap. Where a search stands is told by a topic alone, which need
//! not exist any more when it goes on; so a search holds nothing between its steps, and entries may come and go.
//!
//! A map of whole topics takes about 40 bytes an entry beside topic and value. A tree of levels would share the
//! prefixes of topics, but pay for them with nodes.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::ops::Bound;

use memchr::memchr;

use super::level_order::{LevelOrdered, Topic, compare};

/// One shard's partition of the retained messages.
#[derive(Debug)]
pub struct RetainedTree<V> {
    values: BTreeMap<Topic, V>,
}

/// Outcome of one call of [`RetainedTree::next_matching`].
#[derive(Debug, PartialEq, Eq)]
pub enum Search<'a, V> {
    Found(&'a str, &'a V),
    /// The budget is used up; resume with `after` set to this topic.
    Paused(&'a str),
    Done,
}

impl<V> Default for RetainedTree<V> {
    fn default() -> Self {
        Self { values: BTreeMap::new() }
    }
}

impl<V> RetainedTree<V> {
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of a topic; the one that it had.
    pub fn insert(&mut self, topic: &str, value: V) -> Option<V> {
        match self.values.get_mut(key(&topic)) {
            Some(known) => Some(std::mem::replace(known, value)),
            None => self.values.insert(Topic(topic.into()), value),
        }
    }

    pub fn remove(&mut self, topic: &str) -> Option<V> {
        self.values.remove(key(&topic))
    }

    pub fn get(&self, topic: &str) -> Option<&V> {
        self.values.get(key(&topic))
    }

    pub fn len(&self) -> usize {
        self.values.len()
    }

    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The next topic after `after` (exclusive; `None` from the start) in the tree's order that `filter` matches, `$`-topics
    /// excluded as in section 4.7.2. Takes one from `steps` for each entry looked at; at 0 it stops with `Search::Paused` at a topic from
    /// which to resume. At least one entry is looked at, so that every call gets on. Entries may come and go between
    /// two calls.
    pub fn next_matching<'a>(&'a self, filter: &str, after: Option<&str>, steps: &mut u32) -> Search<'a, V> {
        let mut place = String::new();
        let start = match after.map(|topic| (topic, judge(filter, topic, &mut place).next)) {
            None => {
                first_place(filter, &mut place);
                Bound::Included(place.as_str())
            }
            Some((topic, Next::Neighbour)) => Bound::Excluded(topic),
            Some((_, Next::AtPlace)) => Bound::Included(place.as_str()),
            Some((_, Next::Nowhere)) => return Search::Done,
        };
        let mut entries = self.entries_from(start);
        while let Some((topic, value)) = entries.next() {
            let topic = &*topic.0;
            *steps = steps.saturating_sub(1);
            let verdict = judge(filter, topic, &mut place);
            match verdict.next {
                _ if verdict.matches => return Search::Found(topic, value),
                Next::Nowhere => return Search::Done,
                _ if *steps == 0 => return Search::Paused(topic),
                Next::Neighbour => {}
                Next::AtPlace => {
                    // Often the neighbour is at the place or past it already, and the descent can be saved.
                    let neighbour = entries.clone().next();
                    if neighbour.is_some_and(|(topic, _)| compare(&topic.0, &place) == Ordering::Less) {
                        entries = self.entries_from(Bound::Included(&place));
                    }
                }
            }
        }
        Search::Done
    }

    fn entries_from(&self, start: Bound<&str>) -> Range<'_, Topic, V> {
        let start = start.as_ref().map(key);
        self.values.range::<dyn LevelOrdered + '_, _>((start, Bound::Unbounded))
    }
}

/// What the filter says of a topic, and of those behind it.
struct Verdict {
    matches: bool,
    next: Next,
}

/// Where the next match can be at the earliest.
enum Next {
    Neighbour,
    /// At the place that `judge` sets.
    AtPlace,
    Nowhere,
}

/// Whether `filter` matches `topic`, and where to look next. Sets `place`, which is always behind `topic`, or leaves it
/// empty.
fn judge(filter: &str, topic: &str, place: &mut String) -> Verdict {
    place.clear();
    // [MQTT-4.7.2-1]: all topics with `$` are neighbours, and `%` is the next character.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        place.push('%');
        return Verdict { matches: false, next: Next::AtPlace };
    }
    let mut filter_levels = filter.split('/');
    // Where the level ends that the last `+` stands for: only there can a match behind this topic differ from it.
    let mut plus_end = None;
    let mut start = 0;
    loop {
        let end = topic.as_bytes().get(start..).map(|rest| memchr(b'/', rest).map_or(topic.len(), |at| start + at));
        match (filter_levels.next(), end) {
            (Some("#"), _) => return Verdict { matches: true, next: Next::Neighbour },
            (None, end) => return Verdict { matches: end.is_none(), next: leave_subtree(topic, plus_end, place) },
            (Some("+"), Some(end)) => {
                plus_end = Some(end);
                start = end + 1;
            }
            (Some(wanted), Some(end)) => match topic[start..end].cmp(wanted) {
                Ordering::Equal => start = end + 1,
                Ordering::Greater => return Verdict { matches: false, next: leave_subtree(topic, plus_end, place) },
                Ordering::Less => {
                    place.push_str(&topic[..start]);
                    place.push_str(wanted);
                    append_literals(filter_levels, place);
                    return Verdict { matches: false, next: Next::AtPlace };
                }
            },
            (Some(wanted), None) => {
                place.push_str(topic);
                append_literals(std::iter::once(wanted).chain(filter_levels), place);
                return Verdict { matches: false, next: Next::AtPlace };
            }
        }
    }
}

/// The place behind all topics that begin with the first `end` bytes of `topic`, a whole number of levels.
fn leave_subtree(topic: &str, end: Option<usize>, place: &mut String) -> Next {
    let Some(end) = end else { return Next::Nowhere };
    place.push_str(&topic[..end]);
    // No topic holds it ([MQTT-4.7.3-2]), and in level order it is between the separator and all characters of topics.
    place.push('\0');
    Next::AtPlace
}

/// The first place at which `filter` can match.
fn first_place(filter: &str, place: &mut String) {
    let mut levels = filter.split('/');
    if let Some(first) = levels.next().filter(|first| !matches!(*first, "+" | "#")) {
        place.push_str(first);
        append_literals(levels, place);
    }
}

/// Appends levels of a filter up to the first wildcard: no match below the place is before that.
fn append_literals<'a>(levels: impl Iterator<Item = &'a str>, place: &mut String) {
    for level in levels {
        if level == "#" {
            return;
        }
        place.push('/');
        if level == "+" {
            return;
        }
        place.push_str(level);
    }
}

fn key<'a>(topic: &'a &str) -> &'a (dyn LevelOrdered + 'a) {
    topic
}
