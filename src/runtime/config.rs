//! What a configuration decides for the runtime.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{GuardConfig, ListenerConfig};
use crate::access::AuthenticationMethod;
use crate::broker::Settings;
use crate::limits;
use crate::storage::StorageConfig;

/// How many shards there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ShardCount {
    /// One for each CPU that this process may use, or for each of `RuntimeConfig::cpus`.
    #[default]
    Auto,
    Exactly(usize),
}

/// What a shard does when it has nothing to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdlePolicy {
    /// It sleeps at once: least CPU.
    #[default]
    Park,
    /// It looks for work this long before it sleeps: lower latency for the CPU of that time.
    Spin(Duration),
    /// It never sleeps: a whole CPU for each shard, lowest latency.
    Busy,
}

/// Configuration of a [`Server`](super::Server).
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// Where and how to listen.
    pub listeners: Vec<ListenerConfig>,
    pub shards: ShardCount,
    /// The CPUs to pin the shards to, in order; `None` chooses.
    pub cpus: Option<Vec<usize>>,
    pub idle: IdlePolicy,
    /// Most connections at a time; the descriptor limit may lower it.
    pub connections_max: Option<usize>,
    /// Time that connections get to take their last bytes when the server stops.
    pub shutdown_time_max: Duration,
    /// How late a shard may be before it accepts more slowly; `None` lets it be as late as it comes.
    pub loop_lag_max: Option<Duration>,
    /// Receive buffers of each shard: a power of two.
    pub receive_buffers: u16,
    /// Bytes of one receive buffer.
    pub receive_buffer_size: u32,
    /// Messages in a mailbox above which its senders stop reading from their publishers.
    pub mailbox_high_water: usize,
    pub settings: Settings,
    /// Where and how is kept what must outlive the process. It counts only with `settings.persistence`, which is off by
    /// default: a library must not write into the current directory.
    pub storage: StorageConfig,
    /// Time between two publications of what the server has measured as `$SYS` topics; zero, the default here, is none: a program
    /// that embeds the server may ask it.
    pub sys_interval: Duration,
    /// Bounds on who may connect.
    pub guard: GuardConfig,
    /// Makes each shard's methods of enhanced authentication; without it there are none.
    pub authentication: Option<AuthenticationMethods>,
}

/// Makes the methods of enhanced authentication (MQTT 5.0, section 4.12) of one shard. It is called once on each shard's
/// thread, so that a method may keep state without a lock.
#[derive(Clone)]
pub struct AuthenticationMethods(Arc<dyn Fn() -> Vec<Box<dyn AuthenticationMethod>> + Send + Sync>);

impl AuthenticationMethods {
    pub fn new(make: impl Fn() -> Vec<Box<dyn AuthenticationMethod>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    pub(super) fn make(&self) -> Vec<Box<dyn AuthenticationMethod>> {
        (self.0)()
    }
}

impl fmt::Debug for AuthenticationMethods {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("AuthenticationMethods")
    }
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            listeners: Vec::new(),
            shards: ShardCount::Auto,
            cpus: None,
            idle: IdlePolicy::Park,
            connections_max: None,
            shutdown_time_max: Duration::from_millis(limits::SHUTDOWN_TIME_MAX_MS_DEFAULT),
            loop_lag_max: Some(Duration::from_micros(limits::LOOP_LAG_MAX_US_DEFAULT)),
            receive_buffers: limits::RECEIVE_BUFFERS_DEFAULT,
            receive_buffer_size: limits::RECEIVE_BUFFER_SIZE_DEFAULT,
            mailbox_high_water: limits::MAILBOX_HIGH_WATER_DEFAULT,
            settings: Settings::default(),
            storage: StorageConfig::default(),
            sys_interval: Duration::ZERO,
            guard: GuardConfig::default(),
            authentication: None,
        }
    }
}
