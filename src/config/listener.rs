//! What a listener is made of while it is read: flat, so that each key can be set by itself, in any order.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::listen::Endpoint;
use crate::access::{OverQuota, Quotas, Rate};
use crate::authority::{AccessConfig, HttpConfig, JwtConfig};
use crate::net::tls::{
    CertificateFiles, CertificateIdentity, ClientCertificateFiles, ClientCertificates, SessionResumption, TlsConfig,
    TlsVersions,
};
use crate::net::websocket::WebSocketConfig;
use crate::runtime::{ListenAddress, ListenerConfig};

/// A `[[listeners]]` table, or the defaults of all listeners. A table begins as the defaults, so that it overrides them key by
/// key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    /// Where to listen; the defaults have none.
    pub endpoints: Vec<Endpoint>,
    pub connections_max: Option<usize>,
    pub proxy_protocol: Vec<IpNet>,
    /// Of a unix socket.
    pub mode: Option<u32>,
    pub owner: Option<String>,
    pub group: Option<String>,
    /// They count where there is TLS.
    pub tls: TlsSettings,
    /// It counts where there is WebSocket.
    pub websocket: WebSocketConfig,
    /// Without `jwt` and `http`.
    pub access: AccessConfig,
    /// It counts with a key file.
    pub jwt: JwtConfig,
    /// It counts with a URL.
    pub http: HttpConfig,
    pub quotas: QuotaSettings,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    pub certificates: Vec<CertificateFiles>,
    pub client_certificates: ClientCertificatesMode,
    /// They count unless client certificates are "none".
    pub client_files: ClientCertificateFiles,
    pub identity: CertificateIdentity,
    pub versions: TlsVersions,
    pub resumption: SessionResumption,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificatesMode {
    #[default]
    None,
    Optional,
    Required,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuotaSettings {
    pub messages: RateSettings,
    pub bytes: RateSettings,
    pub over: OverQuota,
}

/// A token bucket that may be without a bound, and whose burst may be what comes in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateSettings {
    pub per_second: Option<u64>,
    pub burst: Option<u64>,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            connections_max: None,
            proxy_protocol: Vec::new(),
            mode: None,
            owner: None,
            group: None,
            tls: TlsSettings {
                certificates: Vec::new(),
                client_certificates: ClientCertificatesMode::None,
                client_files: ClientCertificateFiles::default(),
                identity: CertificateIdentity::default(),
                versions: TlsVersions::default(),
                resumption: SessionResumption::Tickets,
            },
            websocket: WebSocketConfig::default(),
            access: AccessConfig::default(),
            jwt: JwtConfig {
                key_file: PathBuf::new(),
                algorithms: Vec::new(),
                issuer: None,
                audience: None,
                user_name_claim: "sub".to_owned(),
                client_id_claim: None,
                acl_claim: "acl".to_owned(),
                leeway: Duration::ZERO,
                expiry_required: true,
            },
            http: HttpConfig {
                url: String::new(),
                authorization_file: None,
                authority_file: None,
                timeout: Duration::from_secs(5),
                cache_time: Duration::ZERO,
            },
            quotas: QuotaSettings::default(),
        }
    }
}

impl ListenerSettings {
    /// One listener for each endpoint.
    pub fn to_listeners(&self) -> Vec<ListenerConfig> {
        self.endpoints.iter().map(|endpoint| self.to_listener(endpoint)).collect()
    }

