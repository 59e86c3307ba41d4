//! Random frames, some of them damaged, split at random places: the twin says what must come out.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};

use crate::naive;
use crate::wire::{BINARY, CLOSE, CONTINUATION, FINAL, PING, PONG, TEXT, close_payload, feed, frame};

const SEEDS: u64 = 20_000;

#[test]
fn any_split_means_what_the_whole_means() {
    for seed in 0..SEEDS {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut bytes = session(&mut random);
        if random.random_bool(0.5) {
            damage(&mut random, &mut bytes);
        }
        let expected = naive::decode(&bytes);
        assert_eq!(feed([bytes.as_slice()]), expected, "seed {seed}, in one chunk");
        assert_eq!(feed(split(&mut random, &bytes)), expected, "seed {seed}, in random chunks");
        if bytes.len() < 2_000 {
            assert_eq!(feed(bytes.chunks(1)), expected, "seed {seed}, byte by byte");
        }
    }
}

/// The sessions must meet what they are there for.
#[test]
fn random_sessions_end_in_every_way() {
    let mut ends = std::collections::BTreeSet::new();
    let mut plain = 0;
    for seed in 0..SEEDS {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut bytes = session(&mut random);
        if random.random_bool(0.5) {
            damage(&mut random, &mut bytes);
        }
        let outcome = naive::decode(&bytes);
        plain += outcome.plain.len();
        ends.insert(format!("{:?}", outcome.end).split_inclusive('(').take(3).collect::<String>());
    }
    for end in [
        "None",
        "ReservedBits",
        "ReservedOpcode",
        "NotMasked",
        "LengthNotMinimal",
        "LengthTooLarge",
        "ControlTooLong",
        "ControlFragmented",
        "NothingToContinue",
        "MessageNotEnded",
        "CloseCodeCut",
        "CloseCodeInvalid",
        "CloseReasonNotUtf8",
        "TextMessage",
        "Closed(None",
        "Closed(Some",
    ] {
        assert!(ends.iter().any(|found| found.contains(end)), "no session ends with {end}: {ends:?}");
    }
    assert!(plain > 1_000_000, "only {plain} bytes of payload");
}

/// Messages in one frame or several, with control frames between them.
fn session(random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..random.random_range(1..12) {
        let opcode = if random.random_bool(0.01) { TEXT } else { BINARY };
        let frames = *[1, 1, 1, 2, 3, 9].choose(random).expect("not empty");
        for number in 0..frames {
            if random.random_bool(0.2) {
                bytes.extend(control(random));
            }
            let last = if number + 1 == frames { FINAL } else { 0 };
            let first = last | if number == 0 { opcode } else { CONTINUATION };
            let payload = payload(random);
            bytes.extend(frame(first, &payload));
        }
    }
    bytes
}

fn payload(random: &mut SmallRng) -> Vec<u8> {
    let length = match random.random_range(0..1_000) {
        0 => *[65_535, 65_536, 70_000].choose(random).expect("not empty"),
        1..100 => *[0, 1, 124, 125, 126, 127, 128, 255, 256].choose(random).expect("not empty"),
        _ => random.random_range(0..80),
    };
    let mut payload = vec![0; length];
    random.fill_bytes(&mut payload);
    payload
}

fn control(random: &mut SmallRng) -> Vec<u8> {
    let mut payload = payload(random);
    payload.truncate(125);
    match random.random_range(0..20) {
        0 => {
            let code = *[1000, 1001, 1006, 1011, 1014, 1015, 2999, 3000, 4999, 5000].choose(random).expect("not empty");
            let reason = *["", "bye", "Tsch\u{FC}ss"].choose(random).expect("not empty");
            frame(FINAL | CLOSE, &close_payload(code, reason))
        }
        1 => frame(FINAL | CLOSE, [&b"\x03\xE8\xFF"[..], b"", b"\x03"].choose(random).expect("not empty")),
        2..8 => frame(FINAL | PONG, &payload),
        _ => frame(FINAL | PING, &payload),
    }
}

/// A flipped bit, a byte of another value, an end that is cut off, or a frame that is made for harm.
fn damage(random: &mut SmallRng, bytes: &mut Vec<u8>) {
    let place = random.random_range(0..bytes.len());
    match random.random_range(0..4) {
        0 => bytes[place] ^= 1 << random.random_range(0..8),
        1 => bytes[place] = random.random(),
        2 => bytes.truncate(place),
        _ => {
            let headers: [&[u8]; 9] = [
                &[0xC2, 0x80],
                &[0x83, 0x80],
                &[0x82, 0x00],
                &[0x89, 0xFE],
                &[0x09, 0x80],
                &[0x82, 0xFE, 0, 125],
                &[0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF],
                &[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0],
                &[0x82, 0xFF, 0x7F, 0, 0, 0, 0, 0, 0, 0],
            ];
            let mut harm = headers.choose(random).expect("not empty").to_vec();
            harm.extend(frame(FINAL | CONTINUATION, b"x"));
            // Behind whole frames, mostly.
            let place = if random.random_bool(0.8) { bytes.len() } else { place };
            bytes.splice(place..place, harm);
        }
    }
}

fn split<'a>(random: &mut SmallRng, mut bytes: &'a [u8]) -> Vec<&'a [u8]> {
    let mut chunks = Vec::new();
    let longest = *[2, 7, 100, 5_000].choose(random).expect("not empty");
    while !bytes.is_empty() {
        let (chunk, rest) = bytes.split_at(random.random_range(0..=longest).min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}
