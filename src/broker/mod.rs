//! One shard's whole state, driven from outside.
//!
//! `handle_*` in, `poll_*` out. After any number of `handle_*` calls the driver polls until each returns `None`, in this order:
//! [`Shard::poll_store`], [`Shard::poll_peer`], [`Shard::poll_transmit`], [`Shard::poll_close`],
//! [`Shard::poll_login`], [`Shard::poll_pause`], [`Shard::poll_event`]; then it may sleep until [`Shard::next_deadline`].
//! Nothing here reads a clock, draws a random number or touches a socket.

mod acknowledge;
mod answers;
mod authenticate;
mod ban;
pub mod batch;
mod close;
mod connect;
pub mod counters;
mod deliver;
mod drops;
mod durability;
pub mod event;
pub mod gate;
mod hold;
mod home;
pub mod inspect;
mod keep;
mod login;
pub mod message;
mod own;
mod peer;
pub mod peer_message;
mod permissions;
mod publication;
mod publish;
mod quota;
mod receive;
pub mod recovered;
mod replay;
pub mod report;
mod restore;
mod retain;
mod sample;
mod server_publish;
pub mod settings;
mod shared;
mod slots;
mod spare_buffers;
mod spill;
mod store_notice;
mod subscribe;
mod timeout;
mod timer_key;
pub mod timer_wheel;
pub mod trace;
mod unsubscribe;
mod user_connections;
mod will;

use std::collections::VecDeque;
use std::rc::Rc;

use rand::SeedableRng;
use rand::rngs::SmallRng;

use crate::access::{Address, AuthenticationMethod, ListenerId, Login, UserConnections};
use crate::connection::{Connection, Output, Phase};
use crate::limits;
use crate::routing::table::Table;
use crate::routing::{Matches, RetainedTree, SessionKey, ShardIndex, TopicIndex};
use crate::session::Session;
use ban::Bans;
use drops::Drops;
use durability::Durability;
use event::for_log;
use permissions::Listener;
use publication::Templates;
use sample::Followed;
use slots::Slots;
use spare_buffers::SpareBuffers;
use timer_key::{GENERATION_MASK, TimerKey};
use timer_wheel::TimerWheel;
use trace::Tracing;

pub use batch::{Batch, StoreOp};
pub use counters::Counters;
pub use event::{CloseReason, DropReason, Event};
pub use gate::Gate;
pub use home::{Home, home_of, home_of_client, home_of_topic};
pub use message::Message;
pub use peer_message::PeerMessage;
pub use recovered::{Recovered, RecoveredSession};
pub use report::{Loaded, Report};
pub use restore::{Interests, Partition, partition};
pub use server_publish::{NotPublished, ServerPublish};
pub use settings::{QueuePolicy, Settings};
pub use store_notice::STORE_ACCEPTING_TOPIC;

/// Keys of the configuration that decide when the store does not accept.
const STORE_KEYS: &str = "storage.size_max, storage.free_space_min";

/// Milliseconds of a clock that never goes back; its zero is the driver's choice.
pub type Millis = u64;

/// A time that does not come.
pub const NEVER: Millis = Millis::MAX;

/// A connection of this shard; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionId {
    pub slot: u32,
    pub generation: u32,
}

/// The driver's own name for a transport; the broker gives it back with what concerns it.
pub type Transport = u32;

/// What the driver knows of a new connection.
#[derive(Clone, Debug)]
pub struct Incoming {
    pub transport: Transport,
    pub address: Address,
    pub listener: ListenerId,
    /// The name in the client's certificate, if it showed one that is valid.
    pub certificate: Option<Box<str>>,
    /// The machine's or the configuration's limit of connections is reached: answer the CONNECT with a refusal.
    pub over_limit: bool,
}

/// Bytes for one connection. There is at most one on its way for each connection, until `handle_sent`.
#[derive(Debug)]
pub struct Transmit {
    pub connection: ConnectionId,
    pub transport: Transport,
    pub output: Output,
}

/// A SUBACK or UNSUBACK that waits until all shards know the filters, and the store.
struct WaitingSubAck {
    sequence: u64,
    connection: ConnectionId,
    packet_id: u16,
    reasons: Vec<u8>,
    reason_string: Option<&'static str>,
    gate: Gate,
    /// It answers an UNSUBSCRIBE.
    is_unsuback: bool,
}

