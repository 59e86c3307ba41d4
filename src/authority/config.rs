//! What a listener's configuration says of who may come in.

use std::path::PathBuf;
use std::time::Duration;

/// A way to find out who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    PasswordFile,
    Jwt,
    Http,
}

/// Who may come in at a listener, and what they may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessConfig {
    /// Whether clients without a user name are let in; `None` is: only where nothing but this machine can connect.
    pub allow_anonymous: Option<bool>,
    /// The name in a client's certificate is its user name, and no other method is asked.
    pub certificate_is_user: bool,
    /// The methods in the order in which they are asked; the first that decides wins. A method that does not know the user does
    /// not decide. Empty: those that are configured, in the order of [`Method`].
    pub methods: Vec<Method>,
    /// mosquitto's password file.
    pub password_file: Option<PathBuf>,
    /// Credentials for SCRAM-SHA-256 (RFC 7677).
    pub scram_file: Option<PathBuf>,
    pub jwt: Option<JwtConfig>,
    pub http: Option<HttpConfig>,
    /// mosquitto's ACL file.
    pub acl_file: Option<PathBuf>,
}

impl AccessConfig {
    /// Whether somebody is asked who a client is.
    pub fn is_asked(&self) -> bool {
        self.password_file.is_some() || self.jwt.is_some() || self.http.is_some()
    }
}

/// Tokens in place of passwords (RFC 7519).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtConfig {
    /// A secret for HS256, HS384 and HS512, or a public key as PEM for the others.
    pub key_file: PathBuf,
    /// Algorithms that are accepted, such as `RS256`; all must go with the kind of key.
    pub algorithms: Vec<String>,
    pub issuer: Option<String>,
    pub audience: Option<String>,
    /// The claim that is the user name.
    pub user_name_claim: String,
    /// The claim that must be the client id, if there is one.
    pub client_id_claim: Option<String>,
    /// The claim that brings access rules.
    pub acl_claim: String,
    /// Clocks may differ by so much.
    pub leeway: Duration,
    /// A token without an expiry is refused.
    pub expiry_required: bool,
}

/// Another program is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpConfig {
    /// `http://` or `https://`; the login is POSTed there as JSON.
    pub url: String,
    /// A file with the value of the Authorization header.
    pub authorization_file: Option<PathBuf>,
    /// Authorities for `https://`; `None` are the system's.
    pub authority_file: Option<PathBuf>,
    pub timeout: Duration,
    /// How long an answer is kept; zero never.
    pub cache_time: Duration,
}
