//! PROXY headers: what is known of a part stays true of the whole, and what is behind the header does not matter.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmq::limits::PROXY_HEADER_MAX;
use ringmq::net::proxy::{Header, ProxyFailure, parse};

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fuzz_target!(|input: (u8, &[u8])| {
    let signature: &[u8] = match input.0 {
        0..64 => b"",
        64..128 => b"PROXY TCP",
        _ => V2,
    };
    let bytes = [signature, input.1].concat();
    let parsed = parse(&bytes);
    for end in 0..bytes.len() {
        match (parse(&bytes[..end]), &parsed) {
            (Ok(None), _) => {}
            (part, whole) => assert_eq!(&part, whole, "of {end} bytes"),
        }
    }
    match parsed {
        Ok(Some((header, size))) => {
            assert!(size <= bytes.len() && size <= PROXY_HEADER_MAX);
            assert_eq!(parse(&bytes[..size]), Ok(Some((header.clone(), size))));
            if bytes.starts_with(b"PROXY") {
                assert!(size <= 107 && bytes[..size].ends_with(b"\r\n"));
                assert_eq!(line(&bytes[..size - 2]), Some(header));
            }
        }
        Ok(None) => assert!(bytes.len() < PROXY_HEADER_MAX),
        Err(ProxyFailure::NoSignature) => assert!(!bytes.starts_with(b"PROXY ") && !bytes.starts_with(V2)),
        Err(_) => {}
    }
});

/// A naive reader of a valid line.
fn line(line: &[u8]) -> Option<Header> {
    let text = String::from_utf8_lossy(line);
    let words: Vec<&str> = text.split(' ').collect();
    if words[1] == "UNKNOWN" {
        return Some(Header::default());
    }
    let ["PROXY", family, source, destination, source_port, destination_port] = words[..] else { return None };
    let socket = |address: &str, port: &str| match family {
        "TCP4" => format!("{address}:{port}").parse().ok(),
        _ => format!("[{address}]:{port}").parse().ok(),
    };
    Some(Header {
        source: Some(socket(source, source_port)?),
        destination: Some(socket(destination, destination_port)?),
        tls: None,
    })
}
