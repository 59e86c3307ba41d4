//! A load generator for MQTT brokers, whichever they are.
//!
//! The map, in the order of a run: [`cli`] is what the user asks for; a file of [`scenario`] turns it into groups of
//! publishers and subscribers; [`run`] opens the connections and starts the [`engine`]'s workers, [`watch`] looks at them and
//! at the broker with [`measure`], and [`report`] tells what came of it, as text, JSON and a page with plots. [`message`] is
//! what the payloads carry, [`ledger`] judges their arrivals, [`faults`] counts what went wrong. [`compare`] starts several
//! brokers in turns and runs a scenario against each.
//!
//! It must cost little CPU for a message beside the broker it measures, or it would measure itself. So it has an MQTT codec
//! of its own ([`mqtt`]) that knows no more than it needs, and sockets on epoll with many connections on one thread.

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

mod cli;
mod compare;
mod cpus;
mod engine;
mod faults;
mod ledger;
mod measure;
mod message;
mod mqtt;
mod report;
mod run;
mod scenario;
mod watch;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let prefix = run::topic_prefix();
    let passed = match &cli.command {
        Command::Pairs(args) => run::run(scenario::pairs::plan(args, &prefix), &args.load, &args.target),
        Command::FanOut(args) => run::run(scenario::fan_out::plan(args, &prefix), &args.load, &args.target),
        Command::FanIn(args) => run::run(scenario::fan_in::plan(args, &prefix), &args.load, &args.target),
        Command::Shared(args) => run::run(scenario::shared::plan(args, &prefix), &args.load, &args.target),
        Command::Tree(args) => {
            scenario::tree::plan(args, &prefix).and_then(|plan| run::run(plan, &args.load, &args.target))
        }
        Command::Idle(args) => scenario::idle::run(args),
        Command::Connect(args) => scenario::connect::run(args),
        Command::Handshakes(args) => scenario::handshakes::run(args),
        Command::Storm(args) => scenario::storm::run(args),
        Command::Subscriptions(args) => scenario::subscriptions::run(args),
        Command::Retained(args) => scenario::retained::run(args),
        Command::Slow(args) => scenario::slow::run(args),
        Command::Soak(args) => scenario::soak::run(args),
        Command::Durable(args) => scenario::durable::run(args),
        Command::Site(args) => scenario::site::run(args),
        Command::Compare(args) => compare::run(args),
        Command::Recovery(args) => scenario::recovery::run(args),
        Command::Report(args) => report::files::run(args),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("ringmq-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}
