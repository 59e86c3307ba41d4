//! Pairs: each publisher has one subscriber of its own. Nothing is shared between pairs, so this measures what a message
//! costs, without help from batching over subscribers.

use super::steady;
use crate::cli::PairsArgs;
use crate::run::Plan;

/// Groups of one publisher and one subscriber.
pub fn plan(args: &PairsArgs, prefix: &str) -> Plan {
    let groups = steady::pairs(args.pairs, prefix, args.load.message());
    Plan { scenario: "pairs", title: format!("{} pairs", args.pairs), groups }
}
