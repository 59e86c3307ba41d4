//! Clients that do not get to the end of their handshake.

use std::io::Write;

use ringmq::runtime::{RuntimeConfig, ShardCount};

use crate::client::{Client, connect};
use crate::{SHARD_COUNTS, eventually, listener, start_with};

#[test]
fn who_does_not_say_connect_in_time_is_gone() {
    for shards in SHARD_COUNTS {
        let mut config = RuntimeConfig {
            listeners: vec![listener()],
            shards: ShardCount::Exactly(shards),
            receive_buffers: 64,
            ..RuntimeConfig::default()
        };
        config.settings.handshake_time_max_ms = 300;
        let (server, address) = start_with(config);
        let mut silent = Client::open(address);
        let mut dripping = Client::open(address);
        // A byte now and then does not buy time.
        for byte in connect("a-client-with-a-long-name", None).chunks(1).take(30) {
            if dripping.stream.write_all(byte).is_err() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        silent.wait_for_end();
        dripping.wait_for_end();
        eventually("both are counted", || server.counters().layer_failures.get("handshake-timeout") == Some(&2));
    }
}
