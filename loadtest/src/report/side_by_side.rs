//! Results of several brokers or runs beside each other: medians, ranges, and ratios to a baseline.

use super::figures::{FIGURES, Figure, median};
use anyhow::Context;
use comfy_table::{CellAlignment, Table, presets};
use serde_json::{Map, Value, json};

/// A broker or a run, with the result of each round.
#[derive(Clone, Debug)]
pub struct Subject {
    pub name: String,
    pub rounds: Vec<Value>,
}

/// Subjects under the same load.
#[derive(Clone, Debug)]
pub struct SideBySide {
    pub title: String,
    pub subjects: Vec<Subject>,
    /// Index of the subject that the others are divided by.
    pub baseline: usize,
}

/// One figure of all subjects.
#[derive(Debug)]
pub struct Row {
    pub figure: &'static Figure,
    /// In the order of the subjects; `None` where a subject does not tell.
    pub cells: Vec<Option<Cell>>,
}

/// A figure of one subject.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub median: f64,
    pub least: f64,
    pub most: f64,
    /// The median, divided by the baseline's.
    pub ratio: Option<f64>,
}

impl SideBySide {
    /// The index of a baseline by its name; the last one where none is named.
    pub fn find_baseline(names: &[&str], baseline: Option<&str>) -> anyhow::Result<usize> {
        let Some(baseline) = baseline else { return Ok(names.len().saturating_sub(1)) };
        let index = names.iter().position(|name| *name == baseline);
        index.with_context(|| format!("there is no {baseline:?} to be the baseline: there are {}", names.join(", ")))
    }

    /// All figures that at least one subject has.
    pub fn rows(&self) -> Vec<Row> {
        let rows = FIGURES.iter().map(|figure| Row { figure, cells: self.cells(figure) });
        rows.filter(|row| row.cells.iter().any(Option::is_some)).collect()
    }

    pub fn cells(&self, figure: &Figure) -> Vec<Option<Cell>> {
        let medians: Vec<Option<f64>> =
            self.subjects.iter().map(|subject| median(&figure.values(&subject.rounds))).collect();
        let baseline = medians[self.baseline].filter(|baseline| *baseline != 0.0);
        let cell = |(subject, median): (&Subject, &Option<f64>)| {
            let (median, values) = ((*median)?, figure.values(&subject.rounds));
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            Some(Cell { median, least, most, ratio: baseline.map(|baseline| median / baseline) })
        };
        self.subjects.iter().zip(&medians).map(cell).collect()
    }

    /// The heads of the columns after the figure's: each subject, then each ratio to the baseline.
    pub fn heads(&self) -> Vec<String> {
        let baseline = &self.subjects[self.baseline].name;
        let names = self.subjects.iter().map(|subject| subject.name.clone());
        names.chain(self.others().map(|index| format!("{} / {baseline}", self.subjects[index].name))).collect()
    }

    /// The indices of all but the baseline.
    pub fn others(&self) -> impl Iterator<Item = usize> {
        (0..self.subjects.len()).filter(|index| *index != self.baseline)
    }

    /// Whether any subject has several rounds, whose range is worth showing.
    pub fn has_ranges(&self) -> bool {
        self.subjects.iter().any(|subject| subject.rounds.len() > 1)
    }

    /// All figures, as text that is Markdown as well.
    pub fn table(&self) -> Table {
        let mut table = markdown(std::iter::once(String::new()).chain(self.heads()));
        for row in self.rows() {
            let shown =
                |cell: &Option<Cell>| cell.map_or(String::new(), |cell| cell.show(row.figure, self.has_ranges()));
            let values = row.cells.iter().map(shown);
            let ratios = self.others().map(|index| show_ratio(row.cells[index]));
            table.add_row(std::iter::once(row.figure.label.to_owned()).chain(values).chain(ratios));
        }
        table
    }

    /// Prints them as the medians of so many rounds.
    pub fn print(&self, rounds: usize) {
        let of = if rounds == 1 { "one round".into() } else { format!("medians of {rounds} rounds") };
        println!("\n{of}: {}\n{}\n", self.title, self.table());
    }

    /// The medians and ratios by the figures' places in the results and the subjects' names.
    pub fn medians(&self) -> Value {
        let of_row = |row: &Row| {
            let subjects = self.subjects.iter().zip(&row.cells).filter_map(|(subject, cell)| {
                let cell = (*cell)?;
                Some((subject.name.clone(), json!({ "median": cell.median, "ratio": cell.ratio })))
            });
            Value::Object(subjects.collect::<Map<_, _>>())
        };
        Value::Object(self.rows().iter().map(|row| (row.figure.pointer.to_owned(), of_row(row))).collect())
    }
}

impl Cell {
    /// The median, with the range where there is one.
    pub fn show(&self, figure: &Figure, range: bool) -> String {
        let median = figure.show(self.median);
        if range { format!("{median} ({}..{})", figure.show(self.least), figure.show(self.most)) } else { median }
    }
}

pub fn show_ratio(cell: Option<Cell>) -> String {
    cell.and_then(|cell| cell.ratio).map_or(String::new(), |ratio| format!("{ratio:.3}"))
}

/// An empty table whose first column is text and whose others are numbers.
pub fn markdown(heads: impl Iterator<Item = String>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(heads);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str, rates: &[f64]) -> Subject {
        let rounds = rates.iter().map(|rate| json!({ "delivered_per_second": rate })).collect();
        Subject { name: name.into(), rounds }
    }

    fn three() -> SideBySide {
        let subjects = vec![subject("a", &[10.0, 30.0, 20.0]), subject("b", &[]), subject("c", &[40.0, 50.0])];
        SideBySide { title: String::new(), subjects, baseline: 2 }
    }

    #[test]
    fn medians_leave_out_what_a_subject_does_not_tell() {
        let expected = json!({ "/delivered_per_second": {
            "a": { "median": 20.0, "ratio": 20.0 / 45.0 },
            "c": { "median": 45.0, "ratio": 1.0 },
        } });
        assert_eq!(three().medians(), expected);
    }

    #[test]
    fn the_table_has_medians_ranges_and_ratios_to_the_baseline() {
        let text = three().table().to_string();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('|').map(str::trim).collect()).collect();
        assert_eq!(lines[0], ["", "", "a", "b", "c", "a / c", "b / c", ""]);
        assert_eq!(lines[2], ["", "delivered per second", "20 (10..30)", "", "45 (40..50)", "0.444", "", ""]);
        assert_eq!(lines.len(), 3, "{text}");
    }

    #[test]
    fn the_baseline_is_named_or_the_last() {
        assert_eq!(SideBySide::find_baseline(&["a", "b"], None).unwrap(), 1);
        assert_eq!(SideBySide::find_baseline(&["a", "b"], Some("a")).unwrap(), 0);
        let error = SideBySide::find_baseline(&["a", "b"], Some("x")).unwrap_err().to_string();
        assert!(error.contains("there are a, b"), "{error}");
    }
}
