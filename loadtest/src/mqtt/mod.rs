//! The MQTT that a load generator needs, written for it alone: it shares no code with any broker, because a shared codec
//! would hide the codec's mistakes from the measurement.

pub mod encode;
pub mod filter;
pub mod scan;

/// The protocol version spoken by every connection of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
pub enum Version {
    /// MQTT 3.1.1 (protocol level 4).
    #[value(name = "3.1.1")]
    #[serde(rename = "3.1.1")]
    V311,
    /// MQTT 5.0 (protocol level 5).
    #[value(name = "5.0", alias = "5")]
    #[serde(rename = "5.0")]
    V5,
}

/// What a client asks the broker to do with its session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// Begin with none and keep none (Clean Session, Clean Start).
    #[default]
    Clean,
    /// Keep it, with its subscriptions, while the client is away.
    Persistent,
}
