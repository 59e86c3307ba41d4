//! Certificates that clients show to a server.

use std::sync::Arc;

use ringmq::net::tls::{CertificateIdentity, ClientCertificateFiles, ClientCertificates};
use rustls::version::{TLS12, TLS13};

use crate::authority::{Authority, Pair, Special};
use crate::client::Client;
use crate::log;
use crate::rig::{Proxy, Rig, Transport, client_connection, client_tls_of, connect_to, wait_until};
use crate::stream::{Stream, Wire};
use crate::websocket::{REQUEST, WebSocket};

const REVOKED: u64 = 77;

/// The server's clients come from this authority.
fn rig(clients: &Authority, is_required: bool) -> Rig {
    let revoked = clients.write("revoked.pem", clients.revoke(&[REVOKED], 2099).pem().unwrap());
    let files = ClientCertificateFiles { authorities: vec![clients.file.clone()], revocation_lists: vec![revoked] };
    Rig::with(3, |config| {
        for listener in &mut config.listeners {
            let Some(tls) = &mut listener.tls else { continue };
            tls.client_certificates = match is_required {
                true => ClientCertificates::Required(files.clone()),
                false => ClientCertificates::Optional(files.clone()),
            };
            tls.identity = CertificateIdentity::CommonName;
            listener.access.certificate_is_user = true;
            listener.access.allow_anonymous = Some(false);
        }
    })
}

fn named(name: &'static str) -> Special {
    Special { common_name: Some(name), serial: Some(5), years: Some((2020, 2099)), ..Special::default() }
}

/// What comes of connecting with `pair`: CONNACK's return code, or none.
fn connack(
    rig: &Rig,
    transport: Transport,
    version: &'static rustls::SupportedProtocolVersion,
    pair: Option<&Pair>,
    client_id: &str,
) -> Option<u8> {
    let tls = Arc::new(client_tls_of(&rig.authority, pair, &[version]));
    let wire = connect_to(&rig.address((transport, Proxy::No)));
    let tls = Box::new(rustls::StreamOwned::new(client_connection(&tls), wire));
    match transport {
        Transport::SecureWebSocket => {
            exchange(WebSocket::<Box<crate::stream::Tls>>::open(tls, REQUEST, &[]).ok()?, client_id)
        }
        _ => exchange(tls, client_id),
    }
}

fn exchange(mut stream: impl std::io::Read + std::io::Write, client_id: &str) -> Option<u8> {
    stream.write_all(&crate::client::connect(client_id)).ok()?;
    stream.flush().ok()?;
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).ok()?;
    Some(connack[3])
}

#[test]
fn a_valid_certificate_is_the_user() {
    log::keep();
    let clients = Authority::new("clients");
    for is_required in [false, true] {
        let rig = rig(&clients, is_required);
        for (number, name) in ["meter 1", "meter 2", "meter 3"].into_iter().enumerate() {
            let pair = clients.client(named(name));
            for version in [&TLS12, &TLS13] {
                for transport in [Transport::Tls, Transport::SecureWebSocket] {
                    let client_id = format!("certified-{is_required}-{number}-{transport:?}");
                    assert_eq!(connack(&rig, transport, version, Some(&pair), &client_id), Some(0), "{version:?}");
                    log::wait_for(&["client connected", &client_id, &format!("user_name=\"{name}\"")]);
                }
            }
        }
        rig.wait_until_empty();
    }
}

#[test]
fn bad_certificates_are_counted_by_reason() {
    let clients = Authority::new("clients");
    let strangers = Authority::new("strangers");
    let rig = rig(&clients, true);
    let expired = clients.client(Special { years: Some((2020, 2021)), ..named("old") });
    let revoked = clients.client(Special { serial: Some(REVOKED), ..named("stolen") });
    let early = clients.client(Special { years: Some((2090, 2091)), ..named("early") });
    let foreign = strangers.client(named("stranger"));
    for (pair, reason) in [
        (None, "certificate-missing"),
        (Some(&expired), "certificate-expired"),
        (Some(&revoked), "certificate-revoked"),
        (Some(&early), "certificate-not-yet-valid"),
        (Some(&foreign), "certificate-unknown-authority"),
    ] {
        let mut count = 0;
        for version in [&TLS12, &TLS13] {
            for transport in [Transport::Tls, Transport::SecureWebSocket] {
                assert_eq!(connack(&rig, transport, version, pair, "refused"), None, "{reason} {version:?}");
                count += 1;
                rig.wait_for_failures(reason, count);
            }
        }
    }
    assert_eq!(rig.server.counters().layer_failures.values().sum::<u64>(), 20);
    rig.wait_until_empty();
}

#[test]
fn who_shows_no_certificate_where_none_is_demanded_has_no_name() {
    let clients = Authority::new("clients");
    let rig = rig(&clients, false);
    for version in [&TLS12, &TLS13] {
        for transport in [Transport::Tls, Transport::SecureWebSocket] {
            // Not authorized.
            assert_eq!(connack(&rig, transport, version, None, "nobody"), Some(5), "{version:?}");
        }
    }
    rig.wait_until_empty();
}

#[test]
fn a_server_that_the_client_does_not_trust_is_told_so() {
    let rig = Rig::new(3);
    let strangers = Authority::new("strangers");
    let tls = Arc::new(client_tls_of(&strangers, None, &[&TLS13]));
    let wire: Wire = rig.wire((Transport::Tls, Proxy::No));
    let mut client = Client { stream: Stream::Tls(Box::new(rustls::StreamOwned::new(client_connection(&tls), wire))) };
    assert!(std::io::Write::write_all(&mut client.stream, b"\x10").is_err());
    wait_until("the alert is counted", || rig.failures("alert-from-peer") == 1);
    drop(client);
    rig.wait_until_empty();
}
