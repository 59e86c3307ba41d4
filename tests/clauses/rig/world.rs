//! What a rig is made of: the shards, their mailboxes, the clock, the disk and the far ends of the connections.

use std::collections::VecDeque;
use std::rc::Rc;

use ringmq::access::{Address, ListenerId, ListenerPolicy, Login};
use ringmq::broker::{
    Batch, ConnectionId, Event, Home, Incoming, Millis, PeerMessage, Settings, Shard, Transmit, Transport, home_of,
    partition,
};
use ringmq::routing::ShardIndex;
use ringmq::store::{Acknowledge, Store, StoreConfig};

use crate::fake_disk::FakeDisk;

/// Turns after which something that never comes to rest fails the test.
const TURNS_MAX: usize = 100_000;

fn make_shards(count: usize, settings: &Rc<Settings>, now: Millis) -> Vec<Shard> {
    (0..count).map(|own| Shard::new(settings.clone(), ShardIndex(own as u8), count, 7 + own as u64, now)).collect()
}

/// A client that waits for a verdict.
pub struct PendingLogin {
    pub shard: usize,
    pub connection: ConnectionId,
    pub login: Login,
}

/// What waits for one shard, in the order in which it was sent.
type Mailbox = VecDeque<(ShardIndex, PeerMessage)>;

pub(super) struct World {
    pub(super) settings: Rc<Settings>,
    pub(super) shards: Vec<Shard>,
    pub(super) mail: Vec<Mailbox>,
    pub(super) held: bool,
    pub(super) now: Millis,
    pub(super) far_ends: Vec<FarEnd>,
    pub(super) events: Vec<Event>,
    pub(super) policies: Option<Vec<ListenerPolicy>>,
    pub(super) logins: VecDeque<PendingLogin>,
    pub(super) disk: FakeDisk,
    pub(super) store: Option<Store<FakeDisk>>,
    pub(super) store_held: bool,
    /// On their way to the store.
    pub(super) batches: VecDeque<(ShardIndex, Batch)>,
}

/// The client's side of one connection.
#[derive(Default)]
pub(super) struct FarEnd {
    /// Shard and id, once the home is known.
    pub(super) near: Option<(usize, ConnectionId)>,
    pub(super) over_limit: bool,
    pub(super) listener: u16,
    pub(super) certificate: Option<Box<str>>,
    /// The server does not read now.
    pub(super) paused: bool,
    /// Bytes that it has not read.
    pub(super) unread: Vec<u8>,
    /// Bytes sent before the home was known.
    pub(super) unrouted: Vec<u8>,
    pub(super) received: Vec<u8>,
    pub(super) closed: bool,
    /// The client reads nothing: what is on its way stays there.
    pub(super) stalled: bool,
    pub(super) on_its_way: Option<Transmit>,
}

impl World {
    pub(super) fn new(count: usize, settings: Settings) -> Self {
        let settings = Rc::new(settings);
        // A clock that starts at 0 would hide a time that was never set.
        let now = 1_000_000;
        Self {
            shards: make_shards(count, &settings, now),
            settings,
            mail: (0..count).map(|_| Default::default()).collect(),
            held: false,
            now,
            far_ends: Vec::new(),
            events: Vec::new(),
            policies: None,
            logins: VecDeque::new(),
            disk: FakeDisk::new(),
            store: None,
            store_held: false,
            batches: VecDeque::new(),
        }
    }

    /// Opens the store and gives the shards what it has kept.
    pub(super) fn open_store(&mut self, count: usize) {
        let config = StoreConfig {
            shards: count,
            acknowledge: Acknowledge::Synced,
            segment_size: 16 * 1024,
            size_max: 1 << 30,
            queue_memory_max: self.settings.queue_memory_max,
            hash_seed: self.settings.hash_seed,
            wall_at_zero_ms: 0,
        };
        let opened = Store::open(self.disk.clone(), config, &mut |_| {}).expect("the store is whole");
        assert_eq!(opened.store.hash_seed(), self.settings.hash_seed);
        assert_eq!(opened.findings.dangling, 0);
        self.store = Some(opened.store);
        let (partitions, interests) = partition(opened.recovered, &self.settings, count);
        for (shard, partition) in self.shards.iter_mut().zip(partitions) {
            shard.restore(partition, &interests, self.now);
        }
    }

