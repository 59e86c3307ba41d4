//! Each scenario against a broker that is right, and against one that does a single thing wrong.

mod small_broker;

use serde_json::Value;
use small_broker::{Fault, SmallBroker};
use std::path::PathBuf;
use std::process::{Command, Output};
use std::thread;

const CONNECT: &str = "connect --clients 8 --subscribe --reconnect 1";
const PERSISTENT: &str = "connect --clients 8 --subscribe --reconnect 1 --session persistent";
const STORM: &str = "storm --clients 8 --pairs 2 --rate 200 --warmup 0 --quiet 0.3 --after 0.3 --storm-limit 5";
const SUBSCRIPTIONS: &str =
    "subscriptions --connections 3 --subscriptions 40 --per-packet 15 --then-publish 0.2 --unsubscribe";
const RETAINED: &str = "retained --topics 450 --updates 2 --subscribers 2";
const SLOW: &str = "slow --subscribers 2 --slow 1 --rate 200 --payload 64 --seconds 0.4";
const SOAK: &str = "soak --minutes 0.02 --every 0.3 --pairs 2 --rate 200 --churners 4 --churn 300";
const DURABLE: &str = "durable --publishers 4 --subscribers 2 --window 2 --seconds 0.4 --warmup 0 --every 0.2";
const OFFLINE: &str = "durable --publishers 2 --subscribers 3 --rate 300 --seconds 0.4 --warmup 0 --offline --drain";
const TREE: &str = "tree --sites 2 --lines 2 --devices 2 --subscribers 4 --filters 3 --seconds 0.3 --warmup 0 --qos 1";

#[test]
fn an_honest_broker_passes() {
    for scenario in [CONNECT, PERSISTENT, STORM, SUBSCRIPTIONS, RETAINED, SLOW, SOAK, DURABLE, OFFLINE, TREE] {
        let (passed, result) = run(scenario, Fault::None, "");
        assert!(passed, "{scenario}: {result}");
        assert_eq!(faults(&result), [], "{scenario}");
    }
}

#[test]
fn figures_are_where_comparisons_look_for_them() {
    for (scenario, pointers) in [
        (CONNECT, &["/connects_per_second", "/latency/p99_us", "/broker/cpu_us_per_connect"][..]),
        (
            STORM,
            &[
                "/established/quiet/p99_us",
                "/established/storm/p99_us",
                "/established/p99_us",
                "/established/between_sockets/quiet/p99_us",
                "/established/between_sockets/storm/p99_us",
                "/established/between_sockets_p99_ratio",
                "/storm/seconds_until_all_in",
                "/connects_per_second",
            ],
        ),
        (
            SUBSCRIPTIONS,
            &[
                "/subscribes_per_second",
                "/broker/bytes_per_subscription",
                "/broker/cpu_us_per_subscribe",
                "/not_matching/cpu_us_per_publish",
                "/matching/cpu_us_per_publish",
            ],
        ),
        (DURABLE, &["/acknowledged_per_second", "/latency/p99_us", "/broker/written_bytes_per_message"]),
        (OFFLINE, &["/acknowledged_per_second", "/drained/messages_per_second", "/drained/seconds"]),
        (RETAINED, &["/retained/bytes_per_message", "/retained/messages_per_second", "/retained/cpu_us_per_message"]),
    ] {
        // The broker is a part of this process, which is as good as any for having figures at all.
        let measured = format!("{scenario} --broker-pid {}", std::process::id());
        let (passed, result) = run(&measured, Fault::None, "");
        assert!(passed, "{measured}: {result}");
        for pointer in pointers {
            assert!(result.pointer(pointer).is_some_and(Value::is_number), "{pointer} of {scenario}: {result}");
        }
    }
}

