//! A broker inside a program: starts it on a free port, sends a message through it, stops it.
//!
//! `cargo run --example embedded`

use std::time::Duration;

use rumqttc::{Client, Event, Incoming, MqttOptions, QoS};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = ringmq::Broker::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .shards(1)
        .configure(|config| config.settings.queued_messages_max = 1_000)
        .start()?;
    let address = broker.address();
    println!("listening on mqtt://{address}");

    let mut options = MqttOptions::new("example", address.ip().to_string(), address.port());
    options.set_keep_alive(Duration::from_secs(30));
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe("greetings/#", QoS::AtLeastOnce)?;

    for event in connection.iter() {
        match event? {
            // Publishing before the subscription is acknowledged might be too early.
            Event::Incoming(Incoming::SubAck(_)) => {
                client.publish("greetings/world", QoS::AtLeastOnce, false, "hello")?;
            }
            Event::Incoming(Incoming::Publish(message)) => {
                println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
                break;
            }
            _ => {}
        }
    }

    broker.stop();
    println!("stopped");
    Ok(())
}
