//! PINGREQ and PINGRESP (sections 3.12 and 3.13).

use crate::rig::*;

/// "The Server MUST send a PINGRESP packet in response to a PINGREQ packet" [MQTT-3.12.4-1].
#[test]
fn mqtt_3_12_4_1_pingreq_is_answered() {
    let rig = Rig::new();
    for connect in [Connect::v5("a"), Connect::v3_1_1("b"), Connect::v3_1("c")] {
        let mut client = rig.connect(&connect);
        client.ping();
        client.ping();
    }
}

/// The Remaining Length of a PINGREQ is 0 (section 3.12.1).
#[test]
fn pingreq_with_a_body_is_malformed() {
    let rig = Rig::new();
    let mut client = rig.connect_v5("a");
    client.send(&[0xC0, 1, 0]);
    client.expect_closed_with(0x81);
}
