//! The whole server as a value: start it, ask it, stop it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use crossbeam_channel::{Receiver, Sender};
use glommio::ExecutorJoinHandle;

use super::admission::Admission;
use super::attendance::Attendance;
use super::clock::{self, Clock};
use super::counters::{Counters, ShardCounters};
use super::guard::{Ban, Guard, TooManyBans};
use super::listening::{Listeners, Listening};
use super::mailbox::{Inbox, Mail, Mailboxes};
use super::registry::Registry;
use super::server_handle::ServerHandle;
use super::shard::Common;
use super::start::{Seed, spawn};
use super::store_host::{self, Kept};
use super::sys::SysTopics;
use super::tickets::connection_of;
use super::{ListenAddress, ListenerConfig, RuntimeConfig, StartError, descriptors, placement};
use crate::access::BanSubject;
use crate::authority::scram::Scram;
use crate::authority::{AccessConfig, Authority, Ticket, Warning};
use crate::broker::Settings;
use crate::limits::DESCRIPTORS_AHEAD;
use crate::net::{BufferRingConfig, InheritedSocket, check_support};
use crate::routing::ShardIndex;
use crate::storage::{StorageConfig, StorageThread};

/// What a server found out when it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    pub shards: usize,
    /// The CPU of each shard; `None` where the kernel chooses.
    pub cpus: Vec<Option<usize>>,
    /// The limit of open descriptors, `u64::MAX` if there is none.
    pub descriptor_limit: u64,
    pub connections_max: usize,
    /// Where and how is kept what outlives the process; `None` if nothing does.
    pub storage: Option<StorageConfig>,
}

/// A running server. Dropping it stops it.
#[derive(Debug)]
pub struct Server {
    addresses: Vec<SocketAddr>,
    registry: Registry,
    authority: Option<Authority>,
    summary: Summary,
    common: Arc<Common>,
    threads: Vec<ExecutorJoinHandle<()>>,
    storage: Option<StorageThread>,
    /// If there are any.
    sys_topics: Option<SysTopics>,
    ended: Receiver<()>,
}

impl Server {
    /// Starts all shards and listens. Installs no signal handler and may be called from any program, but not from
    /// inside a glommio executor.
    pub fn start(config: RuntimeConfig) -> Result<Self, StartError> {
        Self::start_with_sockets(config, Vec::new())
    }

