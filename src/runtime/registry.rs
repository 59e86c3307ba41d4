//! All listeners of a server, by their ids: opened at the start, and compared with a new configuration at a reload.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use super::listening::{Listeners, Listening};
use super::{ListenAddress, ListenerConfig, StartError, UnixAddress};
use crate::access::{AccessRules, ListenerId, ListenerPolicy};
use crate::authority::{AccessConfig, read_acl_file};
use crate::net::tls::TlsServer;
use crate::net::{
    InheritedAddress, InheritedSocket, Listener, SocketFile, SocketPermissions, UnixListener, bind_shared, bind_unix,
    numeric_id,
};

/// Every listener that there is or was; the id is the position.
#[derive(Debug, Default)]
pub struct Registry {
    entries: Vec<Entry>,
    /// They take the place of binding.
    inherited: Vec<InheritedSocket>,
}

#[derive(Debug)]
struct Entry {
    /// As it was configured, perhaps without a port of its own.
    address: ListenAddress,
    listening: Arc<Listening>,
    policy: ListenerPolicy,
    /// It accepts no more; some that came in there may still be connected.
    is_removed: bool,
    /// The file of a unix socket, which goes with the listener.
    file: Option<SocketFile>,
}

/// Sockets that are bound, and do not listen yet.
#[derive(Debug)]
enum Bound {
    Tcp(Listener),
    Unix(UnixListener),
    /// Descriptors of sockets that listen already.
    Inherited(Vec<OwnedFd>),
}

/// A listener that is going to be: nothing but listening can fail any more.
#[derive(Debug)]
struct Candidate {
    id: ListenerId,
    address: ListenAddress,
    listening: Arc<Listening>,
    policy: ListenerPolicy,
    bound: Option<Bound>,
}

/// What [`Registry::commit`] is to make true.
#[derive(Debug)]
pub struct Plan {
    candidates: Vec<Candidate>,
    shards: usize,
    pub warnings: Vec<String>,
}

impl Registry {
    /// With sockets that listen already, for the listeners of their addresses.
    pub fn new(inherited: Vec<InheritedSocket>) -> Self {
        Self { entries: Vec::new(), inherited }
    }

    /// Reads all files and takes all addresses that are new. Nothing changes for anybody yet.
    pub fn plan(&self, configs: &[ListenerConfig], shards: usize) -> Result<Plan, StartError> {
        let mut plan = Plan { candidates: Vec::with_capacity(configs.len()), shards, warnings: Vec::new() };
        let mut next_id = self.entries.len();
        for config in configs {
            let is_twice = |candidate: &Candidate| candidate.address == config.address && !is_chosen(&config.address);
            if plan.candidates.iter().any(is_twice) {
                return Err(StartError::AddressTwice(config.to_string()));
            }
            let known = self.known(config, &plan);
            let before = known.map(|position| &self.entries[position]);
            let policy = policy(config)?;
            let tls = load_tls(config, before.and_then(|entry| entry.listening.tls.as_ref()), &mut plan.warnings)?;
            let mut config = config.clone();
            let address = config.address.clone();
            let (bound, open) = match before {
                Some(entry) => {
                    config.address = entry.listening.config.address.clone();
                    (None, entry.listening.open.clone())
                }
                None => {
                    let bound = match self.inherit(&address, shards, &mut plan.warnings)? {
                        Some(bound) => bound,
                        None => bind(&mut config.address, shards)?,
                    };
                    (Some(bound), Arc::new(AtomicUsize::new(0)))
                }
            };
            let place = known.unwrap_or_else(|| {
                next_id += 1;
                next_id - 1
            });
            let id = ListenerId(u16::try_from(place).map_err(|_| StartError::TooManyListeners)?);
            let listening =
                Arc::new(Listening { id, websocket: config.websocket.clone().map(Arc::new), config, tls, open });
            plan.candidates.push(Candidate { id, address, listening, policy, bound });
        }
        Ok(plan)
    }

