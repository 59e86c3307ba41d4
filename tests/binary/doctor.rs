//! `ringmq doctor` and `ringmq capacity`, on a machine made of files.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::process::run;

/// A machine that lacks nothing for 10,000 connections.
fn machine() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let limits = "Max open files  1048576  1048576  files\nMax locked memory  8388608  8388608  bytes\n\
                  Max processes  4096  4096  processes\n";
    for (file, content) in [
        ("proc/self/limits", limits),
        ("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable: 12000000 kB\nSwapTotal: 0 kB\n"),
        ("proc/sys/fs/nr_open", "1048576"),
        ("proc/sys/fs/epoll/max_user_watches", "3000000"),
        ("proc/sys/fs/file-max", "9223372036854775807"),
        ("proc/sys/kernel/osrelease", "6.12.1-made"),
        ("proc/sys/kernel/threads-max", "100000"),
        ("proc/sys/net/core/somaxconn", "4096"),
        ("proc/sys/net/ipv4/tcp_mem", "100000 200000 300000"),
        ("proc/sys/net/ipv4/tcp_syncookies", "1"),
        ("proc/sys/vm/overcommit_memory", "0"),
        ("sys/devices/system/cpu/online", "0-3"),
        ("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc"),
        ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
    ] {
        write(root.path(), file, content);
    }
    root
}

fn write(root: &Path, file: &str, content: &str) {
    let path = root.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("{content}\n")).unwrap();
}

#[track_caller]
fn doctor(root: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let outcome = run(&[&["doctor", "--root", root.to_str().unwrap()], arguments].concat());
    assert_eq!(outcome.stderr, "");
    (outcome.code, outcome.stdout)
}

#[test]
fn a_good_machine_is_left_alone() {
    let root = machine();
    let (code, text) = doctor(root.path(), &[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with("For 10000 connections: nothing is to be changed.\n"), "{text}");
    assert!(text.contains("\n  RLIMIT_NOFILE ") && text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn what_a_goal_lacks_is_told_with_how_to_set_and_undo_it() {
    let root = machine();
    write(root.path(), "proc/sys/net/ipv4/tcp_slow_start_after_idle", "1");
    write(root.path(), "sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never");
    let (code, text) = doctor(root.path(), &["--connections", "2000000", "--throughput"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("For 2000000 connections and high throughput: "), "{text}");
    for wanted in [
        "    found   1048576\n    wanted  at least 2000352\n",
        "    set     sysctl -w net.ipv4.tcp_mem=\"2000000 3000000 4000000\"\n",
        "    undo    sysctl -w net.ipv4.tcp_mem=\"100000 200000 300000\"\n",
        "    undo    sysctl -w net.ipv4.tcp_slow_start_after_idle=\"1\"\n",
        "    undo    echo always > /sys/kernel/mm/transparent_hugepage/enabled\n",
    ] {
        assert!(text.contains(wanted), "{wanted}{text}");
    }
    let (code, json) = doctor(root.path(), &["--connections", "2000000", "--throughput", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, json["must_be_changed"].as_u64().unwrap() > 0), (Some(1), true));
    let findings = json["findings"].as_array().unwrap();
    let nr_open = findings.iter().find(|it| it["name"] == "fs.nr_open").unwrap();
    assert_eq!((&nr_open["verdict"], &nr_open["found"]), (&"must-be-changed".into(), &"1048576".into()));

    let (code, script) = doctor(root.path(), &["--connections", "2000000", "--throughput", "--script"]);
    assert_eq!(code, Some(0));
    assert!(
        script.contains("\nchange proc/sys/fs/nr_open '2000352'\n") && script.contains("# RLIMIT_NOFILE: "),
        "{script}"
    );
}

/// Files of a machine are nobody's promise.
#[test]
fn garbage_is_not_readable_and_steers_nothing() {
    let root = machine();
    write(root.path(), "proc/sys/net/core/somaxconn", "'; rm -rf / #\u{1b}[2J");
    write(root.path(), "proc/self/limits", "\u{1b}]0;title\u{7} Max open files x y z");
    fs::create_dir(root.path().join("proc/sys/vm/swappiness")).unwrap();
    let (_, text) = doctor(root.path(), &[]);
    assert!(text.contains("NOT READABLE HERE\n") && !text.contains('\u{1b}') && !text.contains("rm -rf"), "{text}");
    let (_, script) = doctor(root.path(), &["--script"]);
    assert!(!script.contains("rm -rf"), "{script}");
    fs::remove_dir_all(root.path().join("proc")).unwrap();
    fs::create_dir(root.path().join("proc")).unwrap();
    let (code, _) = doctor(root.path(), &["--latency"]);
    assert_eq!(code, Some(0), "what cannot be read is not wrong");
}

#[test]
fn where_there_is_no_machine_nothing_is_well() {
    let root = machine();
    let nowhere = root.path().join("nothing");
    for (arguments, message) in [
        (["--root", nowhere.to_str().unwrap(), "--json"], "nothing/proc: name a directory with a copy"),
        (["--root", root.path().to_str().unwrap(), "--pid=99999999"], "there is no process 99999999"),
    ] {
        let outcome = run(&[&["doctor"], &arguments[..]].concat());
        assert_eq!((outcome.code, &*outcome.stdout), (Some(2), ""), "{arguments:?}");
        assert!(outcome.stderr.contains(message), "{}", outcome.stderr);
    }
    let outcome = run(&["capacity", "--connections", "2", "--fanout", "3"]);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(2), ""));
    assert!(outcome.stderr.contains("--fanout 3 is more than --connections 2"), "{}", outcome.stderr);
}

#[test]
fn goals_must_be_goals() {
    let root = machine();
    let root = root.path().to_str().unwrap();
    for mistake in
        [&["--latency", "--throughput"][..], &["--connections", "0"], &["--script=there"], &["--json", "--script"]]
    {
        assert_eq!(run(&[&["doctor", "--root", root], mistake].concat()).code, Some(2), "{mistake:?}");
    }
}

#[test]
fn a_load_is_estimated_with_its_formulas() {
    let arguments = ["capacity", "--connections", "1000000", "--rate", "100000", "--payload", "200", "--fanout", "3"];
    let outcome = run(&arguments);
    assert_eq!((outcome.code, &*outcome.stderr), (Some(0), ""));
    assert!(outcome.stdout.contains("connections x 577 B, one subscription each\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\nGive it 2 cores, each with a shard.\n"), "{}", outcome.stdout);
    let json = run(&[&arguments[..], &["--json"]].concat()).stdout;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["shards"], &json["load"]["connections"]), (&2.into(), &1_000_000.into()));
    for mistake in [["--rate", "-1"], ["--rate", "inf"], ["--payload", "999999999"], ["--qos", "3"]] {
        assert_eq!(run(&[&["capacity"], &mistake[..]].concat()).code, Some(2), "{mistake:?}");
    }
}
