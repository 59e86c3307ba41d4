//! One shard's turn: what came in, what is due, what goes out.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tracing::{error, warn};

use super::admission::Admission;
use super::attendance::{Attendance, Presence};
use super::clock::{Clock, millis};
use super::config::{AuthenticationMethods, IdlePolicy};
use super::counters::ShardCounters;
use super::crowd::Crowd;
use super::event_log::{EventLog, OncePerSecond};
use super::guard::{FlappingClients, Guard, Guests};
use super::history::History;
use super::links::{Link, Links};
use super::listening::{Listeners, Listening};
use super::mailbox::{Inbox, Mail, Mailboxes};
use super::outbox::Outbox;
use super::sampling::Sampling;
use super::store_host::Kept;
use super::tickets::ticket;
use crate::access::ListenerId;
use crate::authority::Authority;
use crate::authority::scram::Scram;
use crate::broker::{Millis, Settings, Shard};
use crate::limits;
use crate::net::layers::LayerFailure;
use crate::net::{Completion, ReceiveBuffer, SocketId, SocketRing};
use crate::routing::ShardIndex;
use crate::storage::{BatchSender, StoreWatch};

/// What all shards of a server have in common.
#[derive(Debug)]
pub struct Common {
    pub clock: Clock,
    /// If there is a store.
    pub store: Option<StoreWatch>,
    pub admission: Admission,
    pub guard: Arc<Guard>,
    pub attendance: Attendance,
    /// The CPU of each shard; `None` where the kernel chooses.
    pub cpus: Vec<Option<usize>>,
    pub mailboxes: Arc<Mailboxes>,
    pub counters: Vec<ShardCounters>,
    pub idle: IdlePolicy,
    pub loop_lag_max: Option<Duration>,
    pub shutdown_time_max_ms: AtomicU64,
    pub mailbox_high_water: usize,
    /// As they were at the start: each shard has those in force.
    pub settings: Settings,
    pub authentication: Option<AuthenticationMethods>,
    pub scram: Scram,
}

/// Drives one [`Shard`] with one [`SocketRing`].
pub struct ShardDriver {
    pub(super) index: ShardIndex,
    pub(super) shards: usize,
    pub(super) shard: Shard,
    pub(super) ring: SocketRing,
    pub(super) inbox: Inbox,
    pub(super) common: Arc<Common>,
    pub(super) settings: Rc<Settings>,
    pub(super) outbox: Outbox,
    /// To the storage thread, if there is one.
    storage: Option<BatchSender>,
    authority: Option<Authority>,
    pub(super) links: Links,
    pub(super) guests: Guests,
    pub(super) flapping: Option<FlappingClients>,
    /// By their ids.
    listening: Vec<Option<Arc<Listening>>>,
    /// What each of the ring's listening sockets belongs to, as long as it accepts.
    accepting: Vec<Option<ListenerId>>,
    pub(super) log: EventLog,
    pub(super) history: History,
    accept_warning: OncePerSecond,
    pub(super) slow_down_warning: OncePerSecond,
    pub(super) crowd: Crowd,
    back_pressure_warning: OncePerSecond,
    /// Sockets whose CONNECT must be whole by then, in the order of that time.
    pub(super) handshakes: VecDeque<(Millis, SocketId)>,
    /// Sockets of TLS handshakes with something to read.
    pub(super) tls_handshakes: VecDeque<SocketId>,
    /// Empty buffers for what is encrypted.
    pub(super) spare_buffers: Vec<Vec<u8>>,
    /// What was received while another shard's mailbox was full, unread.
    pub(super) held: VecDeque<Held>,
    pub(super) congested: bool,
    /// Accepts that ran out of descriptors or memory, by listener, and when to try again.
    paused_listeners: Vec<usize>,
    resume_accepting_at: Option<Millis>,
    /// The server stops, at this time at the latest.
    pub(super) stopping: Option<Millis>,
    /// Given up with the last client.
    presence: Option<Presence>,
    pub(super) now: Millis,
    pub(super) sampling: Sampling,
    /// Since when nothing is read from clients.
    congested_since: Millis,
}

