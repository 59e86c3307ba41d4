//! The broker as a part of another program.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::access::AuthenticationMethod;
use crate::config::Config;
use crate::runtime::{
    AuthenticationMethods, Counters, RuntimeConfig, Server, ServerHandle, ShardCount, StartError, Summary,
};

/// A broker that runs on threads of its own inside this process. Dropping it stops it.
///
/// It installs no signal handler and no log; its lines go to whatever `tracing` subscriber the program has.
///
/// ```no_run
/// let broker = ringmq::Broker::builder().listen(([127, 0, 0, 1], 0).into()).shards(1).start()?;
/// println!("mqtt://{}", broker.address());
/// broker.stop();
/// # Ok::<(), ringmq::StartError>(())
/// ```
#[derive(Debug)]
pub struct Broker {
    server: Server,
}

impl Broker {
    /// Starts with a whole configuration, such as one from [`Config::from_toml`]: unless that says otherwise, a store in
    /// `./ringmq-data` is part of it. Its `log` and its administration are for the command
    /// line and not looked at here. Must not be called from inside a glommio executor.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Server::start(config.runtime).map(|server| Self { server })
    }

    /// Starts with the defaults but for what is said.
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder { config: RuntimeConfig::default(), allow_anonymous: false }
    }

    /// The first address that it listens on, with the port that the kernel chose where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// All addresses that it listens on, in the order of the configuration; never empty.
    pub fn addresses(&self) -> &[SocketAddr] {
        self.server.addresses()
    }

    /// What it found out about the machine when it started.
    pub fn summary(&self) -> &Summary {
        self.server.summary()
    }

    /// What it has counted since it started, over all shards.
    pub fn counters(&self) -> Counters {
        self.server.counters()
    }

    /// A hold on it for other threads: to ban clients, or to have it administrated ([`Admin`](crate::admin::Admin)).
    pub fn handle(&self) -> ServerHandle {
        self.server.handle()
    }

    /// Says goodbye to all clients and returns when every thread has ended, after the configured time at the latest.
    pub fn stop(self) {
        self.server.stop();
    }
}

/// Collects what differs from the defaults; made by [`Broker::builder`].
#[derive(Clone, Debug)]
pub struct BrokerBuilder {
    config: RuntimeConfig,
    allow_anonymous: bool,
}

impl BrokerBuilder {
    /// Adds an address to listen on; port 0 lets the kernel choose. Without any it is 127.0.0.1:1883.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.config.listeners.push(address.into());
        self
    }

    /// Lets clients without a user name in at all listeners, also from other machines. Without this, and without a method of
    /// authentication, only addresses of this machine can be listened on.
    pub fn allow_anonymous(mut self) -> Self {
        self.allow_anonymous = true;
        self
    }

    /// Threads that share the connections; without this, one for each CPU.
    pub fn shards(mut self, shards: usize) -> Self {
        self.config.shards = ShardCount::Exactly(shards);
        self
    }

    /// Keeps in this directory what was acknowledged: persistent sessions, their messages, retained messages. Without it nothing is
    /// written, and the end of the broker forgets everything.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.config.settings.persistence = true;
        self.config.storage.dir = dir.into();
        self
    }

    /// Methods of enhanced authentication that clients may name (MQTT 5.0, section 4.12); `make` is called once on each
    /// shard's thread.
    pub fn authentication(
        mut self,
        make: impl Fn() -> Vec<Box<dyn AuthenticationMethod>> + Send + Sync + 'static,
    ) -> Self {
        self.config.authentication = Some(AuthenticationMethods::new(make));
        self
    }

    /// Changes any other setting.
    pub fn configure(mut self, change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        change(&mut self.config);
        self
    }

    pub fn start(self) -> Result<Broker, StartError> {
        let mut config = Config::default();
        let given = self.config.listeners.clone();
        let mut listeners = if given.is_empty() { config.runtime.listeners } else { given };
        if self.allow_anonymous {
            listeners.iter_mut().for_each(|listener| listener.access.allow_anonymous = Some(true));
        }
        config.runtime = RuntimeConfig { listeners, ..self.config };
        Broker::start(config)
    }
}
