//! What one client may do: the rules of its listener, compiled once for all clients, and its own names.

use std::rc::Rc;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::acl::Rule;
use super::policy::AccessRules;
use super::recent::Recent;
use super::rule_tree::{Bits, DENY, READ, RuleTree, Substitution, WRITE};
use super::template::Names;

/// A listener's rules, compiled.
#[derive(Debug)]
pub struct CompiledRules {
    is_restricted: bool,
    anonymous: Rc<RuleTree>,
    users: HashMap<Box<str>, Rc<RuleTree>, FixedState>,
    patterns: Rc<RuleTree>,
}

/// What one client may do. Only a client that may not do everything has this.
#[derive(Debug)]
pub struct Permissions {
    patterns: Rc<RuleTree>,
    /// The rules of the user; none for one that has none.
    own: Option<Rc<RuleTree>>,
    user_name: Option<Rc<str>>,
    /// Whatever the client's subscriptions match may be read: no message need be looked at.
    pub is_covered: bool,
    /// Allocated with the first message that is looked at.
    recent: Option<Box<Recent>>,
}

/// How much of what a filter matches may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readable {
    All,
    /// Perhaps; each message must be looked at.
    Some,
    Nothing,
}

impl CompiledRules {
    pub fn new(rules: &AccessRules) -> Self {
        let compile = |rules: &[Rule]| Rc::new(RuleTree::new(rules, Substitution::Never));
        Self {
            is_restricted: rules.is_restricted,
            anonymous: compile(&rules.anonymous),
            users: rules.users.iter().map(|(name, rules)| (name.clone(), compile(rules))).collect(),
            patterns: Rc::new(RuleTree::new(&rules.patterns, Substitution::Names)),
        }
    }

    /// What a client of this name may do, by its own rules if it came with some. `None` is everything.
    pub fn permissions_of(&self, user_name: Option<&Rc<str>>, granted: Option<&[Rule]>) -> Option<Permissions> {
        let user_name = user_name.cloned();
        if let Some(granted) = granted {
            let patterns = Rc::new(RuleTree::new(granted, Substitution::Names));
            return Some(Permissions { patterns, own: None, user_name, is_covered: false, recent: None });
        }
        let own = match &user_name {
            Some(name) => self.users.get(&**name).cloned(),
            None => Some(self.anonymous.clone()),
        };
        let patterns = self.patterns.clone();
        self.is_restricted.then_some(Permissions { patterns, own, user_name, is_covered: false, recent: None })
    }
}

impl Permissions {
    /// The client may be sent messages of this topic.
    pub fn may_read(&self, client_id: &str, topic: &str) -> bool {
        is_given(self.bits(client_id, topic), READ)
    }

    /// The same, remembered for the next message of this topic.
    pub fn may_read_often(&mut self, client_id: &str, topic: &str) -> bool {
        is_given(self.remembered_bits(client_id, topic), READ)
    }

    /// The client may publish to this topic.
    pub fn may_write(&self, client_id: &str, topic: &str) -> bool {
        is_given(self.bits(client_id, topic), WRITE)
    }

    /// The same, remembered for the next message of this topic.
    pub fn may_write_often(&mut self, client_id: &str, topic: &str) -> bool {
        is_given(self.remembered_bits(client_id, topic), WRITE)
    }

    /// Gives back the memory of what is only remembered.
    pub fn trim(&mut self) {
        self.recent = None;
    }

    /// How much of what a filter matches the client may read; without `$share/name/`.
    pub fn readable(&self, client_id: &str, filter: &str) -> Readable {
        let names = self.names(client_id);
        let own = |bits: fn(&RuleTree, &str, &Names<'_>) -> Bits| {
            self.own.as_ref().map_or(0, |own| bits(own, filter, &names))
        };
        let (own_covering, own_overlapping) = (own(RuleTree::covering), own(RuleTree::overlapping));
        let covering = self.patterns.covering(filter, &names);
        let overlapping = self.patterns.overlapping(filter, &names);
        let may_be_given = own_overlapping & READ != 0 || (overlapping & READ != 0 && covering & DENY == 0);
        let is_given = own_covering & READ != 0 || (covering & READ != 0 && overlapping & DENY == 0);
        if own_covering & DENY != 0 || !may_be_given {
            Readable::Nothing
        } else if is_given && own_overlapping & DENY == 0 {
            Readable::All
        } else {
            Readable::Some
        }
    }

    /// What may be done with a topic: it is a matter of the topic alone, because rules and names stay. As in mosquitto, a user's
    /// own rules come before the patterns, and in each of the two what is denied is denied whatever else is allowed.
    fn bits(&self, client_id: &str, topic: &str) -> Bits {
        let names = self.names(client_id);
        let own = self.own.as_ref().map_or(0, |own| own.of_topic(topic, &names));
        let patterns = self.patterns.of_topic(topic, &names);
        match (own & DENY != 0, patterns & DENY != 0) {
            (true, _) => 0,
            (false, true) => own,
            (false, false) => own | patterns,
        }
    }

    fn remembered_bits(&mut self, client_id: &str, topic: &str) -> Bits {
        if let Some(bits) = self.recent.as_ref().and_then(|recent| recent.get(topic)) {
            return bits;
        }
        let bits = self.bits(client_id, topic);
        self.recent.get_or_insert_default().insert(topic, bits);
        bits
    }

    fn names<'a>(&'a self, client_id: &'a str) -> Names<'a> {
        Names::new(self.user_name.as_deref(), client_id)
    }
}

fn is_given(bits: Bits, wanted: Bits) -> bool {
    bits & wanted != 0
}
