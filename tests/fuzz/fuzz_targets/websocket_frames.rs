//! Frames of a client, split at any place: the naive decoder of `tests/websocket` says what comes out.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../websocket/naive.rs"]
mod naive;
#[allow(dead_code)]
#[path = "../../websocket/wire.rs"]
mod wire;

fuzz_target!(|input: (u8, Vec<u8>)| {
    let (first_chunk, bytes) = input;
    let expected = naive::decode(&bytes);
    let (head, tail) = bytes.split_at(usize::from(first_chunk).min(bytes.len()));
    assert_eq!(wire::feed([head, tail]), expected, "cut at {first_chunk}");
    assert_eq!(wire::feed(bytes.chunks(1)), expected, "byte by byte");
});
