//! Bans: made by command or because a client flaps, enforced at once, and at an end again.

use std::time::Duration;

use ringmq::access::BanSubject;
use ringmq::runtime::{Ban, Flapping, GuardConfig};

use crate::client::Client;
use crate::client::Outcome::{Closed, ConnAck};
use crate::{SHARD_COUNTS, eventually, listener, refusals, start};

fn ban(kind: &str, value: &str) -> Ban {
    Ban { subject: BanSubject::parse(kind, value).unwrap(), left: None, reason: "a test".into() }
}

#[test]
fn a_banned_client_is_disconnected_and_kept_out_until_the_ban_is_lifted() {
    for shards in SHARD_COUNTS {
        let (server, address) = start(shards, listener(), GuardConfig::default());
        let (mut by_id, _) = Client::connect_as(address, "banned", "u");
        let (mut by_user, _) = Client::connect_as(address, "b", "banned");
        for ban in [ban("client_id", "banned"), ban("user_name", "banned")] {
            server.ban(&ban).unwrap();
        }
        for client in [&mut by_id, &mut by_user] {
            assert_eq!(client.read_disconnect(), 0x98);
            client.wait_for_end();
        }
        assert_eq!(Client::connect_as(address, "banned", "u").1, ConnAck(0x8A));
        assert_eq!(Client::connect_as(address, "b", "banned").1, ConnAck(0x8A));
        assert_eq!(Client::connect_as(address, "b", "u").1, ConnAck(0));
        assert_eq!(server.bans(), [ban("client_id", "banned"), ban("user_name", "banned")]);
        assert_eq!(refusals(&server, "banned"), 2);
        assert!(server.lift_ban(&ban("client_id", "banned").subject));
        assert!(!server.lift_ban(&ban("client_id", "banned").subject));
        eventually("it is lifted", || Client::connect_as(address, "banned", "u").1 == ConnAck(0));
        assert_eq!(Client::connect_as(address, "b", "banned").1, ConnAck(0x8A));
    }
}

#[test]
fn a_banned_address_is_cut_off_also_in_its_handshake() {
    for shards in SHARD_COUNTS {
        let (server, address) = start(shards, listener(), GuardConfig::default());
        let (mut connected, outcome) = Client::connect(address, "a");
        assert_eq!(outcome, ConnAck(0));
        let mut silent = Client::open(address);
        eventually("both are accepted", || server.counters().accepts == 2);
        server.ban(&ban("address", "127.0.0.0/8")).unwrap();
        assert_eq!(connected.read_disconnect(), 0x98);
        connected.wait_for_end();
        silent.wait_for_end();
        assert_eq!(Client::connect(address, "b").1, Closed);
        assert!(refusals(&server, "address-banned") > 0);
        assert!(server.lift_ban(&ban("address", "127.0.0.0/8").subject));
        assert_eq!(Client::connect(address, "c").1, ConnAck(0));
    }
}

#[test]
fn a_client_that_flaps_is_banned_for_a_while() {
    for shards in SHARD_COUNTS {
        let ban = Duration::from_secs(2);
        let flapping = Some(Flapping { connects: 3, window: Duration::from_secs(3_600), ban });
        let (server, address) = start(shards, listener(), GuardConfig { flapping, ..GuardConfig::default() });
        for _ in 0..3 {
            assert_eq!(Client::connect(address, "flapping").1, ConnAck(0));
        }
        assert_eq!(Client::connect(address, "calm").1, ConnAck(0));
        assert_eq!(server.bans(), []);
        let (mut last, outcome) = Client::connect(address, "flapping");
        assert_eq!(outcome, ConnAck(0));
        assert_eq!(last.read_disconnect(), 0x98);
        let bans = server.bans();
        assert_eq!(bans.len(), 1, "{bans:?}");
        assert_eq!(bans[0].subject, BanSubject::ClientId("flapping".into()));
        assert!(bans[0].left.is_some_and(|left| left <= ban));
        assert!(bans[0].reason.starts_with("flapping: more than 3 connects in 3600 s"), "{}", bans[0].reason);
        assert_eq!(server.counters().flapping_bans, 1);
        assert_eq!(Client::connect(address, "calm").1, ConnAck(0));
        let mut banned = 0;
        eventually("the ban ends", || match Client::connect(address, "flapping").1 {
            ConnAck(0x8A) => {
                banned += 1;
                false
            }
            outcome => outcome == ConnAck(0),
        });
        assert!(banned > 0);
        assert_eq!(server.bans(), []);
    }
}
