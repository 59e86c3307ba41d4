//! DISCONNECT and AUTH (sections 3.14 and 3.15): a reason code and properties, all of which may be left out.

use super::acknowledge::read_reason;
use super::{Reader, properties};
use crate::codec::packet::{Auth, Disconnect, Version};
use crate::codec::properties::UserProperties;
use crate::codec::property::Property;
use crate::codec::reason::ReasonCode;
use crate::codec::violation::Violation;

pub(super) fn read_disconnect<'a>(reader: &mut Reader<'a>, version: Version) -> Result<Disconnect<'a>, Violation> {
    let mut disconnect = Disconnect {
        reason: ReasonCode::Success,
        session_expiry_s: None,
        reason_string: None,
        server_reference: None,
        user_properties: UserProperties::default(),
    };
    // A packet of no byte is a normal disconnection, one of one byte has no property length (section 3.14.2).
    if version != Version::V5_0 || reader.is_empty() {
        return Ok(disconnect);
    }
    disconnect.reason = read_reason(reader, ReasonCode::is_allowed_in_disconnect)?;
    if reader.is_empty() {
        return Ok(disconnect);
    }
    disconnect.user_properties = properties::read(reader.property_block()?, |property| {
        match property {
            Property::SessionExpiryInterval(value) => disconnect.session_expiry_s = Some(value),
            Property::ReasonString(value) => disconnect.reason_string = Some(value),
            Property::ServerReference(value) => disconnect.server_reference = Some(value),
            _ => return Err(Violation::PropertyNotAllowed),
        }
        Ok(())
    })?;
    Ok(disconnect)
}

pub(super) fn read_auth<'a>(reader: &mut Reader<'a>) -> Result<Auth<'a>, Violation> {
    let mut auth = Auth {
        reason: ReasonCode::Success,
        method: None,
        data: None,
        reason_string: None,
        user_properties: UserProperties::default(),
    };
    // Section 3.15.2.1 allows a success to leave out everything, the method included.
    if reader.is_empty() {
        return Ok(auth);
    }
    auth.reason = read_reason(reader, ReasonCode::is_allowed_in_auth)?;
    let block = reader.property_block()?;
    auth.user_properties = properties::read(block, |property| {
        match property {
            Property::AuthenticationMethod(value) => auth.method = Some(value),
            Property::AuthenticationData(value) => auth.data = Some(value),
            Property::ReasonString(value) => auth.reason_string = Some(value),
            _ => return Err(Violation::PropertyNotAllowed),
        }
        Ok(())
    })?;
    let says_nothing = auth.reason == ReasonCode::Success && block.is_empty();
    if auth.method.is_none() && !says_nothing {
        return Err(Violation::AuthenticationMethodMissing);
    }
    Ok(auth)
}
