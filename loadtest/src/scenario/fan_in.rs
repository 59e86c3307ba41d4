//! Fan-in: many publishers, each with a topic of its own, and few subscribers with a wildcard, as where a back end collects
//! what devices report. This measures how well small reads become large writes, and the order at a busy subscriber.

use crate::cli::FanInArgs;
use crate::engine::plan::{Group, Subscriber, Topic};
use crate::run::Plan;

/// All publishers to all subscribers, over one wildcard.
pub fn plan(args: &FanInArgs, prefix: &str) -> Plan {
    let receivers: Vec<usize> = (0..args.subscribers).collect();
    let topics = |publisher| {
        let name = format!("{prefix}/device/{publisher}/report");
        vec![Topic::to_each(name, receivers.clone(), args.load.message())]
    };
    Plan {
        scenario: "fan-in",
        title: format!("fan-in of {} publishers to {} subscribers", args.publishers, args.subscribers),
        groups: vec![Group {
            publishers: (0..args.publishers).map(topics).collect(),
            subscribers: vec![Subscriber::to(format!("{prefix}/device/+/report"), args.load.qos); args.subscribers],
            ..Group::default()
        }],
    }
}
