//! AUTH and enhanced authentication (sections 3.15 and 4.12): without a method, and with one that the test brings.

use ringmq::access::{AuthenticationExchange, AuthenticationMethod, AuthenticationStep};
use ringmq::codec::ReasonCode;

use crate::rig::*;

/// A method of two questions: whoever answers "one" and then "two" is in.
struct TwoQuestions;

impl AuthenticationMethod for TwoQuestions {
    fn name(&self) -> &str {
        "two-questions"
    }

    fn begin(&self, _client_id: &str, _user_name: Option<&str>) -> Box<dyn AuthenticationExchange> {
        Box::new(Exchange { answered: 0 })
    }
}

struct Exchange {
    answered: usize,
}

impl AuthenticationExchange for Exchange {
    fn step(&mut self, data: Option<&[u8]>) -> AuthenticationStep {
        const ANSWERS: [&[u8]; 2] = [b"one", b"two"];
        match (self.answered, data) {
            (0, None) => AuthenticationStep::Continue(b"one?".to_vec()),
            (answered, Some(data)) if data == ANSWERS[answered] => {
                self.answered += 1;
                match self.answered {
                    2 => AuthenticationStep::Success { user_name: None, data: Some(b"welcome".to_vec()) },
                    _ => AuthenticationStep::Continue(b"two?".to_vec()),
                }
            }
            _ => AuthenticationStep::Failure(ReasonCode::NotAuthorized),
        }
    }
}

fn rig() -> Rig {
    Rig::with_methods(vec![Box::new(TwoQuestions)])
}

fn with_method() -> Connect {
    Connect::v5("a").property(AUTHENTICATION_METHOD, "two-questions")
}

/// An AUTH of the test's method.
fn answer(reason: u8, data: &[u8]) -> Vec<u8> {
    let mut properties = property(AUTHENTICATION_METHOD, "two-questions");
    properties.extend(property(AUTHENTICATION_DATA, data));
    auth(reason, &properties)
}

/// The next packet is an AUTH that asks for more, of the same method.
fn expect_question(client: &mut Client, question: &[u8]) {
    let auth = client.next_auth();
    assert_eq!(auth.reason, 0x18);
    assert_eq!(auth.properties.text(AUTHENTICATION_METHOD).unwrap(), "two-questions");
    assert_eq!(auth.properties.get(AUTHENTICATION_DATA), Some(question.into()));
}

fn authenticated(rig: &Rig) -> Client {
    let mut client = rig.attempt(&with_method());
    expect_question(&mut client, b"one?");
    client.send(&answer(0x18, b"one"));
    expect_question(&mut client, b"two?");
    client.send(&answer(0x18, b"two"));
    client.connack = client.next_connack();
    assert_eq!(client.connack.reason, 0);
    client
}

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

/// "If the Server does not support the Authentication Method supplied by the Client, it MAY send a CONNACK with a
/// Reason Code of 0x8C … and MUST close the Network Connection" [MQTT-4.12.0-1].
#[test]
fn mqtt_4_12_0_1_unsupported_method_is_refused() {
    for rig in [Rig::new(), rig()] {
        let connect = Connect::v5("a").property(AUTHENTICATION_METHOD, "SCRAM-SHA-256");
        rig.expect_refused(&connect, 0x8C);
        rig.expect_refused(&connect.property(AUTHENTICATION_DATA, &b"data"[..]), 0x8C);
        assert_eq!(rig.connection_count(), 0);
    }
}

/// "If the Server requires additional information to complete the authentication, it can send an AUTH packet to the
/// Client. This packet MUST contain a Reason Code of 0x18" [MQTT-4.12.0-2].
#[test]
fn mqtt_4_12_0_2_server_asks_with_0x18() {
    let rig = rig();
    let mut a = authenticated(&rig);
    a.subscribe(&[("t", 0)]);
    a.publish("t", "x");
    a.take("x");
}

/// Data in the CONNECT is the first answer.
#[test]
fn authentication_data_of_connect_is_used() {
    let mut a = rig().attempt(&with_method().property(AUTHENTICATION_DATA, &b"one"[..]));
    expect_question(&mut a, b"two?");
    a.send(&answer(0x18, b"two"));
    assert_eq!(a.next_connack().reason, 0);
}

/// "The Client responds to an AUTH packet from the Server by sending a further AUTH packet. This packet MUST contain a
/// Reason Code of 0x18" [MQTT-4.12.0-3].
#[test]
fn mqtt_4_12_0_3_answer_with_another_code_is_refused() {
    for reason in [0x00, 0x19] {
        let mut a = rig().attempt(&with_method());
        expect_question(&mut a, b"one?");
        a.send(&answer(reason, b"one"));
        assert!([0x81, 0x82].contains(&a.next_connack().reason));
        a.expect_closed();
    }
}

/// "The Server can reject the authentication at any point in this process. It MAY send a CONNACK with a Reason Code of
/// 0x80 or above …, and MUST close the Network Connection" [MQTT-4.12.0-4].
#[test]
fn mqtt_4_12_0_4_failed_authentication_closes() {
    let rig = rig();
    rig.expect_refused(&with_method().property(AUTHENTICATION_DATA, &b"wrong"[..]), 0x87);
    let mut a = rig.attempt(&with_method().property(AUTHENTICATION_DATA, &b"one"[..]));
    expect_question(&mut a, b"two?");
    a.send(&answer(0x18, b"three"));
    assert_eq!(a.next_connack().reason, 0x87);
    a.expect_closed();
    assert_eq!(rig.connection_count(), 0);
}