#[derive(Debug)]
pub(super) enum Held {
    Received(SocketId, ReceiveBuffer),
    Ended(SocketId),
}

impl Held {
    fn weight(&self) -> usize {
        weight(if let Self::Received(_, buffer) = self { buffer.len() } else { 0 })
    }
}

/// How much of a turn's budget a completion takes that brings so many bytes.
fn weight(received: usize) -> usize {
    1 + (received >> limits::COMPLETION_WEIGHT_SHIFT)
}

impl ShardDriver {
    pub fn new(index: ShardIndex, ring: SocketRing, inbox: Inbox, common: Arc<Common>, seed: u64) -> Self {
        let settings = Rc::new(common.settings.clone());
        let presence = common.attendance.enter();
        let shards = common.counters.len();
        let now = millis(common.clock.elapsed());
        let mut shard = Shard::new(settings.clone(), index, shards, seed, now);
        // What a program brings itself goes before what the configuration names.
        let mut methods = common.authentication.as_ref().map_or(Vec::new(), AuthenticationMethods::make);
        methods.extend(common.scram.methods());
        shard.set_authentication_methods(methods);
        if let Some(users) = common.guard.users() {
            shard.set_user_connections(Box::new(users));
        }
        let flapping = common.guard.flapping_clients();
        Self {
            index,
            shards,
            shard,
            ring,
            inbox,
            outbox: Outbox::new(index, shards, common.mailbox_high_water),
            storage: None,
            common,
            settings,
            authority: None,
            links: Links::default(),
            guests: Guests::default(),
            flapping,
            listening: Vec::new(),
            accepting: Vec::new(),
            log: EventLog::new(index.0),
            history: History::default(),
            accept_warning: OncePerSecond::default(),
            slow_down_warning: OncePerSecond::default(),
            crowd: Crowd::default(),
            back_pressure_warning: OncePerSecond::default(),
            handshakes: VecDeque::new(),
            tls_handshakes: VecDeque::new(),
            spare_buffers: Vec::new(),
            held: VecDeque::new(),
            congested: false,
            paused_listeners: Vec::new(),
            resume_accepting_at: None,
            stopping: None,
            presence: Some(presence),
            now,
            sampling: Sampling::default(),
            congested_since: 0,
        }
    }

    /// Takes over what was kept, before anything else happens on any shard.
    pub fn restore(&mut self, Kept { sender, partition, interests }: Kept) {
        self.storage = Some(sender);
        self.shard.restore(partition, &interests, self.now);
    }

    /// Takes over what a configuration that was read again says of the core and of the guard.
    pub(super) fn set_settings(&mut self, settings: Settings) {
        self.settings = Rc::new(settings);
        self.shard.set_settings(self.settings.clone());
        if let Some(users) = self.common.guard.users() {
            self.shard.set_user_connections(Box::new(users));
        }
        self.flapping = self.common.guard.flapping_clients();
    }

    /// Takes over other listeners than before; what has come in at those that are gone stays.
    pub fn listen(&mut self, listeners: Listeners) {
        for (number, accepting) in self.accepting.iter_mut().enumerate() {
            if accepting.is_some_and(|id| listeners.removed.contains(&id)) {
                self.ring.stop_accepting(number);
                *accepting = None;
            }
        }
        for listening in listeners.listening {
            let place = usize::from(listening.id.0);
            if self.listening.len() <= place {
                self.listening.resize(place + 1, None);
            }
            self.listening[place] = Some(listening);
        }
        self.authority = listeners.authority;
        self.shard.set_listeners(listeners.policies, self.now);
        self.accept_from(listeners.added);
    }

    /// Accepts from these too; their listeners are known.
    fn accept_from(&mut self, sockets: Vec<(ListenerId, OwnedFd)>) {
        for (id, socket) in sockets {
            let number = self.ring.listen(socket);
            debug_assert_eq!(number, self.accepting.len());
            self.accepting.push(Some(id));
        }
    }

