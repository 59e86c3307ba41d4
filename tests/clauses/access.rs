//! Who is let in: what a listener demands, the verdict of whoever is asked, and what a client does while it waits.

use ringmq::access::{
    Address, AuthenticationExchange, AuthenticationMethod, AuthenticationStep, Denial, Grant, ListenerId,
    ListenerPolicy, Password,
};

use crate::rig::*;

fn asking() -> ListenerPolicy {
    ListenerPolicy { is_asked: true, ..ListenerPolicy::default() }
}

fn grant(user_name: &str) -> Grant {
    Grant { user_name: Some(user_name.into()), ..Grant::default() }
}

fn anna() -> Connect {
    Connect::v5("a").user_name("anna").password(b"pass 7")
}

/// The server has said nothing yet.
fn expect_silence(client: &mut Client) {
    client.expect_nothing();
    assert!(!client.is_closed());
}

#[test]
fn a_listener_without_a_policy_lets_everybody_in() {
    let rig = Rig::new();
    rig.connect_v5("a");
    rig.connect(&Connect::v5("b").user_name("anna"));
    assert_eq!(rig.users(), [None, Some("anna".into())]);
}

#[test]
fn anonymous_clients_need_a_listener_that_allows_them() {
    let rig = Rig::with_policy(ListenerPolicy::default());
    rig.expect_refused(&Connect::v5("a"), 0x87);
    rig.expect_refused(&Connect::v3_1_1("a"), 5);
    rig.expect_refused(&anna(), 0x87);
    assert_eq!(rig.denied_count(Denial::Anonymous), 3);
    assert_eq!(rig.denials()[2], ("a".into(), Some("anna".into()), Denial::Anonymous));
    assert_eq!(rig.connection_count(), 0);
    rig.set_listeners(vec![ListenerPolicy { allow_anonymous: true, ..ListenerPolicy::default() }]);
    rig.connect_v5("a");
}

/// A listener that the shard was not told of lets nobody in.
#[test]
fn an_unknown_listener_lets_nobody_in() {
    let rig = Rig::new();
    let mut a = rig.open_at(1, None);
    a.connect(&Connect::v5("a"));
    assert_eq!(a.next_connack().reason, 0x87);
    a.expect_closed();
}

#[test]
fn the_name_in_a_certificate_is_the_user() {
    let policy = ListenerPolicy { certificate_is_user: true, ..asking() };
    let rig = Rig::with_policy(policy);
    let mut a = rig.open_at(0, Some("machine 7"));
    a.connect(&anna());
    assert_eq!(a.next_connack().reason, 0);
    assert_eq!(rig.users(), [Some("machine 7".into())]);
    // Without a certificate the listener asks like any other.
    let mut b = rig.open_at(0, None);
    b.connect(&anna());
    expect_silence(&mut b);
    assert!(rig.has_logins());
}

#[test]
fn whoever_is_asked_gets_what_the_client_has_shown() {
    let rig = Rig::with_policy(asking());
    let mut a = rig.open_at(0, Some("machine"));
    a.connect(&anna());
    expect_silence(&mut a);
    let pending = rig.next_login();
    let login = &pending.login;
    assert_eq!(login.listener, ListenerId(0));
    assert!(matches!(login.address, Address::Ip(address) if address.port() == 40_000));
    assert_eq!((&*login.client_id, login.user_name.as_deref()), ("a", Some("anna")));
    assert_eq!(login.password, Some(Password(Box::<[u8]>::from(*b"pass 7").into())));
    assert_eq!(login.certificate.as_deref(), Some("machine"));
    assert!(!format!("{login:?}").contains("pass 7"));
    rig.allow(&pending, grant("Anna Maria"));
    assert_eq!(a.next_connack().reason, 0);
    a.ping();
    assert_eq!(rig.users(), [Some("Anna Maria".into())]);
    // A second verdict on the same client counts for nothing.
    rig.deny(&pending, Denial::Credentials);
    a.ping();
}

