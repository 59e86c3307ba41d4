//! Which plots a page has, and their points: what the script in the page draws.

use crate::report::figures::median;
use crate::report::side_by_side::{SideBySide, Subject};
use serde_json::Value;

/// A plot with all its lines.
#[derive(Debug, serde::Serialize)]
pub struct Plot {
    #[serde(skip)]
    pub title: &'static str,
    /// What the lines are, where that is not plain.
    #[serde(skip)]
    pub note: &'static str,
    x: Axis,
    y: Axis,
    lines: Vec<Line>,
}

#[derive(Clone, Copy, Debug, serde::Serialize)]
struct Axis {
    label: &'static str,
    unit: Unit,
    logarithmic: bool,
    from_zero: bool,
}

#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Microseconds,
    Bytes,
    Count,
    Cores,
    Seconds,
    /// The axis has 1 / (1 - quantile), logarithmic: each further nine takes the same room.
    Percentile,
}

#[derive(Debug, serde::Serialize)]
struct Line {
    label: String,
    /// Of the subject.
    color: usize,
    style: Style,
    /// A round beside the one that stands for all; it is not in the legend.
    faint: bool,
    points: Vec<[f64; 2]>,
}

#[derive(Clone, Copy, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
enum Style {
    Solid,
    Dashed,
    Dotted,
}

/// A field over another in a list of objects in the results.
struct Curve {
    /// The first of these lists that a result has.
    lists: &'static [&'static str],
    x: &'static str,
    /// The first of these fields that a point has.
    y: &'static [&'static str],
    suffix: &'static str,
    style: Style,
}

/// Lists of points over time, of most scenarios and of long ones.
const COURSES: &[&str] = &["/time_series", "/samples"];
const MEMORY: &[&str] = &["/memory_series"];

/// Colours that the page has.
pub const COLORS: usize = 6;

const fn axis(label: &'static str, unit: Unit) -> Axis {
    Axis { label, unit, logarithmic: false, from_zero: true }
}

const SECONDS: Axis = axis("time", Unit::Seconds);

/// All plots for which there is data.
pub fn plots(comparison: &SideBySide) -> Vec<Plot> {
    let course = |y, suffix, style| Curve { lists: COURSES, x: "seconds", y, suffix, style };
    let memory = |x, y, suffix, style| Curve { lists: MEMORY, x, y, suffix, style };
    let latency = Axis { logarithmic: true, from_zero: false, ..axis("latency", Unit::Microseconds) };
    let bytes = |label| axis(label, Unit::Bytes);
    let plot = |title, note, x, y, curves: &[Curve]| Plot { title, note, x, y, lines: lines(comparison, curves) };
    let mut plots = vec![
        Plot {
            title: "Latency by percentile",
            note: "",
            x: axis("percentile", Unit::Percentile),
            y: latency,
            lines: distributions(comparison),
        },
        plot(
            "Latency over time",
            "solid p99, dashed p50, dotted maximum",
            SECONDS,
            latency,
            &[
                course(&["p50_us"], " p50", Style::Dashed),
                course(&["p99_us"], " p99", Style::Solid),
                course(&["max_us"], " max", Style::Dotted),
            ],
        ),
        plot(
            "Deliveries per second",
            "",
            SECONDS,
            axis("per second", Unit::Count),
            &[course(&["delivered_per_second"], "", Style::Solid)],
        ),
        plot(
            "CPU over time",
            "cores; solid broker, dashed generator",
            SECONDS,
            axis("cores", Unit::Cores),
            &[
                course(&["broker_cpu_cores"], "", Style::Solid),
                course(&["generator_cpu_cores"], " generator", Style::Dashed),
            ],
        ),
        plot(
            "Broker's resident set over time",
            "",
            SECONDS,
            bytes("RSS"),
            &[course(&["broker_rss_bytes", "rss_bytes"], "", Style::Solid)],
        ),
        plot("Faults over time", "", SECONDS, axis("faults", Unit::Count), &[course(&["faults"], "", Style::Solid)]),
        plot(
            "Broker's memory over connections",
            "solid RSS, dashed PSS",
            axis("connections", Unit::Count),
            bytes("memory"),
            &[
                memory("connections", &["rss_bytes"], " RSS", Style::Solid),
                memory("connections", &["pss_bytes"], " PSS", Style::Dashed),
            ],
        ),
        plot(
            "Connections over time",
            "",
            SECONDS,
            axis("connections", Unit::Count),
            &[memory("seconds", &["connections"], "", Style::Solid)],
        ),
    ];
    plots.retain(|plot| plot.title != "Faults over time" || plot.has_values());
    plots.retain(|plot| !plot.lines.is_empty());
    plots
}

