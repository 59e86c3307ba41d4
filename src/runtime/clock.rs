//! The only reader of clocks and of the operating system's entropy.

use std::time::{Duration, Instant};

use crate::broker::Millis;

/// Time since the server started; the same zero on all its shards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Since the start.
    #[inline]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// `elapsed` in the core's unit.
#[inline]
pub fn millis(elapsed: Duration) -> Millis {
    elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis())
}

/// A number that nobody can guess, from getrandom(2).
pub fn seed() -> u64 {
    let mut bytes = [0u8; 8];
    // It can be short only for more than 256 bytes, and fails only for a bad address or an early boot.
    rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())
        .expect("getrandom fills eight bytes on every kernel with io_uring");
    u64::from_ne_bytes(bytes)
}