    pub(super) fn listening(&self, id: ListenerId) -> Option<Arc<Listening>> {
        self.listening.get(usize::from(id.0)).cloned().flatten()
    }

    /// Whether anybody can come in.
    pub(super) fn accepts(&self) -> bool {
        self.accepting.iter().any(Option::is_some)
    }

    pub(super) fn accepts_from(&self, listener: ListenerId) -> bool {
        self.accepting.contains(&Some(listener))
    }

    pub(super) fn all_listening(&self) -> impl Iterator<Item = &Listening> {
        self.listening.iter().flatten().map(|listening| &**listening)
    }

    /// What the ring's listening socket of this number belongs to, if it still accepts.
    pub(super) fn accepting(&self, number: usize) -> Option<Arc<Listening>> {
        self.accepting.get(number).copied().flatten().and_then(|id| self.listening(id))
    }

    /// One turn. Returns whether anything happened.
    pub fn turn(&mut self) -> bool {
        let began = self.common.clock.elapsed();
        self.now = millis(began);
        let deadline = self.shard.next_deadline();
        self.sampling.begin_turn(began, deadline);
        self.shard.set_time(self.sampling.turn_began_ns(), self.sampling.is_sampled());
        let mut worked = self.handle_completions();
        if self.sampling.is_sampled() && worked {
            self.sampling.routed(self.common.clock.elapsed());
        }
        worked |= self.handle_mail();
        worked |= self.handle_due();
        self.send_output();
        if self.sampling.is_sampled() {
            self.sampling.queued(self.common.clock.elapsed());
        }
        // Those who stay have been served.
        if self.advance_crowd() | self.advance_tls_handshakes() {
            self.send_output();
            worked = true;
        }
        self.counters().turns.add(1);
        self.sampling.end_turn(self.ring.has_completions());
        worked
    }

    /// Whether the next turn has something to do already.
    pub fn has_work(&mut self) -> bool {
        self.ring.has_completions()
            || !self.inbox.is_empty()
            || self.shard.has_work()
            || !self.tls_handshakes.is_empty()
            || self.has_crowd()
            || (!self.congested && !self.held.is_empty())
    }

