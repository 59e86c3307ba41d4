//! The timers of one shard: a hierarchical wheel.
//!
//! Time is counted in ticks of [`TICK_MS`]. There are nine wheels of 64 slots: a slot of the lowest is one tick, a slot
//! of the next is a full turn of the one below (half a second, half a minute, half an hour, ...). A timer is put
//! where its tick first differs from the present one, read as digits of base 64, the highest first. When time
//! reaches a slot of a higher wheel, its timers are put again, which brings them further down: each is touched at most
//! nine times in its life, most of them twice, and one that is cancelled early only when it is put and taken.
//! So inserting and cancelling cost the same with a million timers as with one, which an ordered map cannot say.
//!
//! No wheel ever has a timer at or behind its present slot (but for the lowest, whose present slot is being
//! emptied), and all timers of a wheel come before those of the next. The next event is therefore the lowest bit that is
//! set in the first word of occupancy that is not 0.
//!
//! Timers are linked to lists by number within chunks that do not move. A number is used again with another
//! generation, so a stale [`TimerId`] cancels nothing.

use std::num::NonZeroU32;

use super::Millis;

/// Length of a tick in milliseconds: half of what a person or a network can tell, and coarse enough that timers of
/// one moment are handled together.
pub const TICK_MS: u64 = 8;

const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// Nine digits of six bits: 2^54 ticks, four million years.
const WHEELS: usize = 9;
const TICK_MAX: u64 = (1 << (SLOT_BITS * WHEELS as u32)) - 1;

const NONE: u32 = u32::MAX;
/// In place of a list's number: the timer is not running.
const FREE: u16 = u16::MAX;
const CHUNK: usize = 1024;

/// Names a timer until it has expired or is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    /// One more than the timer's number, so that `Option<TimerId>` takes no more room.
    number_plus_1: NonZeroU32,
    generation: u32,
}

/// Timers of one shard. `K` says what each is for.
#[derive(Debug)]
pub struct TimerWheel<K> {
    /// The tick up to which all is done, except for timers put into it since.
    present: u64,
    occupied: [u64; WHEELS],
    /// The slots of all wheels, the lowest wheel first.
    lists: Box<[List]>,
    chunks: Vec<Vec<Timer<K>>>,
    /// The first of the numbers that are not in use.
    free: u32,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
struct List {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy, Debug)]
struct Timer<K> {
    tick: u64,
    previous: u32,
    next: u32,
    generation: u32,
    /// Which of the lists it is in.
    list: u16,
    key: K,
}

const _: () = assert!(size_of::<Timer<[u32; 2]>>() <= 32);
const _: () = assert!(size_of::<Option<TimerId>>() == 8);
const _: () = assert!(TICK_MAX >= (1 << 53) / TICK_MS);

impl<K: Copy> TimerWheel<K> {
    pub fn new(now: Millis) -> Self {
        let empty = List { first: NONE, last: NONE };
        Self {
            present: (now / TICK_MS).min(TICK_MAX),
            occupied: [0; WHEELS],
            lists: vec![empty; WHEELS * SLOTS].into(),
            chunks: Vec::new(),
            free: NONE,
            len: 0,
        }
    }

    /// Starts a timer that expires at `deadline`, or at the next `expire` if that has passed.
    pub fn insert(&mut self, deadline: Millis, key: K) -> TimerId {
        // Rounded up: a timer is never early. Clamped down only in four million years.
        let tick = deadline.div_ceil(TICK_MS).clamp(self.present, TICK_MAX);
        let number = if self.free == NONE {
            let timer = Timer { tick, previous: NONE, next: NONE, generation: 0, list: FREE, key };
            self.append(timer)
        } else {
            let number = self.free;
            let timer = self.timer_mut(number);
            (timer.tick, timer.key) = (tick, key);
            self.free = timer.next;
            number
        };
        self.len += 1;
        self.link(number);
        let number_plus_1 = NonZeroU32::MIN.saturating_add(number);
        TimerId { number_plus_1, generation: self.timer(number).generation }
    }

    /// Stops a timer; false if it has expired or was cancelled already.
    pub fn cancel(&mut self, id: TimerId) -> bool {
        let number = id.number_plus_1.get() - 1;
        let Some(timer) = self.chunks.get(number as usize / CHUNK).and_then(|chunk| chunk.get(number as usize % CHUNK))
        else {
            return false;
        };
        if timer.generation != id.generation || timer.list == FREE {
            return false;
        }
        self.unlink(number);
        self.release(number);
        true
    }

