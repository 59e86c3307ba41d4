//! The shards, their mailboxes, the clock and the far ends of the connections.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use ringmq::access::{
    Address, AuthenticationMethod, BanSubject, Denial, Grant, ListenerId, ListenerPolicy, Login, UserConnections,
    Verdict,
};
use ringmq::broker::{
    Batch, CloseReason, ConnectionId, DropReason, Event, Home, Incoming, Millis, PeerMessage, Settings, Shard,
    Transmit, Transport, home_of, partition,
};
use ringmq::routing::ShardIndex;
use ringmq::store::{Acknowledge, Stats, Store, StoreConfig};

use crate::fake_disk::FakeDisk;

use super::client::Client;
use super::request::Connect;

/// Turns after which something that never comes to rest fails the test.
const TURNS_MAX: usize = 100_000;

/// The broker under test, on a clock of its own.
#[derive(Clone)]
pub struct Rig {
    pub(super) world: Rc<RefCell<World>>,
}

impl Rig {
    /// One shard with default settings.
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// One shard.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_shards(1, change)
    }

    pub fn with_shards(count: usize, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        Self { world: Rc::new(RefCell::new(World::new(count, settings))) }
    }

    /// So many shards with a store.
    pub fn durable(count: usize, change: impl FnOnce(&mut Settings)) -> Self {
        let rig = Self::with_shards(count, |settings| {
            settings.persistence = true;
            change(settings);
        });
        rig.world.borrow_mut().open_store(count);
        rig
    }

    /// One shard that offers these methods of enhanced authentication.
    pub fn with_methods(methods: Vec<Box<dyn AuthenticationMethod>>) -> Self {
        let rig = Self::new();
        rig.world.borrow_mut().shards[0].set_authentication_methods(methods);
        rig
    }

    /// One shard whose only listener has this policy.
    pub fn with_policy(policy: ListenerPolicy) -> Self {
        let rig = Self::new();
        rig.set_listeners(vec![policy]);
        rig
    }

    /// Replaces what the listeners demand, as a reload does.
    pub fn set_listeners(&self, policies: Vec<ListenerPolicy>) {
        let mut world = self.world.borrow_mut();
        world.policies = Some(policies);
        world.apply_policies();
        world.settle();
    }

    /// Bans on all shards for so many milliseconds.
    pub fn ban(&self, subject: &BanSubject, milliseconds: u64) {
        let mut world = self.world.borrow_mut();
        let now = world.now;
        world.shards.iter_mut().for_each(|shard| shard.ban(subject, now + milliseconds, now));
        world.settle();
    }

    pub fn lift_ban(&self, subject: &BanSubject) {
        self.world.borrow_mut().shards.iter_mut().for_each(|shard| shard.lift_ban(subject));
    }

    /// Has connections of users counted on all shards.
    pub fn count_users(&self, make: impl Fn() -> Box<dyn UserConnections>) {
        self.world.borrow_mut().shards.iter_mut().for_each(|shard| shard.set_user_connections(make()));
    }

    /// A connection that has sent nothing yet.
    pub fn open(&self) -> Client {
        self.open_at(0, None)
    }

    /// The same at another listener, or with a certificate of this name.
    pub fn open_at(&self, listener: u16, certificate: Option<&str>) -> Client {
        let mut world = self.world.borrow_mut();
        let far_end = FarEnd { listener, certificate: certificate.map(Box::from), ..FarEnd::default() };
        let transport = world.open(far_end);
        drop(world);
        Client::new(self.clone(), transport, 5)
    }

    /// The oldest login that waits for a verdict.
    pub fn next_login(&self) -> PendingLogin {
        let mut world = self.world.borrow_mut();
        world.logins.pop_front().expect("a login waits")
    }

    pub fn has_logins(&self) -> bool {
        !self.world.borrow().logins.is_empty()
    }

    pub fn allow(&self, pending: &PendingLogin, grant: Grant) {
        self.answer(pending, Verdict::Allowed(grant));
    }

    pub fn deny(&self, pending: &PendingLogin, denial: Denial) {
        self.answer(pending, Verdict::Denied(denial));
    }

    pub fn answer(&self, pending: &PendingLogin, verdict: Verdict) {
        let mut world = self.world.borrow_mut();
        let now = world.now;
        world.shards[pending.shard].handle_verdict(pending.connection, verdict, now);
        world.settle();
    }

    /// Clients of all shards that were not let in for this reason.
    pub fn denied_count(&self, denial: Denial) -> u64 {
        self.world.borrow().shards.iter().map(|shard| shard.counters().denied(denial)).sum()
    }

    /// What was reported of clients that were not let in: client id, user name, why.
    pub fn denials(&self) -> Vec<(String, Option<String>, Denial)> {
        let world = self.world.borrow();
        let denials = world.events.iter().filter_map(|event| match event {
            Event::Denied { client_id, user_name, denial, .. } => Some((client_id.clone(), user_name.clone(), *denial)),
            _ => None,
        });
        denials.collect()
    }

    /// The user names under which clients were let in.
    pub fn users(&self) -> Vec<Option<String>> {
        let world = self.world.borrow();
        let users = world.events.iter().filter_map(|event| match event {
            Event::Connected { user_name, .. } => Some(user_name.clone()),
            _ => None,
        });
        users.collect()
    }

    /// A connection past the limit of connections.
    pub fn open_over_limit(&self) -> Client {
        let transport = self.world.borrow_mut().open(FarEnd { over_limit: true, ..FarEnd::default() });
        Client::new(self.clone(), transport, 5)
    }

    /// A connection that has sent its CONNECT; nothing of the answer is read.
    pub fn attempt(&self, connect: &Connect) -> Client {
        let mut client = self.open();
        client.level = connect.level;
        client.send(&connect.bytes());
        client
    }

    /// A connection whose CONNECT was accepted; its CONNACK is in [`Client::connack`].
    pub fn connect(&self, connect: &Connect) -> Client {
        let mut client = self.attempt(connect);
        client.connack = client.next_connack();
        assert_eq!(client.connack.reason, 0, "CONNACK {:?}", client.connack);
        client
    }

    pub fn connect_v5(&self, client_id: &str) -> Client {
        self.connect(&Connect::v5(client_id))
    }

    pub fn connect_v3_1_1(&self, client_id: &str) -> Client {
        self.connect(&Connect::v3_1_1(client_id))
    }

    /// One refused CONNECT: the CONNACK carries `reason`, and the connection ends.
    pub fn expect_refused(&self, connect: &Connect, reason: u8) {
        let mut client = self.attempt(connect);
        assert_eq!(client.next_connack().reason, reason);
        client.expect_closed();
    }

    /// Lets time pass; every deadline on the way is served at its time.
    pub fn advance_ms(&self, milliseconds: u64) {
        self.world.borrow_mut().advance(milliseconds);
    }

    pub fn advance_s(&self, seconds: u64) {
        self.advance_ms(seconds * 1_000);
    }

    /// The shard on which this client id lives.
    pub fn home_of(&self, client_id: &str) -> usize {
        let world = self.world.borrow();
        match home_of(&Connect::v5(client_id).bytes(), &world.settings, world.shards.len()) {
            Home::Shard(shard) => usize::from(shard.0),
            other => panic!("{client_id:?} has no home: {other:?}"),
        }
    }

    /// A client id whose home is this shard.
    pub fn client_id_on(&self, shard: usize) -> String {
        let mut names = (0..).map(|number| format!("client{number}"));
        names.find(|client_id| self.home_of(client_id) == shard).expect("endless names")
    }

    /// From here on nothing is taken out of the mailboxes.
    pub fn hold_mail(&self) {
        self.world.borrow_mut().held = true;
    }

    /// While mail is held: one message after the other is delivered, so many in all, to the shards in turn.
    pub fn step_mail(&self, count: usize) {
        let mut world = self.world.borrow_mut();
        let shards = world.shards.len();
        for step in 0..count {
            world.deliver_mail(step % shards, 1);
            world.settle();
        }
    }

    /// Mail flows again, with all that waited.
    pub fn release_mail(&self) {
        let mut world = self.world.borrow_mut();
        world.held = false;
        world.settle();
    }

    /// From here on the store takes nothing: nothing becomes durable.
    pub fn hold_store(&self) {
        self.world.borrow_mut().store_held = true;
    }

    /// The store goes on, with all that waited.
    pub fn release_store(&self) {
        let mut world = self.world.borrow_mut();
        world.store_held = false;
        world.settle();
    }

    /// Pulls the plug, and starts again with so many shards. All connections are gone, and what was not synced.
    pub fn crash(&self, count: usize) {
        self.world.borrow_mut().crash(count);
    }

    /// The disk of the store.
    pub fn disk(&self) -> FakeDisk {
        self.world.borrow().disk.clone()
    }

    pub fn store_stats(&self) -> Stats {
        self.world.borrow().store.as_ref().expect("there is a store").stats()
    }

    /// Bytes of messages and output in the memory of all shards.
    pub fn held_bytes(&self) -> u64 {
        self.world.borrow().shards.iter().map(|shard| shard.counters().held_bytes).sum()
    }

    /// What clients have sent too much of, each time that one began to.
    pub fn quotas_exceeded(&self) -> Vec<&'static str> {
        let world = self.world.borrow();
        let count: u64 = world.shards.iter().map(|shard| shard.counters().quota_episodes).sum();
        let exceeded = world.events.iter().filter_map(|event| match event {
            Event::OverQuota { quota, .. } => Some(*quota),
            _ => None,
        });
        let exceeded: Vec<_> = exceeded.collect();
        assert_eq!(exceeded.len() as u64, count);
        exceeded
    }

    /// PUBLISH packets that all shards have handled.
    pub fn publishes_received(&self) -> u64 {
        self.world.borrow().shards.iter().map(|shard| shard.counters().publishes_received.total()).sum()
    }

    pub fn shut_down(&self) {
        let mut world = self.world.borrow_mut();
        let now = world.now;
        world.shards.iter_mut().for_each(|shard| shard.handle_shutdown(now));
        world.settle();
    }

    pub fn connection_count(&self) -> usize {
        self.world.borrow().shards.iter().map(Shard::connection_count).sum()
    }

    /// Messages of all shards that were dropped for this reason.
    pub fn dropped_count(&self, reason: DropReason) -> u64 {
        self.world.borrow().shards.iter().map(|shard| shard.counters().dropped(reason)).sum()
    }

    /// Whether messages of this client were dropped for this reason.
    pub fn dropped(&self, client_id: &str, reason: DropReason) -> bool {
        let wanted = Event::Dropped { client_id: client_id.to_owned(), reason };
        self.world.borrow().events.contains(&wanted)
    }

    /// Why the last connection of this client that ended has ended.
    pub fn close_reason(&self, client_id: &str) -> Option<CloseReason> {
        self.world.borrow().events.iter().rev().find_map(|event| match event {
            Event::Closed { client_id: closed, reason, .. } if closed == client_id => Some(*reason),
            _ => None,
        })
    }

    /// Whether a bound was reached that this key of the configuration moves.
    pub fn bound_reached(&self, wanted: &str) -> bool {
        let is_wanted = |event: &Event| matches!(event, Event::BoundReached { key, .. } if *key == wanted);
        self.world.borrow().events.iter().any(is_wanted)
    }

    pub fn session_expired(&self, client_id: &str) -> bool {
        let wanted = Event::SessionExpired { client_id: client_id.to_owned() };
        self.world.borrow().events.contains(&wanted)
    }
}

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
    settings: Rc<Settings>,
    shards: Vec<Shard>,
    mail: Vec<Mailbox>,
    held: bool,
    now: Millis,
    far_ends: Vec<FarEnd>,
    events: Vec<Event>,
    policies: Option<Vec<ListenerPolicy>>,
    logins: VecDeque<PendingLogin>,
    disk: FakeDisk,
    store: Option<Store<FakeDisk>>,
    store_held: bool,
    /// On their way to the store.
    batches: VecDeque<(ShardIndex, Batch)>,
}