#[test]
fn each_denial_has_its_code_its_count_and_its_event() {
    for denial in Denial::ALL {
        let rig = Rig::with_policy(asking());
        for (connect, code) in [
            (anna(), denial.reason() as u8),
            (
                Connect::v3_1_1("a").user_name("anna").password(b"pass 7"),
                denial.reason().connect_return_code().unwrap_or(0xFF),
            ),
        ] {
            let mut a = rig.attempt(&connect);
            rig.deny(&rig.next_login(), denial);
            if code != 0xFF {
                let connack = a.next_connack();
                assert_eq!((connack.reason, connack.session_present), (code, false), "{denial:?}");
            }
            a.expect_closed();
        }
        assert_eq!(rig.denied_count(denial), 2);
        assert_eq!(
            rig.denials(),
            [("a".into(), Some("anna".into()), denial), ("a".into(), Some("anna".into()), denial)]
        );
        assert_eq!((rig.connection_count(), rig.held_bytes()), (0, 0));
    }
}

/// A client without a user name is let in by a listener that allows it; one with a user name is never believed there.
#[test]
fn with_anonymous_clients_allowed_a_name_is_still_proved() {
    let rig = Rig::with_policy(ListenerPolicy { allow_anonymous: true, ..asking() });
    rig.connect_v5("a");
    let mut b = rig.attempt(&anna());
    expect_silence(&mut b);
    rig.deny(&rig.next_login(), Denial::Credentials);
    assert_eq!(b.next_connack().reason, 0x86);
    // Where nobody without a name may come in, who is asked decides on those, too.
    rig.set_listeners(vec![asking()]);
    let mut c = rig.attempt(&Connect::v5("c"));
    expect_silence(&mut c);
    assert_eq!(rig.next_login().login.user_name, None);
}

/// Nobody is bothered with a CONNECT that is refused anyway.
#[test]
fn a_connect_that_is_not_valid_is_refused_before_anybody_is_asked() {
    let rig = Rig::with_policy(asking());
    let mut over_limit = rig.open_over_limit();
    over_limit.connect(&anna());
    assert_eq!(over_limit.next_connack().reason, 0x97);
    rig.expect_refused(&Connect::v3_1_1("").raw_flags(|flags| flags & !2).user_name("anna"), 2);
    expect_connect_breach(&rig, &frame(0x10, &[0, 4, b'M', b'Q', b'T', b'T', 5, 0x01, 0, 0, 0, 0, 0]), &[0x81]);
    rig.shut_down();
    let mut late = rig.open();
    late.connect(&anna());
    assert_eq!(late.next_connack().reason, 0x88);
    assert!(!rig.has_logins());
}

/// "Clients are allowed to send further MQTT Control Packets immediately after sending a CONNECT packet" (section 3.1.4).
#[test]
fn packets_behind_connect_are_handled_after_the_verdict() {
    let rig = Rig::with_policy(asking());
    for split in [false, true] {
        let mut a = rig.open();
        a.level = 5;
        let mut bytes = anna().bytes();
        bytes.extend(subscribe(5, 1, &[], &[("t", 0)]));
        bytes.extend(publish("t", "early").bytes(5));
        let half = frame(0xC0, &[]);
        if split {
            bytes.iter().for_each(|byte| a.send(&[*byte]));
        } else {
            a.send(&bytes);
        }
        a.send(&half[..1]);
        expect_silence(&mut a);
        rig.allow(&rig.next_login(), grant("anna"));
        assert_eq!(a.next_connack().reason, 0);
        assert_eq!(a.next_suback().packet_id, 1);
        a.take("early");
        a.send(&half[1..]);
        assert!(matches!(a.next(), Packet::PingResp));
    }
}

#[test]
fn packets_behind_connect_are_forgotten_with_a_denial() {
    let rig = Rig::with_policy(ListenerPolicy { allow_anonymous: true, ..asking() });
    let mut observer = rig.connect_v5("observer");
    observer.subscribe(&[("t", 0)]);
    let mut a = rig.attempt(&anna());
    a.publish("t", "early");
    rig.deny(&rig.next_login(), Denial::Credentials);
    assert_eq!(a.next_connack().reason, 0x86);
    a.expect_closed();
    observer.expect_nothing();
}