    /// Appends the keys of all timers whose deadline has come by `now`, those of earlier ticks first. None is early, and none
    /// comes later than a call within [`TICK_MS`] of its deadline.
    pub fn expire(&mut self, now: Millis, due: &mut Vec<K>) {
        let until = (now / TICK_MS).min(TICK_MAX);
        while let Some((wheel, slot, tick)) = self.next_event() {
            if tick > until {
                break;
            }
            self.present = self.present.max(tick);
            let list = wheel * SLOTS + slot;
            let mut number = self.lists[list].first;
            self.lists[list] = List { first: NONE, last: NONE };
            self.occupied[wheel] &= !(1 << slot);
            while number != NONE {
                let Timer { next, key, .. } = *self.timer(number);
                if wheel == 0 {
                    due.push(key);
                    self.release(number);
                } else {
                    self.link(number);
                }
                number = next;
            }
        }
        self.present = self.present.max(until);
    }

    /// Time has come to `now`: timers put from here on are placed as seen from it, and `next_deadline` is never behind `now` for
    /// one that is not. While a call of `expire` is due this does nothing.
    #[inline]
    pub fn advance(&mut self, now: Millis) {
        let until = (now / TICK_MS).min(TICK_MAX);
        if until > self.present && self.next_event().is_none_or(|(_, _, tick)| tick > until) {
            self.present = until;
        }
    }

    /// When to call `expire` next: never later than the first deadline's tick, but it may be earlier, and then that call
    /// only moves timers down.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.next_event().map(|(_, _, tick)| tick * TICK_MS)
    }

    /// Timers that run.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first slot with a timer: wheel, slot, and the tick at which it begins.
    fn next_event(&self) -> Option<(usize, usize, u64)> {
        let (wheel, occupied) = (0..).zip(&self.occupied).find(|(_, occupied)| **occupied != 0)?;
        let slot = occupied.trailing_zeros();
        let shift = SLOT_BITS * wheel;
        let digits_above = self.present >> shift >> SLOT_BITS << SLOT_BITS;
        Some((wheel as usize, slot as usize, (digits_above | u64::from(slot)) << shift))
    }

    /// Puts a timer into the slot that its tick has as seen from the present one.
    fn link(&mut self, number: u32) {
        let tick = self.timer(number).tick;
        let highest_bit = 63 - ((tick ^ self.present) | 1).leading_zeros();
        let wheel = (highest_bit / SLOT_BITS) as usize;
        let slot = (tick >> (SLOT_BITS * wheel as u32)) as usize % SLOTS;
        let list = wheel * SLOTS + slot;
        self.occupied[wheel] |= 1 << slot;
        let last = std::mem::replace(&mut self.lists[list].last, number);
        if last == NONE {
            self.lists[list].first = number;
        } else {
            self.timer_mut(last).next = number;
        }
        let timer = self.timer_mut(number);
        timer.list = list as u16;
        timer.previous = last;
        timer.next = NONE;
    }

    fn unlink(&mut self, number: u32) {
        let Timer { previous, next, list, .. } = *self.timer(number);
        let list = usize::from(list);
        if previous == NONE {
            self.lists[list].first = next;
        } else {
            self.timer_mut(previous).next = next;
        }
        if next == NONE {
            self.lists[list].last = previous;
        } else {
            self.timer_mut(next).previous = previous;
        }
        if self.lists[list].first == NONE {
            self.occupied[list / SLOTS] &= !(1 << (list % SLOTS));
        }
    }

    /// Makes the number of a timer that is in no list free.
    fn release(&mut self, number: u32) {
        let free = self.free;
        let timer = self.timer_mut(number);
        timer.generation = timer.generation.wrapping_add(1);
        timer.list = FREE;
        timer.next = free;
        self.free = number;
        self.len -= 1;
    }

    fn append(&mut self, timer: Timer<K>) -> u32 {
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let last = self.chunks.len() - 1;
        self.chunks[last].push(timer);
        let number = last * CHUNK + self.chunks[last].len() - 1;
        u32::try_from(number).ok().filter(|&number| number != NONE).expect("fewer than 2^32 - 1 timers")
    }

    fn timer(&self, number: u32) -> &Timer<K> {
        &self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    fn timer_mut(&mut self, number: u32) -> &mut Timer<K> {
        &mut self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }
}