/// The client's side of one connection.
#[derive(Default)]
pub(super) struct FarEnd {
    /// Shard and id, once the home is known.
    near: Option<(usize, ConnectionId)>,
    over_limit: bool,
    listener: u16,
    certificate: Option<Box<str>>,
    /// The server does not read now.
    pub(super) paused: bool,
    /// Bytes that it has not read.
    unread: Vec<u8>,
    /// Bytes sent before the home was known.
    unrouted: Vec<u8>,
    pub(super) received: Vec<u8>,
    pub(super) closed: bool,
    /// The client reads nothing: what is on its way stays there.
    stalled: bool,
    on_its_way: Option<Transmit>,
}

impl World {
    fn new(count: usize, settings: Settings) -> Self {
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
    fn open_store(&mut self, count: usize) {
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

    fn crash(&mut self, count: usize) {
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
    fn run_store(&mut self) -> bool {
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

    fn apply_policies(&mut self) {
        if let Some(policies) = &self.policies {
            let now = self.now;
            self.shards.iter_mut().for_each(|shard| shard.set_listeners(policies.clone(), now));
        }
    }

    fn open(&mut self, far_end: FarEnd) -> Transport {
        let transport = self.far_ends.len() as Transport;
        self.far_ends.push(far_end);
        if self.shards.len() == 1 {
            self.place(transport, 0);
        }
        transport
    }

    fn place(&mut self, transport: Transport, shard: usize) -> (usize, ConnectionId) {
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

    fn advance(&mut self, milliseconds: u64) {
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
    fn settle(&mut self) {
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
    fn turn(&mut self, own: usize) -> bool {
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
    fn deliver_mail(&mut self, own: usize, count: usize) -> bool {
        let count = count.min(self.mail[own].len());
        for (from, message) in self.mail[own].drain(..count) {
            self.shards[own].handle_peer(from, message, self.now);
        }
        count > 0
    }

    fn deliver(&mut self, transmit: Transmit) {
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
