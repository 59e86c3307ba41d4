//! `ringmq serve`: runs the broker until a signal ends it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use crossbeam_channel::select;

use super::serve_reload::{LoadError, Reloading};
use super::service_manager::{self, ServiceManager};
use super::{EXIT_CONFIGURATION, EXIT_ENVIRONMENT, logging, sources};
use crate::admin::{Admin, Program, ReloadRequest};
use crate::config::Loaded;
use crate::limits::RELOADS_WAITING_MAX;
use crate::runtime::Server;
use crate::runtime::signals::{self, Request};

#[derive(Debug, Args)]
pub struct ServeOptions {
    /// Configuration file (TOML); ringmq.example.toml documents every key
    #[arg(short, long, value_name = "FILE", env = "RINGMQ_CONFIG")]
    config: Option<PathBuf>,
    /// Configuration file of mosquitto; what has no equivalent is warned of. ringmq convert makes a file of RingMQ's own of it
    #[arg(long, value_name = "FILE")]
    mosquitto_conf: Option<PathBuf>,
    /// Address to listen on, such as tls://0.0.0.0:8883 (tcp, tls, ws, wss, or unix:///PATH); may be repeated, and replaces
    /// those of the file
    #[arg(short, long, value_name = "URL")]
    listen: Vec<String>,
    /// Let everybody in, at listeners that do not say otherwise; other machines come in only with this or with a
    /// method such as --password-file
    #[arg(long)]
    allow_anonymous: bool,
    /// Users and their passwords, as mosquitto_passwd or ringmq passwd write them
    #[arg(long, value_name = "FILE")]
    password_file: Option<String>,
    /// Who may publish and subscribe to what, as mosquitto's acl_file
    #[arg(long, value_name = "FILE")]
    acl_file: Option<String>,
    /// Certificate with its chain (PEM) for tls:// and wss://
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<String>,
    /// Its key (PEM)
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Shards (threads, one for each core), or auto
    #[arg(short, long, value_name = "N")]
    shards: Option<String>,
    /// CPUs to pin the shards to, such as 0-3,8, or auto
    #[arg(long, value_name = "LIST")]
    cpus: Option<String>,
    /// Directory of the store [default: $STATE_DIRECTORY, or ./ringmq-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// When acknowledgements leave: commit, "interval = 100ms" or memory
    #[arg(long, value_name = "MODE")]
    durability: Option<String>,
    /// Keep nothing on disk: a restart forgets sessions and retained messages
    #[arg(long, conflicts_with_all = ["data_dir", "durability"])]
    no_persistence: bool,
    /// Least severe lines of the log: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    /// Form of the log: text or json
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

pub fn run(options: &ServeOptions) -> ExitCode {
    // First of all: it takes variables out of the environment, which must happen before there are threads.
    let sockets = service_manager::inherited_sockets();
    let (loaded, warnings) = match load(options) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(EXIT_CONFIGURATION);
        }
    };
    let log = logging::start(&loaded.config.log);
    warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let signals = match signals::watch() {
        Ok(signals) => signals,
        Err(error) => {
            eprintln!("ringmq: signals cannot be caught: {error}");
            return ExitCode::from(EXIT_ENVIRONMENT);
        }
    };
    let manager = ServiceManager::from_environment();
    let config = loaded.config;
    manager.starting();
    let started = sockets.and_then(|sockets| Server::start_with_sockets(config.runtime.clone(), sockets));
    let server = match started {
        Ok(server) => server,
        Err(error) => {
            eprintln!("ringmq: {error}");
            return ExitCode::from(error.exit_code());
        }
    };
    let (ask, reloads) = crossbeam_channel::bounded(RELOADS_WAITING_MAX);
    let program = Program::new(ask, Some(log.clone()));
    program.set_configuration(config.to_json());
    let start = |admin| Admin::start_for(&admin, server.handle(), program.clone());
    let admin = match config.admin().map(start).transpose() {
        Ok(admin) => admin,
        Err(error) => {
            eprintln!("ringmq: {error}");
            return ExitCode::from(error.exit_code());
        }
    };
    announce(&server);
    if let Some(admin) = &admin {
        admin.warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        tracing::info!("administration at http://{}", admin.address());
    }
    let watchdog = manager.ready(&server);
    let mut reloading = Reloading { server, log, program, config };
    let code = loop {
        select! {
            recv(signals) -> request => match request {
                Ok(Request::Reload) => {
                    manager.reloading();
                    // It is in the log, and nobody else waits for it.
                    let _ = reloading.reload(load(options));
                    manager.reloaded(&reloading.server);
                }
                Ok(Request::Stop(signal)) => {
                    tracing::info!("{}: stopping", signal_hook::low_level::signal_name(signal).unwrap_or("signal"));
                    break ExitCode::SUCCESS;
                }
                Err(_) => break ExitCode::from(EXIT_ENVIRONMENT),
            },
            recv(reloads) -> request => if let Ok(ReloadRequest { answer }) = request {
                manager.reloading();
                let _ = answer.send(reloading.reload(load(options)));
                manager.reloaded(&reloading.server);
            },
            recv(reloading.server.ended()) -> _ => {
                tracing::error!("the shards have ended");
                break ExitCode::from(EXIT_ENVIRONMENT);
            }
        }
    };
    manager.stopping();
    drop(watchdog);
    // Those who ask meanwhile are told that it stops.
    reloading.server.stop();
    drop(admin);
    tracing::info!("stopped");
    code
}

