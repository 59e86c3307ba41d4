//! Enhanced authentication with a method that the embedding program brings along.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use ringmq::Broker;
use ringmq::access::{AuthenticationExchange, AuthenticationMethod, AuthenticationStep};
use ringmq::codec::ReasonCode;

struct Greeting;

#[derive(Default)]
struct Exchange {
    steps: u32,
}

impl AuthenticationMethod for Greeting {
    fn name(&self) -> &str {
        "greeting"
    }

    fn begin(&self, _client_id: &str, _user_name: Option<&str>) -> Box<dyn AuthenticationExchange> {
        Box::new(Exchange::default())
    }
}

impl AuthenticationExchange for Exchange {
    fn step(&mut self, data: Option<&[u8]>) -> AuthenticationStep {
        self.steps += 1;
        match (self.steps, data) {
            (1, Some(b"hello")) => AuthenticationStep::Continue(b"who is there?".to_vec()),
            (2, Some(b"a friend")) => AuthenticationStep::Success { user_name: None, data: Some(b"come in".to_vec()) },
            _ => AuthenticationStep::Failure(ReasonCode::NotAuthorized),
        }
    }
}

/// Length and bytes of a string or binary data.
fn field(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// Authentication Method and Authentication Data.
fn properties(method: &str, data: &str) -> Vec<u8> {
    let block = [&[0x15][..], &field(method.as_bytes()), &[0x16], &field(data.as_bytes())].concat();
    [&[block.len() as u8][..], &block].concat()
}

fn packet(first_byte: u8, body: &[u8]) -> Vec<u8> {
    [&[first_byte, body.len() as u8][..], body].concat()
}

fn connect(method: &str, data: &str) -> Vec<u8> {
    let head = [&field(b"MQTT")[..], &[5, 2, 0, 0]].concat();
    packet(0x10, &[&head[..], &properties(method, data), &field(b"client")].concat())
}

fn receive(stream: &mut TcpStream) -> Vec<u8> {
    let mut header = [0; 2];
    stream.read_exact(&mut header).expect("a packet");
    let mut body = vec![0; usize::from(header[1])];
    stream.read_exact(&mut body).expect("the rest of the packet");
    [&header[..], &body].concat()
}

fn open(broker: &Broker) -> TcpStream {
    let stream = TcpStream::connect(broker.address()).expect("the broker accepts");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a time-out can be set");
    stream
}

#[test]
fn a_method_of_the_embedding_program_is_asked() {
    let broker = Broker::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .shards(2)
        .authentication(|| vec![Box::new(Greeting)])
        .start()
        .expect("the broker starts");

    let mut client = open(&broker);
    client.write_all(&connect("greeting", "hello")).expect("sent");
    let question = receive(&mut client);
    assert_eq!(question, packet(0xF0, &[&[0x18][..], &properties("greeting", "who is there?")].concat()));
    let answer = packet(0xF0, &[&[0x18][..], &properties("greeting", "a friend")].concat());
    client.write_all(&answer).expect("sent");
    let connack = receive(&mut client);
    assert_eq!((connack[0], connack[3]), (0x20, 0x00), "{connack:02X?}");
    assert!(connack.windows(7).any(|part| part == b"come in"), "{connack:02X?}");

    let mut stranger = open(&broker);
    stranger.write_all(&connect("greeting", "let me in")).expect("sent");
    assert_eq!(receive(&mut stranger)[3], 0x87, "not authorized");
    let mut other = open(&broker);
    other.write_all(&connect("SCRAM-SHA-256", "n,,")).expect("sent");
    assert_eq!(receive(&mut other)[3], 0x8C, "bad authentication method");
    broker.stop();
}
