//! One publish on its way through a shard, and the packets it turns into.
//!
//! A message for one receiver is encoded straight into that receiver's output. For several receivers it is encoded once
//! per form (version, QoS, RETAIN) into a template that is copied; only the packet identifier is patched. Whatever depends on the
//! receiver beyond that (subscription identifiers, topic aliases, remaining expiry) is encoded for it alone.

use std::cell::OnceCell;
use std::rc::Rc;

use bytes::Bytes;

use super::{Message, Millis};
use crate::codec::encode::{self, PublishHead};
use crate::codec::{Qos, Version};
use crate::connection::{Alias, Connection};
use crate::limits::SHARED_PAYLOAD_MIN;
use crate::routing::SessionKey;

/// A message that is being routed. Borrows from the packet it came in as long as nobody must keep it.
pub(super) struct Publication<'a> {
    pub topic: &'a str,
    /// Encoded properties that go on unaltered.
    pub properties: &'a [u8],
    pub payload: &'a [u8],
    pub qos: Qos,
    pub retain: bool,
    pub expires_at: Option<Millis>,
    pub stamp: u64,
    /// The publishing session, if it is one of this shard's.
    pub publisher: Option<SessionKey>,
    pub publisher_hash: u64,
    /// What `payload` points into, if that is shared.
    frame: Option<&'a Bytes>,
    kept: OnceCell<Rc<Message>>,
}

impl<'a> Publication<'a> {
    pub fn new(topic: &'a str, properties: &'a [u8], payload: &'a [u8], frame: Option<&'a Bytes>) -> Self {
        Self {
            topic,
            properties,
            payload,
            qos: Qos::AtMostOnce,
            retain: false,
            expires_at: None,
            stamp: 0,
            publisher: None,
            publisher_hash: 0,
            frame,
            kept: OnceCell::new(),
        }
    }

    /// A message that is kept already.
    pub fn from_message(message: &'a Rc<Message>) -> Self {
        let publication = Self::borrowed(message);
        let _ = publication.kept.set(message.clone());
        publication
    }

    /// A message that most likely nobody keeps: it is copied if somebody does.
    pub fn borrowed(message: &'a Message) -> Self {
        Self {
            qos: message.qos,
            retain: message.retain,
            expires_at: message.expires_at,
            stamp: message.stamp,
            publisher_hash: message.publisher_hash,
            ..Self::new(message.topic(), message.properties(), message.payload(), message.shared_payload())
        }
    }

    /// Whether the payload is sent by reference, not copied.
    fn is_shared(&self) -> bool {
        self.payload.len() >= SHARED_PAYLOAD_MIN
    }

    /// The message to keep; made at the first call.
    pub fn message(&self) -> &Rc<Message> {
        self.kept.get_or_init(|| Rc::new(self.make_message()))
    }

    /// The message for another shard. A small one is copied, so that no core counts references for another.
    pub fn message_for_peer(&self) -> Message {
        self.kept.get().map_or_else(|| self.make_message(), |message| Message::clone(message))
    }

    fn make_message(&self) -> Message {
        let mut message = if self.is_shared() {
            let payload =
                self.frame.map_or_else(|| Bytes::copy_from_slice(self.payload), |f| f.slice_ref(self.payload));
            Message::with_shared_payload(self.topic, self.properties, payload, self.qos, self.retain)
        } else {
            Message::new(self.topic, self.properties, self.payload, self.qos, self.retain)
        };
        message.expires_at = self.expires_at;
        message.stamp = self.stamp;
        message.publisher_hash = self.publisher_hash;
        message
    }
}

/// How one receiver gets a publication.
#[derive(Clone, Copy)]
pub(super) struct Form<'a> {
    pub qos: Qos,
    pub retain: bool,
    pub dup: bool,
    pub packet_id: u16,
    pub subscription_ids: &'a [u32],
}

/// Why a publication was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotWritten {
    Expired,
    TooLarge,
}

/// Encoded forms of the publication under way, each valid while its `number` is the publication's.
#[derive(Default)]
pub(super) struct Templates {
    entries: [Template; 12],
    number: u64,
}

#[derive(Default)]
struct Template {
    number: u64,
    /// The packet, up to its payload if that is sent by reference.
    bytes: Vec<u8>,
    packet_id_at: usize,
    packet_size: usize,
}

impl Templates {
    /// The next publication begins; earlier templates are void.
    pub fn next(&mut self) {
        self.number += 1;
    }
}