/// One shard.
pub struct Shard {
    settings: Rc<Settings>,
    own: ShardIndex,
    shards: usize,
    now: Millis,
    random: SmallRng,
    authentication_methods: Vec<Box<dyn AuthenticationMethod>>,
    /// By [`ListenerId`].
    listeners: Vec<Listener>,
    unknown_listener: Listener,
    bans: Bans,
    /// If connections of users are counted.
    user_connections: Option<Box<dyn UserConnections>>,
    shutting_down: bool,

    connections: Slots<Connection>,
    sessions: Slots<Session>,
    session_by_client: Table<SessionKey>,
    /// Source of generations of connections and sessions.
    generation: u32,
    index: TopicIndex,
    retained: RetainedTree<Rc<Message>>,
    wheel: TimerWheel<TimerKey>,
    due: Vec<TimerKey>,

    /// Outgoing messages to other shards, by class: see [`PeerMessage::class`].
    to_peers: [VecDeque<(ShardIndex, PeerMessage)>; 3],
    /// Sequence of the last `InterestAdd` or `GroupInterest` sent.
    interest_sequence: u64,
    /// Sequence up to which each shard has applied them.
    interest_applied: Vec<u64>,
    waiting_subacks: VecDeque<WaitingSubAck>,
    replay_number: u32,
    /// Replays whose first request waits until the interest is in force everywhere.
    waiting_replays: VecDeque<(u64, SessionKey)>,
    /// Sessions whose search among this shard's retained messages goes on without input.
    local_replays: VecDeque<SessionKey>,
    stamp: u64,

    ready: VecDeque<ConnectionId>,
    to_close: VecDeque<(ConnectionId, Transport)>,
    /// Clients on whom somebody is to decide.
    logins: VecDeque<(ConnectionId, Login)>,
    /// Connections to be read no longer, or again.
    pauses: VecDeque<(ConnectionId, bool)>,
    /// Connections whose queue has passed its bound, to be closed before the next poll: not while a publish is
    /// being routed.
    overflowed: Vec<ConnectionId>,
    /// Connections whose Maximum Packet Size has no room for an answer that they must get, to be closed likewise.
    unanswerable: Vec<ConnectionId>,
    events: VecDeque<Event>,
    counters: Counters,
    followed: Followed,
    drops: Drops,
    /// Present while somebody watches.
    tracing: Option<Box<Tracing>>,
    last_tracer: u64,
    held_bytes: usize,
    retained_bytes: usize,

    /// Sequence up to which every shard has applied this shard's interest.
    interest_in_force: u64,

    durability: Durability,

    /// Reused, so that a publish does not allocate.
    matches: Matches,
    templates: Templates,
    buffers: SpareBuffers,
}

impl Shard {
    /// `seed` feeds all random choices of this shard. `settings` is the same on all shards.
    pub fn new(settings: Rc<Settings>, own: ShardIndex, shards: usize, seed: u64, now: Millis) -> Self {
        assert!(shards <= limits::SHARDS_MAX && usize::from(own.0) < shards, "shard {own:?} of {shards}");
        Self {
            index: TopicIndex::new(own, shards, settings.hash_seed),
            bans: Bans::new(settings.hash_seed),
            drops: Drops::new(settings.hash_seed),
            settings,
            own,
            shards,
            now,
            random: SmallRng::seed_from_u64(seed),
            authentication_methods: Vec::new(),
            listeners: vec![Listener::open()],
            unknown_listener: Listener::closed(),
            user_connections: None,
            shutting_down: false,
            connections: Slots::new(),
            sessions: Slots::new(),
            session_by_client: Table::new(),
            generation: 0,
            retained: RetainedTree::new(),
            wheel: TimerWheel::new(now),
            due: Vec::new(),
            to_peers: Default::default(),
            interest_sequence: 0,
            interest_applied: vec![0; shards],
            waiting_subacks: VecDeque::new(),
            replay_number: 0,
            waiting_replays: VecDeque::new(),
            local_replays: VecDeque::new(),
            stamp: 0,
            ready: VecDeque::new(),
            to_close: VecDeque::new(),
            logins: VecDeque::new(),
            pauses: VecDeque::new(),
            overflowed: Vec::new(),
            unanswerable: Vec::new(),
            events: VecDeque::new(),
            counters: Counters::default(),
            followed: Followed::default(),
            tracing: None,
            last_tracer: 0,
            held_bytes: 0,
            retained_bytes: 0,
            interest_in_force: if shards == 1 { u64::MAX } else { 0 },
            durability: Durability::default(),
            matches: Matches::default(),
            templates: Templates::default(),
            buffers: SpareBuffers::default(),
        }
    }

