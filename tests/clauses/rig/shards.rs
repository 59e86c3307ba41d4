//! What a test may do with the broker under test, and ask of it.

use std::cell::RefCell;
use std::rc::Rc;

use ringmq::access::{AuthenticationMethod, BanSubject, Denial, Grant, ListenerPolicy, UserConnections, Verdict};
use ringmq::broker::{CloseReason, DropReason, Event, Home, Settings, Shard, home_of};
use ringmq::store::Stats;

use crate::fake_disk::FakeDisk;

use super::client::Client;
use super::request::Connect;
use super::world::{FarEnd, PendingLogin, World};

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
        let is_wanted = |event: &Event| matches!(event, Event::Dropped { client_id: of, reason: why, .. } if of == client_id && *why == reason);
        self.world.borrow().events.iter().any(is_wanted)
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
