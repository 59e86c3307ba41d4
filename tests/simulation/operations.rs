//! What clients do of their own accord: connect, publish, subscribe, unsubscribe, ping, leave.

use crate::client::{Client, Connection, Marker, Stage};
use crate::history::{Connecting, History, Key, Message, WILL_PUBLISHER, What};
use crate::random::Random;
use crate::wire::{self, Connect, Properties, Publish, Value, Version, Will, property};

/// Topics under `s/` are those of the shared subscriptions.
const TOPICS: [&str; 11] = ["a", "a/b", "a/c", "a/b/c", "a//b", "d/e", "/f", "$x/y", "s/1", "s/2", "s/3/4"];
const FILTERS: [&str; 15] =
    ["a", "a/b", "a/+", "a/#", "a/b/#", "+/b", "a/+/b", "+/+", "d/e", "/f", "+/f", "$x/#", "$x/y", "#", "+/+/#"];
const SHARED: [&str; 5] = ["$share/g/s/#", "$share/h/s/#", "$share/g/s/1", "$share/g/s/+", "$share/h/s/3/4"];

/// Filters that match topics of shared subscriptions, too: only clients whose deliveries tell one from the other use them.
fn is_mixed(filter: &str) -> bool {
    matches!(filter, "#" | "+/+" | "+/+/#")
}

/// Writes a CONNECT for the link `link`.
pub fn connect(
    client: &mut Client,
    random: &mut Random,
    history: &mut History,
    number: u32,
    link: usize,
    gently: bool,
) {
    let version = client.version;
    let cleans = if client.is_lasting { 3 } else { 25 };
    let clean_start =
        client.must_clean || client.always_clean || (version != Version::V3_1 && !gently && random.chance(cleans));
    let session_expiry_s = match version {
        Version::V5_0 if gently && client.last_expiry_s.is_some() => client.last_expiry_s.unwrap_or(0),
        Version::V5_0 if client.is_lasting => *random.pick(&[60, u32::MAX, u32::MAX, u32::MAX]),
        Version::V5_0 => *random.pick(&[0, 5, 60, u32::MAX, u32::MAX]),
        _ if clean_start => 0,
        _ => u32::MAX,
    };
    let mut connection = Connection {
        number,
        link,
        clean_start,
        session_expiry_s,
        keep_alive_s: *random.pick(&[0, 0, 0, 10, 60]),
        receive_maximum: u16::MAX,
        packet_size_max: client.packet_size_max,
        last_sent: history.now,
        ..Connection::default()
    };
    let mut properties = Properties::new();
    if version.is_5() {
        if session_expiry_s > 0 || random.chance(50) {
            properties.push((property::SESSION_EXPIRY, Value::Four(session_expiry_s)));
        }
        if random.chance(50) {
            connection.receive_maximum = *random.pick(&[1, 2, 10, 1000]);
            properties.push((property::RECEIVE_MAXIMUM, Value::Two(connection.receive_maximum)));
        }
        if connection.packet_size_max < usize::MAX {
            properties.push((property::PACKET_SIZE_MAX, Value::Four(connection.packet_size_max as u32)));
        }
        if random.chance(50) {
            connection.topic_alias_max = *random.pick(&[0, 1, 3, 100]);
            properties.push((property::TOPIC_ALIAS_MAX, Value::Two(connection.topic_alias_max)));
        }
    }
    let will = random.chance(30).then(|| will(client, random, history, number));
    if clean_start {
        client.forget_session();
    }
    history.record(
        client.index,
        number,
        What::Connect(Connecting {
            version,
            clean_start,
            session_expiry_s,
            keep_alive_s: connection.keep_alive_s,
            packet_size_max: connection.packet_size_max,
            will: will.as_ref().map(|(key, delay, _)| (*key, *delay)),
        }),
    );
    let packet = Connect {
        version,
        client_id: client.name(),
        clean_start,
        keep_alive_s: connection.keep_alive_s,
        will: will.map(|(_, _, will)| will),
        properties,
    };
    client.connection = Some(connection);
    client.write(wire::connect(&packet), None, history.now);
}

fn will(client: &Client, random: &mut Random, history: &mut History, number: u32) -> (Key, u32, Will) {
    let key = Key { publisher: WILL_PUBLISHER + client.index as u32, sequence: number };
    let topic = random.pick(&TOPICS).to_string();
    let qos = random.below(3) as u8;
    let retain = random.chance(30);
    let payload = payload(key, &topic, client.padding_max, random);
    let forwarded = if client.version.is_5() { forwardable(random) } else { Properties::new() };
    let mut properties = forwarded.clone();
    let delay = if client.version.is_5() { *random.pick(&[0, 0, 2, 10]) } else { 0 };
    if delay > 0 {
        properties.insert(0, (property::WILL_DELAY, Value::Four(delay)));
    }
    let message =
        Message { topic: topic.clone(), qos, retain, properties: forwarded, expiry_s: None, payload: payload.clone() };
    history.messages.insert(key, message);
    (key, delay, Will { topic, payload, qos, retain, properties })
}