    /// Other settings from now on, but for the seed. Who is connected keeps what was agreed at CONNECT, so that nothing that was
    /// promised there may become narrower.
    pub fn set_settings(&mut self, settings: Rc<Settings>) {
        debug_assert_eq!(settings.hash_seed, self.settings.hash_seed, "names hash to their homes by it");
        self.settings = settings;
    }

    /// The methods of enhanced authentication that clients may name; none at first.
    pub fn set_authentication_methods(&mut self, methods: Vec<Box<dyn AuthenticationMethod>>) {
        self.authentication_methods = methods;
    }

    /// Messages for other shards. The driver must push them into the receivers' mailboxes in just this order, over all receivers.
    pub fn poll_peer(&mut self) -> Option<(ShardIndex, PeerMessage)> {
        if !self.overflowed.is_empty() {
            self.close_overflowed();
        }
        if !self.unanswerable.is_empty() {
            self.close_unanswerable();
        }
        self.to_peers.iter_mut().find_map(VecDeque::pop_front)
    }

    /// The next connection that has something to send and nothing on its way.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        while let Some(id) = self.ready.pop_front() {
            let Some(connection) = self.connections.get_mut(id.slot) else { continue };
            if connection.generation != id.generation {
                continue;
            }
            connection.ready = false;
            if connection.sending || connection.output.is_empty() {
                continue;
            }
            connection.sending = true;
            connection.sending_len = u32::try_from(connection.output.len()).unwrap_or(u32::MAX);
            let output = std::mem::take(&mut connection.output);
            let (transport, version) = (connection.transport, connection.version);
            if self.is_traced(id) {
                self.trace_output(id, version, &output);
            }
            return Some(Transmit { connection: id, transport, output });
        }
        None
    }

    /// The transport has taken the whole output of the last `Transmit`; the output comes back for its buffer.
    pub fn handle_sent(&mut self, id: ConnectionId, output: Output, now: Millis) {
        self.now = now;
        let sent = output.len();
        self.buffers.keep(output.into_buffer());
        let Some(connection) = self.connection_mut(id) else { return };
        connection.sending = false;
        connection.sending_len = 0;
        let phase = connection.phase;
        let more = !connection.output.is_empty();
        self.held_bytes -= sent;
        self.counters.bytes_sent += sent as u64;
        if more {
            self.mark_ready(id);
        } else if phase == Phase::Closing {
            self.finish_close(id);
            return;
        }
        if let Phase::Open(session) = phase {
            self.pump(session);
        }
    }

    /// A connection that the driver must close now: all its output was taken, or it had its time. Its id is dead.
    pub fn poll_close(&mut self) -> Option<(ConnectionId, Transport)> {
        self.to_close.pop_front()
    }

    /// Something worth a log line.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When to call `handle_timeout`, if nothing else happens before.
    pub fn next_deadline(&self) -> Option<Millis> {
        self.wheel.next_deadline()
    }

    /// There is work that needs no input (a long retained search): call `handle_timeout` soon, do not sleep.
    pub fn has_work(&self) -> bool {
        !self.local_replays.is_empty()
    }

    /// Connections of this shard that are open.
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// The counters, with the levels as of now.
    pub fn counters(&self) -> Counters {
        Counters {
            sessions: self.sessions.len() as u64,
            subscriptions: self.index.subscription_count() as u64,
            shared_subscriptions: self.index.shared_subscription_count() as u64,
            retained_messages: self.retained.len() as u64,
            retained_bytes: self.retained_bytes as u64,
            held_bytes: self.held_bytes as u64,
            ..self.counters
        }
    }

    /// Where a connection comes from.
    pub fn address_of(&self, id: ConnectionId) -> Option<Address> {
        self.connection(id).map(Connection::address)
    }

    fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(id.slot).filter(|connection| connection.generation == id.generation)
    }

    fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(id.slot).filter(|connection| connection.generation == id.generation)
    }

    fn listener(&self, id: ListenerId) -> &Listener {
        self.listeners.get(usize::from(id.0)).unwrap_or(&self.unknown_listener)
    }

    fn session(&self, key: SessionKey) -> Option<&Session> {
        self.sessions.get(key.0)
    }

    fn session_mut(&mut self, key: SessionKey) -> Option<&mut Session> {
        self.sessions.get_mut(key.0)
    }

    fn next_generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(1) & GENERATION_MASK;
        self.generation
    }

    /// A connection that is there goes on to another phase.
    fn enter_phase(&mut self, id: ConnectionId, phase: Phase) {
        let Some(connection) = self.connections.get_mut(id.slot).filter(|it| it.generation == id.generation) else {
            return;
        };
        let before = std::mem::replace(&mut connection.phase, phase);
        self.counters.connections[counters::state(before)] -= 1;
        self.counters.connections[counters::state(phase)] += 1;
    }

    /// Appends to a connection's output the packet that `write` writes, and sees to its being sent. A packet above the
    /// client's Maximum Packet Size is not sent ([MQTT-3.1.2-24]), and ends the connection: the client would wait for it.
    fn write(&mut self, id: ConnectionId, write: impl FnOnce(&Connection, &mut Vec<u8>)) {
        let Some(connection) = self.connections.get_mut(id.slot) else { return };
        if connection.generation != id.generation || connection.phase == Phase::Closing {
            return;
        }
        let mut output = std::mem::take(&mut connection.output);
        let before = output.len();
        if output.buffer().capacity() == 0 {
            output = Output::with_buffer(self.buffers.take());
        }
        let start = output.buffer().len();
        write(connection, output.buffer());
        if output.len() - before > connection.packet_size_max as usize {
            output.buffer().truncate(start);
            self.unanswerable.push(id);
        }
        let size = output.len() - before;
        if let Some(first_byte) = output.buffer().get(start) {
            self.counters.packets_sent.count(*first_byte, size);
        }
        self.held_bytes += size;
        connection.output = output;
        self.mark_ready(id);
    }

    fn mark_ready(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id.slot)
            && !connection.ready
            && !connection.sending
        {
            connection.ready = true;
            self.ready.push_back(id);
        }
    }

    fn send_to_peer(&mut self, shard: ShardIndex, message: PeerMessage) {
        self.to_peers[message.class()].push_back((shard, message));
    }

    fn other_shards(&self) -> impl Iterator<Item = ShardIndex> + use<> {
        let own = self.own;
        (0..self.shards as u8).map(ShardIndex).filter(move |shard| *shard != own)
    }

    fn event(&mut self, event: Event) {
        if self.events.len() < limits::EVENTS_MAX {
            self.events.push_back(event);
        } else {
            self.counters.events_suppressed += 1;
        }
    }

    /// Counts a message that `session` does not get, and reports the first one for each reason.
    fn count_drop(&mut self, session: Option<SessionKey>, reason: DropReason) {
        self.count_drop_to(session, reason, None);
    }

    /// The same; `topic` is where the client wanted to publish the message, if it is the client's own.
    fn count_drop_to(&mut self, session: Option<SessionKey>, reason: DropReason, topic: Option<&str>) {
        self.counters.dropped[reason as usize] += 1;
        let Some(key) = session else { return };
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        self.drops.count(key, reason, self.now);
        if session.first_drop(reason) {
            let client_id = session.client_id.to_string();
            self.event(Event::Dropped { client_id, reason, topic: topic.map(for_log) });
        }
    }

    /// Counts what a configured bound refused.
    fn count_bound(&mut self, client_id: &str, key: &'static str) {
        self.counters.bounds_reached += 1;
        self.event(Event::BoundReached { client_id: client_id.to_owned(), key });
    }
}

/// The hash under which a session is listed by its client id.
fn client_hash_of(sessions: &Slots<Session>, key: SessionKey) -> u64 {
    sessions.get(key.0).map_or(0, |session| session.client_hash)
}