    /// The same with sockets that listen already: a listener at the address of one accepts from it instead of binding, now and after
    /// every reload.
    ///
    /// # Errors
    /// Also if no listener has the address of one.
    pub fn start_with_sockets(mut config: RuntimeConfig, sockets: Vec<InheritedSocket>) -> Result<Self, StartError> {
        check(&config)?;
        check_support()?;
        let cpus = placement::place(config.shards, config.cpus.as_deref())?;
        let shards = cpus.len();
        descriptors::raise_locked_memory_limit(shards)?;
        let descriptor_limit = descriptors::raise_descriptor_limit();
        let fit = descriptors::connections_that_fit(descriptor_limit, shards)?;
        let connections_max = config.connections_max.map_or(fit, |connections| connections.min(fit));
        let reserved = config.connections_max.map_or(connections_max.min(DESCRIPTORS_AHEAD), |_| connections_max);
        descriptors::reserve_descriptors(reserved + descriptors::own_descriptors(shards));
        // Before the recovery, which may take long, so that a wrong address is told at once.
        let mut registry = Registry::new(sockets);
        let plan = registry.plan(&config.listeners, shards)?;
        if let Some(socket) = registry.unclaimed(&plan).next() {
            return Err(StartError::InheritedUnclaimed(socket.to_string()));
        }

        let clock = Clock::start();
        let mut settings = config.settings;
        let opened = match settings.persistence {
            true => Some(store_host::recover(&config.storage, &mut settings, shards, clock)?),
            false => None,
        };
        if settings.hash_seed == 0 {
            settings.hash_seed = clock::seed();
        }
        let (mailboxes, inboxes) = Mailboxes::new(shards);
        let (scram, mut warnings) = Scram::load(&registry.access(&plan), &clock::sources(clock))?;
        let mut authority = None;
        warnings.extend(decide(&mut authority, &registry.access(&plan), clock, &mailboxes)?);
        let mut warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        warnings.extend(plan.warnings.iter().cloned());
        // After the recovery, so that nobody's connection waits for it.
        plan.listen()?;
        let mut listeners = registry.commit(plan);
        listeners.iter_mut().for_each(|share| share.authority = authority.clone());
        let (storage, kept): (_, Vec<_>) = match opened {
            Some(opened) => {
                let mailboxes = mailboxes.clone();
                config.storage.dir = opened.lock.dir().to_owned();
                let (thread, kept) = store_host::start(opened, &config.storage, &settings, shards, clock, mailboxes)?;
                (Some(thread), kept.into_iter().map(Some).collect())
            }
            None => (None, (0..shards).map(|_| None).collect()),
        };
        let common = Arc::new(Common {
            clock,
            store: storage.as_ref().map(StorageThread::watch),
            admission: Admission::new(connections_max),
            guard: Arc::new(Guard::new(config.guard, mailboxes.clone(), clock::seed())),
            attendance: Attendance::default(),
            cpus: cpus.clone(),
            mailboxes,
            counters: (0..shards).map(|_| ShardCounters::default()).collect(),
            idle: config.idle,
            loop_lag_max: config.loop_lag_max,
            shutdown_time_max_ms: AtomicU64::new(config.shutdown_time_max.as_millis() as u64),
            mailbox_high_water: config.mailbox_high_water,
            settings,
            authentication: config.authentication,
            scram,
        });
        let buffers = BufferRingConfig { count: config.receive_buffers, size: config.receive_buffer_size };
        let (alive, ended) = crossbeam_channel::bounded(0);
        let shares = listeners.into_iter().zip(inboxes).zip(kept);
        let shares = shares.map(|((listeners, inbox), kept)| Share { listeners, inbox, kept }).collect();
        let threads = match start_shards(&common, &cpus, buffers, shares, &alive) {
            Ok(threads) => threads,
            Err(error) => {
                // No shard is left that could send to it, so it ends; its lock is free when the caller hears of the error.
                storage.map(StorageThread::join);
                return Err(error);
            }
        };
        let storage_config = storage.is_some().then_some(config.storage);
        let summary = Summary { shards, cpus, descriptor_limit, connections_max, storage: storage_config };
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        let addresses = addresses(&registry);
        let mut server =
            Self { addresses, registry, authority, summary, common, threads, storage, sys_topics: None, ended };
        if !config.sys_interval.is_zero() {
            let started = SysTopics::start(server.handle(), config.sys_interval);
            server.sys_topics = Some(started.map_err(StartError::SysTopics)?);
        }
        Ok(server)
    }

    /// The TCP addresses that it listens on, with the ports that were chosen, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// All listeners as they are, with the ports that were chosen.
    pub fn listeners(&self) -> impl Iterator<Item = &ListenerConfig> {
        self.registry.listening().map(|listening| &listening.config)
    }

    /// Connections that are open, those included that have not connected as MQTT knows it, or are about to be refused.
    pub fn connections(&self) -> usize {
        self.common.admission.open()
    }

    /// The same for each listener, in the order of [`listeners`](Self::listeners).
    pub fn connections_by_listener(&self) -> Vec<usize> {
        self.registry.listening().map(Listening::connections).collect()
    }

    /// Has other listeners from now on, and reads the files of all of them again: certificates, passwords, access rules. Listeners
    /// that stay at their address go on without a break, with what is new for them; clients that are connected stay. Returns
    /// what is not right with the files although they can be used.
    ///
    /// # Errors
    /// Something cannot be used; then everything stays as it was.
    pub fn reload(&mut self, listeners: &[ListenerConfig]) -> Result<Vec<String>, StartError> {
        check_listeners(listeners, self.common.authentication.is_some())?;
        let plan = self.registry.plan(listeners, self.summary.shards)?;
        let access = self.registry.access(&plan);
        let mut warnings = plan.warnings.clone();
        let unclaimed = self.registry.unclaimed(&plan);
        warnings.extend(unclaimed.map(|socket| format!("nobody accepts any more at {socket} of the service manager")));
        plan.listen()?;
        // The last that can fail: these change what is decided by.
        let proved = self.common.scram.reload(&access)?;
        let decided = decide(&mut self.authority, &access, self.common.clock, &self.common.mailboxes)?;
        warnings.extend(decided.iter().chain(&proved).map(ToString::to_string));
        let mut shares = self.registry.commit(plan);
        // A connection must not be handed to a shard that does not know its listener yet, so that all know before one accepts.
        let sockets: Vec<_> = shares.iter_mut().map(|share| std::mem::take(&mut share.added)).collect();
        for (shard, mut share) in shares.into_iter().enumerate() {
            share.authority = self.authority.clone();
            self.common.mailboxes.push_and_wake(shard, Mail::Listen(Box::new(share)));
        }
        for (shard, sockets) in sockets.into_iter().enumerate().filter(|(_, sockets)| !sockets.is_empty()) {
            self.common.mailboxes.push_and_wake(shard, Mail::Accept(sockets));
        }
        self.addresses = addresses(&self.registry);
        Ok(warnings)
    }