    /// The sockets that were inherited for this address, if there are any: each shard accepts from one at least, and from each
    /// socket one shard at least.
    fn inherit(
        &self,
        address: &ListenAddress,
        shards: usize,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Bound>, StartError> {
        let sockets: Vec<_> = self.inherited.iter().filter(|socket| is_for(socket, address)).collect();
        if sockets.is_empty() {
            return Ok(None);
        }
        if let ListenAddress::Unix(UnixAddress { path, mode, owner, group }) = address
            && (mode.is_some() || owner.is_some() || group.is_some())
        {
            let path = path.display();
            warnings.push(format!(
                "unix://{path}: mode, owner and group are those of the service manager, which has opened the socket"
            ));
        }
        let shared: io::Result<_> =
            sockets.iter().cycle().take(sockets.len().max(shards)).map(|socket| socket.share()).collect();
        shared.map(|shared| Some(Bound::Inherited(shared))).map_err(|error| from_listen(address, error))
    }

    /// Sockets that were inherited and that no listener of the plan has: who connects there waits for nobody.
    pub fn unclaimed<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = &'a InheritedSocket> {
        let is_claimed =
            |socket: &InheritedSocket| plan.candidates.iter().any(|candidate| is_for(socket, &candidate.address));
        self.inherited.iter().filter(move |socket| !is_claimed(socket))
    }

    /// The listener that goes on with this configuration: its address was written in the same way, or is the one that was chosen for it.
    fn known(&self, config: &ListenerConfig, plan: &Plan) -> Option<usize> {
        // Several may have left it to the kernel to choose a port.
        let is_taken = |place: usize| plan.candidates.iter().any(|candidate| usize::from(candidate.id.0) == place);
        let mut free = self.entries.iter().enumerate().filter(|(place, entry)| !entry.is_removed && !is_taken(*place));
        let is_same = |entry: &Entry| [&entry.address, &entry.listening.config.address].contains(&&config.address);
        free.find(|(_, entry)| is_same(entry)).map(|(place, _)| place)
    }

    /// Forgets what is gone, and says what each shard must know; the plan listens already.
    pub fn commit(&mut self, plan: Plan) -> Vec<Listeners> {
        let mut shares: Vec<Listeners> = (0..plan.shards).map(|_| Listeners::default()).collect();
        for (place, entry) in self.entries.iter_mut().enumerate() {
            let id = ListenerId(place as u16);
            if !entry.is_removed && plan.candidates.iter().all(|candidate| candidate.id != id) {
                entry.is_removed = true;
                entry.file = None;
                shares.iter_mut().for_each(|share| share.removed.push(id));
            }
        }
        for Candidate { id, address, listening, policy, bound } in plan.candidates {
            let (sockets, file) = match bound {
                Some(Bound::Tcp(listener)) => (listener.sockets, None),
                Some(Bound::Unix(listener)) => (listener.sockets, Some(listener.file)),
                Some(Bound::Inherited(sockets)) => (sockets, None),
                None => (Vec::new(), None),
            };
            share_out(&mut shares, id, &listening, sockets);
            match self.entries.get_mut(usize::from(id.0)) {
                Some(entry) => {
                    entry.listening = listening;
                    entry.policy = policy;
                }
                None => self.entries.push(Entry { address, listening, policy, is_removed: false, file }),
            }
        }
        for share in &mut shares {
            share.policies = self.entries.iter().map(|entry| entry.policy.clone()).collect();
        }
        shares
    }

    /// What each listener demands of its clients, by id, as it will be after the plan. Nobody comes in at one that is gone, so that its
    /// files may be gone too.
    pub fn access(&self, plan: &Plan) -> Vec<AccessConfig> {
        let mut access = vec![AccessConfig::default(); self.entries.len()];
        for candidate in &plan.candidates {
            let place = usize::from(candidate.id.0);
            access.resize(access.len().max(place + 1), AccessConfig::default());
            access[place] = candidate.listening.config.access.clone();
        }
        access
    }

