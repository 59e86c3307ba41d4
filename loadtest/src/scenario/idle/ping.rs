//! Keep-alive pings at a fixed rate.

use super::worker::Tally;
use crate::cli::IdleArgs;
use crate::engine::link::Link;
use crate::engine::poller::Poller;
use crate::faults::Faults;
use crate::mqtt::encode;
use crate::mqtt::scan::{Packet, scan};
use anyhow::Context;
use std::time::{Duration, Instant};

/// Lets each connection send PINGREQ once in the interval of the arguments, evenly spread.
pub fn at_intervals(links: &mut [Link], args: &IdleArgs) -> anyhow::Result<Tally> {
    let mut poller = Poller::new()?;
    for (key, link) in links.iter().enumerate() {
        poller.add(link.socket(), key, false)?;
    }
    let mut request = Vec::new();
    encode::ping_request(&mut request);
    let per_second = links.len() as f64 / args.pings.context("no interval of pings was given")?;
    let (mut sent, mut answered, mut next) = (0_u64, 0_u64, 0);
    let mut input = Vec::new();
    let started = Instant::now();
    loop {
        let elapsed = started.elapsed().as_secs_f64();
        let over = elapsed >= args.seconds;
        if over && (sent == answered || elapsed >= args.seconds + args.target.patience) {
            break;
        }
        while !over && (sent as f64) < elapsed * per_second {
            links[next].send(&request).context("cannot send a ping")?;
            next = (next + 1) % links.len();
            sent += 1;
        }
        let ready = poller.wait(Duration::from_millis(1))?;
        for readiness in &ready {
            let link = &mut links[readiness.key];
            let Some(filled) = link.receive(&mut input)? else { continue };
            let mut consumed = 0;
            while let Some((packet, length)) = scan(args.target.mqtt, &input[consumed..filled])? {
                answered += u64::from(packet == Packet::PingResp);
                consumed += length;
            }
            link.keep(&input[consumed..filled]);
        }
        poller.recycle(ready);
    }
    let faults = Faults { lost: sent.saturating_sub(answered), ..Faults::default() };
    Ok(Tally { sent, answered, seconds: args.seconds, faults, ..Tally::default() })
}
