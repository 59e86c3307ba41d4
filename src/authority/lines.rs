//! Logins that wait for a slow method: one line per address, served in turn, so that a flood from one address delays only its
//! own.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::access::Address;

/// Lines with a bound on all that wait in them.
pub struct Lines<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    waiting_max: usize,
}

/// Who shares a line. An IPv6 host has a /64 to choose addresses from (RFC 4291), so that is one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Line {
    Local,
    V4([u8; 4]),
    V6([u8; 8]),
}

struct State<T> {
    /// None of them is empty.
    lines: HashMap<Line, VecDeque<T>>,
    /// Each line once, the next to be served first.
    turns: VecDeque<Line>,
    waiting: usize,
    is_closed: bool,
}

impl Line {
    pub fn of(address: Address) -> Self {
        let Address::Ip(address) = address else { return Self::Local };
        match address.ip().to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl<T> Lines<T> {
    pub fn new(waiting_max: usize) -> Self {
        let state = State { lines: HashMap::new(), turns: VecDeque::new(), waiting: 0, is_closed: false };
        Self { state: Mutex::new(state), arrived: Condvar::new(), waiting_max }
    }

    /// Puts it at the end of its line. When too many wait, the last of the longest line gives way and is returned; it can be
    /// the one that came. After [`close`](Self::close) it is the one that came.
    pub fn push(&self, line: Line, item: T) -> Option<T> {
        let mut state = self.lock();
        if state.is_closed {
            return Some(item);
        }
        let items = state.lines.entry(line).or_default();
        let is_new = items.is_empty();
        items.push_back(item);
        if is_new {
            state.turns.push_back(line);
        }
        state.waiting += 1;
        if state.waiting <= self.waiting_max {
            self.arrived.notify_one();
            return None;
        }
        let longest = state.lines.iter().max_by_key(|(_, items)| items.len()).map(|(line, _)| *line)?;
        let items = state.lines.get_mut(&longest)?;
        let last = items.pop_back();
        if items.is_empty() {
            state.lines.remove(&longest);
            state.turns.retain(|line| *line != longest);
        }
        state.waiting -= 1;
        last
    }

    /// The next, without waiting.
    pub fn try_pop(&self) -> Option<T> {
        take(&mut self.lock())
    }

    /// The next; `None` when closed.
    pub fn pop(&self) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(item) = take(&mut state) {
                return Some(item);
            }
            if state.is_closed {
                return None;
            }
            state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Nothing comes any more; what waits is still served.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.arrived.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn take<T>(state: &mut State<T>) -> Option<T> {
    let line = state.turns.pop_front()?;
    let items = state.lines.get_mut(&line)?;
    let item = items.pop_front();
    if items.is_empty() {
        state.lines.remove(&line);
    } else {
        state.turns.push_back(line);
    }
    state.waiting -= 1;
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Line = Line::V4([192, 0, 2, 1]);
    const B: Line = Line::V4([192, 0, 2, 2]);

    #[test]
    fn lines_are_served_in_turn() {
        let lines = Lines::new(10);
        for number in 0..4 {
            assert_eq!(lines.push(A, number), None);
        }
        assert_eq!(lines.push(B, 10), None);
        lines.close();
        let served: Vec<_> = std::iter::from_fn(|| lines.pop()).collect();
        assert_eq!(served, [0, 10, 1, 2, 3]);
    }

    #[test]
    fn the_longest_line_gives_way() {
        let lines = Lines::new(3);
        for number in 0..3 {
            assert_eq!(lines.push(A, number), None);
        }
        assert_eq!(lines.push(B, 10), Some(2));
        assert_eq!(lines.push(A, 3), Some(3));
        lines.close();
        assert_eq!(lines.push(A, 4), Some(4));
        let served: Vec<_> = std::iter::from_fn(|| lines.pop()).collect();
        assert_eq!(served, [0, 10, 1]);
    }

    #[test]
    fn lines_of_one_are_left_whole() {
        let lines = Lines::new(2);
        lines.push(A, 1);
        lines.push(B, 2);
        let left = lines.push(Line::Local, 3);
        assert!(left.is_some());
        lines.close();
        assert_eq!(std::iter::from_fn(|| lines.pop()).count(), 2);
    }

    #[test]
    fn an_address_in_two_forms_is_one_line() {
        let line = |text: &str| Line::of(Address::Ip(text.parse().expect("an address")));
        assert_eq!(line("[::ffff:192.0.2.1]:5"), line("192.0.2.1:6"));
        assert_eq!(line("[2001:db8::1]:5"), line("[2001:db8::2]:6"));
        assert_ne!(line("[2001:db8::1]:5"), line("[2001:db8:0:1::1]:5"));
    }
}
