//! The files in tuning/: the script of interrupts on a made machine, and numbers that must be those of the unit.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// A card with two queues, an interrupt without a queue, and one of its own; the kernel's files are plain files here.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let write = |path: String, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let names = ["mlx5_async0@pci:0", "mlx5_comp0@pci:0", "mlx5_comp09@pci:0", "eth7"];
    let mut interrupts = String::from("           CPU0       CPU1\n");
    for (number, name) in (60..).zip(names) {
        interrupts.push_str(&format!(" {number}:          1          0  PCI-MSIX-0000:00:01.0   0-edge      {name}\n"));
        write(format!("proc/irq/{number}/smp_affinity_list"), "0-3\n");
        write(format!("sys/class/net/eth7/device/msi_irqs/{number}"), "");
    }
    write("proc/interrupts".into(), &interrupts);
    write("sys/class/net/eth7/device/local_cpulist".into(), "0-1\n");
    fs::create_dir(root.path().join("run")).unwrap();
    root
}

/// Runs one of the scripts of the kernel's settings on plain files.
fn script(name: &str, root: &Path) -> String {
    let script = Path::new(REPOSITORY).join("tuning").join(name);
    let output = Command::new(script).env("ROOT", root).env("STATE", root.join("state")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_is_applied_is_undone() {
    let root = tempfile::tempdir().unwrap();
    let pages = "sys/kernel/mm/transparent_hugepage/enabled";
    let found = [
        ("proc/sys/fs/nr_open", "1048576"),
        ("proc/sys/fs/file-max", "9223372036854775807"),
        ("proc/sys/net/ipv4/tcp_mem", "2000000\t10\t20"),
        ("proc/sys/net/ipv4/tcp_slow_start_after_idle", "1"),
        (pages, "[always] madvise never"),
    ];
    for (file, value) in found {
        let path = root.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{value}\n")).unwrap();
    }
    let read = |file: &str| fs::read_to_string(root.path().join(file)).unwrap().trim().to_owned();
    let told = script("apply.sh", root.path());
    assert!(told.contains("/proc/sys/vm/overcommit_memory is not there, left out\n"), "{told}");
    assert!(told.contains("/proc/sys/fs/file-max is enough\n"), "{told}");
    let values: Vec<String> = found.iter().map(|(file, _)| read(file)).collect();
    assert_eq!(values, ["1048576", "9223372036854775807", "2000000 1500000 2000000", "0", "madvise"]);
    // What was found at first is kept, whatever is set later.
    fs::write(root.path().join("proc/sys/net/ipv4/tcp_slow_start_after_idle"), "7\n").unwrap();
    script("apply.sh", root.path());
    assert_eq!(read("proc/sys/net/ipv4/tcp_slow_start_after_idle"), "0");
    script("undo.sh", root.path());
    let restored: Vec<String> = found.iter().map(|(file, _)| read(file)).collect();
    assert_eq!(restored, ["1048576", "9223372036854775807", "2000000\t10\t20", "1", "always"]);
    assert!(!root.path().join("state").exists());
    assert!(script("undo.sh", root.path()).contains("undone already"));
}

fn irq_affinity(root: &Path, arguments: &[&str]) -> Output {
    let script = Path::new(REPOSITORY).join("tuning/irq-affinity.sh");
    Command::new(script).args(arguments).env("ROOT", root).output().unwrap()
}

/// Which CPUs each interrupt has, from the first on.
fn affinities(root: &Path) -> Vec<String> {
    let file = |number: u32| root.join(format!("proc/irq/{number}/smp_affinity_list"));
    (60..64).map(|number| fs::read_to_string(file(number)).unwrap().trim().to_owned()).collect()
}

#[test]
fn interrupts_of_queues_are_set_and_put_back() {
    let machine = machine();
    let root = machine.path();
    let set = irq_affinity(root, &["eth7", "2-3,1"]);
    assert!(set.status.success(), "{set:?}");
    assert_eq!(affinities(root), ["0-3", "2", "2", "0-3"], "queues 0 and 9 of three CPUs, the others as they were");
    let told = String::from_utf8(set.stdout).unwrap();
    assert!(told.contains("CPU 0-3 -> 2    undo: echo 0-3 > /proc/irq/61/smp_affinity_list"), "{told}");

    let again = irq_affinity(root, &["eth7", "3"]);
    assert!(again.status.success(), "{again:?}");
    assert_eq!(affinities(root), ["0-3", "3", "3", "0-3"]);
    let undone = irq_affinity(root, &["--undo"]);
    assert!(undone.status.success(), "{undone:?}");
    assert_eq!(affinities(root), ["0-3"; 4], "not what the first change had made of it");
}

#[test]
fn a_dry_run_changes_nothing() {
    let machine = machine();
    let told = irq_affinity(machine.path(), &["--dry-run", "eth7"]);
    assert!(told.status.success(), "{told:?}");
    assert!(String::from_utf8(told.stdout).unwrap().contains("CPU 0-3 -> 1"), "queue 9 of the node's two CPUs");
    assert_eq!(affinities(machine.path()), ["0-3"; 4]);
    assert_eq!(fs::read_dir(machine.path().join("run")).unwrap().count(), 0);
}

#[test]
fn what_cannot_be_set_is_refused_before_anything_changes() {
    let machine = machine();
    for arguments in [["eth8", "0"], ["../eth7", "0"], ["eth7", "1-"], ["eth7", "3-1"], ["eth7", "0;1"], ["--all", "0"]]
    {
        let refused = irq_affinity(machine.path(), &arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {refused:?}");
        assert!(!refused.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(affinities(machine.path()), ["0-3"; 4]);
}

#[test]
fn limits_of_logins_are_those_of_the_unit() {
    let read = |path: &str| fs::read_to_string(PathBuf::from(REPOSITORY).join(path)).unwrap();
    let (unit, limits) = (read("packaging/systemd/ringmq.service"), read("tuning/limits.d/90-ringmq.conf"));
    assert!(unit.contains("\nLimitNOFILE=1048576\n") && limits.contains("\nringmq hard nofile 1048576\n"));
    assert!(unit.contains("\nLimitMEMLOCK=64M\n") && limits.contains("\nringmq hard memlock 65536\n"));
}
