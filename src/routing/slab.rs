//! Values under small numbers that are used again, in chunks: growth never moves what is there, so that it costs the
//! same at a million entries as at a thousand, and takes memory for one chunk more, not for twice as many. The chunks go
//! when the last value goes.

const CHUNK: usize = 1024;

#[derive(Debug)]
pub struct Slab<T> {
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
        let value = std::mem::take(self.get_mut(index));
        self.free.push(index);
        if self.len() == 0 && self.chunks.len() > 1 {
            *self = Self::new();
        }
        value
    }

    /// Numbers in use.
    pub fn len(&self) -> usize {
        let full_chunks = self.chunks.len().saturating_sub(1);
        full_chunks * CHUNK + self.chunks.last().map_or(0, Vec::len) - self.free.len()
    }

    /// All numbers, free ones too, are below this one.
    pub fn end(&self) -> u32 {
        let full_chunks = self.chunks.len().saturating_sub(1);
        (full_chunks * CHUNK + self.chunks.last().map_or(0, Vec::len)) as u32
    }

    /// The value under any number; what is free holds its default.
    #[inline]
    pub fn find(&self, index: u32) -> Option<&T> {
        self.chunks.get(index as usize / CHUNK)?.get(index as usize % CHUNK)
    }

    #[inline]
    pub fn find_mut(&mut self, index: u32) -> Option<&mut T> {
        self.chunks.get_mut(index as usize / CHUNK)?.get_mut(index as usize % CHUNK)
    }

    /// All values with their numbers; what is free holds its default.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.chunks.iter().flatten())
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
