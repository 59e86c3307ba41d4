//! Connections that do nothing.

use super::TargetArgs;
use super::values::{at_least_one, positive};
use clap::Args;

#[derive(Clone, Debug, Args)]
pub struct IdleArgs {
    #[arg(long, default_value_t = 15_000, value_parser = at_least_one)]
    pub connections: usize,
    /// Processes of this program that hold them: the limit of open files is one process's
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub processes: usize,
    /// One subscription for each connection, to a topic of its own
    #[arg(long)]
    pub subscribe: bool,
    /// QoS of the subscriptions
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Then let each connection send a keep-alive ping once in so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub pings: Option<f64>,
    /// Then let each connection send one ping, as fast as the broker answers
    #[arg(long, conflicts_with = "pings")]
    pub ping_once: bool,
    /// Then publish one message to each connection's topic, and see that each gets its own and no other
    #[arg(long, requires = "subscribe")]
    pub deliver: bool,
    /// Keep-alive told to the broker, seconds; zero switches it off
    #[arg(long, default_value_t = 600)]
    pub keep_alive: u16,
    /// Seconds of quiet before memory is read, and again to measure the CPU of idling
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub settle: f64,
    /// Connections after which the broker's memory is read each time [default: a tenth of them]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub memory_every: Option<usize>,
    /// Measured seconds of pings
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub seconds: f64,
    /// Which of the processes this is; the first one starts the others and tells each its number
    #[arg(long, value_name = "INDEX", hide = true)]
    pub worker: Option<usize>,
    #[command(flatten)]
    pub target: TargetArgs,
}
