//! What clients send.

use super::wire::*;

/// A packet: first byte, Remaining Length, body.
pub fn frame(first_byte: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first_byte];
    bytes.extend(variable(body.len() as u32));
    bytes.extend(body);
    bytes
}

/// A CONNECT in the making. Clean, without keep-alive and without properties unless told otherwise.
#[derive(Clone, Debug)]
pub struct Connect {
    pub protocol_name: String,
    pub level: u8,
    flags: u8,
    keep_alive_s: u16,
    client_id: String,
    properties: Vec<u8>,
    will_properties: Vec<u8>,
    will: Option<(String, Vec<u8>)>,
    user_name: Option<String>,
    password: Option<Vec<u8>>,
}

impl Connect {
    pub fn v5(client_id: &str) -> Self {
        Self {
            protocol_name: "MQTT".to_owned(),
            level: 5,
            flags: 0x02,
            keep_alive_s: 0,
            client_id: client_id.to_owned(),
            properties: Vec::new(),
            will_properties: Vec::new(),
            will: None,
            user_name: None,
            password: None,
        }
    }

    pub fn v3_1_1(client_id: &str) -> Self {
        Self { level: 4, ..Self::v5(client_id) }
    }

    pub fn v3_1(client_id: &str) -> Self {
        Self { level: 3, protocol_name: "MQIsdp".to_owned(), ..Self::v5(client_id) }
    }

    /// Clean Start 0; Clean Session 0 before 5.0.
    pub fn keep_session(mut self) -> Self {
        self.flags &= !0x02;
        self
    }

    /// Clean Start 0 and a Session Expiry Interval, which is what keeps a session in 5.0.
    pub fn session(self, expiry_s: u32) -> Self {
        self.keep_session().property(SESSION_EXPIRY_INTERVAL, expiry_s)
    }

    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive_s = seconds;
        self
    }

    pub fn property(mut self, identifier: u8, value: impl Into<Value>) -> Self {
        self.properties.extend(property(identifier, value));
        self
    }

    pub fn will(mut self, topic: &str, payload: &[u8], qos: u8, retain: bool) -> Self {
        self.flags |= 0x04 | (qos << 3) | (u8::from(retain) << 5);
        self.will = Some((topic.to_owned(), payload.to_vec()));
        self
    }

    pub fn will_property(mut self, identifier: u8, value: impl Into<Value>) -> Self {
        self.will_properties.extend(property(identifier, value));
        self
    }

    pub fn user_name(mut self, user_name: &str) -> Self {
        self.flags |= 0x80;
        self.user_name = Some(user_name.to_owned());
        self
    }

    pub fn password(mut self, password: &[u8]) -> Self {
        self.flags |= 0x40;
        self.password = Some(password.to_vec());
        self
    }

    /// Overwrites the Connect Flags, right or wrong; the payload stays.
    pub fn raw_flags(mut self, change: impl FnOnce(u8) -> u8) -> Self {
        self.flags = change(self.flags);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut body = text(&self.protocol_name);
        body.push(self.level);
        body.push(self.flags);
        body.extend(self.keep_alive_s.to_be_bytes());
        if self.level == 5 {
            body.extend(block(&self.properties));
        }
        body.extend(text(&self.client_id));
        if let Some((topic, payload)) = &self.will {
            if self.level == 5 {
                body.extend(block(&self.will_properties));
            }
            body.extend(text(topic));
            body.extend(binary(payload));
        }
        if let Some(user_name) = &self.user_name {
            body.extend(text(user_name));
        }
        if let Some(password) = &self.password {
            body.extend(binary(password));
        }
        frame(0x10, &body)
    }
}

/// A PUBLISH in the making.
#[derive(Clone, Debug)]
pub struct PublishRequest {
    topic: String,
    payload: Vec<u8>,
    qos: u8,
    dup: bool,
    retain: bool,
    packet_id: u16,
    properties: Vec<u8>,
}

/// A PUBLISH of QoS 0.
pub fn publish(topic: &str, payload: impl AsRef<[u8]>) -> PublishRequest {
    PublishRequest {
        topic: topic.to_owned(),
        payload: payload.as_ref().to_vec(),
        qos: 0,
        dup: false,
        retain: false,
        packet_id: 0,
        properties: Vec::new(),
    }
}

impl PublishRequest {
    /// With QoS 1 and a packet identifier.
    pub fn qos1(self, packet_id: u16) -> Self {
        Self { qos: 1, packet_id, ..self }
    }

    /// With QoS 2 and a packet identifier.
    pub fn qos2(self, packet_id: u16) -> Self {
        Self { qos: 2, packet_id, ..self }
    }

    pub fn retain(self) -> Self {
        Self { retain: true, ..self }
    }

    pub fn dup(self) -> Self {
        Self { dup: true, ..self }
    }

    pub fn property(mut self, identifier: u8, value: impl Into<Value>) -> Self {
        self.properties.extend(property(identifier, value));
        self
    }

    pub fn bytes(&self, level: u8) -> Vec<u8> {
        let mut body = text(&self.topic);
        if self.qos > 0 {
            body.extend(self.packet_id.to_be_bytes());
        }
        if level == 5 {
            body.extend(block(&self.properties));
        }
        body.extend(&self.payload);
        frame(0x30 | (u8::from(self.dup) << 3) | (self.qos << 1) | u8::from(self.retain), &body)
    }
}

/// PUBACK, PUBREC, PUBREL or PUBCOMP by its first byte; reason code 0 in the short form.
pub fn ack(first_byte: u8, packet_id: u16, reason: u8) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if reason != 0 {
        body.push(reason);
    }
    frame(first_byte, &body)
}

/// SUBSCRIBE with filters and raw Subscription Options; `properties` encoded, for 5.0.
pub fn subscribe(level: u8, packet_id: u16, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if level == 5 {
        body.extend(block(properties));
    }
    for (filter, options) in filters {
        body.extend(text(filter));
        body.push(*options);
    }
    frame(0x82, &body)
}

pub fn unsubscribe(level: u8, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if level == 5 {
        body.push(0);
    }
    for filter in filters {
        body.extend(text(filter));
    }
    frame(0xA2, &body)
}

/// DISCONNECT of 5.0 with its reason code and encoded properties.
pub fn disconnect(reason: u8, properties: &[u8]) -> Vec<u8> {
    let mut body = vec![reason];
    body.extend(block(properties));
    frame(0xE0, &body)
}

/// AUTH with its reason code and encoded properties.
pub fn auth(reason: u8, properties: &[u8]) -> Vec<u8> {
    let mut body = vec![reason];
    body.extend(block(properties));
    frame(0xF0, &body)
}
