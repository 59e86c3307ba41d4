//! A server that keeps what it acknowledges, inside this process: what one leaves, the next one finds.

use std::path::Path;

use ringmq::{Broker, StartError};

use crate::client::{Client, connect};

const SESSIONS: u16 = 12;

fn start(dir: &Path) -> Result<Broker, StartError> {
    let builder = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).shards(3).data_dir(dir);
    builder.configure(|config| config.receive_buffers = 64).start()
}

/// A client that comes back to its session; whether that was there comes second.
fn come_back(broker: &Broker, number: u16) -> (Client, bool) {
    let mut client = Client::open(broker.address());
    let mut packet = connect(&format!("sleeper-{number}"));
    // Connect flags: no Clean Session.
    packet[9] = 0;
    client.write(&packet);
    let connack = client.read_packet();
    assert_eq!(connack[3], 0);
    (client, connack[2] == 1)
}

#[test]
fn sessions_on_all_shards_come_back_with_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path()).unwrap();
    for number in 0..SESSIONS {
        let (mut sleeper, is_present) = come_back(&broker, number);
        assert!(!is_present);
        sleeper.subscribe("all", 1);
        sleeper.subscribe(&format!("one/{number}"), 1);
    }
    let (mut publisher, _) = Client::connect(broker.address(), "publisher");
    for packet_id in 1..=SESSIONS {
        publisher.publish(&format!("one/{}", packet_id - 1), b"one", packet_id);
        assert_eq!(publisher.read_packet()[0], 0x40);
    }
    publisher.publish("all", b"all", 100);
    assert_eq!(publisher.read_packet()[0], 0x40);
    let store = broker.counters().store.expect("a store");
    assert!(store.accepting && store.groups > 0 && store.syncs > 0, "{store:?}");
    broker.stop();

    let broker = start(dir.path()).unwrap();
    for number in 0..SESSIONS {
        let (mut sleeper, is_present) = come_back(&broker, number);
        assert!(is_present, "{number}");
        assert!(sleeper.read_packet().ends_with(b"one"), "{number}");
        assert!(sleeper.read_packet().ends_with(b"all"), "{number}");
    }
}

#[test]
fn a_directory_is_one_brokers_until_it_has_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(dir.path()).unwrap();
    let error = start(dir.path()).unwrap_err();
    assert!(matches!(error, StartError::Storage(_)), "{error}");
    assert_eq!(error.exit_code(), 1);
    broker.stop();
    // Dropping stops, too.
    drop(start(dir.path()).unwrap());
    start(dir.path()).unwrap().stop();
}

#[test]
fn without_a_directory_nothing_is_written() {
    let broker = Broker::builder().listen("127.0.0.1:0".parse().unwrap()).shards(1).start().unwrap();
    assert_eq!(broker.summary().storage, None);
    assert_eq!(broker.counters().store, None);
}
