//! What things take, beside naive twins that do the same work: `cargo bench -p ringmq-benches`.

mod decode;
mod encode;
mod fan_out;
mod mailbox;
mod retained;
mod route;
mod session;
mod timers;
mod tls;
mod websocket;

use std::time::Duration;

use criterion::Criterion;

/// What the broker has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Entries of an index; few when tests run the benchmarks without optimisation.
const SIZES: &[u32] = if cfg!(debug_assertions) { &[1_000] } else { &[1_000, 100_000, 1_000_000] };

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(20)
        .configure_from_args();
    decode::bench(&mut criterion);
    encode::bench(&mut criterion);
    route::bench(&mut criterion);
    retained::bench(&mut criterion);
    session::bench(&mut criterion);
    fan_out::bench(&mut criterion);
    mailbox::bench(&mut criterion);
    timers::bench(&mut criterion);
    tls::bench(&mut criterion);
    websocket::bench(&mut criterion);
    criterion.final_summary();
}
