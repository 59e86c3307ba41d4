//! Who may administrate: who brings the token, and no page of another site.
//!
//! A browser sends requests for any page to any address. So a request that says that it comes from another site is refused; none is
//! allowed by CORS; bodies must be declared as JSON, which a form cannot do; and without a token the host must be this
//! machine's name for itself, so that no name which a stranger lets point here is one (DNS rebinding). The page's own files are for
//! everybody, and a link to it may be anywhere.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::answer::Failure;
use super::page;
use super::thread::RequestTime;
use crate::limits::{ADMIN_BODY_SIZE_MAX, ADMIN_TOKEN_SIZE_MIN};

/// A secret that each request must bring; it is never shown.
pub struct Token(Zeroizing<Vec<u8>>);

/// What is demanded of requests.
#[derive(Clone)]
pub struct Gate {
    token: Option<Arc<Token>>,
}

/// What a browser says of where a request comes from (W3C Fetch Metadata).
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

impl Token {
    /// A file's content, without space around it. `None` if that can be guessed, or no header can carry it.
    pub fn new(content: &[u8]) -> Option<Self> {
        let token = content.trim_ascii();
        let is_usable = token.len() >= ADMIN_TOKEN_SIZE_MIN && token.iter().all(u8::is_ascii_graphic);
        is_usable.then(|| Self(Zeroizing::new(token.to_vec())))
    }

    fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes()) else { return false };
        let Some((scheme, token)) = value.split_at_checked("Bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ") && bool::from(token.ct_eq(&self.0))
    }
}

impl Gate {
    pub fn new(token: Option<Token>) -> Self {
        Self { token: token.map(Arc::new) }
    }

    fn check(&self, path: &str, headers: &HeaderMap) -> Result<(), Failure> {
        let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let Some(host) = text(&header::HOST) else {
            return Err(Failure::bad_request("the request has no Host"));
        };
        let is_of_this_site = text(&header::ORIGIN).is_none_or(|origin| {
            origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host))
        });
        let is_linked = path == "/" && text(&SEC_FETCH_MODE) == Some("navigate");
        if !is_of_this_site
            || !is_linked && text(&SEC_FETCH_SITE).is_some_and(|site| !matches!(site, "same-origin" | "none"))
        {
            return Err(Failure::CROSS_SITE);
        }
        let size = text(&header::CONTENT_LENGTH).and_then(|size| size.parse::<usize>().ok());
        if size.is_some_and(|size| size > ADMIN_BODY_SIZE_MAX) {
            return Err(Failure::too_large());
        }
        let is_for_all = matches!(path, "/health" | "/ready") || page::has(path);
        match &self.token {
            None if !is_this_machine(host) => Err(Failure::WRONG_HOST),
            Some(token) if !is_for_all && !token.is_in(headers) => Err(Failure::UNAUTHORIZED),
            _ => Ok(()),
        }
    }
}

/// Goes before each route.
pub async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Result<Response, Failure> {
    if let Some(time) = request.extensions().get::<RequestTime>() {
        time.begin();
    }
    gate.check(request.uri().path(), request.headers())?;
    Ok(next.run(request).await)
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0123456789abcdef";

    fn checked(token: Option<&str>, path: &str, headers: &[(&str, &str)]) -> Result<(), Failure> {
        let pairs = headers.iter().map(|(name, value)| {
            (name.parse::<HeaderName>().unwrap(), value.parse::<axum::http::HeaderValue>().unwrap())
        });
        Gate::new(token.map(|token| Token::new(token.as_bytes()).unwrap())).check(path, &pairs.collect())
    }

    #[test]
    fn without_a_token_only_this_machine_by_its_own_name() {
        for host in ["localhost", "LocalHost:18830", "127.0.0.1", "127.0.0.1:1", "[::1]:18830", "[::1]"] {
            assert_eq!(checked(None, "/", &[("host", host)]), Ok(()), "{host}");
        }
        for host in ["evil.example", "evil.example:18830", "192.0.2.1", "localhost.evil.example", "", "127.0.0.1:x"] {
            assert_eq!(checked(None, "/", &[("host", host)]), Err(Failure::WRONG_HOST), "{host}");
        }
    }

    #[test]
    fn with_a_token_nobody_without_it() {
        let with = |authorization: &str| {
            checked(Some(SECRET), "/api/v1/bans", &[("host", "broker.example"), ("authorization", authorization)])
        };
        assert_eq!(with(&format!("Bearer {SECRET}")), Ok(()));
        assert_eq!(with(&format!("bearer {SECRET}")), Ok(()));
        for wrong in ["", "Bearer", "Bearer ", "Bearer 0123456789abcdeX", &format!("Basic {SECRET}"), SECRET] {
            assert_eq!(with(wrong), Err(Failure::UNAUTHORIZED), "{wrong}");
        }
        assert_eq!(with(&format!("Bearer {SECRET}0")), Err(Failure::UNAUTHORIZED));
        assert_eq!(checked(Some(SECRET), "/api/v1/bans", &[("host", "a")]), Err(Failure::UNAUTHORIZED));
        assert_eq!(checked(Some(SECRET), "/health", &[("host", "a")]), Ok(()));
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let with = |name, value| checked(None, "/", &[("host", "localhost:18830"), (name, value)]);
        assert_eq!(with("origin", "http://localhost:18830"), Ok(()));
        assert_eq!(with("sec-fetch-site", "same-origin"), Ok(()));
        assert_eq!(with("sec-fetch-site", "none"), Ok(()));
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "http://localhost"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(with(name, value), Err(Failure::CROSS_SITE), "{name}: {value}");
        }
    }

    #[test]
    fn the_page_is_for_everybody_and_may_be_linked_to() {
        let with = |path, pairs: &[(&str, &str)]| checked(Some(SECRET), path, &[&[("host", "a")], pairs].concat());
        assert_eq!(with("/", &[]), Ok(()));
        assert_eq!(with("/page/page.js", &[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(with("/", &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]), Ok(()));
        for (path, mode) in [("/", "no-cors"), ("/page/page.js", "no-cors"), ("/api/v1/bans", "navigate")] {
            let pairs = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode)];
            assert_eq!(with(path, &pairs), Err(Failure::CROSS_SITE), "{path} {mode}");
        }
        assert_eq!(with("/page/other", &[]), Err(Failure::UNAUTHORIZED));
    }

    #[test]
    fn a_token_is_long_and_visible() {
        assert!(Token::new(format!("  {SECRET}\n").as_bytes()).is_some());
        for bad in ["", "short", "0123456789 abcdef", "0123456789äbcdef"] {
            assert!(Token::new(bad.as_bytes()).is_none(), "{bad}");
        }
    }
}