#[test]
fn faults_of_single_messages_are_found_in_each_scenario() {
    let judge = |(scenario, whom)| {
        for (fault, expected) in [
            (Fault::Drop, &[("lost", 1)][..]),
            (Fault::Duplicate, &[("duplicated", 1)]),
            (Fault::Flip, &[("corrupted", 1), ("lost", 1)]),
        ] {
            let (passed, result) = run(scenario, fault, whom);
            assert!(!passed, "{fault:?} in {scenario} passed");
            assert_eq!(faults(&result), expected, "{fault:?} in {scenario}");
        }
    };
    // They mostly wait for what is lost, so they may do that together.
    thread::scope(|scope| {
        for scenario_and_whom in [
            (STORM, "pair-0-sub"),
            (SUBSCRIPTIONS, "-sub-"),
            (RETAINED, "-sub-1"),
            (SLOW, "news-sub-1"),
            (SOAK, "pair-1-sub"),
            (DURABLE, "-session-0-0"),
            (OFFLINE, "-session-1-0"),
            (TREE, "-sub-"),
        ] {
            scope.spawn(move || judge(scenario_and_whom));
        }
    });
}

#[test]
fn acknowledgements_that_do_not_come_are_found() {
    let (passed, result) = run(DURABLE, Fault::Ignore, "-publisher-1");
    assert!(!passed);
    // The window is all that one publisher sends.
    assert_eq!(faults(&result), [("unacknowledged", 2)], "{result}");
    let (passed, result) = run(OFFLINE, Fault::ForgetSession, "-session-0-1");
    assert!(!passed);
    assert!(result["first_fault"].as_str().unwrap().contains("no session any more"), "{result}");
}

#[test]
fn the_course_of_durable_messages_has_the_intervals_that_were_asked_for() {
    let (passed, result) = run(DURABLE, Fault::None, "");
    assert!(passed, "{result}");
    let course = result["time_series"].as_array().unwrap();
    assert_eq!(course.len(), 2, "{result}");
    assert!(course.iter().all(|point| point["p999_us"].as_f64() > Some(0.0)), "{result}");
    let acknowledged = result["acknowledged"].as_u64().unwrap();
    assert!(acknowledged > 0 && acknowledged <= result["published"].as_u64().unwrap(), "{result}");
}

#[test]
fn an_old_retained_value_is_found() {
    let (passed, result) = run(RETAINED, Fault::KeepOld, "");
    assert!(!passed);
    assert_eq!(faults(&result), [("lost", 900), ("misdelivered", 900)]);
    assert!(result["first_fault"].as_str().unwrap().contains("old value"), "{result}");
}

#[test]
fn what_a_slow_consumer_misses_at_qos_0_is_no_fault_but_the_rest_is() {
    let (passed, result) = run(SLOW, Fault::Drop, "-slow-0");
    assert!(passed, "{result}");
    assert_eq!(result["slow"]["dropped"], 1, "{result}");
    let (passed, result) = run(&format!("{SLOW} --qos 1"), Fault::Drop, "-slow-0");
    assert!(!passed);
    assert_eq!(faults(&result), [("lost", 1)]);
    for (fault, expected) in [(Fault::Duplicate, "duplicated"), (Fault::Flip, "corrupted")] {
        let (passed, result) = run(SLOW, fault, "-slow-0");
        assert!(!passed, "{fault:?} passed");
        assert_eq!(faults(&result), [(expected, 1)]);
    }
}

#[test]
fn a_slow_consumer_that_is_cut_off_is_told_and_is_no_fault() {
    let (passed, result) = run(SLOW, Fault::End, "-slow-0");
    assert!(passed, "{result}");
    assert_eq!(result["slow"]["disconnected"], 1, "{result}");
}

#[test]
fn connects_that_are_refused_or_undone_are_found() {
    let (passed, result) = run(CONNECT, Fault::RefuseConnect, "-client-3");
    assert!(!passed);
    assert_eq!(result["failures"], 1, "{result}");
    assert!(result["first_failure"].as_str().unwrap().contains("0x03"), "{result}");
    let (passed, result) = run("connect --clients 8 --subscribe", Fault::End, "-client-3");
    assert!(!passed);
    assert_eq!(result["ended"], 1, "{result}");
    let (passed, output) = run_without_result(&format!("{PERSISTENT} --patience 1"), Fault::ForgetSession, "-client-3");
    assert!(!passed);
    assert!(stderr(&output).contains("Session Present"), "{output:?}");
}

