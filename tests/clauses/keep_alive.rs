//! Keep Alive (section 3.1.2.10).

use crate::rig::*;

/// "If the Keep Alive value is non-zero and the Server does not receive an MQTT Control Packet from the Client within
/// one and a half times the Keep Alive time period, it MUST close the Network Connection to the Client as if the
/// network had failed" [MQTT-3.1.2-22]. In 5.0 it says 0x8D.
#[test]
fn mqtt_3_1_2_22_silent_client_is_closed() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b"), Connect::v3_1("c")] {
        let mut client = rig.connect(&connect.keep_alive(10));
        rig.advance_ms(14_999);
        assert!(!client.is_closed());
        rig.advance_ms(1_001);
        client.expect_closed_with(0x8D);
    }
}

/// Any packet from the client counts, what the server sends does not [MQTT-3.1.2-22].
#[test]
fn mqtt_3_1_2_22_every_packet_counts() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").keep_alive(10));
    a.subscribe(&[("t", 1)]);
    let mut publisher = rig.connect_v5("p");
    for _ in 0..5 {
        rig.advance_s(14);
        a.ping();
        rig.advance_s(14);
        a.publish("other", "x");
        rig.advance_s(14);
        publisher.publish_qos1("t", "x");
        a.take("x");
    }
    rig.advance_s(7);
    publisher.publish_qos1("t", "x");
    a.next_publish();
    rig.advance_s(9);
    a.expect_closed_with(0x8D);
}

/// A packet that is not whole is not a packet.
#[test]
fn part_of_a_packet_does_not_count() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").keep_alive(10));
    rig.advance_s(10);
    a.send(&[0x30]);
    rig.advance_s(6);
    a.expect_closed_with(0x8D);
}

/// The will of a silent client is published: the network is taken to have failed [MQTT-3.1.2-22].
#[test]
fn mqtt_3_1_2_22_silent_client_leaves_its_will() {
    let rig = Rig::new();
    let mut watcher = rig.connect_v5("watcher");
    watcher.subscribe(&[("w", 0)]);
    rig.connect(&Connect::v5("a").keep_alive(1).will("w", b"silent", 0, false));
    rig.advance_s(2);
    watcher.take("silent");
}

/// "A Keep Alive value of 0 has the effect of turning off the Keep Alive mechanism" (section 3.1.2.10).
#[test]
fn keep_alive_0_is_for_ever() {
    let rig = Rig::new();
    let mut a = rig.connect_v5("a");
    let mut b = rig.connect_v3_1_1("b");
    rig.advance_s(1_000_000);
    a.ping();
    b.ping();
}

/// The operator's maximum holds for 3.x clients too, which cannot be told.
#[test]
fn keep_alive_maximum_holds_for_all_versions() {
    let rig = Rig::with(|settings| settings.keep_alive_max_s = 10);
    for wished in [0, 1_000] {
        let mut a = rig.connect(&Connect::v3_1_1("a").keep_alive(wished));
        rig.advance_ms(14_999);
        assert!(!a.is_closed());
        rig.advance_ms(1_001);
        a.expect_closed();
    }
}

/// The largest Keep Alive is 65,535 seconds.
#[test]
fn largest_keep_alive_is_kept() {
    let rig = Rig::new();
    let mut a = rig.connect(&Connect::v5("a").keep_alive(0xFFFF));
    rig.advance_s(98_302);
    a.ping();
    rig.advance_s(98_304);
    a.expect_closed_with(0x8D);
}
