//! Tables for people, and how numbers, times and names of strangers look in them.

use std::fmt::Write;

use serde_json::Value as Json;

/// Columns with their heads, as wide as what is in them; the last one is as long as it likes.
pub fn table<const COLUMNS: usize>(
    heads: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    columns(heads, rows, |_, cell, width| format!("{cell:<width$}"))
}

/// The same with numbers in all but the first column: they end below each other.
pub fn figures<const COLUMNS: usize>(
    heads: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    columns(heads, rows, |column, cell, width| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    })
}

fn columns<const COLUMNS: usize>(
    heads: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
    aligned: fn(usize, &str, usize) -> String,
) -> String {
    let rows: Vec<[String; COLUMNS]> = std::iter::once(heads.map(String::from)).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| aligned(column, cell, *width));
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    out
}

/// Names and values below each other.
pub fn list(entries: impl IntoIterator<Item = (&'static str, String)>) -> String {
    let entries: Vec<_> = entries.into_iter().collect();
    let width = entries.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    entries.iter().fold(String::new(), |out, (name, value)| out + format!("{name:<width$}  {value}").trim_end() + "\n")
}

/// Strangers have chosen the names: nothing in them may steer a terminal, be invisible or turn the line around (UAX #9).
pub fn printable(text: &str) -> String {
    let is_harmless = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    };
    text.chars().flat_map(|c| if is_harmless(c) { vec![c] } else { c.escape_unicode().collect() }).collect()
}

/// The same for a text of several lines.
pub fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// A field of an answer as people read it; `-` if it has nothing.
pub fn shown(value: &Json) -> String {
    match value {
        Json::Null => "-".into(),
        Json::String(text) => printable(text),
        Json::Bool(true) => "yes".into(),
        Json::Bool(false) => "no".into(),
        other => other.to_string(),
    }
}

/// A field of an answer that is a number; 0 if it is not.
pub fn number(value: &Json) -> u64 {
    value.as_u64().unwrap_or(0)
}

/// The two largest units of a time: `1h 5m`.
pub fn time(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let largest = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let parts = units[largest..].iter().take(2).map(|(unit, size)| {
        let count = rest / size;
        rest %= size;
        (count, format!("{count}{unit}"))
    });
    let parts: Vec<_> = parts.enumerate().filter(|(place, (count, _))| *place == 0 || *count > 0).collect();
    parts.into_iter().map(|(_, (_, text))| text).collect::<Vec<_>>().join(" ")
}

/// A number of bytes with the largest unit that leaves digits before the point: `1.5 MiB`.
pub fn bytes(count: u64) -> String {
    scaled(count as f64, 1_024.0, &["B", "KiB", "MiB", "GiB", "TiB"])
}

/// A number that may be large: `12.3k`.
pub fn count(count: f64) -> String {
    scaled(count, 1_000.0, &["", "k", "M", "G"]).replace(' ', "")
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut unit = 0;
    while value >= step && unit + 1 < units.len() {
        value /= step;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 100.0);
    format!("{value:.digits$} {}", units[unit]).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let shown = [0, 59, 60, 3_601, 90_000, 86_400].map(time);
        assert_eq!(shown, ["0s", "59s", "1m", "1h", "1d 1h", "1d"]);
    }

    #[test]
    fn numbers_have_few_digits() {
        assert_eq!(
            [0, 1_023, 1_536, 200 << 20, 3 << 40].map(bytes),
            ["0 B", "1023 B", "1.5 KiB", "200 MiB", "3.0 TiB"]
        );
        assert_eq!([0.0, 999.4, 1_234.0, 5e6].map(count), ["0", "999", "1.2k", "5.0M"]);
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them_and_names_are_harmless() {
        let rows = [["ab".to_owned(), printable("x\u{1b}[2J\u{202E}y")], ["c".to_owned(), String::new()]];
        assert_eq!(table(["A", "NAME"], rows), "A   NAME\nab  x\\u{1b}[2J\\u{202e}y\nc\n");
        let rows = [["shard".to_owned(), "7".to_owned()], ["s".to_owned(), "1000".to_owned()]];
        assert_eq!(figures(["A", "B"], rows), "A         B\nshard     7\ns      1000\n");
        assert_eq!(list([("one", "1".into()), ("three", String::new())]), "one    1\nthree\n");
    }
}
