//! A list that grows without moving.

/// Values of one chunk.
const CHUNK: usize = 1 << CHUNK_SHIFT;
const CHUNK_SHIFT: u32 = 10;

/// A list by number, in chunks that stay where they are: a vector that grows leaves its former places behind, which
/// were 80 bytes of resident memory for each of 15,000 connections, and stops to copy a million of them.
#[derive(Debug)]
pub struct Chunked<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunked<T> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a value; its number is the former length.
    pub fn push(&mut self, value: T) {
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        self.chunks[self.len >> CHUNK_SHIFT].push(value);
        self.len += 1;
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index >> CHUNK_SHIFT)?.get(index & (CHUNK - 1))
    }

    #[inline]
    pub fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        self.chunks.get_mut(index >> CHUNK_SHIFT)?.get_mut(index & (CHUNK - 1))
    }

    /// All values by number.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_number_and_stay_where_they_are() {
        let mut list = Chunked::default();
        assert!(list.is_empty());
        list.push(0);
        let place: *const usize = list.get(0).unwrap();
        (1..3 * CHUNK).for_each(|value| list.push(value));
        assert_eq!(place, list.get(0).unwrap());
        assert_eq!(list.len(), 3 * CHUNK);
        assert!(list.iter().copied().eq(0..3 * CHUNK));
        for index in [0, CHUNK - 1, CHUNK, 3 * CHUNK - 1] {
            assert_eq!(list.get(index), Some(&index));
            *list.get_mut(index).unwrap() += 1;
        }
        assert_eq!(list.iter_mut().map(|value| *value).sum::<usize>(), 3 * CHUNK * (3 * CHUNK - 1) / 2 + 4);
        assert!(list.get(3 * CHUNK).is_none() && list.get_mut(3 * CHUNK).is_none());
    }
}