    /// The listeners that accept, in the order of their ids.
    pub fn listening(&self) -> impl Iterator<Item = &Listening> {
        self.entries.iter().filter(|entry| !entry.is_removed).map(|entry| &*entry.listening)
    }
}

impl Plan {
    /// Has the kernel complete connections at what is new. They wait until somebody accepts them, and are reset if nobody will.
    pub fn listen(&self) -> Result<(), StartError> {
        self.candidates.iter().try_for_each(|Candidate { listening, bound, .. }| {
            let listened = match bound {
                Some(Bound::Tcp(listener)) => listener.listen(),
                Some(Bound::Unix(listener)) => listener.listen(),
                Some(Bound::Inherited(_)) | None => Ok(()),
            };
            listened.map_err(|error| from_listen(&listening.config.address, error))
        })
    }
}

fn is_for(socket: &InheritedSocket, address: &ListenAddress) -> bool {
    match (socket.address(), address) {
        (InheritedAddress::Tcp(inherited), ListenAddress::Tcp(wanted)) => inherited == wanted,
        (InheritedAddress::Unix(inherited), ListenAddress::Unix(wanted)) => *inherited == wanted.path,
        _ => false,
    }
}

/// Whether the kernel chooses the port.
fn is_chosen(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Tcp(address) if address.port() == 0)
}

fn share_out(shares: &mut [Listeners], id: ListenerId, listening: &Arc<Listening>, sockets: Vec<OwnedFd>) {
    for share in shares.iter_mut() {
        share.listening.push(listening.clone());
    }
    // Inherited sockets may be more than the shards.
    let places = (0..shares.len()).cycle();
    for (place, socket) in places.zip(sockets) {
        shares[place].added.push((id, socket));
    }
}

fn policy(config: &ListenerConfig) -> Result<ListenerPolicy, StartError> {
    let rules = match &config.access.acl_file {
        Some(path) => read_acl_file(path)?,
        None => AccessRules::default(),
    };
    Ok(ListenerPolicy {
        allow_anonymous: config.allows_anonymous(),
        certificate_is_user: config.access.certificate_is_user,
        is_asked: config.access.is_asked(),
        rules,
        quotas: config.quotas.clone(),
    })
}

fn load_tls(
    config: &ListenerConfig,
    before: Option<&TlsServer>,
    warnings: &mut Vec<String>,
) -> Result<Option<TlsServer>, StartError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    let server = match before {
        Some(before) => before.reload(tls)?,
        None => TlsServer::load(tls, Arc::new(rustls::time_provider::DefaultTimeProvider))?,
    };
    warnings.extend(server.warnings().iter().map(|warning| format!("{config}: {warning}")));
    Ok(Some(server))
}

/// Takes the address, and writes the port into it that was chosen.
fn bind(address: &mut ListenAddress, shards: usize) -> Result<Bound, StartError> {
    let bound = match address {
        ListenAddress::Tcp(wanted) => bind_shared(*wanted, shards).map(|listener| {
            *wanted = listener.address;
            Bound::Tcp(listener)
        }),
        ListenAddress::Unix(UnixAddress { path, mode, owner, group }) => permissions(*mode, owner, group)
            .and_then(|permissions| bind_unix(path, &permissions, shards))
            .map(Bound::Unix),
    };
    bound.map_err(|error| from_listen(address, error))
}

fn permissions(mode: Option<u32>, owner: &Option<String>, group: &Option<String>) -> io::Result<SocketPermissions> {
    let id = |name: &Option<String>, table| name.as_deref().map(|name| numeric_id(name, Path::new(table))).transpose();
    Ok(SocketPermissions { mode, owner: id(owner, "/etc/passwd")?, group: id(group, "/etc/group")? })
}

fn from_listen(address: &ListenAddress, error: io::Error) -> StartError {
    match address {
        ListenAddress::Tcp(address) => StartError::from_listen(SocketAddr::clone(address), error),
        ListenAddress::Unix(address) => StartError::ListenUnix { path: address.path.clone(), error },
    }
}