    /// Takes over all of a configuration that can change without a restart: the listeners as [`reload`](Self::reload) does, the
    /// settings of the core, the guard, the bound of connections, the time to stop. What was made at the start (shards, buffers,
    /// the store) stays as it is. What clients were promised at CONNECT must not become narrower; whoever calls sees to that.
    ///
    /// # Errors
    /// Something cannot be used; then everything stays as it was.
    pub fn reconfigure(&mut self, config: &RuntimeConfig) -> Result<Vec<String>, StartError> {
        let fit = descriptors::connections_that_fit(self.summary.descriptor_limit, self.summary.shards)?;
        let warnings = self.reload(&config.listeners)?;
        let connections_max = config.connections_max.map_or(fit, |connections| connections.min(fit));
        self.summary.connections_max = connections_max;
        self.common.admission.set_connections_max(connections_max);
        self.common.guard.set_config(config.guard.clone());
        let shutdown_time_max_ms = config.shutdown_time_max.as_millis() as u64;
        self.common.shutdown_time_max_ms.store(shutdown_time_max_ms, Ordering::Relaxed);
        let at_start = &self.common.settings;
        let settings = Settings {
            // Names hash to their homes by it, and the store was opened or was not.
            hash_seed: at_start.hash_seed,
            persistence: at_start.persistence,
            acknowledge_unsynced: at_start.acknowledge_unsynced,
            ..config.settings.clone()
        };
        let handle = self.handle();
        for shard in 0..self.summary.shards {
            let settings = settings.clone();
            // Nobody waits for the answer.
            drop(handle.ask(shard, move |driver| driver.set_settings(settings)));
        }
        Ok(warnings)
    }

    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub fn counters(&self) -> Counters {
        let of_shards = self.common.counters.iter().map(ShardCounters::read);
        let store = self.storage.as_ref().map(StorageThread::counters);
        let addresses_forgotten = self.common.guard.forgotten();
        of_shards.fold(Counters { store, addresses_forgotten, ..Counters::default() }, Counters::merge)
    }

    /// A hold on it for other threads.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { common: self.common.clone(), ended: self.ended.clone() }
    }

    /// The bans in force, by kind and value.
    pub fn bans(&self) -> Vec<Ban> {
        self.handle().bans()
    }

    /// Bans, as [`ServerHandle::ban`] does.
    pub fn ban(&self, ban: &Ban) -> Result<(), TooManyBans> {
        self.handle().ban(ban)
    }

    /// Ends a ban; false if there was none in force.
    pub fn lift_ban(&self, subject: &BanSubject) -> bool {
        self.handle().lift_ban(subject)
    }

    /// A channel that carries nothing and is disconnected when the last shard has ended: nobody but a failure, which the
    /// log tells of, ends them before [`Server::stop`].
    pub fn ended(&self) -> &Receiver<()> {
        &self.ended
    }

    /// Stops accepting, says goodbye to all clients, and returns when every thread has ended: after the configured time
    /// at the latest, a moment more for the threads themselves.
    pub fn stop(mut self) {
        self.stop_threads();
    }

    fn stop_threads(&mut self) {
        drop(self.sys_topics.take());
        for shard in 0..self.summary.shards {
            self.common.mailboxes.push_and_wake(shard, Mail::Stop);
        }
        for thread in self.threads.drain(..) {
            if let Err(error) = thread.join() {
                tracing::error!(%error, "a shard ended in a failure");
            }
        }
        // With the shards it has lost all that could send to it: it writes what has come, and ends.
        if self.storage.take().is_some_and(|storage| !storage.join()) {
            tracing::error!("the storage thread ended in a failure");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_threads();
    }
}

