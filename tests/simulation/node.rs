//! One shard as the runtime drives it: one inbox, turns, what is for the store pushed first, then messages to the others one
//! at a time between their turns.

use std::collections::VecDeque;

use ringmq::broker::{Batch, ConnectionId, PeerMessage, Report, Shard};

/// What waits in an inbox.
pub enum Item {
    Peer(usize, PeerMessage),
    Report(Report),
    /// A link whose CONNECT was read by another shard.
    Link(usize),
}

/// What a turn pushes.
pub enum Outgoing {
    ToStore(Batch),
    ToShard(usize, Item),
}

pub struct Node {
    pub shard: Shard,
    pub inbox: VecDeque<Item>,
    /// What this turn still has to push, in order.
    pub outbox: VecDeque<Outgoing>,
    /// Connections that wait for a verdict, in the order in which they were asked about.
    pub logins: VecDeque<ConnectionId>,
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
            logins: VecDeque::new(),
            handovers: Vec::new(),
            polling: false,
            turn_began: 0,
            inbox_waits_until: 0,
        }
    }

    /// Polls what is for the store, then the messages to other shards, and lines those up by class: publishes, the rest,
    /// confirmations of interest.
    pub fn poll_mail(&mut self) {
        self.outbox.extend(std::iter::from_fn(|| self.shard.poll_store()).map(Outgoing::ToStore));
        let mut messages: Vec<_> = std::iter::from_fn(|| self.shard.poll_peer()).collect();
        messages.sort_by_key(|(_, message)| message.class());
        let messages = messages.into_iter().map(|(to, message)| (usize::from(to.0), Item::Peer(usize::MAX, message)));
        let handovers = self.handovers.drain(..).map(|(to, link)| (to, Item::Link(link)));
        self.outbox.extend(messages.chain(handovers).map(|(to, item)| Outgoing::ToShard(to, item)));
    }
}
