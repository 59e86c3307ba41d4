//! Another program decides: the login is POSTed to it as JSON, and it answers in JSON.
//!
//! | answer | meaning |
//! |---|---|
//! | 200, `{"result": "allow"}`, with `user_name`, `acl`, `expires_in` (seconds) if it likes | the client comes in |
//! | 200, `{"result": "deny"}`, or 401, or 403 | it does not |
//! | 200, `{"result": "ignore"}`, or 204 | the next method is asked |
//! | anything else, or nothing in time | it does not: who cannot be asked has not agreed |

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use serde::{Deserialize, Serialize};
use tracing::dispatcher::{self, Dispatch};
use ureq::Agent;
use ureq::http::{HeaderValue, Uri};
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};
use zeroize::Zeroizing;

use super::grant_json::Rules;
use super::kept::{Kept, Tag};
use super::{AuthorityError, HttpConfig, Sources, Warning, secret_file};
use crate::access::{Address, Denial, Grant, Login, Verdict};
use crate::limits;

/// Where distributions keep the authorities that the machine trusts: Debian and Alpine, Fedora, SUSE.
const SYSTEM_AUTHORITIES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// Time between log lines about answers that did not come, in milliseconds.
const COMPLAINT_INTERVAL_MS: u64 = 10_000;

/// Time for which a connection waits for the next login.
const IDLE_AGE_MAX: Duration = Duration::from_secs(4);

/// Asks at one URL.
pub struct Http {
    agent: Agent,
    uri: Uri,
    authorization: Option<HeaderValue>,
    kept: Kept<Answer>,
    /// When the next log line may be written, as milliseconds of `Sources::elapsed`.
    next_complaint_ms: AtomicU64,
}

/// What was answered; `None`: the method does not decide.
#[derive(Clone)]
struct Answer {
    verdict: Option<Verdict>,
    /// When a grant ends.
    until: Option<Duration>,
}

#[derive(Serialize)]
struct Question<'a> {
    client_id: &'a str,
    user_name: Option<&'a str>,
    /// Bytes that are not UTF-8 go as `password_base64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_base64: Option<&'a str>,
    address: String,
    listener: u16,
    certificate: Option<&'a str>,
}

#[derive(Deserialize)]
struct Reply {
    result: Outcome,
    user_name: Option<Box<str>>,
    acl: Option<Rules>,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Allow,
    Deny,
    Ignore,
}

