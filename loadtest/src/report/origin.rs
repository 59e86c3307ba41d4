//! Where a result comes from: what one needs to believe it, or to measure again.

use chrono::{Local, SecondsFormat};
use std::fs;
use std::thread::available_parallelism;

/// The run, the machine and the generator.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Origin {
    /// RFC 3339.
    pub date: String,
    pub command: Vec<String>,
    pub generator_version: &'static str,
    pub host: String,
    pub kernel: String,
    pub cpu_model: String,
    /// CPUs that are online.
    pub cpus: usize,
    /// Those of them that the generator may use.
    pub generator_cpus: usize,
}

impl Origin {
    /// Looks at the machine now. What it does not tell is empty.
    pub fn now() -> Self {
        let system = rustix::system::uname();
        let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
        let cpu_info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            date: Local::now().to_rfc3339_opts(SecondsFormat::Secs, false),
            command: std::env::args().collect(),
            generator_version: env!("CARGO_PKG_VERSION"),
            host: text(system.nodename()),
            kernel: format!("{} {}", text(system.sysname()), text(system.release())),
            cpu_model: cpu_model(&cpu_info).unwrap_or_default().into(),
            cpus: fs::read_to_string("/sys/devices/system/cpu/online").map_or(0, |list| crate::cpus::count(&list)),
            generator_cpus: available_parallelism().map_or(0, Into::into),
        }
    }
}

/// `model name` of the first CPU; on ARM the file has none.
fn cpu_model(cpu_info: &str) -> Option<&str> {
    let (_, value) = cpu_info.lines().find(|line| line.starts_with("model name"))?.split_once(':')?;
    Some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_the_first_cpus() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 3:1 GHz\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(cpu_model(text), Some("Some CPU @ 3:1 GHz"));
        assert_eq!(cpu_model("processor : 0\n"), None);
    }

    #[test]
    fn this_machine_has_cpus_and_a_kernel() {
        let origin = Origin::now();
        assert!(origin.cpus >= origin.generator_cpus && origin.generator_cpus > 0, "{origin:?}");
        assert!(origin.kernel.starts_with("Linux "), "{origin:?}");
    }
}
