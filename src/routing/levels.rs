//! The texts of topic levels, each stored once and known by a number: `temperature` below a million devices is four
//! bytes for each of them.

use super::keyed_hash::KeyedHash;
use super::slab::Slab;
use super::table::Table;

#[derive(Debug)]
pub(super) struct Levels {
    numbers: Table<u32>,
    texts: Slab<Level>,
    hash: KeyedHash,
}

#[derive(Debug, Default)]
struct Level {
    text: Box<str>,
    /// How many edges of the trie bear it.
    uses: u32,
}

impl Levels {
    pub fn new(hash: KeyedHash) -> Self {
        Self { numbers: Table::new(), texts: Slab::new(), hash }
    }

    #[inline]
    pub fn find(&self, text: &str) -> Option<u32> {
        self.numbers.find(self.hash.text(text), |&number| *self.texts.get(number).text == *text).copied()
    }

    /// The text of a number that is in use.
    pub fn text(&self, number: u32) -> &str {
        &self.texts.get(number).text
    }

    /// The number of `text`, with one use more.
    pub fn acquire(&mut self, text: &str) -> u32 {
        let number = self.find(text).unwrap_or_else(|| {
            let number = self.texts.insert(Level { text: text.into(), uses: 0 });
            let (texts, hash) = (&self.texts, &self.hash);
            self.numbers.insert_unique(hash.text(text), number, |&other| hash.text(&texts.get(other).text));
            number
        });
        self.texts.get_mut(number).uses += 1;
        number
    }

    /// One use less; the text goes with the last.
    pub fn release(&mut self, number: u32) {
        let level = self.texts.get_mut(number);
        level.uses -= 1;
        if level.uses == 0 {
            let level = self.texts.remove(number);
            let (texts, hash) = (&self.texts, &self.hash);
            let hash_of = |&other: &u32| hash.text(&texts.get(other).text);
            self.numbers.remove(hash.text(&level.text), |&other| other == number, hash_of);
        }
    }

    /// Texts that are stored.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.texts.len()
    }
}
