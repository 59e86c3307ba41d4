//! When the broker crashed, when its disk failed, and what that leaves open.

use crate::history::{History, NEVER, Order, Time, What};

#[derive(Clone, Copy, Debug)]
pub struct Crash {
    pub order: Order,
    pub restarted_time: Time,
}

#[derive(Clone, Debug, Default)]
pub struct Disturbances {
    /// In their order.
    crashes: Vec<Crash>,
    /// Where the broker was told to stop.
    stops: Vec<Order>,
    /// Where each fault of the disk began, and the rest after which nothing can be of it any more.
    faults: Vec<(Order, Order)>,
    /// Where everything had come to rest; ascending.
    rests: Vec<Order>,
}

impl Disturbances {
    pub fn build(history: &History) -> Self {
        let mut disturbances = Self::default();
        let mut is_down = false;
        for (order, entry) in history.entries.iter().enumerate() {
            match entry.what {
                What::Crashed => {
                    disturbances.crashes.push(Crash { order, restarted_time: entry.time });
                    is_down = true;
                }
                What::Stopping => disturbances.stops.push(order),
                What::Restarted { .. } => {
                    if let Some(crash) = disturbances.crashes.last_mut().filter(|_| is_down) {
                        crash.restarted_time = entry.time;
                    }
                    is_down = false;
                }
                What::FaultBegan { .. } => disturbances.faults.push((order, NEVER)),
                What::Quiescent => {
                    disturbances.rests.push(order);
                    disturbances.faults.iter_mut().for_each(|(_, ended)| *ended = (*ended).min(order));
                }
                _ => {}
            }
        }
        disturbances
    }

    pub fn crashes_between(&self, from: Order, until: Order) -> &[Crash] {
        let begin = self.crashes.partition_point(|crash| crash.order <= from);
        let end = self.crashes.partition_point(|crash| crash.order < until);
        self.crashes.get(begin..end).unwrap_or_default()
    }

    /// How often it started anew between the two moments, after a crash or in order.
    pub fn restarts(&self, from: Order, until: Order) -> usize {
        let stops = self.stops.iter().filter(|stop| (from..until).contains(stop)).count();
        stops + self.crashes_between(from, until).len()
    }

    pub fn crashed(&self, from: Order, until: Order) -> bool {
        !self.crashes_between(from, until).is_empty()
    }

    /// The first rest after `moment`.
    pub fn rest_after(&self, moment: Order) -> Option<Order> {
        self.rests.get(self.rests.partition_point(|rest| *rest <= moment)).copied()
    }

    /// The last rest before `moment`.
    pub fn rest_before(&self, moment: Order) -> Option<Order> {
        self.rests[..self.rests.partition_point(|rest| *rest < moment)].last().copied()
    }

    /// What happened between the two moments may be undone though its client was told: while the store does not accept, a client that
    /// comes back to its session is let in at once, and then the broker crashed.
    pub fn may_undo(&self, from: Order, until: Order) -> bool {
        self.had_fault(from, until) && self.crashed(from, self.rest_after(until).unwrap_or(NEVER))
    }

    /// The disk failed, at least for a part of the time.
    pub fn had_fault(&self, from: Order, until: Order) -> bool {
        self.faults.iter().any(|(began, ended)| *began < until && *ended > from)
    }

    /// What nobody was told to be kept may be lost: the broker crashed, or could not write.
    pub fn may_lose(&self, from: Order, until: Order) -> bool {
        self.crashed(from, until) || self.had_fault(from, until)
    }
}
