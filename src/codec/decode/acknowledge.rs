//! PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7): one layout, two sets of reason codes.

use super::{Reader, properties};
use crate::codec::frame::Frame;
use crate::codec::packet::{Ack, Version};
use crate::codec::properties::AckProperties;
use crate::codec::reason::ReasonCode;
use crate::codec::violation::Violation;

/// Decodes a frame whose type is PUBACK; the type is not looked at.
#[inline]
pub fn puback(frame: Frame<'_>, version: Version) -> Result<Ack<'_>, Violation> {
    if frame.first_byte & 0x0F != 0 {
        return Err(Violation::HeaderFlagsReserved);
    }
    let mut reader = Reader::new(frame.body);
    let ack = read_puback(&mut reader, version)?;
    reader.finish()?;
    Ok(ack)
}

/// Reads PUBACK or PUBREC.
pub(super) fn read_puback<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Ack<'a>, Violation> {
    read(reader, version, ReasonCode::is_allowed_in_puback)
}

/// Reads PUBREL or PUBCOMP.
pub(super) fn read_pubrel<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Ack<'a>, Violation> {
    read(reader, version, ReasonCode::is_allowed_in_pubrel)
}

#[inline]
fn read<'a>(
    reader: &mut Reader<'a>,
    version: Version,
    is_allowed: fn(ReasonCode) -> bool,
) -> Result<Ack<'a>, Violation> {
    let packet_id = reader.packet_identifier()?;
    let mut ack = Ack { packet_id, reason: ReasonCode::Success, properties: AckProperties::default() };
    // A packet of two bytes is a success, one of three has no property length (sections 3.4.2.1 and 3.4.2.2.1).
    if version == Version::V5_0 && !reader.is_empty() {
        ack.reason = read_reason(reader, is_allowed)?;
        if !reader.is_empty() {
            ack.properties = properties::acknowledge(reader.property_block()?)?;
        }
    }
    Ok(ack)
}

/// Reads a reason code and checks that the packet may carry it.
pub(super) fn read_reason(
    reader: &mut Reader<'_>,
    is_allowed: fn(ReasonCode) -> bool,
) -> Result<ReasonCode, Violation> {
    ReasonCode::from_u8(reader.u8()?).filter(|reason| is_allowed(*reason)).ok_or(Violation::ReasonCodeNotAllowed)
}
