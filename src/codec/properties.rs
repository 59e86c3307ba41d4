//! The properties of MQTT 5.0 (section 2.2.2), packet by packet. Before 5.0 every one of these is its default.

/// User properties as they came: the encoded pairs, each with its identifier 0x26, in their order, nothing between
/// them. Checked when decoded, so that they can be forwarded as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserProperties<'a> {
    /// Encoded block that contains the user properties; other properties in it are skipped by the iterator.
    pub block: &'a [u8],
}

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

#[derive(Clone, Debug, Default, PartialEq)]
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
    let _ = (block, out);
    unimplemented!()
}