impl Http {
    pub(super) fn load(
        config: &HttpConfig,
        sources: &Sources,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, AuthorityError> {
        let uri = check_url(&config.url)?;
        let is_secure = uri.scheme_str() == Some("https");
        if !is_secure && !is_this_machine(uri.host().unwrap_or_default()) {
            let problem = "passwords are sent to another machine in the clear".into();
            let remedy = "use https://".into();
            warnings.push(Warning { place: "access.http.url".into(), problem, remedy });
        }
        let mut builder = Agent::config_builder()
            .timeout_global(Some(config.timeout))
            .http_status_as_error(false)
            // A redirection would send the password to whoever is named there.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The environment's proxy is not meant for passwords.
            .proxy(None)
            .user_agent(concat!("ringmq/", env!("CARGO_PKG_VERSION")))
            // Less than the five seconds after which many servers close.
            .max_idle_age(IDLE_AGE_MAX)
            .max_idle_connections(limits::HTTP_THREADS)
            .max_idle_connections_per_host(limits::HTTP_THREADS);
        if is_secure {
            builder = builder.tls_config(tls(config)?);
        }
        let authorization = config.authorization_file.as_ref().map(|path| {
            let content = secret_file::read(path, limits::KEY_FILE_SIZE_MAX, warnings)?;
            let value = HeaderValue::from_bytes(content.trim_ascii());
            let mut value = value.ok().filter(|value| !value.is_empty()).ok_or_else(|| {
                let remedy = "write one line such as `Bearer abc`";
                AuthorityError::new(path.display(), "it is not a header's value", remedy)
            })?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self {
            agent: builder.build().into(),
            uri,
            authorization: authorization.transpose()?,
            kept: Kept::new(config.cache_time, &*sources.random),
            next_complaint_ms: AtomicU64::new(0),
        })
    }

    /// What was answered to the same question a short while ago.
    pub(super) fn kept(&self, login: &Login, sources: &Sources) -> Option<Option<Verdict>> {
        let now = (sources.elapsed)();
        let Answer { mut verdict, until } = self.kept.get(&self.tag(login), now)?;
        if let (Some(Verdict::Allowed(grant)), Some(until)) = (&mut verdict, until) {
            let left = until.checked_sub(now).filter(|left| !left.is_zero())?;
            grant.valid_for_ms = Some(left.as_millis() as u64);
        }
        Some(verdict)
    }

    /// Asks and waits.
    pub(super) fn ask(&self, login: &Login, sources: &Sources) -> Option<Verdict> {
        // The library writes all that it sends to its log at the level of TRACE, passwords included.
        let asked = dispatcher::with_default(&Dispatch::none(), || match self.post(login) {
            // The connection was used before, and the other program closed it while the question was on its way.
            Err(error) if is_lost(&error) => self.post(login),
            asked => asked,
        });
        let now = (sources.elapsed)();
        match asked {
            Ok(verdict) => {
                let until = match &verdict {
                    Some(Verdict::Allowed(grant)) => grant.valid_for_ms.map(|time| now + Duration::from_millis(time)),
                    _ => None,
                };
                self.kept.put(self.tag(login), Answer { verdict: verdict.clone(), until }, now);
                verdict
            }
            Err(error) => {
                self.complain(&error.to_string(), now);
                Some(Verdict::Denied(Denial::Unavailable))
            }
        }
    }

    fn post(&self, login: &Login) -> Result<Option<Verdict>, ureq::Error> {
        let question = question(login).map_err(ureq::Error::Json)?;
        let mut request = self.agent.post(&self.uri).header("Content-Type", "application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut response = request.send(&question[..])?;
        // The body is read in any case, so that the connection can be used again.
        let body = response.body_mut().with_config().limit(limits::HTTP_ANSWER_SIZE_MAX).read_to_vec();
        match response.status().as_u16() {
            401 | 403 => Ok(Some(Verdict::Denied(Denial::Refused))),
            204 => Ok(None),
            200 => understand(&body?).ok_or_else(|| ureq::Error::Other("the answer is not as documented".into())),
            status => Err(ureq::Error::StatusCode(status)),
        }
    }

    fn tag(&self, login: &Login) -> Tag {
        fn text(text: &Option<Box<str>>) -> &[u8] {
            text.as_ref().map_or(&[], |text| text.as_bytes())
        }
        let is_there = [login.user_name.is_some(), login.password.is_some(), login.certificate.is_some()].map(u8::from);
        let address = host(login.address);
        self.kept.tag(&[
            &login.listener.0.to_le_bytes(),
            &is_there,
            login.client_id.as_bytes(),
            text(&login.user_name),
            login.password.as_ref().map_or(&[][..], |password| &password.0),
            address.as_bytes(),
            text(&login.certificate),
        ])
    }

    /// One line in ten seconds: when the other program is gone, every login finds it so.
    fn complain(&self, problem: &str, now: Duration) {
        let now_ms = now.as_millis() as u64;
        let next = |next_ms| (next_ms <= now_ms).then_some(now_ms + COMPLAINT_INTERVAL_MS);
        if self.next_complaint_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok() {
            let url = &self.uri;
            tracing::warn!(%url, problem, "logins are refused, because who is to be asked gives no answer that is one");
        }
    }
}

fn question(login: &Login) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    let bytes = login.password.as_ref().map(|password| &password.0[..]);
    let password = bytes.and_then(|bytes| str::from_utf8(bytes).ok());
    let encoded = bytes.filter(|_| password.is_none()).map(|bytes| Zeroizing::new(STANDARD.encode(bytes)));
    let question = Question {
        client_id: &login.client_id,
        user_name: login.user_name.as_deref(),
        password,
        password_base64: encoded.as_ref().map(|encoded| encoded.as_str()),
        address: host(login.address),
        listener: login.listener.0,
        certificate: login.certificate.as_deref(),
    };
    serde_json::to_vec(&question).map(Zeroizing::new)
}

/// Without the port, which is another at each connection.
fn host(address: Address) -> String {
    match address {
        Address::Ip(address) => address.ip().to_string(),
        Address::Local => "local".into(),
    }
}

/// `None` if it is no answer.
fn understand(body: &[u8]) -> Option<Option<Verdict>> {
    let reply: Reply = serde_json::from_slice(body).ok()?;
    Some(match reply.result {
        Outcome::Ignore => None,
        Outcome::Deny => Some(Verdict::Denied(Denial::Refused)),
        Outcome::Allow => Some(Verdict::Allowed(Grant {
            user_name: reply.user_name,
            rules: match reply.acl {
                Some(rules) => Some(rules.into_rules()?),
                None => None,
            },
            valid_for_ms: reply.expires_in.map(|seconds| seconds.saturating_mul(1_000)),
        })),
    })
}

fn is_lost(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let ureq::Error::Io(error) = error else { return false };
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

fn check_url(url: &str) -> Result<Uri, AuthorityError> {
    let remedy = "write it as http://HOST:PORT/PATH or https://HOST:PORT/PATH";
    let wrong = |problem: &str| AuthorityError::new("access.http.url", problem, remedy);
    let uri: Uri = url.parse().map_err(|_| wrong("it is not a URL"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("its scheme is neither http nor https"));
    }
    let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
    if authority.host().is_empty() {
        return Err(wrong("it names no host"));
    }
    // It would be logged.
    if authority.as_str().contains('@') {
        let remedy = "take them out, and write `Basic BASE64` into a file for access.http.authorization_file";
        return Err(AuthorityError::new("access.http.url", "it has a user and a password in it", remedy));
    }
    Ok(uri)
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls(config: &HttpConfig) -> Result<TlsConfig, AuthorityError> {
    let path = match &config.authority_file {
        Some(path) => path.clone(),
        None => {
            let found = SYSTEM_AUTHORITIES.iter().map(std::path::Path::new).find(|path| path.exists());
            found.map(std::path::Path::to_path_buf).ok_or_else(|| {
                let remedy = "install the package ca-certificates, or set access.http.authority_file";
                AuthorityError::new("access.http.url", "this machine has no file with authorities", remedy)
            })?
        }
    };
    let pem = secret_file::read_public(&path, limits::KEY_FILE_SIZE_MAX)?;
    let certificates = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    });
    let certificates: Vec<_> = certificates.collect();
    if certificates.is_empty() {
        let remedy = "name a file with authorities as PEM";
        return Err(AuthorityError::new(path.display(), "there is no certificate in it", remedy));
    }
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::from(certificates))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build())
}
