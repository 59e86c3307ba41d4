//! The alarm that bounds a ring's sleep: a timeout that stays in the kernel over many sleeps.
//!
//! A timeout given with each wait is a kernel timer set and cancelled for each sleep, and as a rule the processor's next
//! timer interrupt programmed twice. So a wait leaves a timeout that is early enough alone, and the price of that is that
//! it may end a later sleep for nothing: once in an alarm's time instead of a timer for each message.
#![allow(unsafe_code)]

use std::io;
use std::mem::ManuallyDrop;
use std::time::Duration;

use io_uring::{opcode, types};

use super::ring::{Operation, SocketRing, user_data};

/// The earliest timeout that the kernel has.
pub(super) struct Alarm {
    /// In milliseconds of the caller's clock.
    at: Option<u64>,
    /// Where the kernel reads the time from when it takes the entry. Not freed before the ring is: as `SocketRing::drop` says.
    pub(super) timespec: ManuallyDrop<Box<types::Timespec>>,
}

impl Alarm {
    pub fn new() -> Self {
        Self { at: None, timespec: ManuallyDrop::new(Box::new(types::Timespec::new())) }
    }

    /// A timeout has passed; `at` are the low 32 bits of its time.
    pub fn passed(&mut self, at: u32) {
        if self.at.is_some_and(|earliest| earliest as u32 == at) {
            self.at = None;
        }
    }
}

impl SocketRing {
    /// Hands queued entries to the kernel and sleeps until there is a completion, at most until about `until`. Both times are
    /// milliseconds of one clock of the caller's.
    ///
    /// It may return earlier without a completion. A small send that is queued does not end the sleep with its own
    /// completion, which comes in the same call and about which there is nothing to do but to keep its buffer: a message
    /// then costs one system call and not two. So the end of such a send may be reported as late as `until`.
    pub fn wait(&mut self, now: u64, until: u64) -> io::Result<()> {
        if until <= now {
            return self.submit();
        }
        if self.alarm.at.is_none_or(|earliest| earliest > until) {
            self.alarm.at = Some(until);
            **self.alarm.timespec = Duration::from_millis(until - now).into();
            let timespec: *const types::Timespec = &raw const **self.alarm.timespec;
            // Times that are given up stay in the kernel until they have passed. Each is earlier than the one before and in
            // whole milliseconds, so that there are no more of them than milliseconds in the longest sleep.
            let entry = opcode::Timeout::new(timespec).build();
            self.push(entry.user_data(user_data(Operation::Alarm, until as u32, 0)));
        }
        let more_to_arm = self.arm_starved();
        // Each of these sends gives just one completion in the call that submits it, so that one more is one to wake for.
        let wait = if more_to_arm { 0 } else { 1 + self.sends_at_once };
        self.enter(wait, None)
    }
}
