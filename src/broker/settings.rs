//! What a configuration decides for the core.

use crate::codec::Qos;
use crate::limits;
use crate::routing::Strategy;

/// What happens to a message when its receiver's queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum QueuePolicy {
    /// The message that does not fit is dropped.
    #[default]
    DropNewest,
    /// The oldest waiting message makes room.
    DropOldest,
    /// The client is disconnected with 0x97 (Quota exceeded); its session, if it persists, keeps its queue.
    Disconnect,
}

/// Settings of the core, the same on every shard, validated.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seed of the hash that gives a client id its home and a retained topic its partition; the same on all shards.
    pub hash_seed: u64,
    pub packet_size_max: u32,
    pub connect_size_max: u32,
    pub handshake_time_max_ms: u64,
    /// Largest keep-alive that a client may have, in seconds; a larger one, or none, is overruled with Server Keep Alive (5.0)
    /// or closed at this one (3.x). 0 means no limit.
    pub keep_alive_max_s: u16,
    pub in_flight_max: u16,
    pub receive_maximum: u16,
    pub queued_messages_max: usize,
    pub queued_bytes_max: usize,
    /// Bytes of queued QoS 1 and 2 messages of one kept session that are in memory; those behind them are on disk only.
    pub queue_memory_max: usize,
    pub shard_bytes_max: usize,
    pub queue_policy: QueuePolicy,
    /// QoS 0 messages for a session that is away are queued too.
    pub queue_qos0: bool,
    pub topic_levels_max: usize,
    pub topic_length_max: usize,
    pub subscriptions_max: usize,
    pub retained_messages_max: usize,
    pub retained_bytes_max: usize,
    pub sessions_max: usize,
    pub session_expiry_max_s: u32,
    /// Session expiry of a 3.x client that connects without Clean Session, in seconds; `u32::MAX` is never.
    pub session_expiry_v3_s: u32,
    pub message_expiry_max_s: Option<u32>,
    pub topic_alias_max: u16,
    pub topic_alias_out_max: u16,
    /// There is a store: sessions with an expiry, what waits for them, and retained messages are kept.
    pub persistence: bool,
    /// Acknowledgements do not wait until the store has what they acknowledge.
    pub acknowledge_unsynced: bool,
    pub maximum_qos: Qos,
    pub retain_available: bool,
    pub wildcard_subscription_available: bool,
    pub subscription_identifiers_available: bool,
    pub shared_subscription_available: bool,
    pub shared_strategy: Strategy,
    /// Payloads declared UTF-8 are checked (0x99).
    pub payload_format_checked: bool,
    /// Prefix of the Response Information that a client gets who asks, followed by its client id.
    pub response_information: Option<String>,
    /// A client may leave its client id empty.
    pub empty_client_id_allowed: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            hash_seed: 0,
            packet_size_max: limits::PACKET_SIZE_MAX_DEFAULT,
            connect_size_max: limits::CONNECT_SIZE_MAX_DEFAULT,
            handshake_time_max_ms: limits::HANDSHAKE_TIME_MAX_MS_DEFAULT,
            keep_alive_max_s: 0,
            in_flight_max: limits::IN_FLIGHT_MAX_DEFAULT,
            receive_maximum: limits::RECEIVE_MAXIMUM_DEFAULT,
            queued_messages_max: limits::QUEUED_MESSAGES_MAX_DEFAULT,
            queued_bytes_max: limits::QUEUED_BYTES_MAX_DEFAULT,
            queue_memory_max: limits::QUEUE_MEMORY_MAX_DEFAULT,
            shard_bytes_max: limits::SHARD_BYTES_MAX_DEFAULT,
            queue_policy: QueuePolicy::DropNewest,
            queue_qos0: false,
            topic_levels_max: limits::TOPIC_LEVELS_MAX_DEFAULT,
            topic_length_max: limits::TOPIC_LENGTH_MAX_DEFAULT,
            subscriptions_max: limits::SUBSCRIPTIONS_MAX_DEFAULT,
            retained_messages_max: limits::RETAINED_MESSAGES_MAX_DEFAULT,
            retained_bytes_max: limits::RETAINED_BYTES_MAX_DEFAULT,
            sessions_max: limits::SESSIONS_MAX_DEFAULT,
            session_expiry_max_s: u32::MAX,
            session_expiry_v3_s: u32::MAX,
            message_expiry_max_s: None,
            topic_alias_max: limits::TOPIC_ALIAS_MAX_DEFAULT,
            topic_alias_out_max: limits::TOPIC_ALIAS_OUT_MAX_DEFAULT,
            persistence: false,
            acknowledge_unsynced: false,
            maximum_qos: Qos::ExactlyOnce,
            retain_available: true,
            wildcard_subscription_available: true,
            subscription_identifiers_available: true,
            shared_subscription_available: true,
            shared_strategy: Strategy::LeastInFlight,
            payload_format_checked: false,
            response_information: None,
            empty_client_id_allowed: true,
        }
    }
}
