//! The name of a client, out of its verified certificate.

use std::fmt::Write;

use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};
use x509_parser::x509::AttributeTypeAndValue;

use super::config::CertificateIdentity;
use crate::limits::TLS_PEER_NAME_SIZE_MAX;

/// What the session needs to know of a client's certificate.
pub struct PeerIdentity {
    /// None if the certificate lacks it, it is not UTF-8, has control characters, or is larger than `TLS_PEER_NAME_SIZE_MAX`: half
    /// a name would be the name of somebody else.
    pub name: Option<Box<str>>,
    /// In seconds since 1970.
    pub valid_until_s: i64,
}

impl PeerIdentity {
    /// None if it is no certificate.
    pub fn of(certificate: &[u8], identity: CertificateIdentity) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let name = match identity {
            CertificateIdentity::CommonName => common_name(certificate.subject()),
            CertificateIdentity::Subject => subject(certificate.subject()),
            CertificateIdentity::DnsName => alternative_name(&certificate, |name| match name {
                GeneralName::DNSName(name) => Some(name),
                _ => None,
            }),
            CertificateIdentity::EmailAddress => alternative_name(&certificate, |name| match name {
                GeneralName::RFC822Name(name) => Some(name),
                _ => None,
            }),
            CertificateIdentity::Uri => alternative_name(&certificate, |name| match name {
                GeneralName::URI(name) => Some(name),
                _ => None,
            }),
        };
        let name = name.filter(|name| is_acceptable(name)).map(String::into_boxed_str);
        Some(Self { name, valid_until_s: certificate.validity().not_after.timestamp() })
    }
}

fn is_acceptable(name: &str) -> bool {
    !name.is_empty() && name.len() <= TLS_PEER_NAME_SIZE_MAX && !name.chars().any(char::is_control)
}

fn alternative_name(
    certificate: &X509Certificate<'_>,
    select: impl for<'a> Fn(&GeneralName<'a>) -> Option<&'a str>,
) -> Option<String> {
    let extension = certificate.subject_alternative_name().ok()??;
    extension.value.general_names.iter().find_map(select).map(String::from)
}

/// The last one: a distinguished name goes from the general to the specific.
fn common_name(subject: &X509Name<'_>) -> Option<String> {
    subject.iter_common_name().last()?.as_str().ok().map(String::from)
}

/// As RFC 4514 has it: the most specific part first, and special characters escaped.
fn subject(subject: &X509Name<'_>) -> Option<String> {
    let mut text = String::new();
    let parts: Vec<_> = subject.iter_rdn().collect();
    for (index, part) in parts.iter().rev().enumerate() {
        for (inner_index, attribute) in part.iter().enumerate() {
            match (index, inner_index) {
                (0, 0) => {}
                (_, 0) => text.push(','),
                (_, _) => text.push('+'),
            }
            append_attribute(attribute, &mut text);
            // Large names are refused later; they need not be built first.
            if text.len() > TLS_PEER_NAME_SIZE_MAX {
                return None;
            }
        }
    }
    Some(text)
}

/// A value that is no string is written as `#` and the hexadecimal digits of its encoding (RFC 4514, section 2.4).
fn append_attribute(attribute: &AttributeTypeAndValue<'_>, text: &mut String) {
    let kind = attribute.attr_type().to_id_string();
    text.push_str(short_name(&kind).unwrap_or(&kind));
    text.push('=');
    match attribute.as_str() {
        Ok(value) => append_escaped(value, text),
        Err(_) => {
            text.push('#');
            for byte in attribute.as_slice().iter().take(TLS_PEER_NAME_SIZE_MAX) {
                let _ = write!(text, "{byte:02x}");
            }
        }
    }
}

/// RFC 4514, section 3, and `emailAddress`, which is common.
fn short_name(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "2.5.4.3" => "CN",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "2.5.4.6" => "C",
        "2.5.4.9" => "STREET",
        "0.9.2342.19200300.100.1.25" => "DC",
        "0.9.2342.19200300.100.1.1" => "UID",
        "1.2.840.113549.1.9.1" => "emailAddress",
        _ => return None,
    })
}

fn append_escaped(value: &str, text: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (index, letter) in value.chars().enumerate() {
        let is_special = matches!(letter, '"' | '+' | ',' | ';' | '<' | '>' | '\\')
            || (letter == ' ' && (index == 0 || index == last))
            || (letter == '#' && index == 0);
        if is_special {
            text.push('\\');
        }
        text.push(letter);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(value: &str) -> String {
        let mut text = String::new();
        append_escaped(value, &mut text);
        text
    }

    #[test]
    fn special_characters_of_a_subject_are_escaped() {
        assert_eq!(escaped("plain name"), "plain name");
        assert_eq!(escaped("a,CN=root"), "a\\,CN=root");
        assert_eq!(escaped(" #a# "), "\\ #a#\\ ");
        assert_eq!(escaped("#1+\"<>;\\"), "\\#1\\+\\\"\\<\\>\\;\\\\");
        assert_eq!(escaped(" "), "\\ ");
    }
}
