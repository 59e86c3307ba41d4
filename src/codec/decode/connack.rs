//! CONNACK (section 3.2).

use super::acknowledge::read_reason;
use super::{Reader, properties};
use crate::codec::packet::{ConnAck, Version};
use crate::codec::properties::ConnAckProperties;
use crate::codec::reason::ReasonCode;
use crate::codec::violation::Violation;

pub(super) fn read<'a>(reader: &mut Reader<'a>, version: Version) -> Result<ConnAck<'a>, Violation> {
    // MQTT 3.1 has no Session Present, its first byte is not used.
    let session_present = match reader.u8()? {
        _ if version == Version::V3_1 => false,
        0 => false,
        1 => true,
        _ => return Err(Violation::ConnAckFlagsReserved),
    };
    let (reason, properties) = if version == Version::V5_0 {
        let reason = read_reason(reader, ReasonCode::is_allowed_in_connack)?;
        (reason, properties::connack(reader.property_block()?)?)
    } else {
        let reason = ReasonCode::from_connect_return_code(reader.u8()?).ok_or(Violation::ReasonCodeNotAllowed)?;
        (reason, ConnAckProperties::default())
    };
    if session_present && reason != ReasonCode::Success {
        return Err(Violation::SessionPresentOnRefusal);
    }
    Ok(ConnAck { session_present, reason, properties })
}
