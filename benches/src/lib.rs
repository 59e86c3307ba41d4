//! What the benchmarks and the gate have in common: packets, filters, a shard without sockets with the clients at its
//! far end, naive twins, and the steps whose instructions are counted.

pub mod broker;
pub mod clients;
pub mod filters;
pub mod naive;
pub mod packets;
pub mod steps;
pub mod websocket;

/// A number that looks random, the same in every run (the finalizer of SplitMix64).
pub fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
