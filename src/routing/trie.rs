//! Filters with wildcards: a trie with one node for each level of a filter.
//!
//! A node has at most one child for `+`, kept as a field; `#` ends a filter, so it is no child at all but a second
//! target of its parent, which is also how `sport/#` comes to match `sport`. The other children of all nodes are in
//! one hash table, keyed by (parent, number of the level's text). So a node is 48 bytes whether it has no child or
//! a million, and nothing has to be rebuilt when the one becomes the other.
//!
//! A match keeps the nodes that it has still to visit on a stack of its own, not on the thread's: filters and topics
//! may have tens of thousands of levels. Each node is reached by at most one path, so a match visits no more
//! nodes than there are, and of those only the ones whose levels fit. The levels of the topic are found, and their
//! numbers looked up, only as far down as some filter reaches: a topic that differs from all filters in its first
//! level costs one look-up.

use memchr::memchr;

use super::keyed_hash::KeyedHash;
use super::levels::Levels;
use super::slab::Slab;
use super::table::Table;
use super::target::Target;

/// No such node.
const NONE: u32 = u32::MAX;
/// In place of a level's number: the node is its parent's `+`.
const PLUS: u32 = u32::MAX;
/// The first node, the parent of the first level. It is never removed.
const ROOT: u32 = 0;

#[derive(Debug)]
pub(super) struct Trie {
    nodes: Slab<Node>,
    edges: Table<Edge>,
    levels: Levels,
    hash: KeyedHash,
}

#[derive(Debug)]
struct Node {
    parent: u32,
    level: u32,
    /// Children in the table of edges.
    children: u32,
    plus: u32,
    /// The filter that ends here.
    own: Target,
    /// The filter that ends here and has `/#` behind it.
    rest: Target,
}

const _: () = assert!(size_of::<Node>() == 48);

impl Default for Node {
    fn default() -> Self {
        Self { parent: NONE, level: PLUS, children: 0, plus: NONE, own: Target::Empty, rest: Target::Empty }
    }
}

impl Node {
    fn is_needless(&self) -> bool {
        self.own.is_empty() && self.rest.is_empty() && self.children == 0 && self.plus == NONE
    }
}

#[derive(Debug)]
struct Edge {
    parent: u32,
    level: u32,
    child: u32,
}

/// A target in the trie, valid until the trie changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    node: u32,
    rest: bool,
}

/// What a match has to remember, kept so that it need not be allocated again.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Nodes to visit, each with its depth.
    stack: Vec<(u32, u32)>,
    /// The levels of the topic, as far as they were needed.
    levels: Vec<TopicLevel>,
}

#[derive(Debug)]
struct TopicLevel {
    start: usize,
    end: usize,
    number: Number,
}

#[derive(Clone, Copy, Debug)]
enum Number {
    NotLookedUp,
    /// No filter has this text at any level.
    Unknown,
    Known(u32),
}

