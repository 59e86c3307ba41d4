//! Other listeners, certificates and passwords while clients are connected.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ringmq::net::tls::ClientCertificates;
use ringmq::runtime::{ListenAddress, ListenerConfig, Server, StartError};
use rustls::pki_types::CertificateDer;

use crate::authority::{Authority, Pair};
use crate::client::Client;
use crate::logins::{BAD_USER_NAME_OR_PASSWORD, cheap, connect_as, write_passwords};
use crate::rig::{Proxy, Rig, TRANSPORTS, Transport, client_tls, config, connect_to, listener, ways, wrap};
use crate::stream::Stream;

/// A server with just these listeners.
struct Small {
    server: Server,
    configs: Vec<ListenerConfig>,
    authority: Authority,
    pair: Pair,
    directory: tempfile::TempDir,
}

impl Small {
    fn new(transports: &[Transport]) -> Self {
        let authority = Authority::new("authority");
        let pair = authority.server(&["localhost"]);
        let directory = tempfile::tempdir().unwrap();
        let listener = |(number, &transport): (usize, &Transport)| {
            listener(transport, false, &pair, directory.path().join(format!("{number}.sock")))
        };
        let configs = transports.iter().enumerate().map(listener).collect();
        let server = Server::start(config(configs, 3)).unwrap();
        let configs = server.listeners().cloned().collect();
        Self { server, configs, authority, pair, directory }
    }

    /// Another one: a port that is left to the kernel could be that of one that there is.
    fn listener(&self, transport: Transport, name: &str) -> ListenerConfig {
        let mut listener = listener(transport, false, &self.pair, self.directory.path().join(name));
        if let ListenAddress::Tcp(address) = &mut listener.address {
            *address = std::net::TcpListener::bind(*address).unwrap().local_addr().unwrap();
        }
        listener
    }

    fn address(&self, number: usize) -> ListenAddress {
        self.server.listeners().nth(number).unwrap().address.clone()
    }

    fn open(&self, transport: Transport, address: &ListenAddress) -> Client<Stream> {
        wrap(connect_to(address), transport, &Arc::new(client_tls(&self.authority, None)))
    }

    fn connect(&self, transport: Transport, address: &ListenAddress, client_id: &str) -> Client<Stream> {
        let mut client = self.open(transport, address);
        assert_eq!(client.introduce(client_id), 0, "{transport:?}");
        client
    }

    fn reload(&mut self) -> Result<Vec<String>, StartError> {
        self.server.reload(&self.configs)
    }
}

fn is_refused(address: &ListenAddress) -> bool {
    match address {
        ListenAddress::Tcp(address) => std::net::TcpStream::connect(address).is_err(),
        ListenAddress::Unix(address) => std::os::unix::net::UnixStream::connect(&address.path).is_err(),
    }
}

/// Waits until every shard knows: what a reload says reaches them with their next turn.
fn wait_until_refused(address: &ListenAddress) {
    crate::rig::wait_until(&format!("{address} is still listened at"), || is_refused(address));
}

/// They are answered.
#[track_caller]
fn assert_alive(clients: &mut [Client<Stream>]) {
    for client in clients {
        client.write(&[0xC0, 0]);
        assert_eq!(client.read_packet(), [0xD0, 0]);
    }
}

#[test]
fn a_reload_without_a_change_changes_nothing() {
    let mut rig = Rig::new(3);
    let mut clients: Vec<_> =
        ways().enumerate().map(|(number, way)| rig.connect(way, &format!("stays-{number}"))).collect();
    let before: Vec<_> = rig.server.listeners().cloned().collect();
    let configs = rig.configs.clone();
    for configs in [&configs, &before] {
        // As it was configured, with ports that are left to the kernel, and with those that it chose.
        assert!(rig.server.reload(configs).unwrap().is_empty());
        let addresses = |listeners: &[ListenerConfig]| -> Vec<_> {
            listeners.iter().map(|listener| listener.address.clone()).collect()
        };
        assert_eq!(addresses(&rig.server.listeners().cloned().collect::<Vec<_>>()), addresses(&before));
        assert_alive(&mut clients);
        clients.extend(ways().enumerate().map(|(number, way)| rig.connect(way, &format!("more-{number}"))));
        assert_eq!(rig.server.connections(), clients.len());
        clients.truncate(ways().count());
        crate::rig::wait_until("they are gone", || rig.server.connections() == clients.len());
    }
}

