//! What `serve` and the service manager tell each other, by systemd's protocol: notifications (sd_notify(3)), the watchdog
//! (sd_watchdog_enabled(3)) and sockets that are open already (sd_listen_fds(3)). Without a service manager nothing happens.

use std::io;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use listenfd::ListenFd;
use sd_notify::NotifyState;

use crate::limits;
use crate::runtime::{InheritedError, InheritedSocket, Pulse, Server, ServerHandle, StartError};

/// The sockets that this process was started with, if it was. To be called before there are threads.
pub fn inherited_sockets() -> Result<Vec<InheritedSocket>, StartError> {
    // Who is not meant by LISTEN_PID has inherited the variables alone.
    if std::env::var_os("LISTEN_PID").is_none() {
        return Ok(Vec::new());
    }
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut sockets = ListenFd::from_env();
    (0..sockets.len().min(limits::INHERITED_SOCKETS_MAX))
        .map(|place| {
            let name = names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
            let socket = take(&mut sockets, place).map_err(InheritedError::from);
            let socket = socket.and_then(|socket| InheritedSocket::new(socket, name.clone()));
            let name = || format!("{place} ({})", name.escape_default());
            socket.map_err(|error| StartError::Inherited { name: name(), error })
        })
        .collect()
}

fn take(sockets: &mut ListenFd, place: usize) -> io::Result<OwnedFd> {
    let socket = match sockets.take_unix_listener(place) {
        Ok(socket) => socket.map(OwnedFd::from),
        Err(_) => sockets.take_tcp_listener(place)?.map(OwnedFd::from),
    };
    socket.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Who has started this process, if they want to hear of it.
#[derive(Debug)]
pub struct ServiceManager {
    watchdog: Option<Duration>,
}

impl ServiceManager {
    pub fn from_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled() }
    }

    /// The store is read before anybody can connect, which may take a while.
    pub fn starting(&self) {
        notify(&[NotifyState::Status("reading the store")]);
    }

    /// It listens. The watchdog runs until what is returned is dropped.
    pub fn ready(&self, server: &Server) -> Option<Watchdog> {
        notify(&[NotifyState::Ready, NotifyState::Status(&status(server))]);
        self.watchdog.and_then(|time_max| Watchdog::start(server.handle(), time_max))
    }

    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now, NotifyState::Status("reading the configuration again")]),
            Err(error) => tracing::warn!("the service manager does not hear of the reload: {error}"),
        }
    }

    /// Also after a configuration that was refused: what was in force before is.
    pub fn reloaded(&self, server: &Server) {
        notify(&[NotifyState::Ready, NotifyState::Status(&status(server))]);
    }

    pub fn stopping(&self) {
        notify(&[NotifyState::Stopping, NotifyState::Status("saying goodbye to clients")]);
    }
}

/// One line for `systemctl status`.
fn status(server: &Server) -> String {
    let listeners: Vec<_> = server.listeners().map(ToString::to_string).collect();
    let shards = server.summary().shards;
    // A path may hold a line feed, which would begin another assignment.
    let listeners = listeners.join(", ").replace(char::is_control, "?");
    format!("{shards} shard{}, listening on {listeners}", if shards == 1 { "" } else { "s" })
}

fn notify(states: &[NotifyState<'_>]) {
    let socket = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
    let told = match socket.as_encoded_bytes().strip_prefix(b"@") {
        Some(name) => notify_abstract(name, states),
        None => sd_notify::notify(states),
    };
    if let Err(error) = told {
        tracing::warn!("the service manager cannot be told ({}): {error}", states[0]);
    }
}

/// To a socket that has a name and no file (unix(7), abstract), which the library does not know.
fn notify_abstract(name: &[u8], states: &[NotifyState<'_>]) -> io::Result<()> {
    let text: String = states.iter().map(|state| format!("{state}\n")).collect();
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &SocketAddr::from_abstract_name(name)?).map(drop)
}

/// Keeps the service manager from restarting this process, as long as every shard takes turns.
#[derive(Debug)]
pub struct Watchdog {
    /// Dropping it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    fn start(server: ServerHandle, time_max: Duration) -> Option<Self> {
        let (stop, stopped) = bounded(0);
        let pulse = server.pulse();
        match thread::Builder::new().name("watchdog".into()).spawn(move || watch(pulse, time_max, &stopped)) {
            Ok(thread) => Some(Self { stop: Some(stop), thread: Some(thread) }),
            Err(error) => {
                tracing::error!("the watchdog cannot start, so the service manager will restart this process: {error}");
                None
            }
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the watchdog ended in a failure");
        }
    }
}

/// Looks four times in `time_max`, and counts a shard as hung that has taken no turn for half of it: while all is well, two looks
/// may come late; and what hangs is found within one and a half times `time_max`.
fn watch(mut pulse: Pulse, time_max: Duration, stopped: &Receiver<()>) {
    let interval = (time_max / 4).max(Duration::from_millis(limits::WATCHDOG_LOOK_INTERVAL_MIN_MS));
    let patience = (time_max / 2).max(2 * interval);
    let mut hung = Vec::new();
    while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        let since = pulse.take();
        hung.resize(since.len(), false);
        for (shard, (since, hung)) in since.iter().zip(&mut hung).enumerate() {
            let is_hung = *since > patience;
            if is_hung && !*hung {
                tracing::error!(
                    shard,
                    "the shard hangs: no turn for {} ms; the service manager hears no more from the watchdog",
                    since.as_millis()
                );
            } else if *hung && !is_hung {
                tracing::warn!(shard, "the shard takes turns again");
            }
            *hung = is_hung;
        }
        if !hung.contains(&true) {
            notify(&[NotifyState::Watchdog]);
        }
    }
}
