//! Pairs: each publisher has one subscriber of its own. Nothing is shared between pairs, so this measures what a message
//! costs, without help from batching over subscribers.

use crate::cli::PairsArgs;
use crate::engine::plan::{Group, Subscriber, Topic};
use crate::run::Plan;

/// Groups of one publisher and one subscriber.
pub fn plan(args: &PairsArgs, prefix: &str) -> Plan {
    let message = args.load.message();
    let group = |pair| {
        let name = format!("{prefix}/pair/{pair}");
        let topic = Topic::to_each(name.clone(), vec![0], message);
        Group {
            publishers: vec![vec![topic]],
            subscribers: vec![Subscriber::to(name, message.qos)],
            ..Group::default()
        }
    };
    Plan { scenario: "pairs", title: format!("{} pairs", args.pairs), groups: (0..args.pairs).map(group).collect() }
}
