//! Requests that open a WebSocket, with valid fields or without them, split at any place.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmq::net::websocket::{Handshake, Progress, WebSocketConfig, client_address};

const REQUIRED: &[u8] = b"Host: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n";

/// How it ends, with the bytes that were taken until then.
fn run<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Progress, usize) {
    let config = WebSocketConfig { origins: vec!["https://a.example".into()], ..WebSocketConfig::default() };
    let mut handshake = Handshake::default();
    let mut taken = 0;
    for chunk in chunks {
        match handshake.receive(&config, chunk) {
            Progress::NeedMore => taken += chunk.len(),
            Progress::Accepted(mut accepted) => {
                assert!(accepted.consumed <= chunk.len());
                taken += std::mem::take(&mut accepted.consumed);
                return (Progress::Accepted(accepted), taken);
            }
            refused => return (refused, taken),
        }
    }
    (Progress::NeedMore, taken)
}

fuzz_target!(|input: (bool, &[u8], u8)| {
    let (has_required, fuzzed, cut) = input;
    let bytes = match has_required {
        // The fuzzed bytes are the rest of a request line and fields, that may end the request.
        true => [b"GET ", fuzzed, b"\r\n", REQUIRED, b"\r\nframes"].concat(),
        false => fuzzed.to_vec(),
    };
    let (whole, taken) = run([bytes.as_slice()].into_iter());
    let (head, tail) = bytes.split_at(usize::from(cut).min(bytes.len()));
    let (parts, taken_in_parts) = run([head, tail].into_iter());
    match (&whole, &parts) {
        (Progress::Accepted(accepted), Progress::Accepted(_)) => {
            assert_eq!((&whole, taken), (&parts, taken_in_parts));
            assert!(bytes[..taken].ends_with(b"\r\n\r\n"));
            assert!(accepted.response.starts_with(b"HTTP/1.1 101 "));
            if let Some(forwarded_for) = &accepted.forwarded_for {
                client_address(forwarded_for, &["0.0.0.0/0".parse().unwrap()], [10, 0, 0, 1].into());
            }
        }
        // What is no request is seen at once, or when more of it has come.
        (Progress::Accepted(_), _) | (_, Progress::Accepted(_)) => panic!("{whole:?} but {parts:?} cut at {cut}"),
        (Progress::Refused(refused), _) | (_, Progress::Refused(refused)) => {
            assert!(refused.response.starts_with(b"HTTP/1.1 4"));
        }
        _ => {}
    }
});
