//! Addresses to listen on, written as URLs.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::value::Problem;

/// The registered port of MQTT (section 4.2 of MQTT 5.0).
pub(super) const PORT: u16 = 1883;

/// `tcp://ADDRESS[:PORT]`, with the scheme optional (`mqtt://` means the same) and the port 1883 when it is left out.
pub fn parse_listen(text: &str) -> Result<SocketAddr, Problem> {
    let remedy =
        "write tcp://ADDRESS:PORT, such as \"tcp://127.0.0.1:1883\", \"tcp://0.0.0.0:1883\" or \"tcp://[::]:1883\"";
    let (scheme, address) = text.split_once("://").unwrap_or(("tcp", text));
    if !matches!(scheme, "tcp" | "mqtt") {
        return Err(Problem::new(format!("{scheme}:// is not a transport that this version has"), remedy));
    }
    let address = address.trim_end_matches('/');
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(address).parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, PORT));
    }
    match address.rsplit_once(':') {
        Some(("", port)) | Some(("*", port)) if port.parse::<u16>().is_ok() => {
            let all = Ipv6Addr::UNSPECIFIED;
            Err(Problem::new(
                format!("\"{text}\" has no address"),
                format!("for all addresses write \"tcp://[{all}]:{port}\""),
            ))
        }
        Some((host, _)) if !host.contains([':', ']']) && host.parse::<IpAddr>().is_err() => {
            Err(Problem::new(format!("\"{host}\" is not an IP address"), remedy))
        }
        _ => Err(Problem::new(format!("\"{text}\" is no address"), remedy)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_with_defaults() {
        let parse = |text: &str| parse_listen(text).map(|address| address.to_string());
        assert_eq!(parse("tcp://127.0.0.1:1884").as_deref(), Ok("127.0.0.1:1884"));
        assert_eq!(parse("mqtt://127.0.0.1").as_deref(), Ok("127.0.0.1:1883"));
        assert_eq!(parse("0.0.0.0:0").as_deref(), Ok("0.0.0.0:0"));
        assert_eq!(parse("tcp://[::1]").as_deref(), Ok("[::1]:1883"));
        assert_eq!(parse("tcp://[::]:1").as_deref(), Ok("[::]:1"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_remedy() {
        for text in ["", "tls://1.2.3.4:8883", "tcp://localhost:1883", "tcp://*:1883", ":1883", "1.2.3.4:70000", "1883"]
        {
            let problem = parse_listen(text).expect_err(text);
            assert!(problem.remedy.contains("tcp://"), "{text}: {problem:?}");
        }
    }
}