/// Appends a PUBLISH to the connection's output. `templates` is given when several receivers are likely.
pub(super) fn write_publish(
    connection: &mut Connection,
    templates: Option<&mut Templates>,
    publication: &Publication<'_>,
    form: Form<'_>,
    now: Millis,
) -> Result<(), NotWritten> {
    let is_v5 = connection.version == Version::V5_0;
    let bare = form.subscription_ids.is_empty() && !form.dup && publication.expires_at.is_none();
    match templates {
        Some(templates) if bare && connection.aliases_out.is_none() => {
            write_from_template(connection, templates, publication, form, is_v5)
        }
        _ => write_alone(connection, publication, form, is_v5, now),
    }
}

fn write_alone(
    connection: &mut Connection,
    publication: &Publication<'_>,
    form: Form<'_>,
    is_v5: bool,
    now: Millis,
) -> Result<(), NotWritten> {
    let message_expiry_s = match publication.expires_at {
        // Once sent, a message is sent again until it is acknowledged ([MQTT-4.4.0-1]), whatever its age.
        Some(at) if at <= now && form.dup => Some(0),
        Some(at) if at <= now => return Err(NotWritten::Expired),
        Some(at) => Some((at - now).div_ceil(1_000) as u32),
        None => None,
    };
    let alias = match &connection.aliases_out {
        Some(aliases) => aliases.look_up(publication.topic),
        None => Alias::None,
    };
    let head = PublishHead {
        version: connection.version,
        dup: form.dup,
        qos: form.qos,
        retain: form.retain,
        topic: if matches!(alias, Alias::Known(_)) { "" } else { publication.topic },
        packet_id: form.packet_id,
        message_expiry_s: message_expiry_s.filter(|_| is_v5),
        topic_alias: match alias {
            Alias::Known(alias) | Alias::New(alias) => Some(alias),
            Alias::None => None,
        },
        subscription_ids: if is_v5 { form.subscription_ids } else { &[] },
        properties: if is_v5 { publication.properties } else { &[] },
        payload_len: publication.payload.len(),
    };
    if head.packet_size() > connection.packet_size_max as usize {
        return Err(NotWritten::TooLarge);
    }
    if let (Alias::New(alias), Some(aliases)) = (alias, &mut connection.aliases_out) {
        aliases.assign(publication.topic, alias);
    }
    encode::publish_head(connection.output.buffer(), &head);
    write_payload(connection, publication);
    Ok(())
}

fn write_from_template(
    connection: &mut Connection,
    templates: &mut Templates,
    publication: &Publication<'_>,
    form: Form<'_>,
    is_v5: bool,
) -> Result<(), NotWritten> {
    let number = templates.number;
    let template = &mut templates.entries[usize::from(is_v5) * 6 + form.qos as usize * 2 + usize::from(form.retain)];
    if template.number != number {
        template.fill(connection.version, publication, form, is_v5);
        template.number = number;
    }
    if template.packet_size > connection.packet_size_max as usize {
        return Err(NotWritten::TooLarge);
    }
    let buffer = connection.output.buffer();
    let start = buffer.len();
    buffer.extend_from_slice(&template.bytes);
    if form.qos != Qos::AtMostOnce {
        let at = start + template.packet_id_at;
        buffer[at..at + 2].copy_from_slice(&form.packet_id.to_be_bytes());
    }
    if publication.is_shared() {
        write_payload(connection, publication);
    }
    Ok(())
}

impl Template {
    fn fill(&mut self, version: Version, publication: &Publication<'_>, form: Form<'_>, is_v5: bool) {
        let head = PublishHead {
            version,
            dup: false,
            qos: form.qos,
            retain: form.retain,
            topic: publication.topic,
            packet_id: form.packet_id,
            message_expiry_s: None,
            topic_alias: None,
            subscription_ids: &[],
            properties: if is_v5 { publication.properties } else { &[] },
            payload_len: publication.payload.len(),
        };
        self.bytes.clear();
        encode::publish_head(&mut self.bytes, &head);
        if !publication.is_shared() {
            self.bytes.extend_from_slice(publication.payload);
        }
        self.packet_size = head.packet_size();
        self.packet_id_at = fixed_header_size(self.packet_size) + 2 + publication.topic.len();
    }
}

fn write_payload(connection: &mut Connection, publication: &Publication<'_>) {
    if !publication.is_shared() {
        connection.output.buffer().extend_from_slice(publication.payload);
    } else if let Some(payload) = publication.message().shared_payload() {
        connection.output.push_shared(payload.clone());
    }
}

/// Bytes of type and Remaining Length in a packet of this size (section 2.1.4).
fn fixed_header_size(packet_size: usize) -> usize {
    match packet_size {
        ..=129 => 2,
        130..=16_386 => 3,
        16_387..=2_097_155 => 4,
        _ => 5,
    }
}
