//! What one client may send: a client that sends more is not read for a while, or is disconnected.

use ringmq::access::{ListenerPolicy, OverQuota, Quotas, Rate};

use crate::rig::*;

fn quotas(messages: Option<(u64, u64)>, bytes: Option<(u64, u64)>, over: OverQuota) -> Quotas {
    let rate = |(per_second, burst)| Rate { per_second, burst };
    Quotas { messages: messages.map(rate), bytes: bytes.map(rate), over }
}

fn policy(quotas: Quotas) -> ListenerPolicy {
    ListenerPolicy { allow_anonymous: true, quotas, ..ListenerPolicy::default() }
}

/// So many messages a second, of which so many at once.
fn messages(per_second: u64, burst: u64) -> ListenerPolicy {
    policy(quotas(Some((per_second, burst)), None, OverQuota::Pause))
}

/// A burst passes; then messages pass at their rate, all of them and in their order, whether they come in one piece or each by
/// itself.
#[test]
fn a_client_that_sends_too_much_is_slowed_down() {
    for in_one_piece in [false, true] {
        let rig = Rig::with_policy(messages(10, 5));
        let mut a = rig.connect_v5("a");
        a.subscribe(&[("t", 0)]);
        let packets: Vec<Vec<u8>> = (0..30).map(|number| publish("t", number.to_string()).bytes(5)).collect();
        if in_one_piece {
            a.send(&packets.concat());
        } else {
            packets.iter().for_each(|packet| a.send(packet));
        }
        assert!(a.is_paused());
        let mut taken = a.take_all();
        assert_eq!(taken.len(), 6, "a burst of 5, and one that is paid back");
        rig.advance_s(1);
        taken.extend(a.take_all());
        assert_eq!(taken.len(), 16, "10 more");
        rig.advance_s(2);
        taken.extend(a.take_all());
        assert_eq!(taken, (0..30).map(|number| number.to_string()).collect::<Vec<_>>());
        assert!(!a.is_paused() && !a.is_closed());
        assert_eq!(rig.held_bytes(), 0);
        assert_eq!(rig.quotas_exceeded(), ["messages"], "one episode");
    }
}

#[test]
fn a_client_within_its_quotas_is_not_touched() {
    let rig = Rig::with_policy(policy(quotas(Some((10, 5)), Some((1_000, 1_000)), OverQuota::Disconnect)));
    let mut a = rig.connect_v5("a");
    for _ in 0..50 {
        (0..5).for_each(|_| a.publish("t", "x"));
        (0..10).for_each(|_| a.ping());
        rig.advance_ms(500);
    }
    assert!(rig.quotas_exceeded().is_empty());
}

/// All bytes count, not only those of messages; half of a packet waits for its other half as ever.
#[test]
fn bytes_have_a_rate_of_their_own() {
    let rig = Rig::with_policy(policy(quotas(None, Some((1_000, 500)), OverQuota::Pause)));
    let mut a = rig.connect_v5("a");
    let packet = publish("t", vec![b'x'; 1_490]).qos1(7).bytes(5);
    a.send(&packet[..400]);
    assert!(!a.is_paused());
    a.send(&packet[400..]);
    a.send(&frame(0xC0, &[]));
    assert!(a.is_paused());
    a.expect_nothing();
    rig.advance_ms(900);
    a.expect_nothing();
    rig.advance_ms(200);
    assert_eq!(a.next_puback().packet_id, 7);
    rig.advance_ms(100);
    assert!(matches!(a.next(), Packet::PingResp));
    assert_eq!(rig.quotas_exceeded(), ["bytes"]);
}

