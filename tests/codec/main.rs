//! The codec against bytes written by hand from the specification, against a second decoder, and against itself.

mod arbitrary;
mod naive_publish;
mod packets_v3;
mod packets_v5;
mod random;
mod violations;

use ringmq::codec::frame::{self, Frame};
use ringmq::codec::{Packet, Version, Violation, decode, encode};

/// Decodes `bytes`, which must be exactly one frame.
fn decode(version: Version, bytes: &[u8]) -> Result<Packet<'_>, Violation> {
    match frame::find(bytes, u32::MAX)? {
        Some((frame, size)) => {
            assert_eq!(size, bytes.len(), "the frame does not end where the bytes do: {bytes:02X?}");
            decode::decode(frame, version)
        }
        None => panic!("the frame is not complete: {bytes:02X?}"),
    }
}

fn encode(version: Version, packet: &Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode::packet(&mut bytes, version, packet, u32::MAX);
    bytes
}

/// Checks that `bytes` mean `packet`, that `packet` is encoded as `bytes`, and that no part of `bytes` is a frame or
/// makes the decoder panic.
#[track_caller]
fn check(version: Version, bytes: &[u8], packet: Packet<'_>) {
    assert_eq!(decode(version, bytes).as_ref(), Ok(&packet), "decoded from {bytes:02X?}");
    assert_eq!(encode(version, &packet), bytes, "encoded {packet:?}");
    check_prefixes(version, bytes);
}

/// Checks that every strict prefix of `bytes`, a frame, asks for more; and that a body that ends early does not panic.
fn check_prefixes(version: Version, bytes: &[u8]) {
    let header = frame::header(bytes, u32::MAX).unwrap().unwrap();
    for end in 0..bytes.len() {
        assert_eq!(frame::find(&bytes[..end], u32::MAX), Ok(None), "{end} bytes of {bytes:02X?}");
        if end >= header.header_size {
            let body = &bytes[header.header_size..end];
            let _ = decode::decode(Frame { first_byte: header.first_byte, body }, version);
        }
    }
}
