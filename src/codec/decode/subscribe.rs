//! SUBSCRIBE, SUBACK, UNSUBSCRIBE and UNSUBACK (sections 3.8 to 3.11).

use super::{Reader, properties};
use crate::codec::packet::{
    Qos, RetainHandling, SubAck, Subscribe, SubscribeFilter, SubscriptionOptions, Unsubscribe, Version,
};
use crate::codec::properties::{AckProperties, SubscribeProperties, UserProperties};
use crate::codec::reason::ReasonCode;
use crate::codec::topic::SHARE_PREFIX;
use crate::codec::violation::Violation;

pub(super) fn read_subscribe<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Subscribe<'a>, Violation> {
    let packet_id = reader.packet_identifier()?;
    let properties = if version == Version::V5_0 {
        properties::subscribe(reader.property_block()?)?
    } else {
        SubscribeProperties::default()
    };
    if reader.is_empty() {
        return Err(Violation::SubscribeEmpty);
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        let filter = reader.string()?;
        let options = read_options(reader.u8()?, version)?;
        if options.no_local && filter.starts_with(SHARE_PREFIX) {
            return Err(Violation::NoLocalOnSharedSubscription);
        }
        filters.push(SubscribeFilter { filter, options });
    }
    Ok(Subscribe { packet_id, properties, filters })
}

/// Subscription options (section 3.8.3.1); before 5.0 the requested QoS only.
fn read_options(options: u8, version: Version) -> Result<SubscriptionOptions, Violation> {
    let reserved = if version == Version::V5_0 { 0b1100_0000 } else { 0b1111_1100 };
    if options & reserved != 0 {
        return Err(Violation::SubscriptionOptionsReserved);
    }
    let qos = Qos::from_bits(options & 0b11).ok_or(Violation::SubscriptionQosInvalid)?;
    let retain_handling = match options >> 4 {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return Err(Violation::RetainHandlingInvalid),
    };
    let no_local = options & 0b0100 != 0;
    let retain_as_published = options & 0b1000 != 0;
    Ok(SubscriptionOptions { qos, no_local, retain_as_published, retain_handling })
}

pub(super) fn read_unsubscribe<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Unsubscribe<'a>, Violation> {
    let packet_id = reader.packet_identifier()?;
    let user_properties = if version == Version::V5_0 {
        properties::unsubscribe(reader.property_block()?)?
    } else {
        UserProperties::default()
    };
    if reader.is_empty() {
        return Err(Violation::UnsubscribeEmpty);
    }
    let mut filters = Vec::new();
    while !reader.is_empty() {
        filters.push(reader.string()?);
    }
    Ok(Unsubscribe { packet_id, user_properties, filters })
}

pub(super) fn read_suback<'a>(reader: &mut Reader<'a>, version: Version) -> Result<SubAck<'a>, Violation> {
    let packet_id = reader.packet_identifier()?;
    let properties = read_ack_properties(reader, version)?;
    let reasons = reader.rest();
    if version == Version::V5_0 {
        check_reasons(reasons, ReasonCode::is_allowed_in_suback)?;
    } else if reasons.iter().any(|code| !matches!(code, 0 | 1 | 2 | 0x80)) {
        return Err(Violation::ReasonCodeNotAllowed);
    }
    Ok(SubAck { packet_id, reasons, properties })
}

pub(super) fn read_unsuback<'a>(reader: &mut Reader<'a>, version: Version) -> Result<SubAck<'a>, Violation> {
    let packet_id = reader.packet_identifier()?;
    let properties = read_ack_properties(reader, version)?;
    // Before 5.0 there is nothing after the packet identifier; what is left there is left for `finish` to refuse.
    let reasons = if version == Version::V5_0 { reader.rest() } else { &[] };
    check_reasons(reasons, ReasonCode::is_allowed_in_unsuback)?;
    Ok(SubAck { packet_id, reasons, properties })
}

fn read_ack_properties<'a>(reader: &mut Reader<'a>, version: Version) -> Result<AckProperties<'a>, Violation> {
    if version == Version::V5_0 {
        properties::acknowledge(reader.property_block()?)
    } else {
        Ok(AckProperties::default())
    }
}

fn check_reasons(codes: &[u8], is_allowed: fn(ReasonCode) -> bool) -> Result<(), Violation> {
    if codes.iter().all(|code| ReasonCode::from_u8(*code).is_some_and(is_allowed)) {
        Ok(())
    } else {
        Err(Violation::ReasonCodeNotAllowed)
    }
}
