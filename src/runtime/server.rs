//! The whole server as a value: start it, ask it, stop it.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc;

use crossbeam_channel::{Receiver, Sender};
use glommio::ExecutorJoinHandle;

use super::admission::Admission;
use super::attendance::Attendance;
use super::clock::{self, Clock};
use super::counters::{Counters, ShardCounters};
use super::mailbox::{Inbox, Mail, Mailboxes};
use super::shard::Common;
use super::start::{Seed, spawn};
use super::store_host::{self, Kept};
use super::{ListenerConfig, RuntimeConfig, StartError, descriptors, placement};
use crate::net::{BufferRingConfig, Listener, bind_shared, check_support};
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
    summary: Summary,
    common: Arc<Common>,
    threads: Vec<ExecutorJoinHandle<()>>,
    storage: Option<StorageThread>,
    ended: Receiver<()>,
}

impl Server {
    /// Starts all shards and listens. Installs no signal handler and may be called from any program, but not from
    /// inside a glommio executor.
    pub fn start(mut config: RuntimeConfig) -> Result<Self, StartError> {
        check(&config)?;
        check_support()?;
        let cpus = placement::place(config.shards, config.cpus.as_deref())?;
        let shards = cpus.len();
        descriptors::raise_locked_memory_limit(shards)?;
        let descriptor_limit = descriptors::raise_descriptor_limit();
        let fit = descriptors::connections_that_fit(descriptor_limit, shards)?;
        let connections_max = config.connections_max.map_or(fit, |connections| connections.min(fit));
        // Before the recovery, which may take long, so that a wrong address is told at once.
        let addresses: Vec<SocketAddr> = config
            .listeners
            .iter()
            .filter_map(|listener| match listener.address {
                super::ListenAddress::Tcp(address) => Some(address),
                super::ListenAddress::Unix(_) => None,
            })
            .collect();
        let listeners = bind(&addresses, shards)?;

        let clock = Clock::start();
        let mut settings = config.settings;
        let opened = match settings.persistence {
            true => Some(store_host::recover(&config.storage, &mut settings, shards, clock)?),
            false => None,
        };
        if settings.hash_seed == 0 {
            settings.hash_seed = clock::seed();
        }
        // After the recovery, so that nobody's connection waits for it.
        let (addresses, listeners) = listen(listeners, shards)?;
        let (mailboxes, inboxes) = Mailboxes::new(shards);
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
            admission: Admission::new(connections_max),
            attendance: Attendance::default(),
            mailboxes,
            counters: (0..shards).map(|_| ShardCounters::default()).collect(),
            idle: config.idle,
            shutdown_time_max_ms: config.shutdown_time_max.as_millis() as u64,
            mailbox_high_water: config.mailbox_high_water,
            settings,
            authentication: config.authentication,
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
        Ok(Self { addresses, summary, common, threads, storage, ended })
    }

    /// Where it listens, with the ports that were chosen, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    pub fn counters(&self) -> Counters {
        let of_shards = self.common.counters.iter().map(ShardCounters::read);
        let store = self.storage.as_ref().map(StorageThread::counters);
        of_shards.fold(Counters { store, ..Counters::default() }, Counters::merge)
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
    // A door to the network that nobody has decided on is closed; who brings methods of their own has decided.
    let is_undecided = |listener: &&ListenerConfig| {
        !listener.allows_anonymous() && !listener.authenticates() && config.authentication.is_none()
    };
    if config.listeners.is_empty() {
        Err(StartError::NoListener)
    } else if let Some(listener) = config.listeners.iter().find(is_undecided) {
        Err(StartError::AccessUndecided(listener.to_string()))
    } else if !buffers.is_valid() {
        Err(StartError::ReceiveBuffers { count: buffers.count, size: buffers.size })
    } else if config.connections_max == Some(0) {
        Err(StartError::ConnectionLimit)
    } else if config.mailbox_high_water == 0 {
        Err(StartError::MailboxHighWater)
    } else {
        Ok(())
    }
}

/// Takes all addresses.
fn bind(addresses: &[SocketAddr], shards: usize) -> Result<Vec<Listener>, StartError> {
    let bind = |&address| bind_shared(address, shards).map_err(|error| StartError::from_listen(address, error));
    addresses.iter().map(bind).collect()
}

/// Listens; the sockets come by shard.
fn listen(listeners: Vec<Listener>, shards: usize) -> Result<(Vec<SocketAddr>, Vec<Vec<OwnedFd>>), StartError> {
    let mut addresses = Vec::new();
    let mut by_shard: Vec<Vec<OwnedFd>> = (0..shards).map(|_| Vec::new()).collect();
    for listener in listeners {
        listener.listen().map_err(|error| StartError::from_listen(listener.address, error))?;
        addresses.push(listener.address);
        for (sockets, socket) in by_shard.iter_mut().zip(listener.sockets) {
            sockets.push(socket);
        }
    }
    Ok((addresses, by_shard))
}

/// One shard's part of what a server has.
struct Share {
    listeners: Vec<OwnedFd>,
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
