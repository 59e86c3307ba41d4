//! rumqttc's client of MQTT 5.0.

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{ConnAck, LastWill, Packet, Publish, PublishProperties};
use rumqttc::v5::{Client, Connection, Event, MqttOptions};

use crate::process::{Server, TIME_MAX};

struct Peer {
    client: Client,
    connection: Connection,
}

impl Peer {
    fn connect(options: MqttOptions) -> (Self, ConnAck) {
        let (client, connection) = Client::new(options, 100);
        let mut peer = Self { client, connection };
        let connack = peer.until(|packet| match packet {
            Packet::ConnAck(connack) => Some(connack),
            _ => None,
        });
        (peer, connack)
    }

    fn new(server: &Server, id: &str) -> Self {
        Self::connect(options(server, id)).0
    }

    fn until<T>(&mut self, mut wanted: impl FnMut(Packet) -> Option<T>) -> T {
        loop {
            let event = self.connection.recv_timeout(TIME_MAX).expect("in time").expect("connected");
            if let Event::Incoming(packet) = event
                && let Some(found) = wanted(packet)
            {
                return found;
            }
        }
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.client.subscribe(filter, qos).expect("queued");
        self.until(|packet| matches!(packet, Packet::SubAck(_)).then_some(()));
    }

    fn receive(&mut self) -> Publish {
        self.until(|packet| match packet {
            Packet::Publish(message) => Some(message),
            _ => None,
        })
    }
}

fn options(server: &Server, id: &str) -> MqttOptions {
    let mut options = MqttOptions::new(id, server.address.ip().to_string(), server.address.port());
    options.set_keep_alive(std::time::Duration::from_secs(60));
    options
}

#[test]
fn every_qos_arrives_with_its_properties() {
    let server = Server::start();
    let mut subscriber = Peer::new(&server, "subscriber");
    subscriber.subscribe("a", QoS::ExactlyOnce);
    let mut publisher = Peer::new(&server, "publisher");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let properties = PublishProperties {
            content_type: Some("text".into()),
            response_topic: Some("answer".into()),
            user_properties: vec![("k".into(), "1".into()), ("k".into(), "2".into())],
            ..PublishProperties::default()
        };
        publisher.client.publish_with_properties("a", qos, false, "x", properties.clone()).expect("queued");
        if qos == QoS::AtMostOnce {
            // What follows is behind it on the connection.
            publisher.subscribe("sent", QoS::AtMostOnce);
        } else {
            publisher.until(|packet| matches!(packet, Packet::PubAck(_) | Packet::PubComp(_)).then_some(()));
        }
        let message = subscriber.receive();
        assert_eq!(message.qos, qos);
        let received = message.properties.expect("properties");
        assert_eq!(received.content_type, properties.content_type);
        assert_eq!(received.response_topic, properties.response_topic);
        assert_eq!(received.user_properties, properties.user_properties);
    }
}

#[test]
fn the_server_tells_its_limits() {
    let server = Server::start();
    let (_, connack) = Peer::connect(options(&server, "curious"));
    let properties = connack.properties.expect("properties");
    assert_eq!(properties.receive_max, Some(1_024));
    assert_eq!(properties.max_packet_size, Some(2_000_000));
}

#[test]
fn a_session_lasts_as_long_as_its_expiry() {
    let server = Server::start();
    for (expiry, expected) in [(60, true), (0, false)] {
        let mut persistent = options(&server, &format!("sleeper-{expiry}"));
        persistent.set_clean_start(false);
        persistent.set_session_expiry_interval(Some(expiry));
        let (mut first, connack) = Peer::connect(persistent.clone());
        assert!(!connack.session_present);
        first.subscribe("while-away", QoS::AtLeastOnce);
        first.client.disconnect().expect("queued");
        // The server closes when it has the DISCONNECT; rumqttc reports that as an error.
        while first.connection.recv_timeout(TIME_MAX).expect("in time").is_ok() {}
        let (_, connack) = Peer::connect(persistent);
        assert_eq!(connack.session_present, expected, "expiry {expiry}");
    }
}

#[test]
fn the_will_of_a_lost_client_is_published() {
    let server = Server::start();
    let mut watcher = Peer::new(&server, "watcher");
    watcher.subscribe("will", QoS::AtLeastOnce);
    let mut with_will = options(&server, "dying");
    with_will.set_last_will(LastWill::new("will", "gone", QoS::AtLeastOnce, true, None));
    let (dying, _) = Peer::connect(with_will);
    drop(dying);
    assert_eq!(&watcher.receive().payload[..], b"gone");
    let mut late = Peer::new(&server, "late");
    late.subscribe("will", QoS::AtLeastOnce);
    assert!(late.receive().retain);
}