    /// When the next turn is due, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Millis> {
        let handshake = self.handshakes.front().map(|(deadline, _)| *deadline);
        let back_pressure = self.congested.then_some(self.now + limits::BACK_PRESSURE_CHECK_MS);
        [
            self.shard.next_deadline(),
            handshake,
            back_pressure,
            self.resume_accepting_at,
            self.log.next_deadline(),
            self.stopping,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether the server stops and nothing is left to do, or no time. A shard whose clients have left stays until
    /// those of the others have: their wills, and parts of their publishes, may still come to be kept here.
    pub fn is_finished(&mut self) -> bool {
        let Some(deadline) = self.stopping else { return false };
        if self.links.used() == 0 && self.ring.socket_count() == 0 {
            self.presence = None;
        }
        self.now >= deadline || (self.presence.is_none() && self.common.attendance.is_over() && self.inbox.is_empty())
    }

    // ---- in

    fn handle_completions(&mut self) -> bool {
        let mut budget = limits::COMPLETIONS_PER_TURN;
        if self.congested {
            // Both forget what has drained, so both are asked.
            let storage = self.storage.as_mut().is_some_and(BatchSender::is_congested);
            self.congested = self.outbox.is_congested(&self.common.mailboxes) || storage;
            self.counters().back_pressure_ms.add(self.now - self.congested_since);
            self.congested_since = self.now;
        }
        while !self.congested && budget > 0 {
            let Some(held) = self.held.pop_front() else { break };
            budget = budget.saturating_sub(held.weight());
            match held {
                Held::Received(socket, buffer) => self.handle_received(socket, buffer),
                Held::Ended(socket) => self.handle_ended(socket),
            }
        }
        let hold = self.congested || !self.held.is_empty();
        while budget > 0 {
            let Some(completion) = self.ring.next_completion() else { break };
            let received = if let Completion::Received { buffer, .. } = &completion { buffer.len() } else { 0 };
            budget = budget.saturating_sub(weight(received));
            match completion {
                Completion::Received { socket, buffer } if hold => self.held.push_back(Held::Received(socket, buffer)),
                Completion::Ended { socket } if hold => self.held.push_back(Held::Ended(socket)),
                Completion::Received { socket, buffer } => {
                    self.crowd.others_speak(self.now);
                    self.handle_received(socket, buffer);
                }
                Completion::Readable => self.crowd.speak(),
                Completion::Ended { socket } => self.crowd.go(socket),
                Completion::Sent { socket, parts } => self.handle_sent(socket, parts),
                Completion::SendFailed { socket, parts } => {
                    drop(parts);
                    self.handle_ended(socket);
                }
                Completion::Accepted { listener, socket } => self.crowd.come(listener, socket),
                Completion::AcceptEnded { listener, error } => self.handle_accept_ended(listener, &error),
                Completion::Woken => {}
                Completion::WakeFailed { ring } => {
                    if let Some(handle) = self.common.mailboxes.wake_handle(ring as usize) {
                        handle.wake();
                    }
                }
            }
        }
        budget < limits::COMPLETIONS_PER_TURN
    }

    fn handle_accept_ended(&mut self, listener: usize, error: &io::Error) {
        if self.stopping.is_some() || self.accepting(listener).is_none() {
            return;
        }
        // Each of the accepts that are armed says so.
        if !self.paused_listeners.contains(&listener) {
            self.counters().accept_back_offs.add(1);
        }
        if self.accept_warning.allows(self.now) {
            warn!(shard = self.index.0, %error, "cannot accept connections, trying again every {} ms", limits::ACCEPT_BACK_OFF_MS);
        }
        self.paused_listeners.push(listener);
        self.resume_accepting_at = Some(self.now + limits::ACCEPT_BACK_OFF_MS);
    }

    fn handle_mail(&mut self) -> bool {
        let mut budget = limits::MAIL_PER_TURN;
        let mut worked = false;
        if !self.inbox.is_empty() {
            self.counters().mailbox_high.raise(self.inbox.queued() as u64);
        }
        while budget > 0 {
            let Some(mail) = self.inbox.next() else { break };
            worked = true;
            match mail {
                Mail::Peer { from, messages, weight } => {
                    self.crowd.others_speak(self.now);
                    budget = budget.saturating_sub(messages.len());
                    for message in messages {
                        self.shard.handle_peer(from, message, self.now);
                    }
                    self.inbox.handled(weight);
                }
                Mail::Handover(handover) => {
                    budget -= 1;
                    self.crowd.arrive(handover);
                }
                Mail::Verdict(connection, verdict) => {
                    budget -= 1;
                    self.shard.handle_verdict(connection, *verdict, self.now);
                }
                Mail::Ban(change) => self.handle_ban(*change),
                Mail::Listen(listeners) => self.listen(*listeners),
                // It would never be told to end.
                Mail::Accept(_) if self.stopping.is_some() => {}
                Mail::Accept(sockets) => self.accept_from(sockets),
                Mail::Question(question) => {
                    budget -= 1;
                    question.answer(self);
                }
                Mail::Report(report) => {
                    budget -= 1;
                    self.shard.handle_report(report, self.now);
                }
                Mail::Stop => self.handle_stop(),
            }
        }
        worked
    }

    fn handle_stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        self.stopping = Some(self.now + self.common.shutdown_time_max_ms.load(Ordering::Relaxed));
        self.resume_accepting_at = None;
        for (number, accepting) in self.accepting.iter_mut().enumerate() {
            if accepting.take().is_some() {
                self.ring.stop_accepting(number);
            }
        }
        for slot in self.links.handshakes() {
            if let Some(socket) = self.ring.current(slot) {
                self.close(socket);
            }
        }
        self.shard.handle_shutdown(self.now);
    }

