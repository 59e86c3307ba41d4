//! The course of a run: what happened in each interval of it.
//!
//! Each worker has one histogram for the interval it is in. When the interval is over by its own clock, it leaves the
//! histogram where the watching thread finds it and takes a fresh one. So a message is recorded once and the time series
//! costs a worker one comparison for each look at its sockets, and one uncontended lock for each interval.

use super::latency::Latencies;
use crate::faults::Faults;
use std::collections::VecDeque;

/// Where the intervals of a run begin and end, nanoseconds of its clock. Interval 0 is the warm-up, `count` more follow of
/// the same length, and what comes later belongs to the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub from_ns: u64,
    pub length_ns: u64,
    pub count: u64,
}

/// Long enough for percentiles to mean something.
const LENGTH_NS: u64 = 1_000_000_000;

/// A short run has at least so many intervals.
const COUNT_MIN: u64 = 10;

impl Grid {
    /// Intervals of a second, or of a tenth of the measured time where that is shorter.
    pub fn new(from_ns: u64, until_ns: u64) -> Self {
        Self::with_count(from_ns, until_ns, ((until_ns - from_ns) / LENGTH_NS).max(COUNT_MIN))
    }

    /// Intervals of about this length, at least one.
    pub fn with_length(from_ns: u64, until_ns: u64, length_ns: u64) -> Self {
        Self::with_count(from_ns, until_ns, ((until_ns - from_ns) / length_ns.max(1)).max(1))
    }

    fn with_count(from_ns: u64, until_ns: u64, count: u64) -> Self {
        Self { from_ns, length_ns: ((until_ns - from_ns) / count).max(1), count }
    }

    /// The end of an interval.
    pub fn end_ns(&self, index: u64) -> u64 {
        self.from_ns + index * self.length_ns
    }
}

/// What one worker saw in one interval.
#[derive(Debug)]
pub struct Slice {
    index: u64,
    /// Copies of messages that arrived, for each second of the time that it really took.
    delivered_per_second: f64,
    faults: u64,
    latencies: Latencies,
}

/// A worker's place in the grid.
#[derive(Debug)]
pub struct Cutter {
    grid: Grid,
    index: u64,
    began_ns: u64,
    delivered: u64,
    faults: u64,
}

impl Cutter {
    pub fn new(grid: Grid, now_ns: u64) -> Self {
        Self { grid, index: 0, began_ns: now_ns, delivered: 0, faults: 0 }
    }

    /// Whether the current interval has ended.
    pub fn is_due(&self, now_ns: u64) -> bool {
        self.index <= self.grid.count && now_ns >= self.grid.end_ns(self.index)
    }

    /// Ends the current interval and takes its latencies. The counts are those since the run began. What the warm-up has
    /// recorded already, because its end was seen late, stays for the first interval.
    pub fn cut(&mut self, now_ns: u64, delivered: u64, faults: &Faults, latencies: &mut Latencies) -> Slice {
        let seconds = (now_ns - self.began_ns).max(1) as f64 / 1e9;
        let faults = faults.total();
        let mut taken = Latencies::new();
        if self.index > 0 {
            std::mem::swap(&mut taken, latencies);
        }
        let slice = Slice {
            index: self.index,
            delivered_per_second: (delivered - self.delivered) as f64 / seconds,
            faults: faults - self.faults,
            latencies: taken,
        };
        *self = Self { grid: self.grid, index: self.index + 1, began_ns: now_ns, delivered, faults };
        slice
    }
}

/// One interval of all workers.
#[derive(Debug)]
pub struct Interval {
    pub delivered_per_second: f64,
    pub faults: u64,
    pub latencies: Latencies,
}

/// Puts the workers' slices together.
#[derive(Debug)]
pub struct Collector {
    workers: usize,
    /// Intervals that some workers have left and others have not, and how many have.
    open: VecDeque<(usize, Interval)>,
    /// The index of the first open one.
    next: u64,
}

