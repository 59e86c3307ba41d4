//! The frame finder: its sizes agree with each other, and it says of a part what it says of the whole.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmq::codec::Violation;
use ringmq::codec::frame;

fuzz_target!(|input: (u16, &[u8])| {
    let (packet_size_max, bytes) = (u32::from(input.0), input.1);
    let header = frame::header(bytes, packet_size_max);
    let found = frame::find(bytes, packet_size_max);
    match (header, found) {
        (Ok(None), Ok(None)) => assert!(bytes.len() < 5),
        (Ok(Some(header)), Ok(found)) => {
            assert!((2..=5).contains(&header.header_size));
            assert!(header.packet_size >= header.header_size);
            assert!(header.packet_size <= packet_size_max as usize);
            assert_eq!(found.is_some(), bytes.len() >= header.packet_size);
            if let Some((frame, size)) = found {
                assert_eq!(size, header.packet_size);
                assert_eq!(frame.first_byte, bytes[0]);
                assert_eq!(frame.body, &bytes[header.header_size..size]);
            }
        }
        (Err(header), Err(found)) => {
            assert_eq!(header, found);
            assert!(matches!(header, Violation::PacketTooLarge | Violation::RemainingLengthTooLong));
        }
        (header, found) => panic!("{header:?} but {found:?}"),
    }
    // What is known of a part stays true of the whole.
    for end in 0..bytes.len().min(8) {
        match frame::header(&bytes[..end], packet_size_max) {
            Ok(None) => {}
            decided => assert_eq!(decided, header, "after {end} bytes"),
        }
    }
});
