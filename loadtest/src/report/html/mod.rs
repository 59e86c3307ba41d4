//! Results as a page that needs nothing but itself: the figures as tables, the course and the distribution as plots.

mod plots;

use super::side_by_side::{Row, SideBySide, Subject, show_ratio};
use anyhow::Context;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plots::{COLORS, Plot};
use serde_json::Value;
use std::fs;
use std::path::Path;

const PAGE_CSS: &str = include_str!("../../../assets/page.css");
const PAGE_JS: &str = include_str!("../../../assets/page.js");
const UPLOT_JS: &str = include_str!("../../../assets/uplot/uPlot.iife.min.js");
const UPLOT_CSS: &str = include_str!("../../../assets/uplot/uPlot.min.css");
const UPLOT_LICENSE: &str = include_str!("../../../assets/uplot/LICENSE");

/// Writes a page with a section for each of `comparisons`.
pub fn write(path: &Path, comparisons: &[SideBySide]) -> anyhow::Result<()> {
    fs::write(path, page(comparisons)?.into_string()).with_context(|| format!("cannot write {}", path.display()))
}

fn page(comparisons: &[SideBySide]) -> anyhow::Result<Markup> {
    let title = match comparisons {
        [only] => only.title.as_str(),
        _ => "MQTT load comparison",
    };
    let mut drawn: Vec<Plot> = Vec::new();
    let sections: Vec<Markup> = comparisons
        .iter()
        .enumerate()
        .map(|(index, comparison)| section(index, comparison, comparisons.len() > 1, &mut drawn))
        .collect();
    // A script element ends at the first "</", whatever it is in.
    let data = serde_json::to_string(&drawn)?.replace("</", "<\\/");
    Ok(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                (PreEscaped(format!("<!-- The plots are drawn by uPlot:\n{UPLOT_LICENSE}-->")))
                style { (PreEscaped(UPLOT_CSS)) (PreEscaped(PAGE_CSS)) }
            }
            body {
                header {
                    h1 { (title) }
                    @for line in origins(comparisons) { p.origin { (line) } }
                }
                @if comparisons.len() > 1 {
                    nav { ol {
                        @for (index, comparison) in comparisons.iter().enumerate() {
                            li { a href={ "#scenario-" (index) } { (comparison.title) } }
                        }
                    } }
                }
                @for section in sections { (section) }
                script type="application/json" id="plots" { (PreEscaped(data)) }
                script { (PreEscaped(UPLOT_JS)) }
                script { (PreEscaped(PAGE_JS)) }
            }
        }
    })
}

/// The machines and versions of all rounds, each combination once, with the first date.
fn origins(comparisons: &[SideBySide]) -> Vec<String> {
    let mut lines: Vec<(String, String)> = Vec::new();
    for origin in all_rounds(comparisons).filter_map(|round| round.get("origin")) {
        let text = |field: &str| origin[field].as_str().unwrap_or_default().to_owned();
        let machine = format!(
            "{}, {}, {} CPUs, {}, ringmq-load {}",
            text("host"),
            text("cpu_model"),
            origin["cpus"],
            text("kernel"),
            text("generator_version")
        );
        if !lines.iter().any(|(known, _)| *known == machine) {
            lines.push((machine, text("date")));
        }
    }
    lines.into_iter().map(|(machine, date)| format!("{date} on {machine}")).collect()
}

fn all_rounds(comparisons: &[SideBySide]) -> impl Iterator<Item = &Value> {
    comparisons.iter().flat_map(|comparison| &comparison.subjects).flat_map(|subject| &subject.rounds)
}

fn section(index: usize, comparison: &SideBySide, has_title: bool, drawn: &mut Vec<Plot>) -> Markup {
    let first = drawn.len();
    drawn.extend(plots::plots(comparison));
    html! {
        section id={ "scenario-" (index) } {
            @if has_title { h2 { (comparison.title) } }
            @let warnings = warnings(comparison);
            @if !warnings.is_empty() { ul.warnings { @for warning in warnings { li { (warning) } } } }
            (figures(comparison))
            div.plots {
                @for (index, plot) in drawn.iter().enumerate().skip(first) {
                    div.plot {
                        h3 { (plot.title) @if !plot.note.is_empty() { span { " – " (plot.note) } } }
                        div data-plot=(index) {}
                    }
                }
            }
            (commands(comparison))
        }
    }
}

