//! The command line: one file of arguments for each family of scenarios, and what they have in common.

mod compare;
mod connections;
mod durable;
mod endurance;
mod idle;
mod load;
mod messages;
mod state;
mod target;
mod transport;
mod values;

use clap::{Parser, Subcommand};
pub use compare::{CompareArgs, ReportArgs, TurnsArgs};
pub use connections::{ConnectArgs, HandshakesArgs, StormArgs};
pub use durable::{DurableArgs, RecoveryArgs};
pub use endurance::{SiteArgs, SlowArgs, SoakArgs};
pub use idle::IdleArgs;
pub use load::LoadArgs;
pub use messages::{FanInArgs, FanOutArgs, PairsArgs, SharedArgs, TreeArgs};
pub use state::{FilterKind, RetainedArgs, SubscriptionsArgs};
pub use target::TargetArgs;
pub use transport::{TlsVersion, TransportArgs};

/// Loads an MQTT broker and tells what it costs: latency, broker CPU per message, bytes per connection, and every fault.
#[derive(Debug, Parser)]
#[command(name = "ringmq-load", version, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Publishers with one subscriber each
    Pairs(PairsArgs),
    /// One topic from few publishers to many subscribers
    FanOut(FanOutArgs),
    /// Many publishers to few subscribers with a wildcard
    FanIn(FanInArgs),
    /// A share group: each message to one of its members
    Shared(SharedArgs),
    /// A tree of topics with wildcard subscribers
    Tree(TreeArgs),
    /// Connections that do nothing: bytes for each, and CPU for a ping or a message to each
    Idle(IdleArgs),
    /// Clients that connect, as fast as they can or at a rate
    Connect(ConnectArgs),
    /// Connections that are made and ended again: full and resumed TLS handshakes, and CPU for each
    Handshakes(HandshakesArgs),
    /// Thousands of clients that lose their connections at once, beside steady traffic
    Storm(StormArgs),
    /// Subscriptions by the million: bytes and CPU for each, and publishing beside them
    Subscriptions(SubscriptionsArgs),
    /// Retained messages: bytes of each, and their replay to subscribers
    Retained(RetainedArgs),
    /// Subscribers that read slowly or not at all, beside others that must not notice
    Slow(SlowArgs),
    /// Hours of steady traffic beside clients that come and go: faults and memory growth
    Soak(SoakArgs),
    /// Messages that must be kept: acknowledgements per second, their latency, and bytes written
    Durable(DurableArgs),
    /// A mix of sensors, dashboards, commands and more, from a file
    Site(SiteArgs),
    /// Brokers in turns, A B C A B C, each round on a fresh one; medians and ratios
    Compare(CompareArgs),
    /// Brokers that are killed with a million messages in them: how long until they are back, and is all of it there
    Recovery(RecoveryArgs),
    /// Results of earlier runs beside each other
    Report(ReportArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn bounds_are_checked() {
        for bad in [
            ["pairs", "--payload", "31"],
            ["pairs", "--window", "0"],
            ["pairs", "--qos", "3"],
            ["pairs", "--rate", "0"],
            ["storm", "--warmup", "-1"],
            ["pairs", "--ca", "x"],
            ["pairs", "--path", "/x"],
            ["slow", "--slow-rate", "inf"],
            ["durable", "--qos", "0"],
        ] {
            assert!(Cli::try_parse_from(["ringmq-load"].iter().chain(&bad)).is_err(), "{bad:?}");
        }
    }
}
