//! Retained messages by topic, in level order, searched by filter in steps that can be resumed.

/// One shard's partition of the retained messages.
#[derive(Debug)]
pub struct RetainedTree<V> {
    values: Vec<V>,
}

#[allow(unused_variables)]
impl<V> RetainedTree<V> {
    pub fn new() -> Self {
        Self { values: Vec::new() }
    }
    pub fn insert(&mut self, topic: &str, value: V) -> Option<V> {
        unimplemented!()
    }
    pub fn remove(&mut self, topic: &str) -> Option<V> {
        unimplemented!()
    }
    pub fn get(&self, topic: &str) -> Option<&V> {
        unimplemented!()
    }
    pub fn len(&self) -> usize {
        unimplemented!()
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The next topic after `after` (exclusive; `None` from the start) in the tree's order that `filter` matches, `$`-topics
    /// excluded as in section 4.7.2. Takes one from `steps` for each entry looked at; at 0 it stops with `Search::Paused` at a topic from
    /// which to resume. Entries may come and go between two calls.
    pub fn next_matching<'a>(&'a self, filter: &str, after: Option<&str>, steps: &mut u32) -> Search<'a, V> {
        unimplemented!()
    }
}

/// Outcome of one call of [`RetainedTree::next_matching`].
#[derive(Debug, PartialEq, Eq)]
pub enum Search<'a, V> {
    Found(&'a str, &'a V),
    /// The budget is used up; resume with `after` set to this topic.
    Paused(&'a str),
    Done,
}