/// DISCONNECT 0x96 (Message rate too high); before 5.0 a close.
#[test]
fn a_client_that_sends_too_much_is_disconnected_where_that_is_wanted() {
    for (messages, bytes) in [(Some((10, 5)), None), (None, Some((100, 100)))] {
        let rig = Rig::with_policy(policy(quotas(messages, bytes, OverQuota::Disconnect)));
        let mut observer = rig.connect_v5("observer");
        observer.subscribe(&[("t", 0)]);
        let mut a = rig.connect(&Connect::v5("a").will("t", b"will", 0, false));
        let packets: Vec<Vec<u8>> = (0..20).map(|number| publish("t", number.to_string()).bytes(5)).collect();
        a.send(&packets.concat());
        a.expect_closed_with(0x96);
        let taken = observer.take_all();
        assert_eq!(taken.last().map(String::as_str), Some("will"));
        assert_eq!(taken.len(), if messages.is_some() { 6 } else { 1 });
        let mut old = rig.connect_v3_1_1("b");
        old.send(&(0..20).flat_map(|_| publish("t", "x").bytes(4)).collect::<Vec<u8>>());
        old.expect_closed();
        assert_eq!(rig.quotas_exceeded().len(), 2);
        assert_eq!(rig.held_bytes(), 0);
    }
}

/// The server does not listen, so the client's silence is not the client's.
#[test]
fn keep_alive_does_not_run_while_the_client_is_not_read() {
    let rig = Rig::with_policy(policy(quotas(None, Some((100, 100)), OverQuota::Pause)));
    let mut a = rig.connect(&Connect::v5("a").keep_alive(2));
    a.send(&publish("t", vec![b'x'; 1_100]).bytes(5));
    rig.advance_s(9);
    assert!(!a.is_closed() && a.is_paused());
    assert_eq!(rig.publishes_received(), 0);
    // It has paid back after ten seconds; from then on its silence is its own.
    rig.advance_ms(2_500);
    assert_eq!(rig.publishes_received(), 1);
    assert!(!a.is_closed() && !a.is_paused());
    rig.advance_s(3);
    a.expect_closed_with(0x8D);
}

/// What the client is sent goes on meanwhile, and so does its end.
#[test]
fn a_paused_client_receives_and_may_go() {
    let rig = Rig::with_policy(messages(1, 1));
    let mut a = rig.connect_v5("a");
    a.subscribe(&[("t", 0)]);
    (0..10).for_each(|_| a.publish("other", "x"));
    rig.connect_v5("b").publish("t", "for a");
    a.take("for a");
    a.break_off();
    rig.advance_s(30);
    assert_eq!(rig.held_bytes(), 0);
    assert_eq!(rig.connection_count(), 1);
}

/// Each client has its own measure, and it begins anew with each connection.
#[test]
fn quotas_are_for_each_connection() {
    let rig = Rig::with_policy(messages(1, 3));
    for client_id in ["a", "b", "a"] {
        let mut client = rig.connect_v5(client_id);
        (0..3).for_each(|_| client.publish("t", "x"));
        assert!(!client.is_paused());
        client.publish("t", "x");
        assert!(client.is_paused());
    }
}

/// New quotas hold at once, and a client that waits on account of the old ones does so no longer.
#[test]
fn new_quotas_hold_for_open_connections() {
    let rig = Rig::with_policy(messages(1, 1));
    let mut a = rig.connect_v5("a");
    (0..10).for_each(|_| a.publish("t", "x"));
    assert!(a.is_paused());
    rig.set_listeners(vec![policy(Quotas::default())]);
    assert!(!a.is_paused());
    (0..10).for_each(|_| a.publish("t", "x"));
    assert_eq!(rig.publishes_received(), 20);
    rig.set_listeners(vec![messages(1, 1)]);
    (0..10).for_each(|_| a.publish("t", "x"));
    assert!(a.is_paused());
    rig.set_listeners(vec![messages(1, 100)]);
    assert!(!a.is_paused());
    a.ping();
    assert_eq!(rig.publishes_received(), 30);
}

/// What comes behind a CONNECT at once is measured like what comes later.
#[test]
fn packets_behind_connect_count() {
    let rig = Rig::with_policy(messages(10, 2));
    let mut a = rig.open();
    let mut bytes = Connect::v5("a").bytes();
    bytes.extend((0..10).flat_map(|_| publish("t", "x").bytes(5)));
    a.send(&bytes);
    assert_eq!(a.next_connack().reason, 0);
    assert!(a.is_paused());
    rig.advance_s(1);
    assert_eq!(rig.publishes_received(), 10);
    a.ping();
}
