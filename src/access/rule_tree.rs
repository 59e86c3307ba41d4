//! Rules compiled to a tree by topic levels: one walk tells what all rules together say of a topic or a filter.

use std::collections::BTreeMap;

use super::acl::{Permission, Rule};
use super::template::{Names, Template};
use crate::codec::topic::Filter;
use crate::limits::{TOPIC_LENGTH_MAX_DEFAULT, TOPIC_LEVELS_MAX_DEFAULT};

/// What rules say, all that match together.
pub type Bits = u8;
pub const READ: Bits = 1;
pub const WRITE: Bits = 2;
pub const DENY: Bits = 4;

/// A tree of rules. It is at most as deep as a filter may have levels, which bounds the recursion.
#[derive(Debug)]
pub struct RuleTree {
    /// The first is the root.
    nodes: Vec<Node>,
}

#[derive(Debug, Default)]
struct Node {
    levels: BTreeMap<Box<str>, usize>,
    plus: Option<usize>,
    templates: Vec<(Template, usize)>,
    /// Of the rules that end here.
    here: Bits,
    /// Of those that end here with `#`.
    below: Bits,
    /// Of those that end here or anywhere below.
    all: Bits,
}

/// Which rules count for a filter with wildcards. For a topic both are the same.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Rules that match some topic that the filter matches; sometimes one more.
    Overlap,
    /// Rules that match every topic that the filter matches; perhaps not all of these.
    Cover,
}

/// Whether substitutes in the rules are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Substitution {
    Never,
    Names,
}

impl RuleTree {
    pub fn new(rules: &[Rule], substitution: Substitution) -> Self {
        let mut tree = Self { nodes: vec![Node::default()] };
        for rule in rules {
            tree.add(rule, substitution);
        }
        tree
    }

    /// What the rules that match a topic say.
    #[inline]
    pub fn of_topic(&self, topic: &str, names: &Names<'_>) -> Bits {
        let root = self.node(0);
        if root.all == root.below && !topic.starts_with('$') {
            // Nothing but `#`, if anything: it is the same for all topics.
            return root.below;
        }
        self.walk(0, Some(topic), names, Mode::Overlap)
    }

    /// What rules say that match something of a filter.
    pub fn overlapping(&self, filter: &str, names: &Names<'_>) -> Bits {
        self.walk(0, Some(filter), names, Mode::Overlap)
    }

    /// What rules say that match all of a filter.
    pub fn covering(&self, filter: &str, names: &Names<'_>) -> Bits {
        self.walk(0, Some(filter), names, Mode::Cover)
    }

    fn add(&mut self, rule: &Rule, substitution: Substitution) {
        let bits = match rule.permission {
            Permission::Read => READ,
            Permission::Write => WRITE,
            Permission::ReadWrite => READ | WRITE,
            Permission::Deny => DENY,
        };
        // A filter that is not valid gives nothing, and denies as much as it may have meant: the tree reads `#` as the end.
        let is_valid = Filter::parse(&rule.filter, TOPIC_LENGTH_MAX_DEFAULT, TOPIC_LEVELS_MAX_DEFAULT).is_ok();
        if !is_valid && bits != DENY {
            return;
        }
        let mut at = 0;
        self.node_mut(at).all |= bits;
        for (depth, level) in rule.filter.split('/').enumerate() {
            if level == "#" || depth >= TOPIC_LEVELS_MAX_DEFAULT {
                self.node_mut(at).below |= bits;
                return;
            }
            at = self.child(at, level, substitution);
            self.node_mut(at).all |= bits;
        }
        self.node_mut(at).here |= bits;
    }

    fn child(&mut self, at: usize, level: &str, substitution: Substitution) -> usize {
        let template = Template::parse(level).filter(|_| substitution == Substitution::Names);
        let next = self.nodes.len();
        let node = self.node_mut(at);
        let child = if level == "+" {
            *node.plus.get_or_insert(next)
        } else if let Some(template) = template {
            let known = node.templates.iter().find(|(known, _)| *known == template).map(|(_, child)| *child);
            known.unwrap_or_else(|| {
                node.templates.push((template, next));
                next
            })
        } else {
            *node.levels.entry(level.into()).or_insert(next)
        };
        if child == next {
            self.nodes.push(Node::default());
        }
        child
    }

    fn walk(&self, at: usize, rest: Option<&str>, names: &Names<'_>, mode: Mode) -> Bits {
        let node = self.node(at);
        let Some(rest) = rest else { return node.here | node.below };
        let (level, next) = match rest.split_once('/') {
            Some((level, next)) => (level, Some(next)),
            None => (rest, None),
        };
        let is_root = at == 0;
        // Topics that begin with `$` are not matched by a wildcard in their place ([MQTT-4.7.2-1]).
        let is_system = is_root && level.starts_with('$');
        let mut bits = if is_system { 0 } else { node.below };
        match (level, mode) {
            ("#", Mode::Cover) => {}
            ("#", Mode::Overlap) => {
                bits |= if is_root { 0 } else { node.all };
                self.each_child(node, is_root, names, |child| bits |= self.node(child).all);
            }
            ("+", Mode::Overlap) => {
                self.each_child(node, is_root, names, |child| bits |= self.walk(child, next, names, mode));
                let unsafe_ones = node.templates.iter().filter(|(it, _)| it.is_meant(names) && !it.is_safe(names));
                unsafe_ones.for_each(|(_, child)| bits |= self.denied_below(*child, names));
            }
            _ => {
                if let Some(child) = node.levels.get(level) {
                    bits |= self.walk(*child, next, names, mode);
                }
                if let Some(child) = node.plus.filter(|_| !is_system) {
                    bits |= self.walk(child, next, names, mode);
                }
                for (template, child) in &node.templates {
                    if is_system && !template.begins_with_dollar() || !template.is_meant(names) {
                        continue;
                    }
                    if !template.is_safe(names) {
                        bits |= self.denied_below(*child, names);
                    } else if template.matches(level, names) {
                        bits |= self.walk(*child, next, names, mode);
                    }
                }
            }
        }
        bits
    }

    /// Whether any rule below denies something to a client with these names.
    fn denied_below(&self, at: usize, names: &Names<'_>) -> Bits {
        let node = self.node(at);
        let mut bits = node.here | node.below;
        self.each_child(node, false, names, |child| bits |= self.denied_below(child, names));
        bits & DENY
    }

    /// The children of which a wildcard in a filter may mean something.
    fn each_child(&self, node: &Node, is_root: bool, names: &Names<'_>, mut visit: impl FnMut(usize)) {
        let named = node.levels.iter().filter(|(level, _)| !(is_root && level.starts_with('$')));
        named.for_each(|(_, child)| visit(*child));
        node.plus.into_iter().for_each(&mut visit);
        let meant = node.templates.iter().filter(|(template, _)| template.is_meant(names));
        meant.for_each(|(_, child)| visit(*child));
    }

    fn node(&self, at: usize) -> &Node {
        &self.nodes[at]
    }

    fn node_mut(&mut self, at: usize) -> &mut Node {
        &mut self.nodes[at]
    }
}
