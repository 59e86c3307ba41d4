//! Which messages of one stream have arrived: the judge of what is lost, duplicated and out of order.

/// What the arrival of a sequence number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next one.
    InOrder,
    /// `missed` messages before it have not arrived; in a stream whose order is guaranteed they are lost, or late.
    AfterGap { missed: u64 },
    /// One of those that had been missed.
    Late,
    /// It had arrived before.
    Duplicate,
}

/// The arrivals of one stream at one place. In the usual case, order without a gap, this is one number.
#[derive(Debug, Default)]
pub struct Ledger {
    /// One more than the highest sequence that arrived.
    next: u64,
    /// What is missing below `next`: half-open ranges, ascending, not touching.
    missing: Vec<(u64, u64)>,
}

impl Ledger {
    /// Notes an arrival.
    pub fn arrive(&mut self, sequence: u64) -> Arrival {
        if sequence == self.next {
            self.next += 1;
            return Arrival::InOrder;
        }
        if sequence > self.next {
            let missed = sequence - self.next;
            self.missing.push((self.next, sequence));
            self.next = sequence + 1;
            return Arrival::AfterGap { missed };
        }
        self.arrive_late(sequence)
    }

    /// Notes an arrival where only some of the sequence is expected, and tells whether it was in ascending order.
    pub fn arrive_ascending(&mut self, sequence: u64) -> bool {
        let ascending = sequence >= self.next;
        self.next = self.next.max(sequence + 1);
        ascending
    }

    /// How many of the first `sent` messages have not arrived.
    pub fn lost(&self, sent: u64) -> u64 {
        let gaps: u64 = self.missing.iter().map(|(start, end)| end - start).sum();
        gaps + sent.saturating_sub(self.next)
    }

    fn arrive_late(&mut self, sequence: u64) -> Arrival {
        let index = self.missing.partition_point(|&(_, end)| end <= sequence);
        let Some(&(start, end)) = self.missing.get(index).filter(|(start, _)| *start <= sequence) else {
            return Arrival::Duplicate;
        };
        match (start == sequence, sequence + 1 == end) {
            (true, true) => drop(self.missing.remove(index)),
            (true, false) => self.missing[index].0 = sequence + 1,
            (false, true) => self.missing[index].1 = sequence,
            (false, false) => {
                self.missing[index].1 = sequence;
                self.missing.insert(index + 1, (sequence + 1, end));
            }
        }
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn judge(sequences: &[u64]) -> Vec<Arrival> {
        let mut ledger = Ledger::default();
        sequences.iter().map(|&sequence| ledger.arrive(sequence)).collect()
    }

    #[test]
    fn order_is_order() {
        assert_eq!(judge(&[0, 1, 2, 3]), [Arrival::InOrder; 4]);
    }

    #[test]
    fn a_gap_is_seen_at_once_and_stays_lost() {
        let mut ledger = Ledger::default();
        ledger.arrive(0);
        assert_eq!(ledger.arrive(4), Arrival::AfterGap { missed: 3 });
        assert_eq!(ledger.lost(5), 3);
        assert_eq!(ledger.lost(7), 5);
    }

    #[test]
    fn a_swap_is_a_gap_and_a_late_one() {
        use Arrival::*;
        assert_eq!(judge(&[0, 2, 1, 3]), [InOrder, AfterGap { missed: 1 }, Late, InOrder]);
    }

    #[test]
    fn duplicates_are_seen_now_and_later() {
        use Arrival::*;
        assert_eq!(judge(&[0, 0, 1, 2, 1]), [InOrder, Duplicate, InOrder, InOrder, Duplicate]);
        assert_eq!(judge(&[3, 1, 1]), [AfterGap { missed: 3 }, Late, Duplicate]);
    }

    #[test]
    fn a_part_of_the_sequence_must_ascend() {
        let mut ledger = Ledger::default();
        let ascending: Vec<bool> = [3, 7, 7, 5, 8].iter().map(|&sequence| ledger.arrive_ascending(sequence)).collect();
        assert_eq!(ascending, [true, true, false, false, true]);
    }

    #[test]
    fn any_sequence_is_judged_as_by_a_set() {
        let mut state = 88_172_645_463_325_252_u64;
        for round in 0..300 {
            let mut ledger = Ledger::default();
            let mut arrived = BTreeSet::new();
            for _ in 0..100 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let sequence = state % 60;
                let expected_duplicate = !arrived.insert(sequence);
                assert_eq!(ledger.arrive(sequence) == Arrival::Duplicate, expected_duplicate, "round {round}");
                assert_eq!(ledger.lost(60), 60 - arrived.len() as u64, "round {round}");
            }
        }
    }
}
