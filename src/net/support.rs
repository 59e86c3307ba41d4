//! Whether this kernel can do what the ring needs.

use std::io;

use io_uring::{IoUring, Probe, opcode};

/// Kernel versions before this lack DEFER_TASKRUN (6.1), multishot receive or SINGLE_ISSUER (6.0).
const KERNEL_MIN: (u32, u32) = (6, 1);

/// Why the ring cannot work here, each with what to do.
#[derive(Debug, thiserror::Error)]
pub enum Unsupported {
    #[error("Linux {found} is too old: the socket ring needs 6.1 or newer, please upgrade the kernel")]
    Kernel { found: String },
    #[error("io_uring is forbidden here (kernel.io_uring_disabled = {0}): set that sysctl to 0")]
    Disabled(u8),
    #[error(
        "io_uring is forbidden here, most likely by a seccomp profile of a container: allow io_uring_setup, io_uring_enter and io_uring_register"
    )]
    Forbidden,
    #[error("the kernel's io_uring lacks {0}: use a kernel of 6.1 or newer that is built with it")]
    Operation(&'static str),
    #[error("io_uring could not be set up: {0}")]
    Setup(io::Error),
}

/// Tries what the ring needs.
pub fn check_support() -> Result<(), Unsupported> {
    // On a thread of its own: the kernel takes a ring down later, in its maker's context, and would interrupt whatever
    // system call the caller is in by then.
    let probing = std::thread::Builder::new().name("ring-probe".into()).spawn(probe).map_err(Unsupported::Setup)?;
    probing.join().unwrap_or(Err(Unsupported::Operation("an answer to the probe")))
}

fn probe() -> Result<(), Unsupported> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if kernel_version(&release).is_some_and(|version| version < KERNEL_MIN) {
        return Err(Unsupported::Kernel { found: release });
    }
    let ring: IoUring = IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .build(8)
        .map_err(explain_setup)?;
    if !ring.params().is_feature_nodrop() || !ring.params().is_feature_ext_arg() {
        return Err(Unsupported::Operation("the features NODROP and EXT_ARG"));
    }
    let mut probe = Probe::new();
    ring.submitter().register_probe(&mut probe).map_err(Unsupported::Setup)?;
    for (code, name) in [
        (opcode::AcceptMulti::CODE, "accept"),
        (opcode::RecvMulti::CODE, "receive"),
        (opcode::Send::CODE, "send"),
        (opcode::SendMsg::CODE, "sendmsg"),
        (opcode::PollAdd::CODE, "poll"),
        (opcode::Timeout::CODE, "timeout"),
        (opcode::Close::CODE, "close"),
        (opcode::Read::CODE, "read"),
        (opcode::MsgRingData::CODE, "messages between rings (MSG_RING)"),
    ] {
        if !probe.is_supported(code) {
            return Err(Unsupported::Operation(name));
        }
    }
    Ok(())
}

fn explain_setup(error: io::Error) -> Unsupported {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::ENOSYS | libc::EACCES) => match io_uring_disabled() {
            Some(level @ 1..) => Unsupported::Disabled(level),
            _ => Unsupported::Forbidden,
        },
        Some(libc::EINVAL) => Unsupported::Operation("the flags SINGLE_ISSUER and DEFER_TASKRUN"),
        _ => Unsupported::Setup(error),
    }
}

fn io_uring_disabled() -> Option<u8> {
    std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled").ok()?.trim().parse().ok()
}

/// Major and minor of a release such as `6.18.44-fc`.
fn kernel_version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(kernel_version("6.18.44-fc-v657"), Some((6, 18)));
        assert_eq!(kernel_version("5.15.0-1-amd64"), Some((5, 15)));
        assert!(kernel_version("6.1.0").unwrap() >= KERNEL_MIN);
        assert!(kernel_version("5.19.17").unwrap() < KERNEL_MIN);
        assert_eq!(kernel_version("unknown"), None);
    }
}
