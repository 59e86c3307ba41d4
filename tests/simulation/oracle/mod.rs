//! The judge: from what clients sent and received, in their global order, to what they must and may have seen.
//!
//! Written from the specification and for whole runs, with no thought for speed and none for how the broker works.

mod deliveries;
mod disturbances;
mod filter;
mod messages;
mod required;
mod retained;
mod sessions;
mod shared;
mod wills;

use crate::history::{History, Order, Time, What};
use crate::world::Finding;

use deliveries::Deliveries;
use disturbances::Disturbances;
use messages::Messages;
use sessions::Sessions;

/// What was looked at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub messages: usize,
    pub deliveries: usize,
    /// Deliveries that had to be there.
    pub required: usize,
    /// Wills of which it was certain whether they go out.
    pub wills: usize,
    /// Retained messages that a subscription had to bring.
    pub retained: usize,
    pub shared: usize,
    pub crashes: usize,
    /// Of the deliveries that had to be there, those that the broker owed when it crashed.
    pub required_over_crashes: usize,
}

/// All that the checks share.
struct Case<'a> {
    history: &'a History,
    sessions: Sessions,
    messages: Messages,
    disturbances: Disturbances,
}

impl Case<'_> {
    /// The first rest after `moment`.
    fn rest_after(&self, moment: Order) -> Option<Order> {
        self.disturbances.rest_after(moment)
    }

    fn time(&self, moment: Order) -> Time {
        self.history.entries.get(moment).map_or(Time::MAX, |entry| entry.time)
    }

    /// Whether the broker's reports explain that `client` lacks a message sent at `sent` to it, at the latest at `until`. It
    /// reports the first drop of a connection only, so that a report since the connection began stands for later drops.
    fn dropped(&self, client: usize, sent: Order, until: Order, reasons: &[&str]) -> bool {
        let began = self.sessions.connections_of(client).filter(|c| c.connected < sent).map(|c| c.connect).max();
        let since = began.unwrap_or(0);
        self.history.entries[since..=until.min(self.history.entries.len() - 1)].iter().any(|entry| {
            entry.client == client && matches!(&entry.what, What::Dropped { reason } if reasons.contains(reason))
        })
    }

    /// Whether `client` may have had, between the two moments, a Maximum Packet Size that `size` bytes exceed.
    fn too_large(&self, client: usize, size: usize, until: Order) -> bool {
        self.sessions.connections_of(client).any(|c| c.connect < until && c.connecting.packet_size_max < size)
    }
}

/// Reasons that explain a message lost in a queue.
const QUEUE_DROPS: [&str; 3] = ["queue_full_newest", "queue_full_oldest", "shard_full"];

/// Checks the whole history.
pub fn check(history: &History) -> Result<Figures, Finding> {
    let disturbances = Disturbances::build(history);
    let sessions = Sessions::build(history, &disturbances)?;
    let mut figures = Figures { messages: history.messages.len(), ..Figures::default() };
    let messages = Messages::build(history, &sessions);
    figures.crashes = disturbances.crashes_between(0, history.entries.len()).len();
    let mut case = Case { history, sessions, messages, disturbances };
    wills::check(&mut case, &mut figures)?;
    let deliveries = Deliveries::check(&case, &mut figures)?;
    required::check(&case, &deliveries, &mut figures)?;
    shared::check(&case, &deliveries, &mut figures)?;
    retained::check(&case, &deliveries, &mut figures)?;
    Ok(figures)
}

impl Figures {
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.deliveries += other.deliveries;
        self.required += other.required;
        self.wills += other.wills;
        self.retained += other.retained;
        self.shared += other.shared;
        self.crashes += other.crashes;
        self.required_over_crashes += other.required_over_crashes;
    }
}
