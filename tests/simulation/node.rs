//! One shard as the runtime drives it: one inbox, turns, messages to the others pushed one at a time between their turns.

use std::collections::VecDeque;

use ringmq::broker::{PeerMessage, Shard};

/// What waits in an inbox.
pub enum Item {
    Peer(usize, PeerMessage),
    /// A link whose CONNECT was read by another shard.
    Link(usize),
}

pub struct Node {
    pub shard: Shard,
    pub inbox: VecDeque<Item>,
    /// What this turn still has to push, each with its receiver, in order.
    pub outbox: VecDeque<(usize, Item)>,
    /// Links that go to other shards with this turn's messages.
    pub handovers: Vec<(usize, usize)>,
    /// The turn's inputs are taken and its outputs are not all polled.
    pub polling: bool,
    /// Position in the history at which the turn began.
    pub turn_began: usize,
    /// Until this step it serves its sockets but takes nothing from its inbox: messages between shards may take long.
    pub inbox_waits_until: u64,
}

impl Node {
    pub fn new(shard: Shard) -> Self {
        Self {
            shard,
            inbox: VecDeque::new(),
            outbox: VecDeque::new(),
            handovers: Vec::new(),
            polling: false,
            turn_began: 0,
            inbox_waits_until: 0,
        }
    }

    /// Polls the messages to other shards and lines them up by class: publishes, the rest, confirmations of interest.
    pub fn poll_peers(&mut self) {
        let mut messages: Vec<_> = std::iter::from_fn(|| self.shard.poll_peer()).collect();
        messages.sort_by_key(|(_, message)| message.class());
        self.outbox
            .extend(messages.into_iter().map(|(to, message)| (usize::from(to.0), Item::Peer(usize::MAX, message))));
        self.outbox.extend(self.handovers.drain(..).map(|(to, link)| (to, Item::Link(link))));
    }
}
