//! rumqttc's client of MQTT 3.1.1.

use rumqttc::{Client, Connection, Event, Incoming, LastWill, MqttOptions, Outgoing, Publish, QoS};

use crate::process::{Server, TIME_MAX};

const EVERY_QOS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// A client and its connection, driven by whoever waits for something.
struct Peer {
    client: Client,
    connection: Connection,
}

impl Peer {
    /// Connects; also tells whether there was a session.
    fn connect(options: MqttOptions) -> (Self, bool) {
        let (client, connection) = Client::new(options, 100);
        let mut peer = Self { client, connection };
        let present = peer.until(|event| match event {
            Event::Incoming(Incoming::ConnAck(connack)) => Some(connack.session_present),
            _ => None,
        });
        (peer, present)
    }

    fn new(server: &Server, id: &str) -> Self {
        Self::connect(options(server, id)).0
    }

    fn until<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            let event = self.connection.recv_timeout(TIME_MAX).expect("in time").expect("connected");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.client.subscribe(filter, qos).expect("queued");
        self.until(|event| matches!(event, Event::Incoming(Incoming::SubAck(_))).then_some(()));
    }

    /// Publishes, and waits for what the QoS has as its end.
    fn publish(&mut self, topic: &str, qos: QoS, retain: bool, payload: &str) {
        self.client.publish(topic, qos, retain, payload).expect("queued");
        self.until(|event| {
            let done = match qos {
                QoS::AtMostOnce => matches!(event, Event::Outgoing(Outgoing::Publish(_))),
                QoS::AtLeastOnce => matches!(event, Event::Incoming(Incoming::PubAck(_))),
                QoS::ExactlyOnce => matches!(event, Event::Incoming(Incoming::PubComp(_))),
            };
            done.then_some(())
        });
    }

    fn receive(&mut self) -> Publish {
        self.until(|event| match event {
            Event::Incoming(Incoming::Publish(message)) => Some(message),
            _ => None,
        })
    }

    fn disconnect(mut self) {
        self.client.disconnect().expect("queued");
        self.until(|event| matches!(event, Event::Outgoing(Outgoing::Disconnect)).then_some(()));
    }
}

fn options(server: &Server, id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, server.address.ip().to_string(), server.address.port());
    options.set_keep_alive(std::time::Duration::from_secs(60));
    options
}

#[test]
fn every_qos_arrives_as_it_was_sent() {
    let server = Server::start();
    let mut subscriber = Peer::new(&server, "subscriber");
    let mut publisher = Peer::new(&server, "publisher");
    subscriber.subscribe("a/+", QoS::ExactlyOnce);
    for qos in EVERY_QOS {
        publisher.publish("a/b", qos, false, "hello");
        let message = subscriber.receive();
        assert_eq!((message.topic.as_str(), message.qos, message.retain), ("a/b", qos, false));
        assert_eq!(&message.payload[..], b"hello");
    }
}

#[test]
fn a_subscription_lowers_the_qos() {
    let server = Server::start();
    let mut peer = Peer::new(&server, "one");
    peer.subscribe("low", QoS::AtMostOnce);
    peer.client.publish("low", QoS::ExactlyOnce, false, "x").expect("queued");
    assert_eq!(peer.receive().qos, QoS::AtMostOnce);
}

#[test]
fn a_retained_message_comes_with_the_subscription() {
    let server = Server::start();
    let mut publisher = Peer::new(&server, "publisher");
    publisher.publish("kept", QoS::AtLeastOnce, true, "first");
    publisher.publish("kept", QoS::AtLeastOnce, true, "second");
    let mut subscriber = Peer::new(&server, "subscriber");
    subscriber.subscribe("kept", QoS::AtLeastOnce);
    let message = subscriber.receive();
    assert_eq!((&message.payload[..], message.retain), (&b"second"[..], true));
    publisher.publish("kept", QoS::AtLeastOnce, true, "third");
    let message = subscriber.receive();
    assert_eq!((&message.payload[..], message.retain), (&b"third"[..], false));
}

#[test]
fn the_will_of_a_lost_client_is_published() {
    let server = Server::start();
    let mut watcher = Peer::new(&server, "watcher");
    watcher.subscribe("will", QoS::AtLeastOnce);
    let mut with_will = options(&server, "dying");
    with_will.set_last_will(LastWill::new("will", "gone", QoS::AtLeastOnce, false));
    let (dying, _) = Peer::connect(with_will);
    drop(dying);
    assert_eq!(&watcher.receive().payload[..], b"gone");
}

#[test]
fn a_session_keeps_messages_and_is_told() {
    let server = Server::start();
    let mut persistent = options(&server, "sleeper");
    persistent.set_clean_session(false);
    let (mut sleeper, present) = Peer::connect(persistent.clone());
    assert!(!present);
    sleeper.subscribe("while-away", QoS::ExactlyOnce);
    sleeper.disconnect();

    let mut publisher = Peer::new(&server, "publisher");
    for number in 0..100 {
        publisher.publish("while-away", QoS::AtLeastOnce, false, &number.to_string());
    }
    let (mut sleeper, present) = Peer::connect(persistent);
    assert!(present);
    for number in 0..100 {
        assert_eq!(sleeper.receive().payload, number.to_string());
    }
    sleeper.disconnect();
    let (_, present) = Peer::connect(options(&server, "sleeper"));
    assert!(!present, "a clean session ends the one that was there");
}

#[test]
fn messages_cross_shards_in_order() {
    let server = Server::start();
    // With so many client ids some are at home on each shard.
    let mut subscribers: Vec<_> = (0..8).map(|number| Peer::new(&server, &format!("subscriber-{number}"))).collect();
    for subscriber in &mut subscribers {
        subscriber.subscribe("all/#", QoS::AtLeastOnce);
    }
    let mut publisher = Peer::new(&server, "publisher");
    for number in 0..200 {
        publisher.publish("all/of/them", QoS::AtLeastOnce, false, &number.to_string());
    }
    for subscriber in &mut subscribers {
        for number in 0..200 {
            assert_eq!(subscriber.receive().payload, number.to_string());
        }
    }
}