fn check(config: &RuntimeConfig) -> Result<(), StartError> {
    let buffers = BufferRingConfig { count: config.receive_buffers, size: config.receive_buffer_size };
    check_listeners(&config.listeners, config.authentication.is_some())?;
    if !buffers.is_valid() {
        Err(StartError::ReceiveBuffers { count: buffers.count, size: buffers.size })
    } else if config.connections_max == Some(0) {
        Err(StartError::ConnectionLimit)
    } else if config.mailbox_high_water == 0 {
        Err(StartError::MailboxHighWater)
    } else {
        Ok(())
    }
}

/// A door to the network that nobody has decided on is closed; who brings methods of their own has decided.
fn check_listeners(listeners: &[ListenerConfig], brings_methods: bool) -> Result<(), StartError> {
    let is_undecided =
        |listener: &&ListenerConfig| !listener.allows_anonymous() && !listener.authenticates() && !brings_methods;
    match listeners.iter().find(is_undecided) {
        _ if listeners.is_empty() => Err(StartError::NoListener),
        Some(listener) => Err(StartError::AccessUndecided(listener.to_string())),
        None => Ok(()),
    }
}

/// Sees to it that the authority, if one is needed, decides by `access`, and returns its warnings.
fn decide(
    authority: &mut Option<Authority>,
    access: &[AccessConfig],
    clock: Clock,
    mailboxes: &Arc<Mailboxes>,
) -> Result<Vec<Warning>, StartError> {
    Ok(match authority {
        Some(authority) => authority.reload(access)?,
        None if access.iter().any(AccessConfig::is_asked) => {
            let mailboxes = mailboxes.clone();
            let answer = move |ticket: Ticket, verdict| {
                mailboxes.push_and_wake(ticket.shard, Mail::Verdict(connection_of(ticket), Box::new(verdict)));
            };
            let (started, warnings) = Authority::start(access, clock::sources(clock), answer)?;
            *authority = Some(started);
            warnings
        }
        None => Vec::new(),
    })
}

fn addresses(registry: &Registry) -> Vec<SocketAddr> {
    let address = |listening: &Listening| match listening.config.address {
        ListenAddress::Tcp(address) => Some(address),
        ListenAddress::Unix(_) => None,
    };
    registry.listening().filter_map(address).collect()
}

/// One shard's part of what a server has.
struct Share {
    listeners: Listeners,
    inbox: Inbox,
    kept: Option<Kept>,
}

/// Starts the threads, and lets them run when each has its ring and what was kept for it, and all know how to wake each other.
fn start_shards(
    common: &Arc<Common>,
    cpus: &[Option<usize>],
    buffers: BufferRingConfig,
    shares: Vec<Share>,
    alive: &Sender<()>,
) -> Result<Vec<ExecutorJoinHandle<()>>, StartError> {
    let (ready, rings) = mpsc::channel();
    let mut threads = Vec::new();
    let mut starters = Vec::new();
    for (shard, (&cpu, Share { listeners, inbox, kept })) in cpus.iter().zip(shares).enumerate() {
        let (start, go) = mpsc::channel();
        let index = ShardIndex(shard as u8);
        let (common, alive, ready) = (common.clone(), alive.clone(), ready.clone());
        let seed = Seed { index, cpu, buffers, listeners, inbox, kept, common, alive, ready, go };
        // On a failure the starters are dropped, and with them the threads that wait for them end.
        threads.push(spawn(seed).map_err(|error| StartError::Shard { shard, error })?);
        starters.push(start);
    }
    drop(ready);
    let mut started = vec![false; cpus.len()];
    for (index, ring) in rings.iter() {
        let shard = usize::from(index.0);
        let wake = ring.map_err(|error| StartError::Shard { shard, error })?;
        common.mailboxes.set_wake(shard, wake);
        started[shard] = true;
    }
    if let Some(shard) = started.iter().position(|&started| !started) {
        drop(starters);
        let error = threads.swap_remove(shard).join().map_or_else(|error| error.to_string(), |()| "it ended".into());
        return Err(StartError::Shard { shard, error });
    }
    for starter in starters {
        // The receiver is there: its thread has just reported.
        let _ = starter.send(());
    }
    Ok(threads)
}
