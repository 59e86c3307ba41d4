//! Fan-out: everything goes to everybody. This measures what one more copy of a message costs.

use crate::cli::FanOutArgs;
use crate::engine::plan::{Group, Subscriber, Topic};
use crate::run::Plan;

/// One topic, with all publishers and all subscribers.
pub fn plan(args: &FanOutArgs, prefix: &str) -> Plan {
    let name = format!("{prefix}/news");
    let topic = Topic::to_each(name.clone(), (0..args.subscribers).collect(), args.load.message());
    Plan {
        scenario: "fan-out",
        title: format!("fan-out of {} publishers to {} subscribers", args.publishers, args.subscribers),
        groups: vec![Group {
            publishers: vec![vec![topic]; args.publishers],
            subscribers: vec![Subscriber::to(name, args.load.qos); args.subscribers],
            ..Group::default()
        }],
    }
}
