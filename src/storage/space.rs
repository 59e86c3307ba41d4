//! The free space of the file system, looked at now and then: a disk that is filled by others is noticed before a write fails.

use std::io;
use std::time::Duration;

use super::show;
use crate::limits;

/// Watches a file system.
pub struct SpaceWatch {
    free_space: Box<dyn FnMut() -> io::Result<u64> + Send>,
    /// Bytes below which space is low.
    min: u64,
    is_low: bool,
    next: Duration,
}

impl SpaceWatch {
    pub fn new(min: u64, free_space: impl FnMut() -> io::Result<u64> + Send + 'static) -> Self {
        Self { free_space: Box::new(free_space), min, is_low: false, next: Duration::ZERO }
    }

    /// When to look again.
    pub fn next(&self) -> Duration {
        self.next
    }

    pub fn is_low(&self) -> bool {
        self.is_low
    }

    /// Looks, if it is time.
    pub fn look(&mut self, now: Duration) {
        if now < self.next {
            return;
        }
        self.next = now + Duration::from_millis(limits::STORE_SPACE_CHECK_MS);
        // What cannot be told is left to the write that fails.
        let Ok(free) = (self.free_space)() else { return };
        // A quarter more ends it, so that a level about the mark does not switch back and forth.
        self.is_low = free < if self.is_low { self.min.saturating_add(self.min / 4) } else { self.min };
    }

    /// Why nothing is accepted while space is low.
    pub fn complaint(&self) -> String {
        format!("less than {} are free on its file system (storage.free_space_min)", show::size(self.min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_about_the_mark_does_not_switch_back_and_forth() {
        let mut levels = [100, 99, 110, 124, 125, 100, 99].into_iter();
        let mut watch = SpaceWatch::new(100, move || Ok(levels.next().unwrap()));
        let low = (0..7).map(|second| {
            watch.look(Duration::from_secs(second));
            // Not yet time to look again.
            watch.look(Duration::from_secs(second));
            watch.is_low()
        });
        assert_eq!(low.collect::<Vec<_>>(), [false, true, true, true, false, false, true]);
    }
}
