//! Shared subscription: the members of a group share the work of all publishers; each message goes to one of them
//! (section 4.8.2 of MQTT 5.0; many brokers offer it to 3.1.1 as well).

use crate::cli::SharedArgs;
use crate::engine::plan::{Group, Subscriber, Topic};
use crate::run::Plan;

/// One share group over the topics of all publishers.
pub fn plan(args: &SharedArgs, prefix: &str) -> Plan {
    let members: Vec<usize> = (0..args.members).collect();
    let topics = |publisher| {
        let name = format!("{prefix}/job/{publisher}");
        vec![Topic { name, receivers: Vec::new(), shares: vec![members.clone()], message: args.load.message() }]
    };
    Plan {
        scenario: "shared",
        title: format!("{} publishers to a share group of {} members", args.publishers, args.members),
        groups: vec![Group {
            publishers: (0..args.publishers).map(topics).collect(),
            subscribers: vec![Subscriber::to(format!("$share/load/{prefix}/job/+"), args.load.qos); args.members],
            ..Group::default()
        }],
    }
}
