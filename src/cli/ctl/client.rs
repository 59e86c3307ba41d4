//! Requests to a server's administration.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};
use ureq::http::{Response, Uri};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::limits::{ADMIN_REQUEST_TIME_MAX_MS, KEY_FILE_SIZE_MAX, PAGE_ENTRIES_MAX};

/// Bytes of an answer: all bans that there can be.
const ANSWER_SIZE_MAX: u64 = 256 << 20;

pub struct Client {
    agent: Agent,
    url: String,
    token: Option<Zeroizing<String>>,
}

#[derive(Debug)]
pub enum Failure {
    /// What was asked for cannot be.
    Usage(String),
    TokenFile(PathBuf, String),
    /// No answer.
    Unreachable(String, String),
    /// The server has refused: the status, its message and the whole answer.
    Refused(u16, String, Json),
    /// Standard output cannot be written to.
    Output(String),
    /// The answer cannot be understood.
    Answer(String),
}

impl Client {
    pub fn new(url: &str, token_file: Option<&Path>) -> Result<Self, Failure> {
        let is_http = url.parse::<Uri>().is_ok_and(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
        if !is_http {
            return Err(Failure::Usage(format!("{url:?} is no URL with http://")));
        }
        let token = token_file.map(|path| {
            let of_file = |problem: String| Failure::TokenFile(path.to_owned(), problem);
            let size = std::fs::metadata(path).map_err(|error| of_file(error.to_string()))?.len();
            if size > KEY_FILE_SIZE_MAX {
                return Err(of_file("it is too large".into()));
            }
            let content = std::fs::read_to_string(path).map_err(|error| of_file(error.to_string()))?;
            Ok(Zeroizing::new(format!("Bearer {}", Zeroizing::new(content).trim())))
        });
        let agent = Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(ADMIN_REQUEST_TIME_MAX_MS)))
            .http_status_as_error(false)
            // A redirection would send the token to whoever is named there, and so would the environment's proxy.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("ringmq/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Ok(Self { agent, url: url.trim_end_matches('/').to_owned(), token: token.transpose()? })
    }

    pub fn get(&self, path: &str) -> Result<Json, Failure> {
        let mut request = self.agent.get(self.to(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", token.as_str());
        }
        self.understand(request.call())
    }

    /// The answer, even if its status says that something is not as it should be.
    pub fn get_whatever(&self, path: &str) -> Result<Json, Failure> {
        match self.get(path) {
            Err(Failure::Refused(_, _, answer)) if !answer.is_null() => Ok(answer),
            other => other,
        }
    }

    /// An answer that goes on, line by line.
    pub fn lines(&self, query: &Query) -> Result<impl BufRead + Send + use<>, Failure> {
        let mut request = self.agent.get(self.to(&query.0));
        if let Some(token) = &self.token {
            request = request.header("authorization", token.as_str());
        }
        let patience = Some(Duration::from_millis(ADMIN_REQUEST_TIME_MAX_MS));
        let request = request.config().timeout_global(None).timeout_connect(patience).timeout_recv_response(patience);
        let response = request.build().call();
        match response {
            Ok(response) if response.status().is_success() => Ok(BufReader::new(response.into_body().into_reader())),
            other => Err(match self.understand(other) {
                Err(failure) => failure,
                Ok(_) => Failure::Answer("it is of another kind".into()),
            }),
        }
    }

    /// A list, page after page, up to `limit` entries; 0 is all.
    pub fn list(&self, query: &Query, name: &str, limit: usize) -> Result<Listed, Failure> {
        let mut listed = Listed { entries: Vec::new(), is_whole: true };
        let mut after: Option<String> = None;
        loop {
            let wanted =
                if limit == 0 { PAGE_ENTRIES_MAX } else { (limit - listed.entries.len()).min(PAGE_ENTRIES_MAX) };
            let page = query.clone().with("after", after.as_deref()).with("limit", Some(&wanted.to_string()));
            let mut answer = self.get(&page.0)?;
            let Json::Array(entries) = answer[name].take() else {
                return Err(Failure::Answer(format!("it has no list of {name}")));
            };
            listed.entries.extend(entries);
            after = answer["next"].as_str().map(str::to_owned);
            let is_enough = limit != 0 && listed.entries.len() >= limit;
            if after.is_none() || is_enough {
                listed.is_whole = after.is_none();
                return Ok(listed);
            }
        }
    }

    pub fn put(&self, path: &str, body: &Json) -> Result<Json, Failure> {
        let mut request = self.agent.put(self.to(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", token.as_str());
        }
        self.understand(request.send_json(body))
    }

    pub fn delete(&self, path: &str) -> Result<Json, Failure> {
        let mut request = self.agent.delete(self.to(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", token.as_str());
        }
        self.understand(request.call())
    }

    pub fn post(&self, path: &str, body: &Json) -> Result<Json, Failure> {
        let mut request = self.agent.post(self.to(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", token.as_str());
        }
        self.understand(request.send_json(body))
    }

    fn to(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn understand(&self, response: Result<Response<Body>, ureq::Error>) -> Result<Json, Failure> {
        let mut response = response.map_err(|error| Failure::Unreachable(self.url.clone(), error.to_string()))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_SIZE_MAX).read_to_vec();
        let body = body.map_err(|error| Failure::Answer(error.to_string()))?;
        if status.is_success() && body.is_empty() {
            return Ok(Json::Null);
        }
        let body = serde_json::from_slice::<Json>(&body);
        if status.is_success() {
            return body.map_err(|error| Failure::Answer(error.to_string()));
        }
        let body = body.unwrap_or(Json::Null);
        let message = body["message"].as_str().unwrap_or("it does not say why").to_owned();
        Err(Failure::Refused(status.as_u16(), message, body))
    }
}

/// The path of a request, with its parameters.
#[derive(Clone)]
pub struct Query(String);

impl Query {
    pub fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// With a parameter, if there is one.
    pub fn with(mut self, name: &str, value: Option<&str>) -> Self {
        if let Some(value) = value {
            let separator = if self.0.contains('?') { '&' } else { '?' };
            self.0 += &format!("{separator}{name}={}", encoded(value));
        }
        self
    }

    /// With the parameters.
    pub fn path(&self) -> &str {
        &self.0
    }
}

/// What a list had.
pub struct Listed {
    pub entries: Vec<Json>,
    is_whole: bool,
}

impl Listed {
    pub fn json(self, name: &str) -> String {
        json!({ name: self.entries, "is_whole": self.is_whole }).to_string() + "\n"
    }

    /// The last line: that there is more, if so.
    pub fn rest(&self) -> String {
        match self.is_whole {
            true => String::new(),
            false => format!("... there are more than these {}: see --limit\n", self.entries.len()),
        }
    }
}

/// A segment of a URL's path (RFC 3986, section 3.3).
pub fn encoded(segment: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    segment.bytes().map(encode).collect()
}

impl Failure {
    /// Whether the command line is to blame.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Usage(_) | Self::TokenFile(..) | Self::Refused(400, ..))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(problem) => out.write_str(problem),
            Self::TokenFile(path, problem) => write!(
                out,
                "no token in {}: {problem}: --token-file or RINGMQ_CTL_TOKEN_FILE names a copy of admin.token_file",
                path.display()
            ),
            Self::Unreachable(url, problem) => {
                write!(out, "no answer from {url}: {problem}: is admin.listen set, and --url the same?")
            }
            Self::Refused(status, message, _) => {
                write!(out, "the server refuses ({status}): {}", super::table::printable_lines(message))
            }
            Self::Output(problem) => write!(out, "cannot write to standard output: {problem}"),
            Self::Answer(problem) => write!(out, "the server's answer cannot be understood: {problem}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_nothing_that_a_path_means() {
        assert_eq!(encoded("10.0.0.0/8"), "10%2E0%2E0%2E0%2F8");
        assert_eq!(encoded("a b?#%ü.."), "a%20b%3F%23%25%C3%BC%2E%2E");
    }

    #[test]
    fn a_query_has_what_is_wanted() {
        let query = Query::new("/x").with("a", None).with("b", Some("1&c=2")).with("d", Some("e"));
        assert_eq!(query.0, "/x?b=1%26c%3D2&d=e");
    }

    #[test]
    fn only_http_is_spoken() {
        for url in ["https://127.0.0.1:1", "127.0.0.1:18830", "http://", "x"] {
            assert!(matches!(Client::new(url, None), Err(Failure::Usage(_))), "{url}");
        }
        assert!(Client::new("http://127.0.0.1:18830/", None).is_ok());
    }
}
