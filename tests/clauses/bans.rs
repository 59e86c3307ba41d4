//! Who is banned, and how many connections a user may have: at CONNECT, when it is known for certain who the client is, and when
//! the ban comes while the client is connected.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use ringmq::access::{BanSubject, Denial, Grant, ListenerPolicy, UserConnections};

use crate::rig::*;

const LONG_MS: u64 = 3_600_000;

fn client_id(name: &str) -> BanSubject {
    BanSubject::ClientId(name.into())
}

fn user_name(name: &str) -> BanSubject {
    BanSubject::UserName(name.into())
}

fn asking() -> ListenerPolicy {
    ListenerPolicy { is_asked: true, ..ListenerPolicy::default() }
}

fn grant(user_name: &str) -> Grant {
    Grant { user_name: Some(user_name.into()), ..Grant::default() }
}

#[test]
fn a_banned_client_id_is_refused_until_the_ban_ends() {
    let rig = Rig::with_shards(3, |_| {});
    rig.ban(&client_id("a"), 10_000);
    rig.expect_refused(&Connect::v5("a"), 0x8A);
    // Banned clients are not authorized before 5.0 (section 3.2.2.3 of 3.1.1).
    rig.expect_refused(&Connect::v3_1_1("a"), 5);
    assert_eq!(rig.denied_count(Denial::Banned), 2);
    rig.connect_v5("b");
    rig.advance_ms(9_999);
    rig.expect_refused(&Connect::v5("a"), 0x8A);
    rig.advance_ms(1);
    rig.connect_v5("a");
}

#[test]
fn a_ban_can_be_lifted() {
    let rig = Rig::new();
    rig.ban(&client_id("a"), LONG_MS);
    rig.ban(&user_name("anna"), LONG_MS);
    rig.expect_refused(&Connect::v5("a"), 0x8A);
    rig.expect_refused(&Connect::v5("b").user_name("anna"), 0x8A);
    rig.lift_ban(&client_id("a"));
    rig.connect_v5("a");
    rig.lift_ban(&user_name("anna"));
    rig.connect(&Connect::v5("b").user_name("anna"));
}

#[test]
fn who_is_connected_under_a_ban_is_disconnected() {
    for subject in [client_id("a"), user_name("anna"), BanSubject::parse("address", "127.0.0.0/8").unwrap()] {
        let rig = Rig::new();
        let mut a = rig.connect(&Connect::v5("a").user_name("anna"));
        rig.ban(&subject, LONG_MS);
        // 0x98, Administrative action: 0x8A is for CONNACK only (section 3.14.2.1).
        a.expect_closed_with(0x98);
    }
    let rig = Rig::new();
    let mut a = rig.connect_v3_1_1("a");
    let mut b = rig.connect_v5("b");
    let mut silent = rig.open();
    rig.ban(&client_id("a"), LONG_MS);
    a.expect_closed();
    b.ping();
    rig.ban(&BanSubject::parse("address", "10.0.0.0/8").unwrap(), LONG_MS);
    b.ping();
    rig.ban(&BanSubject::parse("address", "127.0.0.1").unwrap(), LONG_MS);
    b.expect_closed_with(0x98);
    silent.expect_closed();
}

#[test]
fn the_name_that_the_decision_gives_counts_too() {
    let rig = Rig::with_policy(asking());
    rig.ban(&user_name("banned"), LONG_MS);
    // Who says the name is not even asked about.
    rig.expect_refused(&Connect::v5("a").user_name("banned").password(b"p"), 0x8A);
    assert!(!rig.has_logins());
    let mut a = rig.attempt(&Connect::v5("a").user_name("anna").password(b"p"));
    rig.allow(&rig.next_login(), grant("banned"));
    assert_eq!(a.next_connack().reason, 0x8A);
    a.expect_closed();
    assert_eq!(rig.users(), Vec::<Option<String>>::new());
}

#[test]
fn a_ban_that_comes_while_somebody_is_asked_counts() {
    let rig = Rig::with_policy(asking());
    let mut a = rig.attempt(&Connect::v5("a").user_name("anna").password(b"p"));
    rig.ban(&client_id("a"), LONG_MS);
    rig.allow(&rig.next_login(), grant("anna"));
    assert_eq!(a.next_connack().reason, 0x8A);
    a.expect_closed();
}

/// Two connections of each user.
#[derive(Clone, Default)]
struct Two(Rc<RefCell<BTreeMap<String, usize>>>);

impl UserConnections for Two {
    fn enter(&self, user_name: &str, is_replacing: bool) -> bool {
        let mut users = self.0.borrow_mut();
        let open = users.entry(user_name.into()).or_default();
        let is_allowed = *open < 2 || is_replacing;
        *open += usize::from(is_allowed);
        is_allowed
    }

    fn leave(&self, user_name: &str) {
        *self.0.borrow_mut().get_mut(user_name).unwrap() -= 1;
    }
}

#[test]
fn a_user_with_too_many_connections_is_refused_however_it_is_known() {
    let rig = Rig::with_policy(ListenerPolicy { certificate_is_user: true, ..asking() });
    let two = Two::default();
    rig.count_users(|| Box::new(two.clone()));
    let allowed = |name: &str, granted: &str| {
        let client = rig.attempt(&Connect::v5(name).user_name("anna").password(b"p"));
        rig.allow(&rig.next_login(), grant(granted));
        client
    };
    let mut a = allowed("a", "machine");
    assert_eq!(a.next_connack().reason, 0);
    let mut b = rig.open_at(0, Some("machine"));
    b.connect(&Connect::v5("b"));
    assert_eq!(b.next_connack().reason, 0);
    for _ in 0..2 {
        let mut c = allowed("c", "machine");
        assert_eq!(c.next_connack().reason, 0x97);
        c.expect_closed();
        let mut d = rig.open_at(0, Some("machine"));
        d.connect(&Connect::v5("d"));
        assert_eq!(d.next_connack().reason, 0x97);
        d.expect_closed();
    }
    assert_eq!(rig.denied_count(Denial::Quota), 4);
    // Its own session is taken over, and that is not one more.
    let mut again = allowed("a", "machine");
    assert_eq!(again.next_connack().reason, 0);
    a.expect_closed_with(0x8E);
    assert_eq!(two.0.borrow()["machine"], 2);
    again.disconnect();
    b.break_off();
    assert_eq!(two.0.borrow()["machine"], 0);
}

/// Whatever a connection is refused for after it was counted, it is not counted any more.
#[test]
fn who_is_refused_after_all_does_not_count() {
    let rig = Rig::with(|settings| settings.sessions_max = 1);
    let two = Two::default();
    rig.count_users(|| Box::new(two.clone()));
    let mut a = rig.connect(&Connect::v5("a").user_name("anna"));
    rig.expect_refused(&Connect::v5("b").user_name("anna"), 0x97);
    assert_eq!(two.0.borrow()["anna"], 1);
    a.disconnect();
    assert_eq!(two.0.borrow()["anna"], 0);
}