/// One random deed. Before the CONNACK only what needs no knowledge of the session.
pub fn operate(client: &mut Client, random: &mut Random, history: &mut History) {
    let Some(connection) = &client.connection else { return };
    if connection.disconnect_received {
        return;
    }
    if !connection.connected {
        if connection.clean_start && random.chance(10) {
            match random.below(2) {
                0 => publish(client, random, history, true),
                _ => subscribe(client, random, history),
            }
        }
        return;
    }
    keep_alive(client, history);
    match random.below(100) {
        0..45 => publish(client, random, history, false),
        45..58 => subscribe(client, random, history),
        58..62 => unsubscribe(client, random, history),
        62..64 => ping(client, history),
        _ => {
            let count = 1 + random.below(client.acks.len() + 1);
            client.write_acks(count, history.now);
        }
    }
}

/// Pings when half of the keep-alive has passed without a packet.
pub fn keep_alive(client: &mut Client, history: &History) {
    if let Some(connection) = &client.connection
        && connection.connected
        && connection.keep_alive_s > 0
        && history.now - connection.last_sent >= u64::from(connection.keep_alive_s) * 500
    {
        ping(client, history);
    }
}

fn ping(client: &mut Client, history: &History) {
    if let Some(connection) = &mut client.connection {
        connection.pings += 1;
    }
    client.write(wire::pingreq(), None, history.now);
}

fn publish(client: &mut Client, random: &mut Random, history: &mut History, qos_0_only: bool) {
    let version = client.version;
    let Some(connection) = &mut client.connection else { return };
    let number = connection.number;
    let window = usize::from(connection.server_receive_maximum).min(8);
    let qos = if qos_0_only || client.outgoing.len() >= window { 0 } else { random.below(3) as u8 };
    let topic = random.pick(&TOPICS).to_string();
    let retain = random.chance(20);
    client.sequence += 1;
    let key = Key { publisher: client.index as u32, sequence: client.sequence };
    let clear = retain && qos == 0 && random.chance(25);
    let payload = if clear { Vec::new() } else { payload(key, &topic, client.padding_max, random) };
    let forwarded = if version.is_5() && !clear { forwardable(random) } else { Properties::new() };
    let expiry_s = (version.is_5() && !clear && random.chance(15)).then(|| *random.pick(&[1, 30, 1000]));
    let mut properties = forwarded.clone();
    if let Some(seconds) = expiry_s {
        properties.push((property::MESSAGE_EXPIRY, Value::Four(seconds)));
    }
    let mut topic_sent = topic.clone();
    if connection.server_topic_alias_max > 0 && random.chance(40) {
        let alias = 1 + random.below(usize::from(connection.server_topic_alias_max.min(4))) as u16;
        properties.push((property::TOPIC_ALIAS, Value::Two(alias)));
        if connection.aliases_out.get(&alias) == Some(&topic) {
            topic_sent = String::new();
        } else {
            connection.aliases_out.insert(alias, topic.clone());
        }
    }
    let packet_id = if qos > 0 { client.packet_id() } else { 0 };
    let packet =
        Publish { dup: false, qos, retain, topic: topic_sent, packet_id, properties, payload: payload.clone() };
    let marker = if clear {
        history.record(client.index, number, What::Clear { topic });
        None
    } else {
        history.messages.insert(key, Message { topic, qos, retain, properties: forwarded, expiry_s, payload });
        history.record(client.index, number, What::Publish { key, packet_id, dup: false });
        Some(Marker::Message(key))
    };
    match qos {
        0 => {}
        1 => client.outgoing.push((packet_id, key, Stage::Acknowledgement)),
        _ => client.outgoing.push((packet_id, key, Stage::Receipt)),
    }
    client.write(wire::publish(version, &packet), marker, history.now);
}

fn payload(key: Key, topic: &str, padding_max: usize, random: &mut Random) -> Vec<u8> {
    let padding = *random.pick(&[0, 0, 10, 10, 100, 100, 1000, 5000]);
    let padding = if random.chance(1) { 40_000 } else { padding };
    let mut payload = format!("{}/{}/{topic}/", key.publisher, key.sequence).into_bytes();
    payload.resize(payload.len() + padding.min(padding_max), b'x');
    payload
}

fn forwardable(random: &mut Random) -> Properties {
    let mut properties = Properties::new();
    for number in 0..*random.pick(&[0, 0, 1, 3]) {
        properties
            .push((property::USER, Value::Pair(format!("name{}", number / 2), format!("value{}", random.below(9)))));
    }
    if random.chance(15) {
        properties.push((property::CONTENT_TYPE, Value::Text("text/plain".into())));
    }
    if random.chance(15) {
        properties.push((property::RESPONSE_TOPIC, Value::Text("answers/here".into())));
        properties.push((property::CORRELATION_DATA, Value::Binary(vec![0, 1, 255])));
    }
    if random.chance(15) {
        properties.push((property::PAYLOAD_FORMAT, Value::Byte(1)));
    }
    // The order of different properties means nothing; user properties keep theirs.
    if random.chance(50) {
        properties.sort_by_key(|(id, _)| *id);
    }
    properties
}

