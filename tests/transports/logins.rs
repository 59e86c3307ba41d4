//! Passwords: decided off the shards, while these go on.

use std::net::TcpStream;
use std::num::NonZeroU32;
use std::path::Path;

use ringmq::authority::password_hash::{PasswordHash, Scheme, Workspace};

use crate::client::{Client, packet, push_string};
use crate::rig::{Proxy, Rig, TRANSPORTS, Transport, ways};
use crate::stream::{Stream, Wire};

/// What CONNACK says of a wrong password in MQTT 3.1.1.
pub const BAD_USER_NAME_OR_PASSWORD: u8 = 4;
const NOT_AUTHORIZED: u8 = 5;

/// About 10 ms of one CPU.
const ARGON2: Scheme = Scheme::Argon2id { memory_kib: 16 * 1024, passes: 1, lanes: 1 };

pub fn hash(scheme: Scheme, password: &str) -> String {
    let salt = |bytes: &mut [u8]| bytes.fill(7);
    PasswordHash::create(scheme, password.as_bytes(), &salt, &mut Workspace::default()).unwrap().to_string()
}

pub fn cheap(password: &str) -> String {
    hash(Scheme::sha512_pbkdf2(NonZeroU32::new(100)), password)
}

/// A password file with these users and hashes.
pub fn write_passwords(path: &Path, users: impl IntoIterator<Item = (String, String)>) {
    let lines: String = users.into_iter().map(|(user, hash)| format!("{user}:{hash}\n")).collect();
    std::fs::write(path, lines).unwrap();
}

pub fn connect_as(client_id: &str, user_name: &str, password: &str) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x04\xC2\0\0".to_vec();
    [client_id, user_name, password].into_iter().for_each(|text| push_string(&mut body, text));
    packet(0x10, &body)
}

/// A rig whose listeners ask the password file at `path`.
fn rig(path: &Path, shards: usize) -> Rig {
    Rig::with(shards, |config| {
        for listener in &mut config.listeners {
            listener.access.password_file = Some(path.to_owned());
            listener.access.allow_anonymous = Some(false);
        }
    })
}

fn log_in(client: &mut Client<Stream>, client_id: &str, user_name: &str, password: &str) -> u8 {
    client.write(&connect_as(client_id, user_name, password));
    client.read_connack()
}

#[test]
fn who_has_the_password_is_let_in() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passwords");
    write_passwords(&path, [("anna".into(), cheap("right")), ("bert".into(), hash(ARGON2, "other"))]);
    for shards in [1, 3] {
        let rig = rig(&path, shards);
        for (number, way) in ways().enumerate() {
            let client_id = format!("client-{number}");
            for (user_name, password, expected) in [
                ("anna", "right", 0),
                ("bert", "other", 0),
                ("anna", "other", BAD_USER_NAME_OR_PASSWORD),
                ("anna", "", BAD_USER_NAME_OR_PASSWORD),
                ("nobody", "right", BAD_USER_NAME_OR_PASSWORD),
            ] {
                let mut client = rig.open(way);
                assert_eq!(log_in(&mut client, &client_id, user_name, password), expected, "{way:?} {user_name}");
                match expected {
                    0 => client.subscribe("let/in", 1),
                    _ => assert!(client.stream.end().rest.is_empty(), "{way:?}"),
                }
            }
            assert_eq!(rig.open(way).introduce(&client_id), NOT_AUTHORIZED, "{way:?}");
        }
        rig.wait_until_empty();
    }
}

#[test]
fn what_comes_behind_connect_waits_for_the_decision() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passwords");
    write_passwords(&path, [("anna".into(), hash(ARGON2, "right"))]);
    let rig = rig(&path, 3);
    for (number, way) in ways().enumerate() {
        for length in [10, 200_000] {
            let payload = vec![number as u8; length];
            let mut packets = connect_as(&format!("eager-{number}-{length}"), "anna", "right");
            packets.extend(crate::client::subscribe("own", 0));
            packets.extend(crate::client::publish("own", &payload, 5));
            let mut client = rig.open(way);
            client.write(&packets);
            assert_eq!(client.read_connack(), 0, "{way:?}");
            let answers: Vec<_> = (0..3).map(|_| client.read_packet()).collect();
            assert!(answers.contains(&vec![0x40, 2, 0, 5]), "{way:?}");
            assert!(answers.iter().any(|packet| packet[0] == 0x30 && packet.ends_with(&payload)), "{way:?}");
        }
    }
}

#[test]
fn who_leaves_before_the_decision_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passwords");
    write_passwords(&path, (0..30).map(|number| (format!("user-{number}"), hash(ARGON2, "right"))));
    let rig = rig(&path, 3);
    for (number, way) in ways().cycle().take(30).enumerate() {
        let mut client = rig.open(way);
        client.write(&connect_as(&format!("hasty-{number}"), &format!("user-{number}"), "right"));
    }
    rig.wait_until_empty();
    assert_eq!(log_in(&mut rig.open((Transport::Tls, Proxy::No)), "after", "user-1", "right"), 0);
}

fn has_bytes(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let peeked = stream.peek(&mut [0; 1]);
    stream.set_nonblocking(false).unwrap();
    peeked.is_ok()
}

#[test]
fn a_storm_of_logins_does_not_stop_the_traffic_of_others() {
    const LOGINS: usize = 200;
    const MESSAGES: u16 = 50;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passwords");
    let costly = hash(ARGON2, "right");
    let storm = (0..LOGINS).map(|number| (format!("user-{number}"), costly.clone()));
    write_passwords(&path, storm.chain([("calm".into(), cheap("calm"))]));
    let rig = rig(&path, 3);
    let mut pairs: Vec<_> = TRANSPORTS
        .iter()
        .enumerate()
        .map(|(number, &transport)| {
            let [mut publisher, mut subscriber] = [0; 2].map(|_| rig.open((transport, Proxy::No)));
            assert_eq!(log_in(&mut publisher, &format!("publisher-{number}"), "calm", "calm"), 0);
            assert_eq!(log_in(&mut subscriber, &format!("subscriber-{number}"), "calm", "calm"), 0);
            subscriber.subscribe(&format!("calm/{number}"), 0);
            (format!("calm/{number}"), publisher, subscriber)
        })
        .collect();
    let mut waiting: Vec<_> = ways()
        .cycle()
        .take(LOGINS)
        .enumerate()
        .map(|(number, way)| {
            let mut client = rig.open(way);
            client.write(&connect_as(&format!("storm-{number}"), &format!("user-{number}"), "right"));
            client
        })
        .collect();
    for packet_id in 1..=MESSAGES {
        for (topic, publisher, subscriber) in &mut pairs {
            publisher.publish(topic, &packet_id.to_be_bytes(), packet_id);
            assert_eq!(publisher.read_packet()[0], 0x40);
            assert!(subscriber.read_packet().ends_with(&packet_id.to_be_bytes()));
        }
    }
    // A hash for each of them takes much longer than all of these messages.
    let is_answered = |client: &&Client<Stream>| matches!(client.stream.wire(), Wire::Tcp(stream) if has_bytes(stream));
    let plain = waiting.iter().filter(|client| client.stream.tls().is_none());
    assert!(plain.filter(is_answered).count() < LOGINS / 2, "the storm was over first");
    for client in &mut waiting {
        assert_eq!(client.read_connack(), 0);
    }
}