/// The start message: what an operator asks first, and what a program that started us waits for.
fn announce(server: &Server) {
    let addresses: Vec<_> = server.listeners().map(ToString::to_string).collect();
    let summary = server.summary();
    let cpus = summary.cpus.iter().map(|cpu| cpu.map_or("any".to_owned(), |cpu| cpu.to_string()));
    tracing::info!(
        listen = %addresses.join(","),
        shards = summary.shards,
        cpus = %cpus.collect::<Vec<_>>().join(","),
        connections_max = summary.connections_max,
        durability = %summary.storage.as_ref().map_or("none".to_owned(), |storage| storage.durability.to_string()),
        data_dir = summary.storage.as_ref().map(|storage| tracing::field::display(storage.dir.display())),
        "ringmq {} is ready",
        env!("CARGO_PKG_VERSION")
    );
}

/// Loads the configuration, with what its reader should know; or says what is wrong with it.
fn load(options: &ServeOptions) -> Result<(Loaded, Vec<String>), LoadError> {
    let mut sources = sources::with_file(options.config.as_deref()).map_err(LoadError::Unreadable)?;
    let import =
        options.mosquitto_conf.as_deref().map(sources::mosquitto).transpose().map_err(LoadError::Unreadable)?;
    sources.written = import.as_ref().map(|import| import.written.clone());
    let mut flag = |flag, key, value: &Option<String>| {
        sources.flags.extend(value.iter().map(|value| (flag, key, value.clone())));
    };
    flag("--listen", "listen", &(!options.listen.is_empty()).then(|| options.listen.join(",")));
    flag("--allow-anonymous", "access.allow_anonymous", &options.allow_anonymous.then(|| "true".to_owned()));
    flag("--password-file", "access.password_file", &options.password_file);
    flag("--acl-file", "access.acl_file", &options.acl_file);
    flag("--tls-certificate", "tls.certificate", &options.tls_certificate);
    flag("--tls-key", "tls.key", &options.tls_key);
    flag("--shards", "runtime.shards", &options.shards);
    flag("--cpus", "runtime.cpus", &options.cpus);
    flag("--data-dir", "storage.dir", &options.data_dir);
    flag("--durability", "storage.durability", &options.durability);
    flag("--no-persistence", "storage.persistence", &options.no_persistence.then(|| "false".to_owned()));
    flag("--log", "log.level", &options.log);
    flag("--log-format", "log.format", &options.log_format);
    let loaded = sources::load(&sources).map_err(|error| LoadError::Mistakes(error.mistakes))?;
    let notes = import.iter().flat_map(|import| &import.notes).map(ToString::to_string);
    let doubts = loaded.doubtful_variables.iter();
    let doubts =
        doubts.map(|(variable, meant)| format!("environment variable {variable} is not read; was {meant} meant?"));
    let warnings = notes.chain(doubts).collect();
    Ok((loaded, warnings))
}
