//! CONNECT (section 3.1).

use super::{Reader, check_flags, properties};
use crate::codec::frame::Frame;
use crate::codec::packet::{Connect, Qos, Version, Will};
use crate::codec::properties::{ConnectProperties, WillProperties};
use crate::codec::violation::Violation;

/// Connect flags (section 3.1.2.3).
mod flag {
    pub const RESERVED: u8 = 0b0000_0001;
    pub const CLEAN_START: u8 = 0b0000_0010;
    pub const WILL: u8 = 0b0000_0100;
    pub const WILL_QOS_SHIFT: u8 = 3;
    pub const WILL_RETAIN: u8 = 0b0010_0000;
    pub const PASSWORD: u8 = 0b0100_0000;
    pub const USER_NAME: u8 = 0b1000_0000;
}

/// Decodes a frame whose type is CONNECT; the type is not looked at, the flags are.
pub fn connect<'a>(frame: Frame<'a>) -> Result<Connect<'a>, Violation> {
    // The flags that CONNECT may have are the same in every version.
    check_flags(frame.first_byte, Version::V5_0)?;
    let mut reader = Reader::new(frame.body);
    let connect = read(&mut reader)?;
    reader.finish()?;
    Ok(connect)
}

/// The version that the body of a CONNECT names, when that much of it is right: in it a CONNECT that breaks a rule
/// further on can be answered. `None` when not even the version is right or known.
pub fn connect_version(body: &[u8]) -> Option<Version> {
    read_version(&mut Reader::new(body)).ok().map(|(version, _)| version)
}

pub(super) fn read<'a>(reader: &mut Reader<'a>) -> Result<Connect<'a>, Violation> {
    let (version, bridge) = read_version(reader)?;
    let flags = reader.u8()?;
    let will_qos = check_connect_flags(flags, version)?;
    let keep_alive_s = reader.u16()?;
    let properties = if version == Version::V5_0 {
        properties::connect(reader.property_block()?)?
    } else {
        ConnectProperties::default()
    };
    let client_id = reader.string()?;
    let will = match will_qos {
        Some(qos) => Some(read_will(reader, version, qos, flags & flag::WILL_RETAIN != 0)?),
        None => None,
    };
    // In MQTT 3.1 the Remaining Length goes before the flags: user name and password may be missing at the end.
    let is_missing = |reader: &Reader<'_>| version == Version::V3_1 && reader.is_empty();
    let user_name = if flags & flag::USER_NAME != 0 && !is_missing(reader) { Some(reader.string()?) } else { None };
    let password = if flags & flag::PASSWORD != 0 && !is_missing(reader) { Some(reader.binary()?) } else { None };
    let clean_start = flags & flag::CLEAN_START != 0;
    Ok(Connect { version, bridge, clean_start, keep_alive_s, client_id, will, user_name, password, properties })
}

/// Reads protocol name and protocol version (sections 3.1.2.1 and 3.1.2.2), and whether a bridge speaks.
fn read_version(reader: &mut Reader<'_>) -> Result<(Version, bool), Violation> {
    match (reader.binary()?, reader.u8()?) {
        (b"MQTT", 5) => Ok((Version::V5_0, false)),
        (b"MQTT", 4) => Ok((Version::V3_1_1, false)),
        (b"MQIsdp", 3) => Ok((Version::V3_1, false)),
        (b"MQTT", 0x84) => Ok((Version::V3_1_1, true)),
        (b"MQIsdp", 0x83) => Ok((Version::V3_1, true)),
        (b"MQTT" | b"MQIsdp", _) => Err(Violation::ProtocolVersionUnsupported),
        _ => Err(Violation::ProtocolNameUnknown),
    }
}

/// Checks the connect flags and returns the QoS of the will if there is one.
fn check_connect_flags(flags: u8, version: Version) -> Result<Option<Qos>, Violation> {
    // MQTT 3.1 does not use the reserved bit, and disregards the will's other flags when there is no will.
    let is_strict = version != Version::V3_1;
    if is_strict && flags & flag::RESERVED != 0 {
        return Err(Violation::ConnectFlagReserved);
    }
    if version != Version::V5_0 && flags & flag::PASSWORD != 0 && flags & flag::USER_NAME == 0 {
        return Err(Violation::PasswordWithoutUserName);
    }
    let will_qos = (flags >> flag::WILL_QOS_SHIFT) & 0b11;
    if flags & flag::WILL != 0 {
        return Qos::from_bits(will_qos).map(Some).ok_or(Violation::WillQosInvalid);
    }
    if is_strict && will_qos != 0 {
        return Err(Violation::WillQosWithoutWill);
    }
    if is_strict && flags & flag::WILL_RETAIN != 0 {
        return Err(Violation::WillRetainWithoutWill);
    }
    Ok(None)
}

/// Reads will properties, will topic and will payload (sections 3.1.3.2 to 3.1.3.4).
fn read_will<'a>(reader: &mut Reader<'a>, version: Version, qos: Qos, retain: bool) -> Result<Will<'a>, Violation> {
    let properties =
        if version == Version::V5_0 { properties::will(reader.property_block()?)? } else { WillProperties::default() };
    let topic = reader.topic_name()?;
    if topic.is_empty() {
        return Err(Violation::TopicNameEmpty);
    }
    Ok(Will { topic, payload: reader.binary()?, qos, retain, properties })
}