/// "If the initial CONNECT packet included an Authentication Method property then all AUTH packets, and any successful
/// CONNACK packet MUST include an Authentication Method Property with the same value" [MQTT-4.12.0-5].
#[test]
fn mqtt_4_12_0_5_all_packets_name_the_method() {
    let a = authenticated(&rig());
    assert_eq!(a.connack.properties.text(AUTHENTICATION_METHOD).unwrap(), "two-questions");
    assert_eq!(a.connack.properties.get(AUTHENTICATION_DATA), Some(b"welcome"[..].into()));
    for wrong in [auth(0x18, &[]), auth(0x18, &property(AUTHENTICATION_METHOD, "another")), frame(0xF0, &[])] {
        let mut a = rig().attempt(&with_method());
        expect_question(&mut a, b"one?");
        a.send(&wrong);
        assert!([0x81, 0x82, 0x8C].contains(&a.next_connack().reason));
        a.expect_closed();
    }
}

/// "If the Client does not include an Authentication Method in the CONNECT, the Server MUST NOT send an AUTH packet,
/// and it MUST NOT send an Authentication Method in the CONNACK packet" [MQTT-4.12.0-6].
#[test]
fn mqtt_4_12_0_6_no_method_no_auth() {
    for rig in [Rig::new(), rig()] {
        let mut a = rig.connect(&Connect::v5("a").user_name("u").password(b"p"));
        assert!(!a.connack.properties.has(AUTHENTICATION_METHOD));
        assert!(!a.connack.properties.has(AUTHENTICATION_DATA));
        a.ping();
    }
}

/// "If the Client does not include an Authentication Method in the CONNECT, the Client MUST NOT send an AUTH packet to
/// the Server" [MQTT-4.12.0-7]: a Protocol Error.
#[test]
fn mqtt_4_12_0_7_auth_without_method_is_a_protocol_error() {
    for reason in [0x00, 0x18, 0x19] {
        expect_breach(&auth(reason, &property(AUTHENTICATION_METHOD, "m")), &[0x82]);
    }
    expect_breach(&frame(0xF0, &[]), &[0x82, 0x81]);
}

/// "If a Client sets an Authentication Method in the CONNECT, the Client MUST NOT send any packets other than AUTH or
/// DISCONNECT packets until it has received a CONNACK packet" [MQTT-3.1.2-30].
#[test]
fn mqtt_3_1_2_30_other_packets_during_authentication_are_refused() {
    let rig = rig();
    for bytes in
        [publish("t", "x").bytes(5), frame(0xC0, &[]), subscribe(5, 1, &[], &[("t", 0)]), with_method().bytes()]
    {
        let mut a = rig.attempt(&with_method());
        expect_question(&mut a, b"one?");
        a.send(&bytes);
        assert_eq!(a.next_connack().reason, 0x82);
        a.expect_closed();
    }
    let mut a = rig.attempt(&with_method());
    expect_question(&mut a, b"one?");
    a.send(&frame(0xE0, &[]));
    a.expect_closed();
}

/// The exchange has the time of the handshake and no more.
#[test]
fn authentication_has_a_deadline() {
    let rig = rig();
    let mut a = rig.attempt(&with_method());
    expect_question(&mut a, b"one?");
    rig.advance_s(20);
    assert!(a.is_closed());
    assert_eq!(rig.connection_count(), 0);
}

/// Until the CONNACK the client has no session: nothing is taken over by a stranger who only names a client id.
#[test]
fn nothing_is_taken_over_before_authentication() {
    let rig = rig();
    let mut a = authenticated(&rig);
    let mut stranger = rig.attempt(&with_method().property(AUTHENTICATION_DATA, &b"wrong"[..]));
    assert_eq!(stranger.next_connack().reason, 0x87);
    a.ping();
}

/// "If the Client supplied an Authentication Method in the CONNECT packet it can initiate a re-authentication at any
/// time after receiving a CONNACK … The Client MUST set the Authentication Method to the same value" [MQTT-4.12.1-1].
#[test]
fn mqtt_4_12_1_1_re_authentication() {
    let rig = rig();
    let mut a = authenticated(&rig);
    for _ in 0..2 {
        a.send(&auth(0x19, &property(AUTHENTICATION_METHOD, "two-questions")));
        expect_question(&mut a, b"one?");
        // Other packets go on meanwhile (section 4.12.1).
        a.ping();
        a.send(&answer(0x18, b"one"));
        expect_question(&mut a, b"two?");
        a.send(&answer(0x18, b"two"));
        let auth = a.next_auth();
        assert_eq!(auth.reason, 0);
        assert_eq!(auth.properties.text(AUTHENTICATION_METHOD).unwrap(), "two-questions");
    }
    a.send(&auth(0x19, &property(AUTHENTICATION_METHOD, "another")));
    assert!([0x82, 0x8C].contains(&a.next_disconnect().reason));
    a.expect_closed();
}

/// "If the re-authentication fails, the Client or Server SHOULD send DISCONNECT with an appropriate Reason Code …, and
/// MUST close the Network Connection" [MQTT-4.12.1-2].
#[test]
fn mqtt_4_12_1_2_failed_re_authentication_closes() {
    let mut a = authenticated(&rig());
    a.send(&answer(0x19, b"wrong"));
    a.expect_closed_with(0x87);
}

/// AUTH before CONNECT is no first packet.
#[test]
fn auth_before_connect_is_refused() {
    expect_connect_breach(&Rig::new(), &auth(0x18, &property(AUTHENTICATION_METHOD, "m")), &[0x81, 0x82]);
}
