//! One queue behind one lock.

use std::collections::VecDeque;
use std::sync::Mutex;

#[derive(Debug)]
pub struct Mailbox<T> {
    queue: Mutex<VecDeque<T>>,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { queue: Mutex::default() }
    }
}

impl<T> Mailbox<T> {
    pub fn push(&self, mail: T) {
        self.queue.lock().expect("no holder panics").push_back(mail);
    }

    pub fn next(&self) -> Option<T> {
        self.queue.lock().expect("no holder panics").pop_front()
    }
}