    pub(super) fn crash(&mut self, count: usize) {
        self.store = None;
        self.batches.clear();
        self.far_ends.iter_mut().for_each(|far_end| *far_end = FarEnd { closed: true, ..FarEnd::default() });
        // Nothing of what was not synced is left.
        self.disk.crash(&mut || 0);
        self.shards = make_shards(count, &self.settings, self.now);
        self.apply_policies();
        self.logins.clear();
        self.mail = (0..count).map(|_| Default::default()).collect();
        (self.held, self.store_held) = (false, false);
        self.open_store(count);
        self.settle();
    }

    /// The store takes what has come, and tells the shards; `false` when there was nothing.
    pub(super) fn run_store(&mut self) -> bool {
        let Some(store) = self.store.as_mut().filter(|_| !self.store_held) else { return false };
        let mut moved = !self.batches.is_empty();
        self.batches.drain(..).for_each(|(shard, batch)| store.take(shard, batch));
        // What cannot be written waits.
        let _ = store.commit(self.now);
        while let Some((shard, report)) = store.poll_report() {
            moved = true;
            self.shards[usize::from(shard.0)].handle_report(report, self.now);
        }
        moved
    }

    pub(super) fn apply_policies(&mut self) {
        if let Some(policies) = &self.policies {
            let now = self.now;
            self.shards.iter_mut().for_each(|shard| shard.set_listeners(policies.clone(), now));
        }
    }

    pub(super) fn open(&mut self, far_end: FarEnd) -> Transport {
        let transport = self.far_ends.len() as Transport;
        self.far_ends.push(far_end);
        if self.shards.len() == 1 {
            self.place(transport, 0);
        }
        transport
    }