#[test]
fn a_disconnect_behind_connect_is_handled_after_the_verdict() {
    let rig = Rig::with_policy(asking());
    let mut a = rig.attempt(&anna());
    a.send(&frame(0xE0, &[]));
    rig.allow(&rig.next_login(), grant("anna"));
    assert_eq!(a.next_connack().reason, 0);
    a.expect_closed();
    assert_eq!(rig.held_bytes(), 0);
}

/// What waits with its client is bounded: beyond that the client is not read, until the verdict has come.
#[test]
fn a_client_that_talks_on_is_not_read() {
    let rig = Rig::with(|settings| settings.connect_size_max = 1_000);
    rig.set_listeners(vec![asking()]);
    let mut a = rig.attempt(&anna());
    let sent = 100;
    for number in 0..sent {
        a.publish("t", &format!("{number:050}"));
    }
    assert!(a.is_paused());
    assert!(rig.held_bytes() < 2_000, "{} bytes wait", rig.held_bytes());
    rig.allow(&rig.next_login(), grant("anna"));
    assert_eq!(a.next_connack().reason, 0);
    assert!(!a.is_paused());
    a.ping();
    assert_eq!(rig.publishes_received(), sent);
    assert_eq!(rig.held_bytes(), 0);
}

/// What was on its way when the server stopped reading is kept, too, but not without end.
#[test]
fn a_client_that_is_read_all_the_same_is_closed() {
    let rig = Rig::with(|settings| settings.connect_size_max = 1_000);
    rig.set_listeners(vec![asking()]);
    let mut a = rig.attempt(&anna());
    a.push_past_pause(&vec![0; 4 << 20]);
    assert!(!a.is_closed());
    a.push_past_pause(&[0; 1_001]);
    a.expect_closed();
    assert_eq!((rig.connection_count(), rig.held_bytes()), (0, 0));
}

#[test]
fn a_client_that_goes_away_is_forgotten() {
    let rig = Rig::with_policy(asking());
    let mut gone = rig.attempt(&anna());
    gone.publish("t", "early");
    let pending = rig.next_login();
    gone.break_off();
    assert_eq!((rig.connection_count(), rig.held_bytes()), (0, 0));
    // Another connection may have its slot now.
    let mut other = rig.attempt(&anna());
    rig.allow(&pending, grant("anna"));
    expect_silence(&mut other);
    rig.deny(&rig.next_login(), Denial::Refused);
    assert_eq!(other.next_connack().reason, 0x87);
}

/// Whoever is asked has the time of the handshake; then the client is told that it cannot be decided now.
#[test]
fn a_verdict_has_a_deadline() {
    let rig = Rig::with_policy(asking());
    let mut a = rig.attempt(&anna());
    rig.advance_s(9);
    expect_silence(&mut a);
    rig.advance_s(2);
    assert_eq!(a.next_connack().reason, 0x88);
    a.expect_closed();
    assert_eq!(rig.denied_count(Denial::Unavailable), 1);
    rig.allow(&rig.next_login(), grant("anna"));
    assert_eq!((rig.connection_count(), rig.held_bytes()), (0, 0));
}

#[test]
fn a_shutdown_ends_clients_that_wait() {
    let rig = Rig::with_policy(asking());
    let mut a = rig.attempt(&anna());
    let pending = rig.next_login();
    rig.shut_down();
    a.expect_closed();
    rig.allow(&pending, grant("anna"));
    assert_eq!((rig.connection_count(), rig.held_bytes()), (0, 0));
}

/// Until the verdict a stranger takes nothing over that it only names.
#[test]
fn nothing_is_taken_over_before_the_verdict() {
    let rig = Rig::with_policy(ListenerPolicy { allow_anonymous: true, ..asking() });
    let mut a = rig.connect_v5("a");
    let mut stranger = rig.attempt(&anna());
    a.ping();
    rig.deny(&rig.next_login(), Denial::Credentials);
    assert_eq!(stranger.next_connack().reason, 0x86);
    a.ping();
    let mut anna = rig.attempt(&anna());
    rig.allow(&rig.next_login(), grant("anna"));
    assert_eq!(anna.next_connack().reason, 0);
    a.expect_closed_with(0x8E);
}

