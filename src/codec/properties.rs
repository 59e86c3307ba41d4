//! The properties of MQTT 5.0 (section 2.2.2), packet by packet. Before 5.0 every one of these is its default.

use super::decode::Reader;
use super::property::{Property, identifier, spans};

/// User properties as they came: the encoded pairs, each with its identifier 0x26, in their order, nothing between
/// them. Checked when decoded, so that they can be forwarded as they are. Equal when their pairs are.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserProperties<'a> {
    /// Encoded block that contains the user properties; other properties in it are skipped by the iterator.
    pub block: &'a [u8],
}

impl<'a> UserProperties<'a> {
    /// Names and values in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.spans().filter_map(|span| match Property::read(&mut Reader::new(span)) {
            Ok(Property::User(name, value)) => Some((name, value)),
            _ => None,
        })
    }

    /// The encoded pairs, each with its identifier.
    pub(super) fn spans(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        spans(self.block).filter(|(identifier, _)| *identifier == identifier::USER_PROPERTY).map(|(_, span)| span)
    }
}

impl PartialEq for UserProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.spans().eq(other.spans())
    }
}

impl Eq for UserProperties<'_> {}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnectProperties<'a> {
    /// Seconds; `u32::MAX` never expires. Absent means 0.
    pub session_expiry_s: Option<u32>,
    pub receive_maximum: Option<u16>,
    pub packet_size_max: Option<u32>,
    pub topic_alias_max: Option<u16>,
    pub request_response_information: bool,
    /// Default true (section 3.1.2.11.7).
    pub request_problem_information: Option<bool>,
    pub user_properties: UserProperties<'a>,
    pub authentication_method: Option<&'a str>,
    pub authentication_data: Option<&'a [u8]>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct WillProperties<'a> {
    pub delay_s: u32,
    pub message_expiry_s: Option<u32>,
    /// Payload is declared UTF-8 (Payload Format Indicator 1).
    pub payload_is_utf8: bool,
    /// Everything but delay and expiry, encoded in the order it came, fit to be forwarded in a PUBLISH.
    /// Decoding leaves the whole block here; [`write_forwardable`] takes delay and expiry out.
    pub block: &'a [u8],
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConnAckProperties<'a> {
    pub session_expiry_s: Option<u32>,
    pub receive_maximum: Option<u16>,
    /// 0 or 1; absent means 2.
    pub maximum_qos: Option<u8>,
    pub retain_available: Option<bool>,
    pub packet_size_max: Option<u32>,
    pub assigned_client_id: Option<&'a str>,
    pub topic_alias_max: Option<u16>,
    pub reason_string: Option<&'a str>,
    pub user_properties: UserProperties<'a>,
    pub wildcard_subscription_available: Option<bool>,
    pub subscription_identifiers_available: Option<bool>,
    pub shared_subscription_available: Option<bool>,
    pub server_keep_alive_s: Option<u16>,
    pub response_information: Option<&'a str>,
    pub server_reference: Option<&'a str>,
    pub authentication_method: Option<&'a str>,
    pub authentication_data: Option<&'a [u8]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PublishProperties<'a> {
    /// The whole property block without its length, as it came.
    pub block: &'a [u8],
    /// `block` holds nothing that changes on the way (no Message Expiry Interval, Topic Alias or Subscription Identifier): it
    /// can be forwarded byte for byte.
    pub forwardable: bool,
    pub message_expiry_s: Option<u32>,
    pub topic_alias: Option<u16>,
    pub payload_is_utf8: bool,
    /// First Subscription Identifier; only servers send it, [`PublishProperties::subscription_ids`] yields all.
    pub subscription_id: Option<u32>,
    pub response_topic: Option<&'a str>,
    pub correlation_data: Option<&'a [u8]>,
    pub content_type: Option<&'a str>,
}

impl Default for PublishProperties<'_> {
    /// No properties, which are forwardable.
    fn default() -> Self {
        Self {
            block: &[],
            forwardable: true,
            message_expiry_s: None,
            topic_alias: None,
            payload_is_utf8: false,
            subscription_id: None,
            response_topic: None,
            correlation_data: None,
            content_type: None,
        }
    }
}

impl<'a> PublishProperties<'a> {
    /// All Subscription Identifiers in their order: those of the block, or `subscription_id` if it has none.
    pub fn subscription_ids(&self) -> impl Iterator<Item = u32> + use<'a> {
        let mut of_block = spans(self.block).filter_map(|(_, span)| match Property::read(&mut Reader::new(span)) {
            Ok(Property::SubscriptionIdentifier(id)) => Some(id),
            _ => None,
        });
        let first = of_block.next().or(self.subscription_id);
        first.into_iter().chain(of_block)
    }

