//! Networks, as CIDR writes them (RFC 4632 section 3.1).

use std::net::IpAddr;

use ipnet::IpNet;

use super::value::{Problem, Value, show_list};

/// A list of networks; an address alone is the network of this one.
pub fn networks(value: &Value) -> Result<Vec<IpNet>, Problem> {
    let network = |text: String| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let remedy = "write networks such as \"10.0.0.0/8\" or \"fd00::/8\", or single addresses";
        network.map_err(|_| Problem::new(format!("{text:?} is no network"), remedy))
    };
    value.texts()?.into_iter().map(network).collect()
}

pub fn show_networks(networks: &[IpNet]) -> String {
    show_list(networks.iter().map(ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_network_of_one() {
        let shown = |text: &str| networks(&Value::Untyped(text.into())).map(|networks| show_networks(&networks));
        assert_eq!(shown("10.0.0.0/8, 192.0.2.1,::1").as_deref(), Ok(r#"["10.0.0.0/8", "192.0.2.1/32", "::1/128"]"#));
        assert_eq!(shown("").as_deref(), Ok("[]"));
        assert!(shown("10.0.0.0/33").is_err());
        assert!(shown("proxy.example.org").is_err());
    }
}