#[test]
fn listeners_come_and_go_and_clients_stay() {
    for transport in TRANSPORTS {
        let mut small = Small::new(&[transport, Transport::Tcp]);
        let gone = small.address(0);
        let kept = small.address(1);
        let mut clients: Vec<_> =
            (0..6).map(|number| small.connect(transport, &gone, &format!("stays-{number}"))).collect();

        let added = small.listener(transport, "added.sock");
        small.configs = vec![small.configs[1].clone(), added];
        small.reload().unwrap();
        wait_until_refused(&gone);
        if let ListenAddress::Unix(address) = &gone {
            assert!(!address.path.exists());
        }
        assert_alive(&mut clients);
        let new = small.address(1);
        assert_ne!(new, gone);
        for number in 0..12 {
            clients.push(small.connect(transport, &new, &format!("new-{number}")));
            clients.push(small.connect(Transport::Tcp, &kept, &format!("kept-{number}")));
        }
        clients[0].subscribe("from/all", 0);
        for number in 1..clients.len() {
            clients[number].publish("from/all", number.to_string().as_bytes(), 0);
            assert!(clients[0].read_packet().ends_with(number.to_string().as_bytes()));
        }
        assert_eq!(small.server.connections(), clients.len());
        assert_eq!(small.server.connections_by_listener(), [12, 12]);

        // Back where it was before: the address is free again.
        let mut again = small.listener(transport, "0.sock");
        again.address = gone.clone();
        small.configs.push(again);
        small.reload().unwrap();
        clients.push(small.connect(transport, &gone, "back"));
        assert_alive(&mut clients);
        clients.clear();
        crate::rig::wait_until("they are gone", || small.server.connections() == 0);
    }
}

/// What the server shows.
fn shown(client: &Client<Stream>) -> CertificateDer<'static> {
    client.stream.tls().unwrap().conn.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn a_new_certificate_is_for_those_who_come() {
    let mut small = Small::new(&[Transport::Tls, Transport::SecureWebSocket]);
    // Tickets are kept by the server's name, and the two listeners have the same.
    let resuming = [0; 2].map(|_| Arc::new(client_tls(&small.authority, None)));
    let mut clients = Vec::new();
    for (number, transport) in [Transport::Tls, Transport::SecureWebSocket].into_iter().enumerate() {
        let mut client = wrap(connect_to(&small.address(number)), transport, &resuming[number]);
        assert_eq!(client.introduce(&format!("stays-{number}")), 0);
        assert_eq!(shown(&client), small.pair.chain[0]);
        // The ticket is behind the handshake.
        assert_alive(std::slice::from_mut(&mut client));
        clients.push(client);
    }
    let replacement = small.authority.server(&["localhost"]);
    fs::copy(&replacement.chain_file, &small.pair.chain_file).unwrap();
    fs::copy(&replacement.key_file, &small.pair.key_file).unwrap();
    small.reload().unwrap();
    // The shards take it over with their next turn, each for itself.
    for (number, transport) in [Transport::Tls, Transport::SecureWebSocket].into_iter().enumerate() {
        crate::rig::wait_until("the new certificate is not shown", || {
            (0..12).all(|_| shown(&small.connect(transport, &small.address(number), "new")) == replacement.chain[0])
        });
        let mut back = wrap(connect_to(&small.address(number)), transport, &resuming[number]);
        assert_eq!(back.introduce("back"), 0);
        let kind = back.stream.tls().unwrap().conn.handshake_kind();
        assert_eq!(kind, Some(rustls::HandshakeKind::Resumed), "{transport:?}");
    }
    assert_alive(&mut clients);
}

fn log_in(small: &Small, number: usize, user_name: &str, password: &str) -> u8 {
    let mut client = small.open(Transport::Tcp, &small.address(number));
    client.write(&connect_as("login", user_name, password));
    client.read_connack()
}

fn users(path: &Path, users: &[(&str, &str)]) {
    write_passwords(path, users.iter().map(|(user, password)| ((*user).into(), cheap(password))));
}

#[test]
fn passwords_are_read_again() {
    let mut small = Small::new(&[Transport::Tcp]);
    assert_alive(&mut [small.connect(Transport::Tcp, &small.address(0), "free")]);
    // There was nobody to ask before.
    let path = small.directory.path().join("passwords");
    users(&path, &[("anna", "first"), ("bert", "same")]);
    small.configs[0].access.password_file = Some(path.clone());
    small.configs[0].access.allow_anonymous = Some(false);
    small.reload().unwrap();
    crate::rig::wait_until("the password file counts", || log_in(&small, 0, "anna", "second") != 0);
    assert_eq!(log_in(&small, 0, "anna", "first"), 0);
    let mut stays = small.open(Transport::Tcp, &small.address(0));
    stays.write(&connect_as("stays", "anna", "first"));
    assert_eq!(stays.read_connack(), 0);

    users(&path, &[("anna", "second"), ("carl", "third")]);
    small.reload().unwrap();
    for (user_name, password, expected) in [
        ("anna", "first", BAD_USER_NAME_OR_PASSWORD),
        ("anna", "second", 0),
        ("bert", "same", BAD_USER_NAME_OR_PASSWORD),
        ("carl", "third", 0),
    ] {
        assert_eq!(log_in(&small, 0, user_name, password), expected, "{user_name} {password}");
    }
    assert_alive(std::slice::from_mut(&mut stays));
}