fn figures(comparison: &SideBySide) -> Markup {
    let rows = comparison.rows();
    html! {
        div.scroll { table.figures {
            thead { tr {
                th {}
                @for (index, head) in comparison.heads().iter().enumerate() {
                    th {
                        @if index < comparison.subjects.len() {
                            span.key style={ "background:var(--line-" (index % COLORS) ")" } {}
                        }
                        (head)
                    }
                }
            } }
            tbody { @for row in &rows { (figure(comparison, row)) } }
        } }
        @if comparison.has_ranges() { p.note { "Medians, and the range of the rounds. Thin lines in the plots are the other rounds." } }
    }
}

fn figure(comparison: &SideBySide, row: &Row) -> Markup {
    html! { tr {
        td { (row.figure.label) }
        @for cell in &row.cells {
            td { @if let Some(cell) = cell {
                (row.figure.show(cell.median))
                @if comparison.has_ranges() {
                    small { " " (row.figure.show(cell.least)) "…" (row.figure.show(cell.most)) }
                }
            } }
        }
        @for index in comparison.others() { td { (show_ratio(row.cells[index])) } }
    } }
}

/// What a reader has to know before believing the figures.
fn warnings(comparison: &SideBySide) -> Vec<String> {
    let mut warnings = Vec::new();
    for Subject { name, rounds } in &comparison.subjects {
        let count = |is: fn(&Value) -> bool| rounds.iter().filter(|round| is(round)).count();
        let mut warn = |count: usize, text: &str| {
            if count > 0 {
                let rounds =
                    if rounds.len() == 1 { String::new() } else { format!(" in {count} of {} rounds", rounds.len()) };
                warnings.push(format!("{name}{rounds}: {text}"));
            }
        };
        let first_fault = rounds.iter().find_map(|round| round["first_fault"].as_str()).unwrap_or("there were faults");
        warn(count(|round| round["failed"] == Value::Bool(true)), &format!("FAILED, {first_fault}"));
        warn(
            count(|round| round.pointer("/generator/was_bottleneck") == Some(&Value::Bool(true))),
            "the generator was the bottleneck, the broker could do more",
        );
        let waited = |round: &Value, pointer| round.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0);
        let disturbed = rounds.iter().filter(|round| {
            ["/broker/waiting_cores", "/generator/waiting_cores"]
                .iter()
                .any(|pointer| waited(round, pointer) > super::DISTURBED)
        });
        warn(disturbed.count(), "broker or generator waited for a CPU: latencies say little");
    }
    warnings
}

fn commands(comparison: &SideBySide) -> Markup {
    let command = |round: &Value| -> Option<String> {
        let words = round.pointer("/origin/command")?.as_array()?.iter().filter_map(Value::as_str);
        Some(words.collect::<Vec<_>>().join(" "))
    };
    html! {
        details {
            summary { "Commands" }
            @for subject in &comparison.subjects {
                @if let Some(command) = subject.rounds.first().and_then(command) { pre { "# " (subject.name) "\n" (command) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_cannot_break_the_page() {
        let round =
            json!({ "latency": { "count": 1, "p99_us": 1.0 }, "distribution": [{ "quantile": 1.0, "us": 1.0 }] });
        let subjects = vec![Subject { name: "</script><b>".into(), rounds: vec![round] }];
        let comparison = SideBySide { title: "<i>".into(), subjects, baseline: 0 };
        let page = page(&[comparison]).unwrap().into_string();
        assert!(!page.contains("</script><b>") && !page.contains("<i>"));
        assert!(page.contains("<\\/script><b>"), "the plot's label is in the data");
    }

    #[test]
    fn a_page_asks_nobody_else_for_anything() {
        let page = page(&[]).unwrap().into_string();
        for reference in ["src=", "href=\"http", "@import", "url("] {
            assert!(!page.contains(reference), "{reference}");
        }
    }

    #[test]
    fn what_makes_figures_doubtful_is_said() {
        let round = json!({ "failed": true, "first_fault": "it burns", "generator": { "was_bottleneck": true } });
        let subjects = vec![Subject { name: "x".into(), rounds: vec![round, json!({})] }];
        let warnings = warnings(&SideBySide { title: String::new(), subjects, baseline: 0 });
        assert_eq!(warnings[0], "x in 1 of 2 rounds: FAILED, it burns");
        assert!(warnings[1].contains("bottleneck") && warnings.len() == 2);
    }
}
