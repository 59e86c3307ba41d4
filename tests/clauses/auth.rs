//! AUTH and enhanced authentication (sections 3.15 and 4.12): this server offers no method, and says so.

use crate::rig::*;

/// "Bits 3,2,1 and 0 of the Fixed Header of the AUTH packet are reserved and MUST all be set to 0" [MQTT-3.15.1-1].
#[test]
fn mqtt_3_15_1_1_reserved_flags_of_auth() {
    for flags in 1..16 {
        expect_breach(&frame(0xF0 | flags, &[]), &[0x81]);
    }
}

/// "The sender of the AUTH Packet MUST use one of the Authenticate Reason Codes" [MQTT-3.15.2-1].
#[test]
fn mqtt_3_15_2_1_unknown_reason_codes_are_refused() {
    expect_breach(&auth(0x17, &property(AUTHENTICATION_METHOD, "m")), &[0x81, 0x82]);
}

/// "If the Server does not support the Authentication Method supplied by the Client, it MAY send a CONNACK with a Reason Code of
/// 0x8C … and MUST close the Network Connection" [MQTT-4.12.0-1].
#[test]
fn mqtt_4_12_0_1_unsupported_method_is_refused() {
    let rig = Rig::new();
    let connect = Connect::v5("a").property(AUTHENTICATION_METHOD, "SCRAM-SHA-256");
    rig.expect_refused(&connect, 0x8C);
    rig.expect_refused(&connect.property(AUTHENTICATION_DATA, &b"data"[..]), 0x8C);
    assert_eq!(rig.connection_count(), 0);
}

/// "If the Client does not include an Authentication Method in the CONNECT, the Server MUST NOT send an AUTH packet, and it
/// MUST NOT send an Authentication Method in the CONNACK packet" [MQTT-4.12.0-6].
#[test]
fn mqtt_4_12_0_6_no_method_no_auth() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").user_name("u").password(b"p"));
    assert!(!a.connack.properties.has(AUTHENTICATION_METHOD));
    assert!(!a.connack.properties.has(AUTHENTICATION_DATA));
    a.ping();
}

/// "If the Client does not include an Authentication Method in the CONNECT, the Client MUST NOT send an AUTH packet to the
/// Server" [MQTT-4.12.0-7]: a Protocol Error.
#[test]
fn mqtt_4_12_0_7_auth_without_method_is_a_protocol_error() {
    for reason in [0x00, 0x18, 0x19] {
        expect_breach(&auth(reason, &property(AUTHENTICATION_METHOD, "m")), &[0x82]);
    }
    expect_breach(&frame(0xF0, &[]), &[0x82, 0x81]);
}

/// AUTH before CONNECT is no first packet.
#[test]
fn auth_before_connect_is_refused() {
    expect_connect_breach(&Rig::new(), &auth(0x18, &property(AUTHENTICATION_METHOD, "m")), &[0x81, 0x82]);
}
