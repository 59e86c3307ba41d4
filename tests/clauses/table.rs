//! `README.md` is complete, and tells the truth about the tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Sections of Appendix B of MQTT 5.0 with the numbers of their first and last clause.
const APPENDIX_B: [(&str, u32, u32); 56] = [
    ("1.5.4", 1, 3),
    ("1.5.5", 1, 1),
    ("1.5.7", 1, 1),
    ("2.1.3", 1, 1),
    ("2.2.1", 2, 6),
    ("2.2.2", 1, 1),
    ("3.1.0", 1, 2),
    ("3.1.2", 1, 30),
    ("3.1.3", 1, 12),
    ("3.1.4", 1, 6),
    ("3.2.0", 1, 2),
    ("3.2.2", 1, 22),
    ("3.3.1", 1, 13),
    ("3.3.2", 1, 20),
    ("3.3.4", 1, 10),
    ("3.4.2", 1, 3),
    ("3.5.2", 1, 3),
    ("3.6.1", 1, 1),
    ("3.6.2", 1, 3),
    ("3.7.2", 1, 3),
    ("3.8.1", 1, 1),
    ("3.8.3", 1, 5),
    ("3.8.4", 1, 8),
    ("3.9.2", 1, 2),
    ("3.9.3", 1, 2),
    ("3.10.1", 1, 1),
    ("3.10.3", 1, 2),
    ("3.10.4", 1, 6),
    ("3.11.2", 1, 2),
    ("3.11.3", 1, 2),
    ("3.12.4", 1, 1),
    ("3.14.0", 1, 1),
    ("3.14.1", 1, 1),
    ("3.14.2", 1, 4),
    ("3.14.4", 1, 3),
    ("3.15.1", 1, 1),
    ("3.15.2", 1, 3),
    ("4.1.0", 1, 2),
    ("4.2.0", 1, 1),
    ("4.3.1", 1, 1),
    ("4.3.2", 1, 5),
    ("4.3.3", 1, 13),
    ("4.4.0", 1, 2),
    ("4.5.0", 1, 2),
    ("4.6.0", 1, 6),
    ("4.7.0", 1, 1),
    ("4.7.1", 1, 2),
    ("4.7.2", 1, 1),
    ("4.7.3", 1, 4),
    ("4.8.2", 1, 6),
    ("4.9.0", 1, 3),
    ("4.12.0", 1, 7),
    ("4.12.1", 1, 2),
    ("4.13.1", 1, 1),
    ("4.13.2", 1, 1),
    ("6.0.0", 1, 4),
];

/// Every clause has its row, in the order of the appendix, and each row has tests or says why not.
#[test]
fn table_is_complete() {
    let clauses: Vec<String> = APPENDIX_B
        .iter()
        .flat_map(|(section, first, last)| (*first..=*last).map(move |number| format!("MQTT-{section}-{number}")))
        .collect();
    assert_eq!(clauses.len(), 251);
    let rows = rows();
    let found: Vec<&String> = rows.iter().map(|(clause, _)| clause).collect();
    assert_eq!(found, clauses.iter().collect::<Vec<_>>());
    for (clause, cell) in &rows {
        let is_explained = cell.starts_with("client's duty") || cell.starts_with("not testable ");
        assert!(is_explained != cell.starts_with('`'), "{clause}: {cell}");
    }
}

/// The table names the tests that there are, and every test that cites a clause stands in that clause's row.
#[test]
fn table_names_the_tests() {
    let mut cited: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for test in tests() {
        // The numbers in `version_3` are those of MQTT 3.1.1.
        for clause in test.clauses.iter().filter(|_| !test.name.starts_with("version_3::")) {
            cited.entry(clause.clone()).or_default().insert(test.name.clone());
        }
    }
    let mut named: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (clause, cell) in rows() {
        let tests: BTreeSet<String> = cell.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        if !tests.is_empty() {
            named.insert(clause, tests);
        }
    }
    assert_eq!(named, cited);
}

/// A test that is named after a clause cites it.
#[test]
fn names_agree_with_citations() {
    for test in tests() {
        let Some((_, numbers)) = test.name.split_once("mqtt_") else { continue };
        let numbers: Vec<&str> = numbers.split('_').take(4).collect();
        let clause = format!("MQTT-{}-{}", numbers[..3].join("."), numbers[3]);
        assert!(test.clauses.contains(&clause), "{} does not cite {clause}", test.name);
    }
}

/// Clause and last cell of each row of the table.
fn rows() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(folder().join("README.md")).expect("the table");
    text.lines()
        .filter(|line| line.starts_with("| MQTT-"))
        .map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            (cells[0].to_owned(), cells[2].to_owned())
        })
        .collect()
}

struct Test {
    /// Module and function.
    name: String,
    /// Clauses in brackets in its doc comment.
    clauses: Vec<String>,
}

/// All tests of this suite, read from its sources.
fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for entry in std::fs::read_dir(folder()).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let module = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let mut comment = String::new();
        let mut is_test = false;
        for line in std::fs::read_to_string(&path).expect("a source").lines() {
            if let Some(text) = line.strip_prefix("///") {
                comment += text;
            } else if line == "#[test]" {
                is_test = true;
            } else {
                if let Some(name) = line.strip_prefix("fn ").filter(|_| is_test) {
                    let name = name.split('(').next().unwrap_or_default();
                    tests.push(Test { name: format!("{module}::{name}"), clauses: clauses_of(&comment) });
                }
                comment.clear();
                is_test = false;
            }
        }
    }
    tests
}

fn clauses_of(comment: &str) -> Vec<String> {
    let bracketed = comment.split('[').skip(1).filter_map(|rest| rest.split(']').next());
    let is_clause = |text: &&str| text.starts_with("MQTT-") && !text.contains(' ');
    bracketed.filter(is_clause).map(str::to_owned).collect()
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clauses")
}