    /// The User Properties in the block.
    pub fn user_properties(&self) -> UserProperties<'a> {
        UserProperties { block: self.block }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct AckProperties<'a> {
    pub reason_string: Option<&'a str>,
    pub user_properties: UserProperties<'a>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SubscribeProperties<'a> {
    /// 1 to 268,435,455.
    pub subscription_id: Option<u32>,
    pub user_properties: UserProperties<'a>,
}

/// Appends the properties of `block` (of a PUBLISH or a will) that a server must forward unaltered ([MQTT-3.3.2-4],
/// -15, -16, -17, -18, -20): all but Message Expiry Interval, Topic Alias, Subscription Identifier and Will Delay Interval.
pub fn write_forwardable(block: &[u8], out: &mut Vec<u8>) {
    for (identifier, span) in spans(block) {
        match identifier {
            identifier::MESSAGE_EXPIRY_INTERVAL
            | identifier::TOPIC_ALIAS
            | identifier::SUBSCRIPTION_IDENTIFIER
            | identifier::WILL_DELAY_INTERVAL => {}
            _ => out.extend_from_slice(span),
        }
    }
}

/// Appends a User Property to a block, for [`UserProperties::block`] and the blocks of PUBLISH and will. Each string
/// has at most 65,535 bytes.
pub fn write_user_property(block: &mut Vec<u8>, name: &str, value: &str) {
    Property::User(name, value).write(block);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Message expiry 16 s, subscription ids 1 and 200, ("a", "b"), alias 7, will delay 1 s, content type "t", ("c", "").
    const BLOCK: &[u8] =
        b"\x02\0\0\0\x10\x0B\x01\x26\0\x01a\0\x01b\x0B\xC8\x01\x23\0\x07\x18\0\0\0\x01\x03\0\x01t\x26\0\x01c\0\0";

    #[test]
    fn iterates_over_user_properties_between_others() {
        let pairs: Vec<_> = UserProperties { block: BLOCK }.iter().collect();
        assert_eq!(pairs, [("a", "b"), ("c", "")]);
    }

    #[test]
    fn user_properties_are_equal_by_their_pairs() {
        let mut alone = Vec::new();
        write_user_property(&mut alone, "a", "b");
        write_user_property(&mut alone, "c", "");
        assert_eq!(UserProperties { block: &alone }, UserProperties { block: BLOCK });
        write_user_property(&mut alone, "c", "");
        assert_ne!(UserProperties { block: &alone }, UserProperties { block: BLOCK });
    }

    #[test]
    fn yields_all_subscription_ids() {
        let properties = PublishProperties { block: BLOCK, subscription_id: Some(1), ..Default::default() };
        assert_eq!(properties.subscription_ids().collect::<Vec<_>>(), [1, 200]);
        let built = PublishProperties { subscription_id: Some(9), ..Default::default() };
        assert_eq!(built.subscription_ids().collect::<Vec<_>>(), [9]);
        assert_eq!(PublishProperties::default().subscription_ids().count(), 0);
    }

    #[test]
    fn forwards_what_must_not_be_altered() {
        let mut out = Vec::new();
        write_forwardable(BLOCK, &mut out);
        assert_eq!(out, b"\x26\0\x01a\0\x01b\x03\0\x01t\x26\0\x01c\0\0");
    }

    #[test]
    fn stops_at_what_is_not_a_property() {
        for block in [&b"\xFF\x26\0\0\0\0"[..], b"\x26\0", b"\x26\0\x05a", b"\x02\0", b"\x0B\xFF"] {
            let mut out = Vec::new();
            write_forwardable(block, &mut out);
            assert_eq!(out, b"", "{block:02X?}");
            assert_eq!(UserProperties { block }.iter().count(), 0, "{block:02X?}");
        }
    }
}