    fn to_listener(&self, endpoint: &Endpoint) -> ListenerConfig {
        let mut listener = endpoint.to_listener();
        if let ListenAddress::Unix(unix) = &mut listener.address {
            unix.mode = self.mode;
            unix.owner.clone_from(&self.owner);
            unix.group.clone_from(&self.group);
        }
        if let Some(tls) = &mut listener.tls {
            *tls = self.tls.to_config(endpoint.scheme.has_websocket());
        }
        if let Some(websocket) = &mut listener.websocket {
            websocket.clone_from(&self.websocket);
        }
        listener.proxy_protocol = (!self.proxy_protocol.is_empty()).then(|| self.proxy_protocol.clone());
        listener.connections_max = self.connections_max;
        let asks_for_certificates = listener.tls.as_ref().is_some_and(|tls| tls.client_certificates.files().is_some());
        listener.access = AccessConfig {
            // As a default for all listeners it is meant for those where there is a certificate to look at.
            certificate_is_user: self.access.certificate_is_user && asks_for_certificates,
            jwt: (!self.jwt.key_file.as_os_str().is_empty()).then(|| self.jwt.clone()),
            http: (!self.http.url.is_empty()).then(|| self.http.clone()),
            ..self.access.clone()
        };
        listener.quotas = Quotas {
            messages: self.quotas.messages.to_rate(),
            bytes: self.quotas.bytes.to_rate(),
            over: self.quotas.over,
        };
        listener
    }

    /// What makes this listener; `defaults` for what it has no use for.
    pub fn of(listener: &ListenerConfig, defaults: &Self) -> Self {
        let mut settings = Self { endpoints: vec![Endpoint::of(listener)], ..defaults.clone() };
        if let ListenAddress::Unix(unix) = &listener.address {
            settings.mode = unix.mode;
            settings.owner.clone_from(&unix.owner);
            settings.group.clone_from(&unix.group);
        }
        if let Some(tls) = &listener.tls {
            settings.tls.take(tls);
        }
        if let Some(websocket) = &listener.websocket {
            settings.websocket.clone_from(websocket);
        }
        settings.proxy_protocol = listener.proxy_protocol.clone().unwrap_or_default();
        settings.connections_max = listener.connections_max;
        match &listener.access.jwt {
            Some(jwt) => settings.jwt.clone_from(jwt),
            None => settings.jwt.key_file = PathBuf::new(),
        }
        match &listener.access.http {
            Some(http) => settings.http.clone_from(http),
            None => settings.http.url = String::new(),
        }
        settings.access = AccessConfig { jwt: None, http: None, ..listener.access.clone() };
        let Quotas { messages, bytes, over } = &listener.quotas;
        settings.quotas = QuotaSettings {
            messages: RateSettings::of(*messages, settings.quotas.messages),
            bytes: RateSettings::of(*bytes, settings.quotas.bytes),
            over: *over,
        };
        settings
    }
}

impl TlsSettings {
    fn to_config(&self, is_websocket: bool) -> TlsConfig {
        let files = self.client_files.clone();
        let protocol = if is_websocket { "http/1.1" } else { "mqtt" };
        TlsConfig {
            certificates: self.certificates.clone(),
            client_certificates: match self.client_certificates {
                ClientCertificatesMode::None => ClientCertificates::None,
                ClientCertificatesMode::Optional => ClientCertificates::Optional(files),
                ClientCertificatesMode::Required => ClientCertificates::Required(files),
            },
            versions: self.versions,
            application_protocols: vec![protocol.to_owned()],
            identity: self.identity,
            resumption: self.resumption,
        }
    }

    fn take(&mut self, tls: &TlsConfig) {
        self.certificates.clone_from(&tls.certificates);
        self.client_certificates = match &tls.client_certificates {
            ClientCertificates::None => ClientCertificatesMode::None,
            ClientCertificates::Optional(_) => ClientCertificatesMode::Optional,
            ClientCertificates::Required(_) => ClientCertificatesMode::Required,
        };
        if let Some(files) = tls.client_certificates.files() {
            self.client_files.clone_from(files);
        }
        self.versions = tls.versions;
        self.identity = tls.identity;
        self.resumption = tls.resumption;
    }
}

impl RateSettings {
    pub fn to_rate(self) -> Option<Rate> {
        self.per_second.map(|per_second| Rate { per_second, burst: self.burst.unwrap_or(per_second) })
    }

    fn of(rate: Option<Rate>, default: Self) -> Self {
        match rate {
            // The burst of the defaults may be written out and still be the same.
            Some(rate) if default.to_rate() == Some(rate) => default,
            Some(Rate { per_second, burst }) => {
                Self { per_second: Some(per_second), burst: (burst != per_second).then_some(burst) }
            }
            None => Self { per_second: None, ..default },
        }
    }
}
