//! The log of the process: lines on standard error, as text or JSON.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

use crate::admin::{Levels, LogLevels};
use crate::config::{LogConfig, LogFormat, LogLevel};

/// The started log, whose levels can change.
pub struct Log {
    /// Fails when the log is not ours.
    set: Box<dyn Fn(Targets) -> bool + Send + Sync>,
    levels: Mutex<Levels>,
}

/// Starts the log; a further one in one process gets no lines.
pub fn start(config: &LogConfig) -> Arc<Log> {
    let levels = levels_of(config);
    let (filter, handle) = reload::Layer::new(targets(config.level, config.modules.clone()));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let layer = match config.format {
        LogFormat::Text => layer.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // An embedding program or a test may have its own log already, which then gets our lines.
    let _ = tracing_subscriber::registry().with(layer.with_filter(filter)).try_init();
    Arc::new(Log { set: Box::new(move |targets| handle.reload(targets).is_ok()), levels: Mutex::new(levels) })
}

impl Log {
    /// What a configuration that was read again says; the form of the lines stays.
    pub fn reload(&self, config: &LogConfig) {
        self.change(levels_of(config), targets(config.level, config.modules.clone()));
    }

    fn change(&self, levels: Levels, targets: Targets) -> bool {
        let mut known = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let is_set = (self.set)(targets);
        if is_set {
            *known = levels;
        }
        is_set
    }
}

impl LogLevels for Log {
    fn get(&self) -> Levels {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, levels: &Levels) -> Result<(), String> {
        let level = parse(&levels.level)?;
        let modules = levels.modules.iter().map(|(module, level)| Ok((module.clone(), parse(level)?)));
        let targets = targets(level, modules.collect::<Result<_, String>>()?);
        match self.change(levels.clone(), targets) {
            true => Ok(()),
            false => Err("the log is that of another program".into()),
        }
    }
}

fn targets(level: LogLevel, modules: BTreeMap<String, LogLevel>) -> Targets {
    let modules = modules.into_iter().map(|(module, level)| (module, filter(level)));
    Targets::new().with_default(filter(level)).with_targets(modules)
}

fn levels_of(config: &LogConfig) -> Levels {
    let modules = config.modules.iter().map(|(module, level)| (module.clone(), name(*level).to_owned()));
    Levels { level: name(config.level).to_owned(), modules: modules.collect() }
}

const LEVELS: [LogLevel; 6] =
    [LogLevel::Off, LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

fn parse(text: &str) -> Result<LogLevel, String> {
    let known = LEVELS.into_iter().find(|level| name(*level) == text);
    known.ok_or_else(|| format!("{text:?} is no level: it is off, error, warn, info, debug or trace"))
}

fn name(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Off => "off",
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
