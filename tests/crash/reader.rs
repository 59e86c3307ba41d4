//! A client that looks at the retained messages after each start of the server, before anybody publishes.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use crate::link::Link;
use crate::record::{MessageId, Record, Who};
use crate::wire::{self, Connect, Publish, Received, Version};

/// All retained messages are below it.
const FILTER: &str = "r/#";
/// A message that the reader sends itself: it comes behind all that is retained, and tells that this was all.
const LAST_TOPIC: &str = "r/last";
const PATIENCE: Duration = Duration::from_secs(20);

/// The retained message of each topic that has one.
pub fn read(address: SocketAddr, record: &mut Record) -> Result<HashMap<String, MessageId>, String> {
    let version = Version::V3_1_1;
    let mut link = Link::open(address, version).map_err(|error| format!("the reader cannot connect: {error}"))?;
    link.send(&wire::connect(&Connect {
        version,
        client_id: "reader".into(),
        clean_start: true,
        keep_alive_s: 0,
        will: None,
        properties: Vec::new(),
    }));
    link.send(&wire::subscribe(version, 1, None, &[(FILTER.into(), 1)]));
    let (mut found, deadline) = (HashMap::new(), Instant::now() + PATIENCE);
    while Instant::now() < deadline {
        link.flush()
            .and_then(|()| link.receive(usize::MAX))
            .map_err(|error| format!("the reader's connection: {error}"))?;
        while let Some(packet) = link.next_packet()? {
            match packet {
                Received::SubAck { codes, .. } if codes == [1] => link.send(&wire::publish(version, &last_message())),
                Received::Publish(publish) if publish.topic == LAST_TOPIC => return Ok(found),
                Received::Publish(publish) => {
                    let Some(id) = record.identify(&publish.topic, &publish.payload) else {
                        return Err(format!("the retained message of {} is nothing that was sent", publish.topic));
                    };
                    record.note(Who::Reader, "finds it retained", 0u32, Some(id));
                    link.send(&wire::ack(0x40, publish.packet_id));
                    if !publish.retain || found.insert(publish.topic, id).is_some() {
                        record.fault("retained", Some(id), format!("message {id} came twice, or without RETAIN"));
                    }
                }
                Received::ConnAck { code: 0, .. } | Received::PubAck { .. } => {}
                other => return Err(format!("the reader got {other:?}")),
            }
        }
        thread::sleep(Duration::from_micros(200));
    }
    Err("the reader's own message does not come".into())
}

/// Says which topics have another retained message than one of those that may stand there: the last one that was acknowledged,
/// or one that was sent after it.
pub fn judge(topics: &[String], found: &HashMap<String, MessageId>, record: &mut Record) {
    for topic in topics {
        let sent: Vec<MessageId> =
            (0..record.messages.len()).filter(|&id| record.messages[id].topic == *topic).collect();
        let acknowledged = sent.iter().rposition(|&id| record.messages[id].acknowledged.is_some());
        let allowed = &sent[acknowledged.unwrap_or(0)..];
        let is_right = match found.get(topic) {
            Some(id) => allowed.contains(id),
            None => acknowledged.is_none() || allowed.iter().any(|&id| record.messages[id].size == 0),
        };
        if !is_right {
            let found = found.get(topic).copied();
            let text = format!("{topic} has {found:?}, and one of {allowed:?} was to be expected");
            record.fault("retained", allowed.first().copied(), text);
        }
    }
}

fn last_message() -> Publish {
    Publish {
        dup: false,
        qos: 1,
        retain: false,
        topic: LAST_TOPIC.into(),
        packet_id: 2,
        properties: Vec::new(),
        payload: b"last".to_vec(),
    }
}