/// A grant ends: with DISCONNECT 0x87, or with a close where no reason can be told.
#[test]
fn a_grant_that_ends_ends_the_connection() {
    let rig = Rig::with_policy(asking());
    for (connect, keep_alive_s) in [(anna(), 0), (anna(), 60), (Connect::v3_1_1("b").user_name("anna"), 3)] {
        let mut a = rig.attempt(&connect.keep_alive(keep_alive_s));
        rig.allow(&rig.next_login(), Grant { valid_for_ms: Some(10_000), ..grant("anna") });
        assert_eq!(a.next_connack().reason, 0);
        for _ in 0..4 {
            rig.advance_ms(2_400);
            a.ping();
        }
        rig.advance_ms(500);
        match a.level {
            5 => a.expect_closed_with(0x87),
            _ => a.expect_closed(),
        }
    }
}

#[test]
fn a_name_too_long_to_be_kept_is_no_name() {
    let rig = Rig::new();
    rig.connect(&Connect::v5("a").user_name(&"n".repeat(4_096)));
    rig.expect_refused(&Connect::v5("a").user_name(&"n".repeat(4_097)), 0x86);
}

/// Lets anybody in under the name that is the data.
struct Named;

impl AuthenticationMethod for Named {
    fn name(&self) -> &str {
        "named"
    }

    fn begin(&self, _client_id: &str, _user_name: Option<&str>) -> Box<dyn AuthenticationExchange> {
        Box::new(Self)
    }

    fn serves(&self, listener: ListenerId) -> bool {
        listener == ListenerId(0)
    }
}

impl AuthenticationExchange for Named {
    fn step(&mut self, data: Option<&[u8]>) -> AuthenticationStep {
        let user_name = data.map(|name| String::from_utf8_lossy(name).into());
        AuthenticationStep::Success { user_name, data: None }
    }
}

fn named(name: &str) -> Connect {
    Connect::v5("a").property(AUTHENTICATION_METHOD, "named").property(AUTHENTICATION_DATA, name.as_bytes())
}

/// An exchange that ends well is as good as a verdict; nobody is asked.
#[test]
fn enhanced_authentication_proves_a_user() {
    let rig = Rig::with_methods(vec![Box::new(Named)]);
    rig.set_listeners(vec![asking(), asking()]);
    rig.connect(&named("anna"));
    assert_eq!(rig.users(), [Some("anna".into())]);
    // The method is not that of another listener.
    let mut other = rig.open_at(1, None);
    other.connect(&named("anna"));
    assert_eq!(other.next_connack().reason, 0x8C);
    assert!(!rig.has_logins());
}

#[test]
fn re_authentication_must_prove_the_same_user() {
    let rig = Rig::with_methods(vec![Box::new(Named)]);
    let mut a = rig.connect(&named("anna"));
    let again = |name: &str| {
        let mut properties = property(AUTHENTICATION_METHOD, "named");
        properties.extend(property(AUTHENTICATION_DATA, name.as_bytes()));
        auth(0x19, &properties)
    };
    a.send(&again("anna"));
    assert_eq!(a.next_auth().reason, 0);
    a.send(&again("berta"));
    a.expect_closed_with(0x87);
}

/// On several shards the verdict comes to the home of the client, whose connection has moved there.
#[test]
fn several_shards_ask_each_for_its_clients() {
    let rig = Rig::with_shards(2, |_| {});
    rig.set_listeners(vec![asking()]);
    for shard in [0, 1] {
        let mut client = rig.attempt(&Connect::v5(&rig.client_id_on(shard)).user_name("anna"));
        let pending = rig.next_login();
        assert_eq!(pending.shard, shard);
        rig.allow(&pending, grant("anna"));
        assert_eq!(client.next_connack().reason, 0);
    }
}
