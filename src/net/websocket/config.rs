//! What a listener says of WebSocket.

use ipnet::IpNet;

/// Which requests become MQTT connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebSocketConfig {
    /// Paths that are accepted; `*` is any.
    pub paths: Vec<String>,
    /// Values of Origin that are accepted (RFC 6455 section 10.2); empty: any.
    pub origins: Vec<String>,
    /// Proxies whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self { paths: vec!["/mqtt".to_owned(), "/".to_owned()], origins: Vec::new(), trusted_proxies: Vec::new() }
    }
}
