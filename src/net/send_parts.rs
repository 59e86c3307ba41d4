//! What is sent with one operation.

use bytes::Bytes;

/// Up to so many bytes are moved to make room for a header; more get it by reference.
const FRONT_MOVED_MAX: usize = 4_096;

/// Bytes for one socket: contiguous ones, and larger ones by reference between them.
#[derive(Debug, Default)]
pub struct SendParts {
    pub bytes: Vec<u8>,
    /// Each with the position in `bytes` before which it goes; ascending.
    pub shared: Vec<(usize, Bytes)>,
}

impl SendParts {
    /// Bytes in all.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.shared.iter().map(|(_, part)| part.len()).sum::<usize>()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts `header` before everything else.
    pub fn push_front(&mut self, header: &[u8]) {
        if self.bytes.len() > FRONT_MOVED_MAX {
            self.shared.insert(0, (0, Bytes::copy_from_slice(header)));
            return;
        }
        self.bytes.splice(..0, header.iter().copied());
        for (position, _) in &mut self.shared {
            *position += header.len();
        }
    }

    /// Takes a header of so many bytes away that [`push_front`](Self::push_front) put there.
    pub fn remove_front(&mut self, len: usize) {
        match self.shared.first() {
            Some((0, header)) if header.len() == len => {
                self.shared.remove(0);
            }
            _ => {
                self.bytes.drain(..len.min(self.bytes.len()));
                for (position, _) in &mut self.shared {
                    *position -= len;
                }
            }
        }
    }

    /// The parts that are left after the first `skip` bytes, in the order in which they go out; none is empty.
    pub fn slices_after(&self, mut skip: usize) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        let own = self.shared.iter().flat_map(move |(position, part)| {
            let before = &self.bytes[start..*position];
            start = *position;
            [before, part.as_ref()]
        });
        let tail = &self.bytes[self.shared.last().map_or(0, |(position, _)| *position)..];
        own.chain([tail]).filter_map(move |part| {
            let skipped = skip.min(part.len());
            skip -= skipped;
            (skipped < part.len()).then(|| &part[skipped..])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suffix_is_the_suffix_of_the_whole() {
        let parts = SendParts {
            bytes: b"abcdef".to_vec(),
            shared: vec![(0, "01".into()), (3, "23456".into()), (3, "".into()), (6, "789".into())],
        };
        let whole = b"01abc23456def789";
        assert_eq!(parts.len(), whole.len());
        for skip in 0..=whole.len() {
            let left: Vec<&[u8]> = parts.slices_after(skip).collect();
            assert!(left.iter().all(|part| !part.is_empty()));
            assert_eq!(left.concat(), whole[skip..], "after {skip}");
        }
        assert!(SendParts::default().is_empty());
    }

    #[test]
    fn a_header_goes_to_the_front_and_away_again() {
        for size in [0, 5, FRONT_MOVED_MAX, FRONT_MOVED_MAX + 1] {
            let shared = vec![(0, "01".into()), (size, "23456".into())];
            let mut parts = SendParts { bytes: vec![b'x'; size], shared: shared.clone() };
            let whole = parts.slices_after(0).collect::<Vec<_>>().concat();
            parts.push_front(b"head");
            assert_eq!(parts.slices_after(0).collect::<Vec<_>>().concat(), [b"head", &whole[..]].concat(), "{size}");
            parts.remove_front(4);
            assert_eq!((parts.bytes.len(), parts.shared), (size, shared));
        }
    }
}
