//! When each message was sent and when the broker had certainly taken it.

use std::collections::BTreeMap;

use super::sessions::Sessions;
use crate::history::{History, Key, NEVER, Order, Time, What};

#[derive(Clone, Debug)]
pub struct Life {
    /// The first moment at which the broker may have had it. For a will, that of the CONNECT.
    pub sent: Order,
    pub sent_time: Time,
    pub sent_last: Order,
    /// How often it was sent.
    pub times: usize,
    /// The broker certainly has it, and has it for all subscribers of that time.
    pub accepted: Order,
    /// The broker said that it could not keep it.
    pub refused: Order,
}

pub struct Messages {
    pub lives: BTreeMap<Key, Life>,
}

impl Messages {
    pub fn build(history: &History, sessions: &Sessions) -> Self {
        let mut lives: BTreeMap<Key, Life> = BTreeMap::new();
        for (order, entry) in history.entries.iter().enumerate() {
            match &entry.what {
                What::Connect(connecting) => {
                    if let Some((key, _)) = connecting.will {
                        lives.insert(key, Life::begin(order, entry.time));
                    }
                }
                What::Publish { key, .. } => {
                    let life = lives.entry(*key).or_insert_with(|| Life::begin(order, entry.time));
                    life.sent_last = order;
                    life.times += 1;
                }
                What::Arrived { key } => {
                    let ended = sessions.connections.get(&entry.connection).map_or(0, |connection| connection.end);
                    // What arrives behind a DISCONNECT cannot be; what arrives in the turn in which the connection ends
                    // otherwise may come too late.
                    let server_ended = history.entries[order..].iter().find_map(|later| match &later.what {
                        What::ServerEnded { since, .. } if later.connection == entry.connection => Some(*since),
                        _ => None,
                    });
                    let already = ended < order && server_ended.is_none();
                    if history.messages.get(key).is_some_and(|message| message.qos == 0)
                        && let Some(life) = lives.get_mut(key)
                        && !already
                        && server_ended.is_none_or(|since| since > order)
                    {
                        life.accepted = life.accepted.min(order);
                    }
                }
                What::Received { key } | What::Accepted { key } => {
                    if let Some(life) = lives.get_mut(key) {
                        life.accepted = life.accepted.min(order);
                    }
                }
                What::Refused { key } => {
                    if let Some(life) = lives.get_mut(key) {
                        life.refused = life.refused.min(order);
                    }
                }
                _ => {}
            }
        }
        Self { lives }
    }
}

impl Life {
    fn begin(order: Order, time: Time) -> Self {
        Self { sent: order, sent_time: time, sent_last: order, times: 0, accepted: NEVER, refused: NEVER }
    }
}
