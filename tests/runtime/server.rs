//! A whole server with several shards on one or more CPUs, and its clients.

use std::net::SocketAddr;
use std::time::Duration;

use ringmq::runtime::{Ended, IdlePolicy, RuntimeConfig, Server, ShardCount, StartError};

use crate::client::{Client, connect};

/// Enough for every pair of client ids to meet on the same shard and on two.
const SHARDS: usize = 3;

fn config() -> RuntimeConfig {
    RuntimeConfig {
        listeners: vec![std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()],
        shards: ShardCount::Exactly(SHARDS),
        receive_buffers: 64,
        ..RuntimeConfig::default()
    }
}

fn start(config: RuntimeConfig) -> (Server, SocketAddr) {
    let server = Server::start(config).unwrap();
    let address = server.addresses()[0];
    (server, address)
}

#[test]
fn messages_cross_shards_and_stop_says_goodbye() {
    for idle in [IdlePolicy::Park, IdlePolicy::Spin(Duration::from_micros(50))] {
        let (server, address) = start(RuntimeConfig { idle, ..config() });
        let mut subscribers: Vec<Client> = (0..16)
            .map(|number| {
                let (mut client, code) = Client::connect(address, &format!("subscriber-{number}"));
                assert_eq!(code, 0);
                client.subscribe("topic/+", 0);
                client
            })
            .collect();
        for number in 0..16 {
            let (mut publisher, _) = Client::connect(address, &format!("publisher-{number}"));
            let payload = vec![number; 1 + usize::from(number) * 700];
            publisher.publish("topic/a", &payload, 0);
            for subscriber in &mut subscribers {
                assert!(subscriber.read_packet().ends_with(&payload));
            }
        }
        assert!(server.counters().handovers > 0);
        assert_eq!(server.counters().accepts, 32);
        server.stop();
        assert!(subscribers.iter_mut().all(Client::is_closed_by_server));
        assert!(std::net::TcpStream::connect(address).is_err());
    }
}

#[test]
fn a_connect_that_comes_byte_by_byte_finds_its_home() {
    let (_server, address) = start(config());
    for number in 0..6 {
        let mut client = Client::open(address);
        for byte in connect(&format!("slow-{number}")) {
            client.write(&[byte]);
        }
        assert_eq!(client.read_packet(), [0x20, 2, 0, 0]);
    }
}

#[test]
fn shards_answer_other_threads_until_they_end() {
    let (server, address) = start(config());
    let clients: Vec<_> = (0..16).map(|number| Client::connect(address, &format!("client-{number}"))).collect();
    let handle = server.handle();
    let asking = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let counters = asking.block_on(handle.broker_counters()).unwrap();
    let accepted: Vec<u64> = counters.iter().map(|counters| counters.connects_accepted).collect();
    assert_eq!((accepted.len(), accepted.iter().sum::<u64>()), (SHARDS, 16), "{accepted:?}");
    drop(clients);
    server.stop();
    assert_eq!(asking.block_on(handle.broker_counters()), Err(Ended));
}

#[test]
fn who_does_not_connect_in_time_is_closed() {
    let mut config = config();
    config.settings.handshake_time_max_ms = 200;
    let (_server, address) = start(config);
    let mut silent = Client::open(address);
    let mut half = Client::open(address);
    half.write(&connect("half")[..5]);
    assert!(silent.is_closed_by_server());
    assert!(half.is_closed_by_server());
}

#[test]
fn a_connection_over_the_limit_is_refused_and_the_next_one_after_a_close_is_not() {
    let (_server, address) = start(RuntimeConfig { connections_max: Some(2), ..config() });
    let (first, code) = Client::connect(address, "first");
    assert_eq!(code, 0);
    let (_second, code) = Client::connect(address, "second");
    assert_eq!(code, 0);
    let (mut third, code) = Client::connect(address, "third");
    assert_ne!(code, 0, "it is over the limit");
    assert!(third.is_closed_by_server());
    drop(first);
    drop(third);
    // The server learns of it when it reads the end of that connection.
    let admitted = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        Client::connect(address, "fourth").1 == 0
    });
    assert!(admitted);
}

#[test]
fn a_full_mailbox_pauses_the_publisher_and_loses_nothing() {
    const MESSAGES: u16 = 5_000;
    let (server, address) = start(RuntimeConfig { mailbox_high_water: 1, ..config() });
    let mut subscribers: Vec<Client> = (0..6)
        .map(|number| {
            let (mut client, _) = Client::connect(address, &format!("subscriber-{number}"));
            client.subscribe("flood", 1);
            client
        })
        .collect();
    let publisher = std::thread::spawn(move || {
        let (mut publisher, _) = Client::connect(address, "publisher");
        let mut reader = Client { stream: publisher.stream.try_clone().unwrap() };
        let acknowledged = std::thread::spawn(move || (0..MESSAGES).all(|_| reader.read_packet()[0] == 0x40));
        for packet_id in 1..=MESSAGES {
            publisher.publish("flood", &packet_id.to_be_bytes(), packet_id);
        }
        acknowledged.join().unwrap()
    });
    let readers: Vec<_> = subscribers
        .drain(..)
        .map(|mut client| {
            std::thread::spawn(move || {
                for number in 1..=MESSAGES {
                    let packet = client.read_packet();
                    assert!(packet.ends_with(&number.to_be_bytes()), "message {number}");
                    let packet_id = &packet[packet.len() - 4..packet.len() - 2];
                    client.write(&[0x40, 2, packet_id[0], packet_id[1]]);
                }
            })
        })
        .collect();
    assert!(publisher.join().unwrap());
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    assert!(server.counters().back_pressure_episodes > 0, "the test did not reach what it is for");
}

#[test]
fn mistakes_and_surroundings_are_told_apart() {
    let (_server, address) = start(config());
    let taken = Server::start(RuntimeConfig { listeners: vec![address.into()], ..config() }).unwrap_err();
    assert!(matches!(taken, StartError::AddressInUse(there) if there == address), "{taken}");
    assert_eq!(taken.exit_code(), 1);
    let nowhere = RuntimeConfig { listeners: Vec::new(), ..config() };
    assert_eq!(Server::start(nowhere).unwrap_err().exit_code(), 2);
    let crowd = RuntimeConfig { shards: ShardCount::Exactly(1_000), ..config() };
    assert_eq!(Server::start(crowd).unwrap_err().exit_code(), 2);
    // An address that is not this machine's, and nobody has decided who may come in: the decision is missed first.
    let foreign = RuntimeConfig { listeners: vec![std::net::SocketAddr::from(([192, 0, 2, 1], 1)).into()], ..config() };
    let undecided = Server::start(foreign.clone()).unwrap_err();
    assert!(matches!(&undecided, StartError::AccessUndecided(there) if there == "tcp://192.0.2.1:1"), "{undecided}");
    assert_eq!(undecided.exit_code(), 2);
    let mut decided = foreign;
    decided.listeners[0].access.allow_anonymous = Some(true);
    let nowhere = Server::start(decided).unwrap_err();
    assert!(matches!(nowhere, StartError::AddressNotAvailable(_)), "{nowhere}");
    assert_eq!(nowhere.exit_code(), 2);
}