impl Collector {
    pub fn new(workers: usize) -> Self {
        Self { workers, open: VecDeque::new(), next: 0 }
    }

    /// Takes slices in, and returns the intervals that are complete by them, with their indices.
    pub fn add(&mut self, slices: impl IntoIterator<Item = Slice>) -> Vec<(u64, Interval)> {
        for slice in slices {
            let place = (slice.index - self.next) as usize;
            while self.open.len() <= place {
                let interval = Interval { delivered_per_second: 0.0, faults: 0, latencies: Latencies::new() };
                self.open.push_back((0, interval));
            }
            let (arrived, interval) = &mut self.open[place];
            *arrived += 1;
            interval.delivered_per_second += slice.delivered_per_second;
            interval.faults += slice.faults;
            interval.latencies.add(&slice.latencies);
        }
        let mut complete = Vec::new();
        while self.open.front().is_some_and(|(arrived, _)| *arrived == self.workers) {
            complete.extend(self.open.pop_front().map(|(_, interval)| (self.next, interval)));
            self.next += 1;
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn intervals_are_a_second_or_a_tenth_of_a_short_run() {
        assert_eq!(Grid::new(5, 5 + 60 * SECOND), Grid { from_ns: 5, length_ns: SECOND, count: 60 });
        assert_eq!(Grid::new(0, 2 * SECOND), Grid { from_ns: 0, length_ns: SECOND / 5, count: 10 });
        assert_eq!(Grid::with_length(5, 5 + 60 * SECOND, 10 * SECOND).count, 6);
        assert_eq!(Grid::with_length(0, SECOND, 10 * SECOND), Grid { from_ns: 0, length_ns: SECOND, count: 1 });
        let uneven = Grid::new(0, 10 * SECOND + 700_000_000);
        assert_eq!((uneven.count, uneven.end_ns(10)), (10, 10 * SECOND + 700_000_000));
    }

    #[test]
    fn a_cut_takes_what_came_since_the_last_one() {
        let grid = Grid { from_ns: SECOND, length_ns: SECOND, count: 1 };
        let (mut cutter, mut latencies) = (Cutter::new(grid, 0), Latencies::new());
        assert!(!cutter.is_due(SECOND - 1) && cutter.is_due(SECOND));
        let faults = |lost| Faults { lost, ..Faults::default() };
        latencies.record(6);
        let warm_up = cutter.cut(SECOND, 100, &faults(1), &mut latencies);
        assert_eq!((warm_up.index, warm_up.delivered_per_second, warm_up.faults), (0, 100.0, 1));
        latencies.record(7);
        assert!(cutter.is_due(3 * SECOND));
        let late = cutter.cut(3 * SECOND, 400, &faults(1), &mut latencies);
        assert_eq!((late.index, late.delivered_per_second, late.faults), (1, 150.0, 0));
        assert_eq!((late.latencies.histogram().len(), latencies.histogram().len()), (2, 0));
        assert!(!cutter.is_due(u64::MAX), "the grid is at its end");
    }

    #[test]
    fn an_interval_is_complete_when_all_workers_have_left_it() {
        let slice = |index, latency_ns| {
            let mut latencies = Latencies::new();
            latencies.record(latency_ns);
            Slice { index, delivered_per_second: 10.0, faults: 1, latencies }
        };
        let mut collector = Collector::new(2);
        assert!(collector.add([slice(0, 1), slice(1, 2)]).is_empty());
        let complete = collector.add([slice(0, 5)]);
        let [(0, interval)] = &complete[..] else { panic!("{complete:?}") };
        assert_eq!((interval.delivered_per_second, interval.faults), (20.0, 2));
        assert_eq!((interval.latencies.histogram().min(), interval.latencies.histogram().max()), (1, 5));
        assert_eq!(collector.add([slice(1, 3)]).len(), 1);
    }
}
