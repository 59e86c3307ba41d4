//! What a run amounts to.

use std::fmt;
use std::time::Duration;

use crate::record::Record;
use crate::subscriber::Subscriber;

#[derive(Default)]
pub struct Figures {
    pub rounds: usize,
    pub kills: usize,
    pub kills_in_recovery: usize,
    /// By SIGTERM.
    pub stops: usize,
    pub messages: usize,
    pub refused: usize,
    pub receptions: usize,
    /// Messages that came again at QoS 1, as they may.
    pub qos_1_repeats: u64,
    pub retained_checked: usize,
    /// From the start of the process to its message that it is ready.
    pub recoveries: Vec<Duration>,
}

impl Figures {
    /// Counts what a round has recorded.
    pub fn count(&mut self, record: &Record, subscribers: &[Subscriber]) {
        self.rounds += 1;
        self.messages += record.messages.len();
        self.refused += record.messages.iter().filter(|message| message.is_refused).count();
        self.receptions += subscribers.iter().map(|subscriber| subscriber.received.len()).sum::<usize>();
        self.qos_1_repeats += subscribers.iter().map(|subscriber| subscriber.qos_1_repeats).sum::<u64>();
    }

    pub fn add(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.kills += other.kills;
        self.kills_in_recovery += other.kills_in_recovery;
        self.stops += other.stops;
        self.messages += other.messages;
        self.refused += other.refused;
        self.receptions += other.receptions;
        self.qos_1_repeats += other.qos_1_repeats;
        self.retained_checked += other.retained_checked;
        self.recoveries.extend(other.recoveries);
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut recoveries = self.recoveries.clone();
        recoveries.sort();
        let median = recoveries.get(recoveries.len() / 2).copied().unwrap_or_default();
        let longest = recoveries.last().copied().unwrap_or_default();
        write!(
            formatter,
            "{} rounds: {} SIGKILLs in mid-stream, {} during recovery, {} SIGTERMs; {} messages sent, {} refused; {} received, \
             {} again at QoS 1; {} retained values checked; ready after {:.0?}, at most {:.0?}",
            self.rounds,
            self.kills,
            self.kills_in_recovery,
            self.stops,
            self.messages,
            self.refused,
            self.receptions,
            self.qos_1_repeats,
            self.retained_checked,
            median,
            longest,
        )
    }
}
