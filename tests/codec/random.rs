//! Properties of the codec on random input. The seed is fixed, and proptest prints the smallest input that fails.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use ringmq::codec::frame::{self, Frame};
use ringmq::codec::topic::Filter;
use ringmq::codec::{Packet, Version, decode as decoder, encode as encoder};

use crate::arbitrary::Choices;
use crate::{check_prefixes, decode, encode, naive_publish};

const VERSIONS: [Version; 3] = [Version::V3_1, Version::V3_1_1, Version::V5_0];

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(0x6D71_7474), failure_persistence: None, ..Default::default() }
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..64)
}

/// What is done to a valid packet's body: bytes overwritten, then perhaps the end cut off.
fn damage() -> impl Strategy<Value = (Vec<(prop::sample::Index, u8)>, Option<prop::sample::Index>)> {
    let byte = prop_oneof![any::<u8>(), Just(0), Just(0x80), Just(0xFF), Just(b'+'), 0_u8..0x2B];
    (
        proptest::collection::vec((any::<prop::sample::Index>(), byte), 0..4),
        proptest::option::weighted(0.2, any::<prop::sample::Index>()),
    )
}

/// `left` and `right` are the same packet, but that the properties of a PUBLISH or a will, which are kept as they came,
/// may be in `right` in fields or in its block.
fn decoded_is(left: &Packet<'_>, right: &Packet<'_>) -> bool {
    let mut right = right.clone();
    match (left, &mut right) {
        (Packet::Publish(left), Packet::Publish(right)) => {
            let user_properties = right.properties.user_properties();
            if left.properties.user_properties() != user_properties {
                return false;
            }
            right.properties.block = left.properties.block;
            right.properties.forwardable = left.properties.forwardable;
        }
        (Packet::Connect(left), Packet::Connect(right)) => {
            if let (Some(left), Some(right)) = (&left.will, &mut right.will) {
                if user(left.properties.block) != user(right.properties.block) {
                    return false;
                }
                right.properties.block = left.properties.block;
            }
        }
        _ => {}
    }
    *left == right
}

fn user(block: &[u8]) -> ringmq::codec::UserProperties<'_> {
    ringmq::codec::UserProperties { block }
}

proptest! {
    #![proptest_config(config(4_000))]

    /// What is encoded is decoded as what it was; and once decoded it is encoded as the same bytes.
    #[test]
    fn packets_survive_the_round_trip(numbers in choices()) {
        let mut choices = Choices(&numbers);
        let version = choices.version();
        let packet = choices.packet(version);
        let bytes = encode(version, &packet);
        let decoded = decode(version, &bytes);
        prop_assert!(decoded.as_ref().is_ok_and(|decoded| decoded_is(decoded, &packet)), "{decoded:?}\nis not\n{packet:?}");
        prop_assert_eq!(encode(version, &decoded.unwrap()), bytes);
    }

    #[test]
    fn prefixes_ask_for_more_and_do_not_panic(numbers in choices()) {
        let mut choices = Choices(&numbers);
        let version = choices.version();
        let packet = choices.packet(version);
        check_prefixes(version, &encode(version, &packet));
    }

    /// No packet with reason string or User Properties is larger than the receiver's maximum, if it fits without them.
    #[test]
    fn explanations_never_make_a_packet_too_large(numbers in choices(), packet_size_max in 1_u32..400) {
        let mut choices = Choices(&numbers);
        let packet = choices.packet(Version::V5_0);
        let sized = |packet_size_max| {
            let mut bytes = Vec::new();
            encoder::packet(&mut bytes, Version::V5_0, &packet, packet_size_max);
            bytes.len()
        };
        let (smallest, largest, size) = (sized(0), sized(u32::MAX), sized(packet_size_max));
        prop_assert!(size <= smallest.max(packet_size_max as usize));
        prop_assert!(largest > packet_size_max as usize || size == largest, "left out without need");
    }

    #[test]
    fn damaged_packets_do_not_panic((numbers, (overwritten, end)) in (choices(), damage())) {
        let mut choices = Choices(&numbers);
        let version = choices.version();
        let mut bytes = encode(version, &choices.packet(version));
        apply(&mut bytes, &overwritten, end);
        decode_as_all(&bytes);
    }

    #[test]
    fn bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        decode_as_all(&bytes);
    }

    /// The fast decoder of PUBLISH and the naive one agree on what is valid and on what it says.
    #[test]
    fn publish_is_decoded_as_its_naive_twin_does((numbers, (overwritten, end)) in (choices(), damage())) {
        let mut choices = Choices(&numbers);
        let version = choices.version();
        let bytes = encode(version, &Packet::Publish(choices.publish(version)));
        let header = frame::header(&bytes, u32::MAX).unwrap().unwrap();
        let mut body = bytes[header.header_size..].to_vec();
        apply(&mut body, &overwritten, end);
        let first_byte = header.first_byte ^ if overwritten.len() == 3 { overwritten[0].1 & 0x0F } else { 0 };
        let fast = decoder::publish(Frame { first_byte, body: &body }, version);
        let naive = naive_publish::decode(first_byte, &body, version);
        match (&fast, &naive) {
            (Ok(fast), Some(naive)) => prop_assert!(naive.says(fast), "{fast:?}\nis not\n{naive:?}"),
            (Err(_), None) => {}
            _ => prop_assert!(false, "{fast:?}\nbut\n{naive:?}"),
        }
    }

    /// A filter is valid when each of its levels is; the naive rule, level by level.
    #[test]
    fn filters_are_parsed_as_the_naive_rule_says(filter in "(\\$share/)?[ab/+#]{0,8}") {
        let (share, proper) = match filter.strip_prefix("$share/") {
            Some(shared) => match shared.split_once('/') {
                Some((name, proper)) => (Some(name), proper),
                None => (Some(shared), ""),
            },
            None => (None, &filter[..]),
        };
        let levels: Vec<_> = proper.split('/').collect();
        let last = levels.len() - 1;
        let are_levels_valid = levels.iter().enumerate().all(|(position, level)| {
            *level == "+" || (*level == "#" && position == last) || !level.contains(['+', '#'])
        });
        let is_share_valid = share.is_none_or(|name| !name.is_empty() && !name.contains(['+', '#']));
        let parsed = Filter::parse(&filter, 65_535, 128);
        prop_assert_eq!(parsed.is_ok(), !proper.is_empty() && are_levels_valid && is_share_valid, "{:?}", parsed);
        if let Ok(parsed) = parsed {
            prop_assert_eq!(parsed, Filter { share, filter: proper });
        }
    }
}

fn apply(bytes: &mut Vec<u8>, overwritten: &[(prop::sample::Index, u8)], end: Option<prop::sample::Index>) {
    for (position, byte) in overwritten {
        if !bytes.is_empty() {
            let position = position.index(bytes.len());
            bytes[position] = *byte;
        }
    }
    if let Some(end) = end {
        bytes.truncate(end.index(bytes.len() + 1));
    }
}

/// Decodes a frame at the start of `bytes` if there is one, and `bytes` as a frame's type and body, in every version.
fn decode_as_all(bytes: &[u8]) {
    for version in VERSIONS {
        if let Ok(Some((frame, _))) = frame::find(bytes, u32::MAX) {
            let _ = decoder::decode(frame, version);
        }
        if let Some((first_byte, body)) = bytes.split_first() {
            let _ = decoder::decode(Frame { first_byte: *first_byte, body }, version);
        }
    }
}