#[test]
fn what_lies_between_the_sockets_is_a_part_of_each_latency() {
    let (_, result) = run(STORM, Fault::None, "");
    let established = &result["established"];
    for phase in ["quiet", "storm", "after"] {
        let (whole, part) = (&established[phase], &established["between_sockets"][phase]);
        assert_eq!(whole["count"], part["count"], "{result}");
        for point in ["mean_us", "p50_us", "p99_us", "max_us"] {
            let (whole, part) = (whole[point].as_f64().unwrap(), part[point].as_f64().unwrap());
            // The histogram's steps are a thousandth of a value: of a long one the rest may be less.
            assert!(0.0 < part && part <= whole, "{phase} {point}: {result}");
            assert!(point != "p50_us" || part < whole, "{phase}: {result}");
        }
    }
}

#[test]
fn a_storm_counts_attempts_that_had_to_be_repeated() {
    let (passed, result) = run(STORM, Fault::RefuseConnect, "-storm-3");
    assert!(passed, "{result}");
    assert_eq!(result["storm"]["all_in"], true, "{result}");
    assert_eq!(result["storm"]["failures"], 1, "{result}");
}

#[test]
fn a_refused_subscription_is_an_error_that_says_so() {
    let (passed, output) = run_without_result(SUBSCRIPTIONS, Fault::RefuseSubscribe, "-sub-1");
    assert!(!passed);
    assert!(stderr(&output).contains("0x80"), "{output:?}");
}

#[test]
fn requests_that_are_never_answered_are_an_error() {
    for scenario in [RETAINED, SUBSCRIPTIONS] {
        let (passed, output) = run_without_result(scenario, Fault::Ignore, "-pub");
        assert!(!passed, "{scenario}");
        assert!(stderr(&output).contains("not answered"), "{output:?}");
    }
}

#[test]
fn a_soak_stops_at_the_first_fault_if_asked() {
    let long = "soak --minutes 10 --every 0.2 --pairs 1 --rate 200 --churners 0 --stop-on-fault";
    let (passed, result) = run(long, Fault::Drop, "-sub-");
    assert!(!passed);
    assert_eq!(faults(&result), [("lost", 1)]);
    assert!(result["samples"].as_array().unwrap().len() < 100, "{result}");
}

const SITE: &str = r#"
seconds = 0.4
warmup = 0.1
[[sensors]]
name = "temperature"
count = 4
rate = 50
topic = "line/{line}/{n}/temperature"
lines = 2
qos = 1
retain = true
[[dashboards]]
name = "line"
count = 2
filters = ["line/{n}/+/temperature", "line/{n}/command/#"]
[[shared]]
name = "storage"
count = 2
filter = "line/+/+/temperature"
[[commands]]
name = "command"
count = 4
rate = 50
topic = "line/{line}/command/{n}"
lines = 2
[[idle]]
count = 3
[churn]
count = 2
per_minute = 600
"#;

#[test]
fn a_site_is_judged_in_all_its_groups() {
    let file = Scratch::new("site.toml");
    std::fs::write(&file.0, SITE).unwrap();
    let site = format!("site {}", file.0.display());
    let (passed, result) = run(&site, Fault::None, "");
    assert!(passed, "{result}");
    let parts: Vec<&str> =
        result["parts"].as_array().unwrap().iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(parts, ["temperature", "command"]);
    assert!(result["parts"][1]["latency"]["count"].as_u64() > Some(0), "{result}");
    assert!(result["others"]["reconnects"].as_u64() > Some(0), "{result}");
    // A dashboard, a member of the share group, and a device.
    for whom in ["-line-0", "-storage-", "-command-2"] {
        for (fault, expected) in [(Fault::Drop, "lost"), (Fault::Duplicate, "duplicated")] {
            let (passed, result) = run(&site, fault, whom);
            assert!(!passed, "{fault:?} at {whom} passed");
            assert_eq!(faults(&result), [(expected, 1)], "{fault:?} at {whom}");
        }
    }
}

