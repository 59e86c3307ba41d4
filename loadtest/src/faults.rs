//! What went wrong in a run. A run with any fault has failed: its speed is the speed of doing something else.

use std::fmt;

/// Faults by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Faults {
    /// Copies that never arrived.
    pub lost: u64,
    /// Copies that arrived again. At QoS 1 too: no connection broke, so nothing gave reason to send twice.
    pub duplicated: u64,
    /// Copies that arrived after a later message of the same publisher and topic.
    pub reordered: u64,
    /// Payloads that are not what was sent.
    pub corrupted: u64,
    /// Intact messages with another topic, at a subscriber that did not ask for them, or with another QoS or RETAIN.
    pub misdelivered: u64,
    /// Packets that break the protocol, unexpected ones, and reason codes that report a failure.
    pub protocol: u64,
    /// QoS 1 and 2 publishes that were never acknowledged.
    pub unacknowledged: u64,
    /// Connections that ended before the run did.
    pub disconnected: u64,
}

impl Faults {
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.corrupted += other.corrupted;
        self.misdelivered += other.misdelivered;
        self.protocol += other.protocol;
        self.unacknowledged += other.unacknowledged;
        self.disconnected += other.disconnected;
    }

    /// Faults of all kinds.
    pub fn total(&self) -> u64 {
        let Self { lost, duplicated, reordered, corrupted, misdelivered, protocol, unacknowledged, disconnected } =
            self;
        lost + duplicated + reordered + corrupted + misdelivered + protocol + unacknowledged + disconnected
    }

    pub fn any(&self) -> bool {
        *self != Self::default()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.lost, "lost"),
            (self.duplicated, "duplicated"),
            (self.reordered, "reordered"),
            (self.corrupted, "corrupted"),
            (self.misdelivered, "misdelivered"),
            (self.protocol, "protocol"),
            (self.unacknowledged, "unacknowledged"),
            (self.disconnected, "disconnected"),
        ];
        let present: Vec<String> =
            kinds.iter().filter(|(count, _)| *count > 0).map(|(count, kind)| format!("{count} {kind}")).collect();
        formatter.write_str(if present.is_empty() { "none" } else { "" })?;
        formatter.write_str(&present.join(", "))
    }
}
