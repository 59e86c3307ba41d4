//! What a request must have to open a WebSocket (RFC 6455, section 4.2.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use httparse::Request;

use super::handshake::WebSocketConfig;
use super::response::Refusal;

/// What is needed of a request that was accepted.
pub(super) struct Opening<'a> {
    pub path: &'a str,
    /// As it was sent.
    pub key: &'a [u8],
    pub subprotocol: Option<&'a str>,
    pub forwarded_for: Option<String>,
}

pub(super) fn check<'a>(config: &'a WebSocketConfig, request: &Request<'_, 'a>) -> Result<Opening<'a>, Refusal> {
    if request.method != Some("GET") {
        return Err(Refusal::METHOD);
    }
    if request.version != Some(1) {
        return Err(Refusal::HTTP_VERSION);
    }
    let path = path(request.path.unwrap_or_default());
    if !config.paths.iter().any(|accepted| accepted == "*" || accepted == path) {
        return Err(Refusal::PATH);
    }
    let fields = Fields(request);
    if fields.one("Host")?.is_none() {
        return Err(Refusal::HOST);
    }
    // What a proxy before this takes for a body would be taken for frames here.
    if fields.all("Transfer-Encoding").next().is_some()
        || fields.one("Content-Length")?.is_some_and(|value| value != b"0")
    {
        return Err(Refusal::BODY);
    }
    if !fields.has_token("Upgrade", "websocket") || !fields.has_token("Connection", "upgrade") {
        return Err(Refusal::NO_UPGRADE);
    }
    if fields.one("Sec-WebSocket-Version")? != Some(b"13") {
        return Err(Refusal::VERSION);
    }
    let key = fields.one("Sec-WebSocket-Key")?.ok_or(Refusal::KEY)?;
    if STANDARD.decode(key).map_or(0, |nonce| nonce.len()) != 16 {
        return Err(Refusal::KEY);
    }
    if let Some(origin) = fields.one("Origin")? {
        let is_accepted = |accepted: &String| accepted.as_bytes().eq_ignore_ascii_case(origin);
        if !config.origins.is_empty() && !config.origins.iter().any(is_accepted) {
            return Err(Refusal::ORIGIN);
        }
    }
    // The first that is known, in the client's order (section 4.2.2).
    let known = |token: &[u8]| config.subprotocols.iter().find(|known| known.as_bytes() == token);
    let subprotocol = fields.tokens("Sec-WebSocket-Protocol").find_map(known).map(String::as_str);
    if subprotocol.is_none() && !config.subprotocols.is_empty() {
        return Err(Refusal::SUBPROTOCOL);
    }
    Ok(Opening { path, key, subprotocol, forwarded_for: fields.joined("X-Forwarded-For") })
}

/// The path of a request's target, which is that or a whole URI (RFC 9112, section 3.2).
fn path(target: &str) -> &str {
    let target = target.split_once('?').map_or(target, |(target, _)| target);
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').and_then(|slash| rest.get(slash..)).unwrap_or("/")
        }
        _ => target,
    }
}

struct Fields<'r, 'h, 'a>(&'r Request<'h, 'a>);

impl<'a> Fields<'_, '_, 'a> {
    fn all(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.0
            .headers
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value.trim_ascii())
    }

    /// The value of a field that may come only once.
    fn one(&self, name: &str) -> Result<Option<&'a [u8]>, Refusal> {
        let mut values = self.all(name);
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Refusal::REPEATED),
            (value, None) => Ok(value),
        }
    }

    /// The members of a list, which may be in several fields (RFC 9110, section 5.6.1).
    fn tokens(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.all(name).flat_map(|value| value.split(|&byte| byte == b',')).map(|token| token.trim_ascii())
    }

    fn has_token(&self, name: &str, token: &str) -> bool {
        self.tokens(name).any(|member| member.eq_ignore_ascii_case(token.as_bytes()))
    }

    fn joined(&self, name: &str) -> Option<String> {
        let values: Vec<_> = self.all(name).map(String::from_utf8_lossy).collect();
        (!values.is_empty()).then(|| values.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_targets() {
        for (target, expected) in [
            ("/mqtt", "/mqtt"),
            ("/mqtt?a=b", "/mqtt"),
            ("/?http://x/y", "/"),
            ("http://example.org/mqtt?x", "/mqtt"),
            ("ws://example.org", "/"),
            ("ws://example.org?x=/", "/"),
            ("/a://b/c", "/a://b/c"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(path(target), expected, "{target:?}");
        }
    }
}
