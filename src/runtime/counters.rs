//! What the runtime itself counts.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::storage::StoreCounters;

/// The sum, or for a high mark the largest, over all shards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted, those over the limit included.
    pub accepts: u64,
    /// Times that accepting paused because descriptors or memory had run out.
    pub accept_back_offs: u64,
    /// Times that accepting paused because more clients connected than there was time for.
    pub accept_slow_downs: u64,
    /// Connections over the limit.
    pub over_limit: u64,
    /// Connections handed to another shard.
    pub handovers: u64,
    /// Times that a shard stopped reading because another shard's mailbox was full.
    pub back_pressure_episodes: u64,
    /// Most messages that ever waited in one mailbox.
    pub mailbox_high: u64,
    /// Receives that found no buffer and had to wait for one.
    pub receive_buffers_exhausted: u64,
    pub log_lines_suppressed: u64,
    /// System calls of the socket rings.
    pub ring_enters: u64,
    /// Turns of all shards.
    pub turns: u64,
    /// Times that a shard stopped reading because too much waited for the store.
    pub store_back_pressure_episodes: u64,
    /// Time that shards did not read because of either, in milliseconds.
    pub back_pressure_ms: u64,
    /// Connections that ended below MQTT, by reason: TLS, WebSocket, PROXY protocol.
    pub layer_failures: BTreeMap<&'static str, u64>,
    /// Connections that were closed at the door and clients that were not let in, by reason.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Connections whose bytes have become MQTT, by transport: the handshakes around it are complete.
    pub arrivals: BTreeMap<&'static str, u64>,
    /// Clients that were banned because they connected again and again.
    pub flapping_bans: u64,
    /// Times that the guard had no room for an address, and forgot another one or did not count this one.
    pub addresses_forgotten: u64,
    /// What the store counted, if there is one.
    pub store: Option<StoreCounters>,
}

macro_rules! shard_counters {
    ($($name:ident),*) => {
        /// One shard's counters: written by that shard alone, read by anyone.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct ShardCounters { $(pub $name: Counter,)* pub layer_failures: NamedCounters, pub refusals: NamedCounters, pub arrivals: NamedCounters }

        impl ShardCounters {
            pub fn read(&self) -> Counters {
                Counters {
                    $($name: self.$name.get(),)*
                    layer_failures: self.layer_failures.read(),
                    refusals: self.refusals.read(),
                    arrivals: self.arrivals.read(),
                    // The guard and the store are one for all shards.
                    addresses_forgotten: 0,
                    store: None,
                }
            }
        }
    };
}

shard_counters!(
    accepts,
    accept_back_offs,
    accept_slow_downs,
    over_limit,
    handovers,
    back_pressure_episodes,
    mailbox_high,
    receive_buffers_exhausted,
    log_lines_suppressed,
    ring_enters,
    turns,
    store_back_pressure_episodes,
    back_pressure_ms,
    flapping_bans
);

impl Counters {
    /// Both together.
    pub fn merge(self, other: Self) -> Self {
        Self {
            accepts: self.accepts + other.accepts,
            accept_back_offs: self.accept_back_offs + other.accept_back_offs,
            accept_slow_downs: self.accept_slow_downs + other.accept_slow_downs,
            over_limit: self.over_limit + other.over_limit,
            handovers: self.handovers + other.handovers,
            back_pressure_episodes: self.back_pressure_episodes + other.back_pressure_episodes,
            mailbox_high: self.mailbox_high.max(other.mailbox_high),
            receive_buffers_exhausted: self.receive_buffers_exhausted + other.receive_buffers_exhausted,
            log_lines_suppressed: self.log_lines_suppressed + other.log_lines_suppressed,
            ring_enters: self.ring_enters + other.ring_enters,
            turns: self.turns + other.turns,
            store_back_pressure_episodes: self.store_back_pressure_episodes + other.store_back_pressure_episodes,
            back_pressure_ms: self.back_pressure_ms + other.back_pressure_ms,
            layer_failures: add_named(self.layer_failures, &other.layer_failures),
            refusals: add_named(self.refusals, &other.refusals),
            arrivals: add_named(self.arrivals, &other.arrivals),
            flapping_bans: self.flapping_bans + other.flapping_bans,
            addresses_forgotten: self.addresses_forgotten + other.addresses_forgotten,
            store: self.store.or(other.store),
        }
    }
}

fn add_named(sum: BTreeMap<&'static str, u64>, other: &BTreeMap<&'static str, u64>) -> BTreeMap<&'static str, u64> {
    other.iter().fold(sum, |mut sum, (name, count)| {
        *sum.entry(name).or_default() += count;
        sum
    })
}

/// Most names that [`NamedCounters`] counts apart; all reasons together are fewer.
const NAMES_MAX: usize = 64;

/// Numbers with one writer, by names from a closed list.
#[derive(Debug)]
pub struct NamedCounters([(OnceLock<&'static str>, Counter); NAMES_MAX]);

impl Default for NamedCounters {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Default::default()))
    }
}

impl NamedCounters {
    pub fn add(&self, name: &'static str) {
        let place = self.0.iter().find(|(known, _)| *known.get_or_init(|| name) == name);
        debug_assert!(place.is_some(), "{name} is one name too many");
        if let Some((_, counter)) = place {
            counter.add(1);
        }
    }

    pub fn read(&self) -> BTreeMap<&'static str, u64> {
        self.0.iter().map_while(|(name, counter)| Some((*name.get()?, counter.get()))).collect()
    }
}

/// A number with one writer: an increment is a load and a store, with no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub fn add(&self, count: u64) {
        self.set(self.get() + count);
    }

    #[inline]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    #[inline]
    pub fn raise(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }

    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