    pub(super) fn place(&mut self, transport: Transport, shard: usize) -> (usize, ConnectionId) {
        let far_end = &mut self.far_ends[transport as usize];
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 40_000));
        let incoming = Incoming {
            transport,
            address: Address::Ip(address),
            listener: ListenerId(far_end.listener),
            certificate: far_end.certificate.clone(),
            over_limit: far_end.over_limit,
        };
        let near = (shard, self.shards[shard].handle_connected(incoming, self.now));
        far_end.near = Some(near);
        near
    }

    pub(super) fn far_end(&mut self, transport: Transport) -> &mut FarEnd {
        &mut self.far_ends[transport as usize]
    }

    pub(super) fn send(&mut self, transport: Transport, bytes: &[u8]) {
        let far_end = &mut self.far_ends[transport as usize];
        assert!(!far_end.closed, "the server has closed this connection");
        match far_end.near {
            Some(_) if far_end.paused => far_end.unread.extend(bytes),
            Some((shard, id)) => self.shards[shard].handle_received(id, bytes, self.now),
            None => {
                far_end.unrouted.extend(bytes);
                let bytes = far_end.unrouted.clone();
                let home = match home_of(&bytes, &self.settings, self.shards.len()) {
                    Home::NeedMore => return,
                    Home::Shard(shard) => usize::from(shard.0),
                    Home::Here => 0,
                };
                let (shard, id) = self.place(transport, home);
                self.shards[shard].handle_received(id, &bytes, self.now);
            }
        }
        self.settle();
    }

    /// Bytes for a connection whose home is known, whether it is read or not.
    pub(super) fn push(&mut self, transport: Transport, bytes: &[u8]) {
        let (shard, id) = self.far_ends[transport as usize].near.expect("the home is known");
        self.shards[shard].handle_received(id, bytes, self.now);
        self.settle();
    }

    /// The client goes away without a word.
    pub(super) fn break_off(&mut self, transport: Transport) {
        let far_end = self.far_end(transport);
        if !far_end.closed {
            far_end.closed = true;
            far_end.on_its_way = None;
            if let Some((shard, id)) = far_end.near {
                self.shards[shard].handle_closed(id, self.now);
            }
        }
        self.settle();
    }

    pub(super) fn stall(&mut self, transport: Transport) {
        self.far_end(transport).stalled = true;
    }

    pub(super) fn read_again(&mut self, transport: Transport) {
        let far_end = self.far_end(transport);
        far_end.stalled = false;
        if let Some(transmit) = far_end.on_its_way.take() {
            self.deliver(transmit);
        }
        self.settle();
    }

    pub(super) fn advance(&mut self, milliseconds: u64) {
        let end = self.now + milliseconds;
        for _ in 0..TURNS_MAX {
            let next = self.shards.iter().filter_map(Shard::next_deadline).min();
            self.now = next.unwrap_or(end).clamp(self.now, end);
            let now = self.now;
            for shard in &mut self.shards {
                if shard.next_deadline().is_some_and(|deadline| deadline <= now) {
                    shard.handle_timeout(now);
                }
            }
            self.settle();
            let overdue = self.shards.iter().filter_map(Shard::next_deadline).any(|deadline| deadline <= now);
            if now == end && !overdue {
                return;
            }
        }
        panic!("deadlines never end");
    }

    /// Runs the shards in turn until nothing moves.
    pub(super) fn settle(&mut self) {
        for _ in 0..TURNS_MAX {
            let mut moved = false;
            for shard in 0..self.shards.len() {
                moved |= self.turn(shard);
            }
            moved |= self.run_store();
            if !moved {
                return;
            }
        }
        panic!("the shards never come to rest");
    }

    /// One turn of one shard; `false` when there was nothing to do.
    pub(super) fn turn(&mut self, own: usize) -> bool {
        let mut moved = false;
        if !self.held {
            moved |= self.deliver_mail(own, usize::MAX);
        }
        if self.shards[own].has_work() {
            moved = true;
            self.shards[own].handle_timeout(self.now);
        }
        if let Some(batch) = self.shards[own].poll_store() {
            moved = true;
            assert!(self.settings.persistence, "there is no store");
            self.batches.push_back((ShardIndex(own as u8), batch));
        }
        while let Some((to, message)) = self.shards[own].poll_peer() {
            moved = true;
            assert_ne!(usize::from(to.0), own, "a shard writes to itself");
            self.mail[usize::from(to.0)].push_back((ShardIndex(own as u8), message));
        }
        while let Some(transmit) = self.shards[own].poll_transmit() {
            moved = true;
            self.deliver(transmit);
        }
        while let Some((id, transport)) = self.shards[own].poll_close() {
            moved = true;
            let far_end = self.far_end(transport);
            assert_eq!(far_end.near, Some((own, id)));
            far_end.closed = true;
            far_end.on_its_way = None;
        }
        while let Some((connection, login)) = self.shards[own].poll_login() {
            moved = true;
            self.logins.push_back(PendingLogin { shard: own, connection, login });
        }
        while let Some((id, transport, is_paused)) = self.shards[own].poll_pause() {
            moved = true;
            let now = self.now;
            let far_end = self.far_end(transport);
            assert_eq!(far_end.near, Some((own, id)));
            assert_ne!(far_end.paused, is_paused, "paused or resumed twice");
            far_end.paused = is_paused;
            if !is_paused && !far_end.closed {
                let unread = std::mem::take(&mut far_end.unread);
                self.shards[own].handle_received(id, &unread, now);
            }
        }
        while let Some(event) = self.shards[own].poll_event() {
            moved = true;
            self.events.push(event);
        }
        moved
    }

    /// Takes so many messages out of a mailbox; `false` when it is empty.
    pub(super) fn deliver_mail(&mut self, own: usize, count: usize) -> bool {
        let count = count.min(self.mail[own].len());
        for (from, message) in self.mail[own].drain(..count) {
            self.shards[own].handle_peer(from, message, self.now);
        }
        count > 0
    }

    pub(super) fn deliver(&mut self, transmit: Transmit) {
        let far_end = &mut self.far_ends[transmit.transport as usize];
        if far_end.closed {
            return;
        }
        assert!(far_end.on_its_way.is_none(), "two outputs of one connection on their way");
        if far_end.stalled {
            far_end.on_its_way = Some(transmit);
            return;
        }
        transmit.output.slices().for_each(|slice| far_end.received.extend(slice));
        let (shard, id) = far_end.near.expect("a connection that sends has a shard");
        assert_eq!(id, transmit.connection);
        self.shards[shard].handle_sent(id, transmit.output, self.now);
    }
}
