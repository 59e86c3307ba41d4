//! Looks into the files of listeners without starting anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::clock::{Clock, sources};
use super::{ListenerConfig, StartError};
use crate::authority::scram::Scram;
use crate::authority::{AccessConfig, Authority, read_acl_file};
use crate::net::tls::TlsServer;

/// What a start, or a reload, would refuse of certificates, keys, passwords and access rules; each file's mistake once.
pub fn check_listener_files(listeners: &[ListenerConfig]) -> Vec<StartError> {
    let access: Vec<AccessConfig> = listeners.iter().map(|listener| listener.access.clone()).collect();
    let sources = sources(Clock::start());
    let rules: BTreeSet<_> = access.iter().filter_map(|access| access.acl_file.as_ref()).collect();
    let rules = rules.into_iter().filter_map(|path| read_acl_file(path).err()).map(StartError::from);
    let certificates = listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let certificates = certificates
        .filter_map(|tls| TlsServer::load(tls, Arc::new(rustls::time_provider::DefaultTimeProvider)).err())
        .map(StartError::from);
    let users = Authority::check(&access, &sources).err().into_iter().chain(Scram::load(&access, &sources).err());
    rules.chain(certificates).chain(users.map(StartError::from)).collect()
}
