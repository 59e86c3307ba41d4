//! Values under small numbers that are used again, in chunks: growth never moves what is there, so that it costs the
//! same at a million entries as at a thousand, and no more than one chunk is ever idle.

const CHUNK: usize = 1024;

#[derive(Debug)]
pub(super) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T: Default> Slab<T> {
    pub fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }

    /// Stores `value` under a number that is free.
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(index) = self.free.pop() {
            *self.get_mut(index) = value;
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        self.chunks[last].push(value);
        let index = last * CHUNK + self.chunks[last].len() - 1;
        u32::try_from(index).expect("fewer than 2^32 entries")
    }

    /// Takes the value out; the number is free from now on.
    pub fn remove(&mut self, index: u32) -> T {
        self.free.push(index);
        std::mem::take(self.get_mut(index))
    }

    /// The value under a number that is in use.
    #[inline]
    pub fn get(&self, index: u32) -> &T {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    #[inline]
    pub fn get_mut(&mut self, index: u32) -> &mut T {
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }
}
