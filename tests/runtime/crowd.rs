//! A crowd that dials first and speaks later, in pieces: nobody's bytes are lost or change their order while they wait.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringmq::runtime::{ListenerConfig, RuntimeConfig, Server, ShardCount};

const CLIENTS: usize = 400;
const PIECES: usize = 5;
const PATIENCE: Duration = Duration::from_secs(30);

fn packet(first: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    [&[first, body.len() as u8], &body[..]].concat()
}

/// CONNECT, SUBSCRIBE to a topic of its own, and a PUBLISH of QoS 1 to it.
fn words(client: usize) -> Vec<u8> {
    let name = format!("crowd-{client:04}");
    let length = [0, name.len() as u8];
    let connect = packet(0x10, &[b"\0\x04MQTT\x04\x02\0\0", &length, name.as_bytes()]);
    let subscribe = packet(0x82, &[b"\0\x01", &length, name.as_bytes(), b"\0"]);
    let publish = packet(0x32, &[&length, name.as_bytes(), b"\0\x02payload"]);
    [connect, subscribe, publish].concat()
}

/// CONNACK, and then SUBACK, PUBACK and the message in any order: another shard has a say in when SUBACK comes.
fn hear_answers(stream: &mut TcpStream, who: &str) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut kinds = [0; 4];
    for kind in &mut kinds {
        let mut head = [0; 2];
        stream.read_exact(&mut head).unwrap();
        stream.read_exact(&mut vec![0; usize::from(head[1])]).unwrap();
        *kind = head[0];
    }
    kinds[1..].sort_unstable();
    assert_eq!(kinds, [0x20, 0x30, 0x40, 0x90], "{who}");
}

fn answer(stream: &mut TcpStream) -> [u8; 2] {
    let mut bytes = [0; 2];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

#[test]
fn those_who_wait_are_heard_whole_and_in_order() {
    for shards in [1, 2] {
        let mut listener = ListenerConfig::from(SocketAddr::from(([127, 0, 0, 1], 0)));
        listener.access.allow_anonymous = Some(true);
        let config = RuntimeConfig {
            listeners: vec![listener],
            shards: ShardCount::Exactly(shards),
            ..RuntimeConfig::default()
        };
        let server = Server::start(config).unwrap();
        let address = server.addresses()[0];
        let mut streams: Vec<TcpStream> = (0..CLIENTS).map(|_| TcpStream::connect(address).unwrap()).collect();
        for piece in 0..PIECES {
            for (client, stream) in streams.iter_mut().enumerate() {
                let words = words(client);
                // Cut elsewhere for each, some pieces empty, some with parts of two packets.
                let cut = |piece: usize| (words.len() * piece / PIECES + client * piece % 7).min(words.len());
                let end = if piece + 1 == PIECES { words.len() } else { cut(piece + 1) };
                stream.write_all(words.get(cut(piece)..end).unwrap_or_default()).unwrap();
            }
        }
        for (client, stream) in streams.iter_mut().enumerate() {
            hear_answers(stream, &format!("client {client} with {shards} shards"));
        }
        // Those who have been there for a while speak again, one of them and then all.
        for _ in 0..2 {
            streams[0].write_all(b"\xC0\0").unwrap();
            assert_eq!(answer(&mut streams[0]), [0xD0, 0]);
        }
        for stream in &mut streams {
            stream.write_all(b"\xC0\0").unwrap();
        }
        for stream in &mut streams {
            assert_eq!(answer(stream), [0xD0, 0]);
        }
        // All leave, and who comes then is served.
        drop(streams);
        let mut last = TcpStream::connect(address).unwrap();
        last.write_all(&words(0)).unwrap();
        hear_answers(&mut last, "the last");
        server.stop();
    }
}