    // ---- time

    fn handle_due(&mut self) -> bool {
        let mut worked = false;
        if self.shard.has_work() || self.shard.next_deadline().is_some_and(|deadline| deadline <= self.now) {
            self.shard.handle_timeout(self.now);
            worked = true;
        }
        while let Some(&(deadline, socket)) = self.handshakes.front() {
            let waits = self.ring.current(socket.slot) == Some(socket)
                && matches!(self.links.get(socket.slot), Link::Handshake(_));
            if waits && deadline > self.now {
                break;
            }
            self.handshakes.pop_front();
            if waits {
                self.fail_layer(socket, &LayerFailure::HandshakeTimeout);
            }
        }
        if self.resume_accepting_at.is_some_and(|at| at <= self.now) {
            self.resume_accepting_at = None;
            for listener in std::mem::take(&mut self.paused_listeners) {
                self.ring.accept(listener);
            }
        }
        self.log.advance(self.now);
        worked
    }

    // ---- out

    fn send_output(&mut self) {
        self.send_batches();
        while let Some((to, message)) = self.shard.poll_peer() {
            self.outbox.add(to, message);
        }
        while let Some(transmit) = self.shard.poll_transmit() {
            if self.links.carries(transmit.transport, transmit.connection)
                && let Some(socket) = self.ring.current(transmit.transport)
            {
                self.send(socket, transmit.output);
            }
        }
        while let Some((connection, transport)) = self.shard.poll_close() {
            if self.links.carries(transport, connection)
                && let Some(socket) = self.ring.current(transport)
            {
                self.close(socket);
            }
        }
        while let Some((connection, transport, is_paused)) = self.shard.poll_pause() {
            if self.links.carries(transport, connection)
                && let Some(socket) = self.ring.current(transport)
            {
                if is_paused { self.ring.pause(socket) } else { self.ring.receive(socket) }
            }
        }
        while let Some((connection, login)) = self.shard.poll_login() {
            if let Some(authority) = &self.authority {
                authority.ask(ticket(self.index, connection), login);
            }
        }
        while let Some(event) = self.shard.poll_event() {
            self.guard_event(&event);
            let counter = &self.common.counters[usize::from(self.index.0)].log_lines_suppressed;
            self.log.write(&event, self.now, counter);
            self.history.remember(event, self.now);
        }
        if self.outbox.flush(&self.common.mailboxes, &mut self.ring) {
            self.counters().back_pressure_episodes.add(1);
            self.pause_reading("another shard's mailbox is full");
        }
        let ring = self.ring.counters();
        let counters = self.counters();
        counters.receive_buffers_exhausted.set(ring.buffers_exhausted);
        counters.ring_enters.set(ring.enters);
    }

    /// First of all that a turn says: what it must keep is on its way before anybody hears of it.
    fn send_batches(&mut self) {
        let Some(storage) = &mut self.storage else { return };
        let mut is_too_much = false;
        while let Some(batch) = self.shard.poll_store() {
            is_too_much |= storage.send(batch);
        }
        if is_too_much {
            self.counters().store_back_pressure_episodes.add(1);
            self.pause_reading("the store is behind");
        }
    }

    fn pause_reading(&mut self, cause: &str) {
        if !self.congested {
            self.congested = true;
            self.congested_since = self.now;
        }
        if self.back_pressure_warning.allows(self.now) {
            warn!(shard = self.index.0, "{cause}, reading from clients pauses until it drains");
        }
    }

    // ---- connections

    pub(super) fn counters(&self) -> &ShardCounters {
        &self.common.counters[usize::from(self.index.0)]
    }
}

/// Says why a shard ended although nobody stopped it.
pub fn report_failure(index: ShardIndex, failure: &io::Error) {
    error!(shard = index.0, %failure, "the socket ring failed, the server stops");
}
