//! Topic aliases (section 3.3.2.3.4), one table for each direction; both die with the connection.

use std::rc::Rc;

use hashbrown::HashMap;

/// Aliases that the client has set. Bounded by the Topic Alias Maximum that the server announced.
#[derive(Debug, Default)]
pub struct AliasesIn {
    topics: Vec<Option<Rc<str>>>,
}

impl AliasesIn {
    /// `alias` stands for `topic` from now on; it is from 1 to the announced maximum.
    pub fn set(&mut self, alias: u16, topic: &str) {
        let position = usize::from(alias);
        if self.topics.len() <= position {
            self.topics.resize(position + 1, None);
        }
        if let Some(entry) = self.topics.get_mut(position)
            && entry.as_deref() != Some(topic)
        {
            *entry = Some(topic.into());
        }
    }

    pub fn get(&self, alias: u16) -> Option<Rc<str>> {
        self.topics.get(usize::from(alias)).cloned().flatten()
    }
}

/// Aliases that the server has set: the first topics that this client was sent, up to its Topic Alias Maximum.
#[derive(Debug)]
pub struct AliasesOut {
    aliases: HashMap<Box<str>, u16, foldhash::fast::FixedState>,
    maximum: u16,
}

/// How to name a topic to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// The client knows it: send the alias alone.
    Known(u16),
    /// Send topic and alias.
    New(u16),
    /// The table is full: send the topic alone.
    None,
}

impl AliasesOut {
    /// `hash_seed` keeps chosen topics from colliding.
    pub fn new(maximum: u16, hash_seed: u64) -> Self {
        Self { aliases: HashMap::with_hasher(foldhash::fast::FixedState::with_seed(hash_seed)), maximum }
    }

    /// What [`AliasesOut::assign`] would answer, without keeping it.
    pub fn look_up(&self, topic: &str) -> Alias {
        match self.aliases.get(topic) {
            Some(&alias) => Alias::Known(alias),
            None if self.aliases.len() < usize::from(self.maximum) => Alias::New(self.aliases.len() as u16 + 1),
            None => Alias::None,
        }
    }

    /// The client is being sent `topic` with `alias`, as [`AliasesOut::look_up`] proposed.
    pub fn assign(&mut self, topic: &str, alias: u16) {
        self.aliases.insert(topic.into(), alias);
    }
}
