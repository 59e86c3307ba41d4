//! Connections that do nothing.

use super::TargetArgs;
use super::values::{at_least_one, positive};
use clap::Args;

#[derive(Clone, Debug, Args)]
pub struct IdleArgs {
    #[arg(long, default_value_t = 15_000, value_parser = at_least_one)]
    pub connections: usize,
    /// One subscription for each connection, to a topic of its own
    #[arg(long)]
    pub subscribe: bool,
    /// QoS of the subscriptions
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub qos: u8,
    /// Then let each connection send a keep-alive ping once in so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    pub pings: Option<f64>,
    /// Keep-alive told to the broker, seconds; zero switches it off
    #[arg(long, default_value_t = 600)]
    pub keep_alive: u16,
    /// Seconds of quiet before memory is read, and again to measure the CPU of idling
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub settle: f64,
    /// Measured seconds of pings
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    pub seconds: f64,
    #[command(flatten)]
    pub target: TargetArgs,
}