fn subscribe(client: &mut Client, random: &mut Random, history: &mut History) {
    let version = client.version;
    let Some(connection) = &client.connection else { return };
    let number = connection.number;
    if client.filters.len() >= 6 || client.subscribing.len() + client.unsubscribing.len() >= 3 {
        return;
    }
    let with_id = version.is_5() && (client.index.is_multiple_of(2) || random.chance(50));
    let mut filters: Vec<(String, u8)> = Vec::new();
    for _ in 0..*random.pick(&[1, 1, 1, 2, 3]) {
        let shared = client.index % 4 != 3 && random.chance(30);
        let filter = if shared { *random.pick(&SHARED) } else { *random.pick(&FILTERS) };
        let distinguishable = version.is_5() && client.index.is_multiple_of(2);
        let allowed = !is_mixed(filter) || distinguishable || client.index % 4 == 3;
        if !allowed || filters.iter().any(|(other, _)| other == filter) {
            continue;
        }
        // Two SUBSCRIBEs of one filter on their way at once would leave it open which of them is in force.
        let in_doubt = |list: &Vec<String>| list.iter().any(|other| other == filter);
        if client.subscribing.values().any(in_doubt) || client.unsubscribing.values().any(in_doubt) {
            continue;
        }
        let mut options = random.below(3) as u8;
        if version.is_5() {
            options |= u8::from(!shared && random.chance(20)) << 2;
            options |= u8::from(random.chance(30)) << 3;
            options |= (*random.pick(&[0, 0, 1, 2])) << 4;
        }
        filters.push((filter.to_string(), options));
    }
    if filters.is_empty() {
        return;
    }
    // Mixed filters are told apart by identifiers, so that one packet has only the one kind.
    let kind = filters[0].0.starts_with("$share");
    filters.retain(|(filter, _)| filter.starts_with("$share") == kind);
    let packet_id = client.packet_id();
    let id = with_id.then(|| {
        client.next_subscription_id += if random.chance(10) { 200 } else { 1 };
        client.next_subscription_id
    });
    let names: Vec<String> = filters.iter().map(|(filter, _)| filter.clone()).collect();
    client.filters.extend(names.iter().cloned());
    client.subscribing.insert(packet_id, names);
    history.record(client.index, number, What::Subscribe { packet_id, id, filters: filters.clone() });
    client.write(wire::subscribe(version, packet_id, id, &filters), None, history.now);
}

/// Everything that can be seen, for a look at the end of a run.
pub fn subscribe_to_all(client: &mut Client, history: &mut History) {
    let Some(connection) = &client.connection else { return };
    let number = connection.number;
    let packet_id = client.packet_id();
    let filters = vec![("#".to_string(), 2), ("$x/#".to_string(), 2)];
    client.subscribing.insert(packet_id, filters.iter().map(|(filter, _)| filter.clone()).collect());
    history.record(client.index, number, What::Subscribe { packet_id, id: None, filters: filters.clone() });
    client.write(wire::subscribe(client.version, packet_id, None, &filters), None, history.now);
}

fn unsubscribe(client: &mut Client, random: &mut Random, history: &mut History) {
    let Some(connection) = &client.connection else { return };
    let number = connection.number;
    let pending: Vec<&String> = client.subscribing.values().chain(client.unsubscribing.values()).flatten().collect();
    let candidates: Vec<String> = client.filters.iter().filter(|filter| !pending.contains(filter)).cloned().collect();
    if candidates.is_empty() {
        return;
    }
    let filters = vec![random.pick(&candidates).clone()];
    for filter in &filters {
        client.filters.remove(filter);
    }
    let packet_id = client.packet_id();
    client.unsubscribing.insert(packet_id, filters.clone());
    history.record(client.index, number, What::Unsubscribe { packet_id, filters: filters.clone() });
    client.write(wire::unsubscribe(client.version, packet_id, &filters), None, history.now);
}

/// Writes a DISCONNECT; with `with_will` one that asks for the will (5.0).
pub fn disconnect(client: &mut Client, random: &mut Random, history: &mut History) {
    let version = client.version;
    let Some(connection) = &client.connection else { return };
    let number = connection.number;
    let code = if version.is_5() && random.chance(30) { 0x04 } else { 0 };
    let changed = version.is_5() && connection.session_expiry_s > 0 && random.chance(20);
    let session_expiry_s = changed.then(|| *random.pick(&[0, 60, u32::MAX]));
    if let Some(expiry) = session_expiry_s {
        client.last_expiry_s = Some(expiry);
    }
    history.record(client.index, number, What::Disconnect { code, session_expiry_s });
    client.write(wire::disconnect(version, code, session_expiry_s), Some(Marker::Disconnect), history.now);
}