impl Plot {
    fn has_values(&self) -> bool {
        self.lines.iter().flat_map(|line| &line.points).any(|[_, y]| *y > 0.0)
    }
}

/// The rounds of a subject and whether each is only one beside the one that stands for all: that whose latency is in the
/// middle, or whose rate where there is no latency.
fn rounds(subject: &Subject) -> impl Iterator<Item = (bool, &Value)> {
    let key = |round: &Value| {
        let pointers = ["/latency/p99_us", "/connects_per_second", "/delivered_per_second"];
        pointers.iter().find_map(|pointer| round.pointer(pointer)?.as_f64()).unwrap_or(0.0)
    };
    let keys: Vec<f64> = subject.rounds.iter().map(key).collect();
    let middle = median(&keys).unwrap_or(0.0);
    let distance = |index: &usize| (keys[*index] - middle).abs();
    let main = (0..keys.len()).min_by(|left, right| distance(left).total_cmp(&distance(right)));
    subject.rounds.iter().enumerate().map(move |(index, round)| (Some(index) != main, round))
}

/// A line for each curve of each round of each subject. Where there are several curves, only the main rounds are drawn.
fn lines(comparison: &SideBySide, curves: &[Curve]) -> Vec<Line> {
    let mut lines = Vec::new();
    for (color, subject) in comparison.subjects.iter().enumerate() {
        for (faint, round) in rounds(subject).filter(|(faint, _)| curves.len() == 1 || !faint) {
            for curve in curves {
                let points = curve.points(round);
                if !points.is_empty() {
                    let label = format!("{}{}", subject.name, curve.suffix);
                    lines.push(Line { label, color: color % COLORS, style: curve.style, faint, points });
                }
            }
        }
    }
    // What is drawn last is on top.
    lines.sort_by_key(|line| !line.faint);
    lines
}

impl Curve {
    fn points(&self, round: &Value) -> Vec<[f64; 2]> {
        let list = self.lists.iter().find_map(|pointer| round.pointer(pointer)?.as_array());
        let point = |point: &Value| {
            let y = self.y.iter().find_map(|field| point[*field].as_f64())?;
            Some([short(point[self.x].as_f64()?), short(y)])
        };
        list.into_iter().flatten().filter_map(point).collect()
    }
}

/// Latency by percentile, one line for each round.
fn distributions(comparison: &SideBySide) -> Vec<Line> {
    let mut lines = Vec::new();
    for (color, subject) in comparison.subjects.iter().enumerate() {
        for (faint, round) in rounds(subject) {
            let list = round["distribution"].as_array().into_iter().flatten();
            let total = round.pointer("/latency/count").and_then(Value::as_f64).unwrap_or(1.0);
            let points: Vec<[f64; 2]> = list
                .filter_map(|point| {
                    // The maximum is at the rarity of one in all.
                    let rarity = (1.0 / (1.0 - point["quantile"].as_f64()?)).min(total.max(1.0));
                    Some([short(rarity), short(point["us"].as_f64()?)])
                })
                .collect();
            if !points.is_empty() {
                let label = subject.name.clone();
                lines.push(Line { label, color: color % COLORS, style: Style::Solid, faint, points });
            }
        }
    }
    lines.sort_by_key(|line| !line.faint);
    lines
}

/// A number with the six digits that a plot can show, so that the page stays small.
fn short(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subject(p99s: &[f64]) -> SideBySide {
        let round = |p99: &f64| {
            json!({
                "latency": { "p99_us": p99, "count": 100 },
                "distribution": [{ "quantile": 0.9, "us": 7.0 }, { "quantile": 1.0, "us": 9.0 }],
                "time_series": [{ "seconds": 1.0, "delivered_per_second": 50.0, "faults": 0 }],
            })
        };
        let subjects = vec![Subject { name: "x".into(), rounds: p99s.iter().map(round).collect() }];
        SideBySide { title: String::new(), subjects, baseline: 0 }
    }

    #[test]
    fn only_what_there_is_is_drawn() {
        let titles: Vec<&str> = plots(&subject(&[5.0])).iter().map(|plot| plot.title).collect();
        assert_eq!(titles, ["Latency by percentile", "Deliveries per second"]);
    }

    #[test]
    fn the_maximum_is_at_the_rarity_of_one_in_all() {
        let points = &plots(&subject(&[5.0]))[0].lines[0].points;
        assert_eq!(points[..], [[10.0, 7.0], [100.0, 9.0]]);
    }

    #[test]
    fn the_round_in_the_middle_stands_for_all() {
        let faint: Vec<bool> = rounds(&subject(&[3.0, 9.0, 5.0]).subjects[0]).map(|(faint, _)| faint).collect();
        assert_eq!(faint, [true, true, false]);
    }
}
