//! The only reader of clocks and of the operating system's entropy.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::authority::Sources;
use crate::broker::Millis;

/// Time since the server started; the same zero on all its shards.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    wall_at_zero_ms: u64,
}

impl Clock {
    pub fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), wall_at_zero_ms: since_1970.as_millis() as u64 }
    }

    /// Wall-clock time of the start, in milliseconds since 1970. It is read once: the server does not follow a clock that
    /// is set meanwhile.
    pub fn wall_at_zero_ms(&self) -> u64 {
        self.wall_at_zero_ms
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

/// What decides on logins takes the time and its random bytes from here.
pub fn sources(clock: Clock) -> Sources {
    Sources {
        // A token's times are those of the day: a clock that is set right after the start must count.
        wall: Arc::new(SystemTime::now),
        elapsed: Arc::new(move || clock.elapsed()),
        random: Arc::new(fill_random),
    }
}

/// Fills with bytes that nobody can guess, from getrandom(2).
pub fn fill_random(bytes: &mut [u8]) {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        // A signal can cut it short above 256 bytes; it fails only for a bad address or an early boot.
        filled += rustix::rand::getrandom(rest, rustix::rand::GetRandomFlags::empty())
            .expect("getrandom fills on every kernel with io_uring");
    }
}

/// A number that nobody can guess, from getrandom(2).
pub fn seed() -> u64 {
    let mut bytes = [0u8; 8];
    fill_random(&mut bytes);
    u64::from_ne_bytes(bytes)
}
