//! What a scenario asks for, before any connection exists.

/// Publishers and subscribers that exchange messages among themselves, all driven by one thread. A scenario is one such
/// group or many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Topics of each publisher; it takes them in turn.
    pub publishers: Vec<Vec<Topic>>,
    /// The topic filter of each subscriber.
    pub subscribers: Vec<String>,
    pub delivery: Delivery,
}

/// A topic that one publisher publishes to: a stream of messages with an order of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    /// Indices of the group's subscribers whose filter matches; at least one, or nothing would bound the sending.
    pub receivers: Vec<usize>,
}

/// Which receivers get a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Each of them, in the order of publishing.
    #[default]
    Each,
    /// One of them (a shared subscription). Each member gets its part in the order of publishing; between members
    /// there is no order.
    One,
}
