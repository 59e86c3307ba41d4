//! What the service manager is told, and the sockets it hands over. Here the test is the service manager.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::Command;

use crate::process::{Server, TIME_MAX, ringmq, signal};

/// The socket that NOTIFY_SOCKET names.
struct Manager {
    socket: UnixDatagram,
    dir: tempfile::TempDir,
}

impl Manager {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(TIME_MAX)).unwrap();
        Self { socket, dir }
    }

    fn ringmq(&self) -> Command {
        let mut command = ringmq();
        command.env("NOTIFY_SOCKET", self.dir.path().join("notify"));
        command
    }

    /// The assignments of the next notification.
    fn next(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a notification");
        String::from_utf8_lossy(&bytes[..length]).lines().map(str::to_owned).collect()
    }

    /// The next notification that begins like this.
    fn wait_for(&self, first: &str) -> Vec<String> {
        loop {
            let told = self.next();
            if told.first().is_some_and(|told| told == first) {
                return told;
            }
        }
    }
}

#[test]
fn it_hears_of_the_start_of_reloads_and_of_the_end() {
    let manager = Manager::new();
    let server = Server::start_as(manager.ringmq(), &["--shards", "2", "--no-persistence"]);
    assert_eq!(manager.next(), ["STATUS=reading the store"]);
    let status = format!("STATUS=2 shards, listening on tcp://{}", server.address);
    assert_eq!(manager.next(), ["READY=1", &status]);
    signal("HUP", server.id());
    let reloading = manager.next();
    assert_eq!(reloading[0], "RELOADING=1");
    let time = reloading[1].strip_prefix("MONOTONIC_USEC=").and_then(|time| time.parse::<u64>().ok());
    assert!(time.is_some_and(|time| time > 0), "{reloading:?}");
    assert_eq!(manager.next(), ["READY=1", &status]);
    signal("TERM", server.id());
    assert_eq!(manager.next()[0], "STOPPING=1");
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn a_manager_whose_socket_has_a_name_and_no_file_hears_too() {
    let name = format!("ringmq-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(TIME_MAX)).unwrap();
    let mut command = ringmq();
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let server = Server::start_as(command, &["--shards", "1", "--no-persistence"]);
    let mut bytes = [0; 4096];
    for wanted in
        ["STATUS=reading the store\n", &format!("READY=1\nSTATUS=1 shard, listening on tcp://{}\n", server.address)]
    {
        let length = socket.recv(&mut bytes).expect("a notification");
        assert_eq!(String::from_utf8_lossy(&bytes[..length]), wanted);
    }
    signal("TERM", server.id());
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn the_watchdog_speaks_while_nobody_is_connected() {
    let manager = Manager::new();
    let mut command = manager.ringmq();
    command.env("WATCHDOG_USEC", "200000");
    let server = Server::start_as(command, &["--shards", "2", "--no-persistence"]);
    manager.wait_for("READY=1");
    for _ in 0..8 {
        assert_eq!(manager.next(), ["WATCHDOG=1"]);
    }
    signal("TERM", server.id());
    manager.wait_for("STOPPING=1");
    let (code, log) = server.wait();
    assert_eq!(code, Some(0));
    assert!(!log.iter().any(|line| line.contains("hangs")), "{log:#?}");
}

#[test]
fn a_watchdog_that_is_meant_for_another_process_is_left_alone() {
    let manager = Manager::new();
    let mut command = manager.ringmq();
    command.env("WATCHDOG_USEC", "200000").env("WATCHDOG_PID", "1");
    let server = Server::start_as(command, &["--shards", "1", "--no-persistence"]);
    manager.wait_for("READY=1");
    signal("TERM", server.id());
    assert_eq!(manager.next()[0], "STOPPING=1");
    assert_eq!(server.wait().0, Some(0));
}

/// Starts what follows with standard input and output as descriptors 3 and 4, as systemd does with its sockets.
const ACTIVATE: &str = "exec 3<&0 4<&1 0</dev/null 1>/dev/null; \
     export LISTEN_PID=${PID_OF_OTHER:-$$} LISTEN_FDS=2 LISTEN_FDNAMES=mqtt.socket:local.socket; exec \"$@\"";

fn activated(tcp: &TcpListener, unix: &UnixListener) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", ACTIVATE, "sh", env!("CARGO_BIN_EXE_ringmq")]);
    command.stdin(OwnedFd::from(tcp.try_clone().unwrap())).stdout(OwnedFd::from(unix.try_clone().unwrap()));
    command
}

fn exchange(connection: &mut (impl Read + Write)) {
    // CONNECT of MQTT 3.1.1 with a clean session and the client id "a", and CONNACK.
    connection.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a").unwrap();
    let mut answer = [0; 4];
    connection.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
}

#[test]
fn sockets_that_are_open_already_take_the_place_of_binding() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mqtt.sock");
    let (tcp, unix) = (TcpListener::bind("127.0.0.1:0").unwrap(), UnixListener::bind(&path).unwrap());
    let address = tcp.local_addr().unwrap();
    // Who connects before there is a server is served all the same.
    let mut early = TcpStream::connect(address).unwrap();
    let (first, second) = (format!("tcp://{address}"), format!("unix://{}", path.display()));
    let arguments = ["--listen", &first, "--listen", &second, "--shards", "3", "--no-persistence"];
    let server = Server::start_as(activated(&tcp, &unix), &arguments);
    for stage in ["READY", "HUP"] {
        if stage == "HUP" {
            signal(stage, server.id());
        }
        exchange(&mut TcpStream::connect(address).unwrap());
        exchange(&mut UnixStream::connect(&path).unwrap());
    }
    exchange(&mut early);
    server.stop();
    assert!(path.exists(), "the file is the service manager's");
}

#[test]
fn a_socket_without_a_listener_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mqtt.sock");
    let (tcp, unix) = (TcpListener::bind("127.0.0.1:0").unwrap(), UnixListener::bind(&path).unwrap());
    let address = tcp.local_addr().unwrap();
    let listen = format!("tcp://{address}");
    let mut command = activated(&tcp, &unix);
    let output = command.args(["serve", "--no-persistence", "--listen", &listen]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains(&format!("has opened {} (local.socket)", path.display())), "{told}");
}

#[test]
fn sockets_that_are_meant_for_another_process_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let unix = UnixListener::bind(dir.path().join("mqtt.sock")).unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut command = activated(&tcp, &unix);
    command.env("PID_OF_OTHER", "1");
    let server = Server::start_as(command, &["--shards", "1", "--no-persistence"]);
    exchange(&mut TcpStream::connect(server.address).unwrap());
    server.stop();
}
