//! What a scenario asks for, before any connection exists.

/// Publishers and subscribers that exchange messages among themselves, all driven by one thread. A scenario is one such
/// group or many.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Topics of each publisher; it takes them in turn.
    pub publishers: Vec<Vec<Topic>>,
    pub subscribers: Vec<Subscriber>,
    /// At fixed rates that differ: how many publishers, one after the other, send how many messages per second together.
    /// Empty where all publishers of a run share one pace.
    pub rates: Vec<(usize, f64)>,
}

/// One subscribing client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// No topic of the group matches two of them: a broker may then deliver a message once or twice (section 3.3.4),
    /// and neither would be a fault.
    pub filters: Vec<String>,
    /// Asked for in SUBSCRIBE, for all filters.
    pub qos: u8,
}

/// A topic that one publisher publishes to: a stream of messages with an order of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    pub name: String,
    /// Indices of the group's subscribers who get each message, in the order of publishing.
    pub receivers: Vec<usize>,
    /// Share groups, as indices of their members: each message goes to one member. Each member gets its part in the
    /// order of publishing; between members there is no order.
    pub shares: Vec<Vec<usize>>,
    pub message: Message,
}

/// What the messages of a stream have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    pub qos: u8,
    pub payload_bytes: usize,
    pub retain: bool,
    /// Which part of the traffic this is, for latencies that are told apart.
    pub part: usize,
}

impl Subscriber {
    pub fn to(filter: String, qos: u8) -> Self {
        Self { filters: vec![filter], qos }
    }
}

impl Topic {
    /// A topic whose messages go to each of the receivers.
    pub fn to_each(name: String, receivers: Vec<usize>, message: Message) -> Self {
        Self { name, receivers, shares: Vec::new(), message }
    }
}
