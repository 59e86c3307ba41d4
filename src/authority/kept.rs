//! Decisions that are kept for a while, so that a crowd that comes back costs microseconds and not hashes.
//!
//! What a decision was made on is kept only as its HMAC under a key that is drawn at each start and reload: who reads the memory
//! of the process finds no password, and cannot try any without the key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::limits;

/// Decisions by what they were made on; the oldest goes when there are too many.
pub struct Kept<V> {
    key: hmac::Key,
    time_max: Duration,
    state: Mutex<State<V>>,
}

/// What a decision was made on, all of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag([u8; 32]);

struct State<V> {
    values: HashMap<Tag, Entry<V>>,
    /// In the order in which they were put, which is that in which they expire.
    order: VecDeque<(Tag, u64)>,
    puts: u64,
}

struct Entry<V> {
    value: V,
    until: Duration,
    /// Which put it is from: an older place in the order is not this one's.
    put: u64,
}

impl<V: Clone> Kept<V> {
    pub fn new(time_max: Duration, random: &dyn Fn(&mut [u8])) -> Self {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        random(&mut *key);
        let state = State { values: HashMap::new(), order: VecDeque::new(), puts: 0 };
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &*key), time_max, state: Mutex::new(state) }
    }

    /// Parts are told apart by their lengths, so that no two lists of parts have the same tag.
    pub fn tag(&self, parts: &[&[u8]]) -> Tag {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut tag = [0; 32];
        for (to, from) in tag.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        Tag(tag)
    }

    /// The value, if it is still kept.
    pub fn get(&self, tag: &Tag, now: Duration) -> Option<V> {
        let state = self.lock();
        state.values.get(tag).filter(|entry| now < entry.until).map(|entry| entry.value.clone())
    }

    /// Keeps it for the time that all are kept.
    pub fn put(&self, tag: Tag, value: V, now: Duration) {
        if self.time_max.is_zero() {
            return;
        }
        let mut state = self.lock();
        state.puts += 1;
        let put = state.puts;
        state.values.insert(tag, Entry { value, until: now + self.time_max, put });
        state.order.push_back((tag, put));
        while let Some((oldest, put)) = state.order.front().copied() {
            let entry = state.values.get(&oldest).filter(|entry| entry.put == put);
            let is_expired = entry.is_none_or(|entry| entry.until <= now);
            if !is_expired && state.order.len() <= limits::LOGINS_KEPT_MAX {
                break;
            }
            if entry.is_some() {
                state.values.remove(&oldest);
            }
            state.order.pop_front();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<V>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn kept() -> Kept<u32> {
        Kept::new(10 * SECOND, &|bytes| bytes.fill(7))
    }

    #[test]
    fn a_value_is_kept_for_its_time() {
        let kept = kept();
        let tag = kept.tag(&[b"a", b"b"]);
        assert_eq!(kept.get(&tag, SECOND), None);
        kept.put(tag, 1, SECOND);
        assert_eq!(kept.get(&tag, 10 * SECOND), Some(1));
        assert_eq!(kept.get(&tag, 11 * SECOND), None);
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let kept = kept();
        assert!(kept.tag(&[b"ab", b"c"]) != kept.tag(&[b"a", b"bc"]));
        assert!(kept.tag(&[b"abc"]) != kept.tag(&[b"abc", b""]));
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let kept = kept();
        let tag = |number: usize| kept.tag(&[&number.to_le_bytes()]);
        for number in 0..=limits::LOGINS_KEPT_MAX {
            kept.put(tag(number), 0, SECOND);
        }
        assert_eq!(kept.get(&tag(0), SECOND), None);
        assert_eq!(kept.get(&tag(1), SECOND), Some(0));
        assert_eq!(kept.lock().values.len(), limits::LOGINS_KEPT_MAX);
    }

    #[test]
    fn what_is_put_again_stays_its_new_time() {
        let kept = kept();
        let tag = kept.tag(&[b"a"]);
        kept.put(tag, 1, SECOND);
        kept.put(tag, 2, 5 * SECOND);
        // Another put clears what has expired: the first place in the order, not the value.
        kept.put(kept.tag(&[b"b"]), 3, 12 * SECOND);
        assert_eq!(kept.get(&tag, 12 * SECOND), Some(2));
        assert_eq!(kept.lock().order.len(), 2);
    }
}
