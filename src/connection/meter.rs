//! What one client may send: token buckets that may be overdrawn by one packet or one piece of bytes, and are paid back before
//! anything more is read.

use crate::access::{OverQuota, Quotas, Rate};
use crate::broker::Millis;

/// Counts what a client sends.
#[derive(Debug)]
pub struct Meter {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    pub over: OverQuota,
    filled_at: Millis,
    /// The client has sent too much, and the buckets have not been full since.
    is_over: bool,
    /// When the client is read again, if it is not now.
    pub resume_at: Option<Millis>,
}

/// What has just been counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Within,
    /// More than the client may send. `is_new`: it has not sent too much lately.
    Over {
        is_new: bool,
    },
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    /// In thousandths, so that a millisecond brings a whole number of them.
    level: i64,
}

const THOUSANDTHS: i64 = 1_000;

/// No bucket holds more thousandths, so that no sum overflows.
const LEVEL_MAX: i64 = i64::MAX / 4;

impl Meter {
    /// Full buckets; `None` if there is no bound.
    pub fn new(quotas: &Quotas, now: Millis) -> Option<Self> {
        let (messages, bytes) = (quotas.messages.map(Bucket::new), quotas.bytes.map(Bucket::new));
        let is_bounded = messages.is_some() || bytes.is_some();
        let meter = Self { messages, bytes, over: quotas.over, filled_at: now, is_over: false, resume_at: None };
        is_bounded.then_some(meter)
    }

    pub fn count_message(&mut self, now: Millis) -> Reading {
        self.fill(now);
        let is_over = self.messages.as_mut().is_some_and(|bucket| bucket.take(1));
        self.read(is_over)
    }

    pub fn count_bytes(&mut self, bytes: usize, now: Millis) -> Reading {
        self.fill(now);
        let is_over = self.bytes.as_mut().is_some_and(|bucket| bucket.take(bytes));
        self.read(is_over)
    }

    /// Time until what was taken too much is paid back, in milliseconds.
    pub fn debt_ms(&self) -> Millis {
        self.messages.iter().chain(&self.bytes).map(Bucket::debt_ms).max().unwrap_or(0)
    }

    fn read(&mut self, is_over: bool) -> Reading {
        if !is_over {
            return Reading::Within;
        }
        Reading::Over { is_new: !std::mem::replace(&mut self.is_over, true) }
    }

    fn fill(&mut self, now: Millis) {
        let elapsed_ms = now.saturating_sub(self.filled_at);
        self.filled_at = now;
        let mut is_full = true;
        for bucket in self.messages.iter_mut().chain(&mut self.bytes) {
            is_full &= bucket.fill(elapsed_ms);
        }
        self.is_over &= !is_full;
    }
}

impl Bucket {
    fn new(rate: Rate) -> Self {
        let mut bucket = Self { rate, level: 0 };
        bucket.level = bucket.capacity();
        bucket
    }

    fn capacity(&self) -> i64 {
        thousandths(self.rate.burst)
    }

    /// True if it is full now.
    fn fill(&mut self, elapsed_ms: Millis) -> bool {
        let brought = i64::try_from(elapsed_ms.saturating_mul(self.rate.per_second)).unwrap_or(LEVEL_MAX);
        self.level = self.level.saturating_add(brought).min(self.capacity());
        self.level == self.capacity()
    }

    /// True if that was more than was in it.
    fn take(&mut self, count: usize) -> bool {
        self.level = self.level.saturating_sub(thousandths(count as u64)).max(-LEVEL_MAX);
        self.level < 0
    }

    fn debt_ms(&self) -> Millis {
        let debt = self.level.min(0).unsigned_abs();
        // A rate of nothing is for the configuration to refuse.
        debt.div_ceil(self.rate.per_second.max(1))
    }
}

fn thousandths(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(LEVEL_MAX).saturating_mul(THOUSANDTHS).min(LEVEL_MAX)
}