impl Trie {
    pub fn new(hash: KeyedHash) -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        Self { nodes, edges: Table::new(), levels: Levels::new(hash.clone()), hash }
    }

    #[inline]
    pub fn target(&self, place: Place) -> &Target {
        let node = self.nodes.get(place.node);
        if place.rest { &node.rest } else { &node.own }
    }

    /// What is behind one filter, not what matches a topic.
    pub fn get(&self, filter: &str) -> Option<&Target> {
        self.find(filter).map(|place| self.target(place))
    }

    /// Each node has two targets: those of node n have the numbers 2 n and 2 n + 1. `None` behind the last one; a free node has empty ones.
    pub fn at(&self, number: u64) -> Option<&Target> {
        let node = self.nodes.find(u32::try_from(number / 2).ok()?)?;
        Some(if number % 2 == 1 { &node.rest } else { &node.own })
    }

    /// The filter of a target that is not empty, by its number.
    pub fn filter_at(&self, number: u64) -> String {
        let mut levels = if number % 2 == 1 { vec!["#"] } else { Vec::new() };
        let mut node = (number / 2) as u32;
        while node != ROOT {
            let Node { parent, level, .. } = *self.nodes.get(node);
            levels.push(if level == PLUS { "+" } else { self.levels.text(level) });
            node = parent;
        }
        levels.reverse();
        levels.join("/")
    }

    pub fn get_or_insert(&mut self, filter: &str) -> &mut Target {
        let mut node = ROOT;
        for level in filter.split('/') {
            node = match level {
                "#" => return &mut self.nodes.get_mut(node).rest,
                "+" => match self.nodes.get(node).plus {
                    NONE => {
                        let child = self.nodes.insert(Node { parent: node, ..Node::default() });
                        self.nodes.get_mut(node).plus = child;
                        child
                    }
                    child => child,
                },
                text => match self.levels.find(text).and_then(|level| self.child(node, level)) {
                    Some(child) => child,
                    None => self.add_child(node, text),
                },
            };
        }
        &mut self.nodes.get_mut(node).own
    }

    /// Changes the target of `filter`, if there is one, and removes the nodes that nobody needs any more.
    pub fn update<R>(&mut self, filter: &str, change: impl FnOnce(&mut Target) -> R) -> Option<R> {
        let place = self.find(filter)?;
        let node = self.nodes.get_mut(place.node);
        let result = change(if place.rest { &mut node.rest } else { &mut node.own });
        self.prune(place.node);
        Some(result)
    }

    /// Calls `found` for each target whose filter matches `topic`.
    #[inline]
    pub fn matches<'a>(&'a self, topic: &str, walk: &mut Walk, mut found: impl FnMut(Place, &'a Target)) {
        walk.levels.clear();
        walk.stack.push((ROOT, 0));
        // [MQTT-4.7.2-1]
        let hidden_from_wildcards = topic.starts_with('$');
        while let Some((index, depth)) = walk.stack.pop() {
            let node = self.nodes.get(index);
            let wildcards = depth > 0 || !hidden_from_wildcards;
            if wildcards && !node.rest.is_empty() {
                found(Place { node: index, rest: true }, &node.rest);
            }
            let Some(level) = walk.level(topic, depth) else {
                if !node.own.is_empty() {
                    found(Place { node: index, rest: false }, &node.own);
                }
                continue;
            };
            let child = if node.children == 0 {
                None
            } else {
                if let Number::NotLookedUp = level.number {
                    let text = &topic[level.start..level.end];
                    level.number = self.levels.find(text).map_or(Number::Unknown, Number::Known);
                }
                match level.number {
                    Number::Known(number) => self.child(index, number),
                    _ => None,
                }
            };
            if wildcards && node.plus != NONE {
                walk.stack.push((node.plus, depth + 1));
            }
            if let Some(child) = child {
                walk.stack.push((child, depth + 1));
            }
        }
    }

    fn find(&self, filter: &str) -> Option<Place> {
        let mut node = ROOT;
        for level in filter.split('/') {
            node = match level {
                "#" => return Some(Place { node, rest: true }),
                "+" => Some(self.nodes.get(node).plus).filter(|&child| child != NONE)?,
                text => self.child(node, self.levels.find(text)?)?,
            };
        }
        Some(Place { node, rest: false })
    }

    #[inline]
    fn child(&self, parent: u32, level: u32) -> Option<u32> {
        let hash = edge_hash(&self.hash, parent, level);
        self.edges.find(hash, |edge| edge.parent == parent && edge.level == level).map(|edge| edge.child)
    }

    fn add_child(&mut self, parent: u32, text: &str) -> u32 {
        let level = self.levels.acquire(text);
        let child = self.nodes.insert(Node { parent, level, ..Node::default() });
        self.nodes.get_mut(parent).children += 1;
        let hash = &self.hash;
        let edge = Edge { parent, level, child };
        self.edges.insert_unique(edge_hash(hash, parent, level), edge, |edge| edge_hash(hash, edge.parent, edge.level));
        child
    }

    /// Removes `index` if nobody needs it, then its parent likewise, and so on.
    fn prune(&mut self, mut index: u32) {
        while index != ROOT && self.nodes.get(index).is_needless() {
            let Node { parent, level, .. } = self.nodes.remove(index);
            if level == PLUS {
                self.nodes.get_mut(parent).plus = NONE;
            } else {
                self.nodes.get_mut(parent).children -= 1;
                let hash = &self.hash;
                self.edges.remove(
                    edge_hash(hash, parent, level),
                    |edge| edge.parent == parent && edge.level == level,
                    |edge| edge_hash(hash, edge.parent, edge.level),
                );
                self.levels.release(level);
            }
            index = parent;
        }
    }
}

impl Walk {
    /// The level of `topic` at `depth`, counted from 0; `None` if it has fewer. Depths are asked for in such an order
    /// that at most one level more than before has to be found.
    #[inline]
    fn level(&mut self, topic: &str, depth: u32) -> Option<&mut TopicLevel> {
        let depth = depth as usize;
        if depth == self.levels.len() {
            let start = self.levels.last().map_or(0, |level| level.end + 1);
            // Behind the last level there is no separator any more, so its successor would start past the end.
            let text = topic.as_bytes().get(start..)?;
            let end = memchr(b'/', text).map_or(topic.len(), |length| start + length);
            self.levels.push(TopicLevel { start, end, number: Number::NotLookedUp });
        }
        self.levels.get_mut(depth)
    }
}

#[inline]
fn edge_hash(hash: &KeyedHash, parent: u32, level: u32) -> u64 {
    hash.number(u64::from(parent) << 32 | u64::from(level))
}

#[cfg(test)]
mod tests {
    use super::super::ShardIndex;
    use super::*;

    #[test]
    fn nodes_and_texts_go_with_the_last_filter_that_needs_them() {
        let mut trie = Trie::new(KeyedHash::new(1));
        let filters = ["a/+/b", "a/+", "a/+/#", "a/#", "#", "+", "+/a/b/c/#", "a/b/+", "/+", "+/+/+/"];
        for filter in filters {
            trie.get_or_insert(filter).add_shard(ShardIndex(1), false);
        }
        assert_eq!(trie.levels.len(), 4);
        for filter in filters {
            assert_eq!(trie.update("a/+/b/+", |_| ()), None);
            assert_eq!(trie.update(filter, |target| target.remove_shard(ShardIndex(1))), Some(()));
        }
        assert_eq!((trie.nodes.len(), trie.levels.len()), (1, 0));
        assert!(trie.nodes.get(ROOT).is_needless());
    }
}
