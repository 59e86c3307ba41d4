//! The rules that a peer can break, one variant each.

use super::reason::ReasonCode;

/// A rule of the specification that the received bytes break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("the packet is larger than the maximum packet size")]
    PacketTooLarge,
}

impl Violation {
    /// The reason code that the specification names for a DISCONNECT or CONNACK.
    pub fn reason(self) -> ReasonCode {
        ReasonCode::MalformedPacket
    }
    /// The clause, such as `MQTT-3.3.1-4`.
    pub fn clause(self) -> &'static str {
        ""
    }
}