#[test]
fn each_scenario_writes_the_files_it_offers() {
    let site = Scratch::new("offered.toml");
    std::fs::write(&site.0, SITE).unwrap();
    let site = format!("site {}", site.0.display());
    // Long enough for an interval of a second.
    let storm = STORM.replace("--after 0.3", "--after 1.5");
    let connect = "connect --clients 5";
    for (scenario, has_hdr, course) in [
        (&site[..], true, Some("time_series")),
        (SLOW, true, Some("time_series")),
        (SOAK, true, Some("samples")),
        (&storm, true, Some("time_series")),
        (DURABLE, true, Some("time_series")),
        (connect, false, None),
        (SUBSCRIPTIONS, false, None),
        (RETAINED, false, None),
    ] {
        let (page, log) = (Scratch::new("html"), Scratch::new("hlog"));
        let mut words = format!("{scenario} --html {}", page.0.display());
        if has_hdr {
            words += &format!(" --hdr {}", log.0.display());
        }
        let (passed, result) = run(&words, Fault::None, "");
        assert!(passed, "{scenario}: {result}");
        assert!(result["origin"]["kernel"].is_string(), "{scenario}: {result}");
        if let Some(course) = course {
            let points = result[course].as_array().unwrap();
            assert!(points.iter().any(|point| point["p99_us"].as_f64() > Some(0.0)), "{scenario}: {result}");
        }
        assert!(std::fs::read_to_string(&page.0).unwrap().contains("<table"), "{scenario}");
        if has_hdr {
            let log = std::fs::read_to_string(&log.0).unwrap();
            // Comments begin with #, the legend with a quotation mark, and each interval with its time.
            assert!(
                log.lines().any(|line| line.starts_with(|first: char| first.is_ascii_digit())),
                "{scenario}: {log}"
            );
        }
    }
}

#[test]
fn a_mistake_in_a_site_is_named_with_its_file_line_and_key() {
    let file = Scratch::new("mistake.toml");
    std::fs::write(&file.0, SITE.replace("retain", "retian")).unwrap();
    let (passed, output) = run_without_result(&format!("site {}", file.0.display()), Fault::None, "");
    assert!(!passed);
    let error = stderr(&output);
    for expected in [&file.0.display().to_string()[..], "line 11", "retian"] {
        assert!(error.contains(expected), "{error}");
    }
}

/// A scenario against a broker with this fault: whether the run passed, and its result.
fn run(scenario: &str, fault: Fault, whom: &'static str) -> (bool, Value) {
    let json = Scratch::new("json");
    let output = command(scenario, fault, whom).arg("--json").arg(&json.0).output().unwrap();
    let text = std::fs::read_to_string(&json.0).unwrap_or_else(|error| panic!("{error}: {scenario} {output:?}"));
    let said_failed = String::from_utf8_lossy(&output.stdout).contains("FAILED");
    assert_eq!(said_failed, !output.status.success(), "{output:?}");
    let result: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(result["failed"], said_failed, "{result}");
    (output.status.success(), result)
}

/// The same where the run ends with an error.
fn run_without_result(scenario: &str, fault: Fault, whom: &'static str) -> (bool, Output) {
    let output = command(scenario, fault, whom).output().unwrap();
    (output.status.success(), output)
}

fn command(scenario: &str, fault: Fault, whom: &'static str) -> Command {
    let port = SmallBroker::start(fault, whom).to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringmq-load"));
    command.args(scenario.split(' ')).args(["--port", &port]);
    if !scenario.contains("--patience") {
        command.args(["--patience", "2"]);
    }
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The faults that are not zero, by name; scenarios without messages have none.
fn faults(result: &Value) -> Vec<(&str, u64)> {
    let Some(counts) = result["faults"].as_object() else { return Vec::new() };
    let mut present: Vec<(&str, u64)> = counts
        .iter()
        .map(|(name, count)| (&name[..], count.as_u64().unwrap()))
        .filter(|(_, count)| *count > 0)
        .collect();
    present.sort_unstable();
    present
}

/// A file that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("scenarios-{}-{number}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