#[test]
fn what_cannot_be_used_changes_nothing() {
    let mut small = Small::new(&[Transport::Tls, Transport::Tcp, Transport::Unix]);
    let passwords = small.directory.path().join("passwords");
    users(&passwords, &[("anna", "right")]);
    small.configs[1].access.password_file = Some(passwords.clone());
    small.configs[1].access.allow_anonymous = Some(false);
    small.reload().unwrap();
    crate::rig::wait_until("the password file counts", || log_in(&small, 1, "anna", "wrong") != 0);
    let mut clients = vec![small.connect(Transport::Tls, &small.address(0), "stays")];
    let before: Vec<_> = small.server.listeners().cloned().collect();
    let good = small.configs.clone();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let garbage = small.directory.path().join("garbage");
    fs::write(&garbage, "this is nothing").unwrap();

    type Break = fn(&mut Vec<ListenerConfig>, &Small);
    let breaks: [(&str, Break); 7] = [
        ("no listener", |configs, _| configs.clear()),
        ("no certificate", |configs, small| {
            let garbage = small.directory.path().join("garbage");
            configs[0].tls.as_mut().unwrap().certificates[0].chain = garbage;
        }),
        ("no authorities", |configs, _| {
            configs[0].tls.as_mut().unwrap().client_certificates = ClientCertificates::Required(Default::default());
        }),
        ("no passwords", |configs, small| {
            configs[1].access.password_file = Some(small.directory.path().join("missing"));
        }),
        ("nobody decides", |configs, _| configs[1].access.password_file = None),
        ("a file that is no socket", |configs, small| {
            configs.push(small.listener(Transport::Unix, "garbage"));
        }),
        ("twice", |configs, _| configs.extend_from_within(2..3)),
    ];
    for (name, break_it) in breaks {
        small.configs = good.clone();
        small.configs.push(small.listener(Transport::Unix, "added.sock"));
        let mut configs = std::mem::take(&mut small.configs);
        break_it(&mut configs, &small);
        small.configs = configs;
        let error = small.reload().unwrap_err();
        assert!(!error.to_string().is_empty(), "{name}");
        assert_unchanged(&small, &before, &mut clients, name);
    }
    small.configs = good.clone();
    small.configs.push(ListenerConfig::new(ListenAddress::Tcp(taken.local_addr().unwrap())));
    assert!(matches!(small.reload().unwrap_err(), StartError::AddressInUse(_)));
    assert_unchanged(&small, &before, &mut clients, "taken");
    small.configs = good;
    small.reload().unwrap();
    assert_unchanged(&small, &before, &mut clients, "good again");
}

#[track_caller]
fn assert_unchanged(small: &Small, before: &[ListenerConfig], clients: &mut [Client<Stream>], name: &str) {
    assert!(small.server.listeners().eq(before), "{name}");
    assert!(!small.directory.path().join("added.sock").exists(), "{name}");
    assert_alive(clients);
    drop(small.connect(Transport::Tls, &small.address(0), "new"));
    drop(small.connect(Transport::Unix, &small.address(2), "new"));
    assert_eq!(log_in(small, 1, "anna", "right"), 0, "{name}");
    assert_eq!(log_in(small, 1, "anna", "wrong"), BAD_USER_NAME_OR_PASSWORD, "{name}");
}

#[test]
fn files_of_listeners_that_are_gone_need_not_be_there() {
    let mut small = Small::new(&[Transport::Tcp, Transport::Tcp]);
    let path = small.directory.path().join("passwords");
    users(&path, &[("anna", "right")]);
    let [one, other] = [path.with_extension("one"), path.with_extension("other")];
    fs::copy(&path, &one).unwrap();
    fs::copy(&path, &other).unwrap();
    for (config, path) in small.configs.iter_mut().zip([&one, &other]) {
        config.access.password_file = Some(path.clone());
        config.access.allow_anonymous = Some(false);
    }
    small.reload().unwrap();
    fs::remove_file(&other).unwrap();
    assert!(small.reload().is_err());
    small.configs.pop();
    small.reload().unwrap();
    small.reload().unwrap();
    assert_eq!(log_in(&small, 0, "anna", "right"), 0);
}

#[test]
fn another_transport_at_the_same_address_is_for_those_who_come() {
    let mut small = Small::new(&[Transport::Tcp]);
    let address = small.address(0);
    let mut clients: Vec<_> =
        (0..6).map(|number| small.connect(Transport::Tcp, &address, &format!("plain-{number}"))).collect();
    let mut config = small.listener(Transport::SecureWebSocket, "none");
    config.address = small.configs[0].address.clone();
    small.configs[0] = config;
    small.reload().unwrap();
    assert_eq!(small.address(0), address);
    // Each shard takes it over with its next turn.
    std::thread::sleep(std::time::Duration::from_millis(100));
    clients
        .extend((0..6).map(|number| small.connect(Transport::SecureWebSocket, &address, &format!("secure-{number}"))));
    assert_alive(&mut clients);
    assert_eq!(small.server.connections_by_listener(), [12]);
}

#[test]
fn the_file_of_a_unix_socket_goes_with_the_server() {
    let rig = Rig::with(3, |_| ());
    let ListenAddress::Unix(address) = rig.address((Transport::Unix, Proxy::No)) else { unreachable!("a unix socket") };
    assert!(address.path.exists());
    let mut client = rig.connect((Transport::Unix, Proxy::No), "stays");
    rig.server.stop();
    assert!(!address.path.exists());
    assert!(client.stream.end().is_clean);
}
