//! The charts, as SVG that reads well on light and dark pages.

use std::fmt::Write;

use crate::contestant::Contestant;
use crate::figures::Figures;
use crate::plan::{Measure, Plan};
use crate::report::thousands;

const WIDTH: f64 = 960.0;
const PANEL: f64 = WIDTH / 2.0;
const MARGIN: f64 = 24.0;

fn colour(contestant: Contestant) -> &'static str {
    match contestant {
        Contestant::Pugmark => "#d97706",
        Contestant::Apalis => "#2563eb",
        Contestant::PgBoss => "#059669",
        Contestant::GraphileWorker => "#7c3aed",
        Contestant::Bullmq => "#dc2626",
    }
}

fn frame(height: f64, title: &str, content: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" \
         role=\"img\">\n<title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n{content}</svg>\n"
    )
}

fn label(text: &mut String, x: f64, y: f64, anchor: &str, weight: &str, words: &str) {
    let _ = writeln!(
        text,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-weight=\"{weight}\" fill=\"#1f2937\">{words}</text>"
    );
}

/// One panel for each column of the table: a bar for each contestant, with its spread.
pub(crate) fn bars(figures: &Figures, history: u64) -> String {
    const NAMES: f64 = 110.0;
    const NUMBERS: f64 = 70.0;
    const BAR: f64 = 20.0;
    let contestants = figures.contestants();
    let panel_height = contestants.len() as f64 * BAR + 48.0;
    let mut text = String::new();
    for (index, measure) in Measure::ALL.into_iter().enumerate() {
        let left = (index % 2) as f64 * PANEL + MARGIN;
        let top = (index / 2) as f64 * panel_height + MARGIN;
        let room = PANEL - 2.0 * MARGIN - NAMES - NUMBERS;
        label(
            &mut text,
            left,
            top,
            "start",
            "bold",
            &format!("{}, jobs per second", measure.title()),
        );
        let most = contestants
            .iter()
            .filter_map(|one| figures.of(*one, measure, history));
        let most = most.map(|figure| figure.most).fold(1.0, f64::max);
        for (row, contestant) in contestants.iter().enumerate() {
            let y = top + 10.0 + row as f64 * BAR;
            label(
                &mut text,
                left + NAMES - 8.0,
                y + 13.0,
                "end",
                "normal",
                contestant.name(),
            );
            let Some(figure) = figures.of(*contestant, measure, history) else {
                continue;
            };
            let x = |rate: f64| left + NAMES + rate / most * room;
            let _ = writeln!(
                text,
                "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>\
                 <line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#111827\" stroke-width=\"1.5\"/>",
                left + NAMES,
                y + 2.0,
                x(figure.median) - left - NAMES,
                BAR - 5.0,
                colour(*contestant),
                x(figure.least),
                x(figure.most),
                y + BAR / 2.0,
                y + BAR / 2.0,
            );
            label(
                &mut text,
                x(figure.most) + 6.0,
                y + 13.0,
                "start",
                "normal",
                &thousands(figure.median),
            );
        }
    }
    let rows = Measure::ALL.len().div_ceil(2) as f64;
    frame(
        rows * panel_height + MARGIN,
        "Jobs per second of each contestant; lines show the spread",
        &text,
    )
}

/// One panel for each measure: jobs per second over the number of finished jobs, on a logarithmic axis.
pub(crate) fn lines(figures: &Figures, plan: &Plan) -> String {
    const HEIGHT: f64 = 230.0;
    const AXIS: f64 = 60.0;
    let contestants: Vec<Contestant> = figures
        .contestants()
        .into_iter()
        .filter(|one| one.keeps_history())
        .collect();
    let ends = plan.histories.first().zip(plan.histories.last());
    let (low, high) = ends.map_or((0.0, 1.0), |(low, high)| {
        ((*low as f64).log10(), (*high as f64).log10())
    });
    let mut text = String::new();
    for (index, measure) in Measure::BY_HISTORY.into_iter().enumerate() {
        let left = (index % 2) as f64 * PANEL + MARGIN + AXIS;
        let top = (index / 2) as f64 * HEIGHT + MARGIN;
        let (width, height) = (PANEL - 2.0 * MARGIN - AXIS - 10.0, HEIGHT - 70.0);
        label(
            &mut text,
            left,
            top,
            "start",
            "bold",
            &format!("{}, jobs per second", measure.title()),
        );
        let figure = |one: Contestant, history: u64| figures.of(one, measure, history);
        let all = contestants
            .iter()
            .flat_map(|one| plan.histories.iter().filter_map(|h| figure(*one, *h)));
        let most = all.map(|figure| figure.most).fold(1.0, f64::max);
        let x =
            |history: u64| left + ((history as f64).log10() - low) / (high - low).max(1e-9) * width;
        let y = |rate: f64| top + 12.0 + height - rate / most * height;
        for part in [0.0, 0.5, 1.0] {
            let at = y(most * part);
            let _ = writeln!(
                text,
                "<line x1=\"{left:.1}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#d1d5db\"/>",
                left + width
            );
            label(
                &mut text,
                left - 6.0,
                at + 4.0,
                "end",
                "normal",
                &thousands(most * part),
            );
        }
        for history in &plan.histories {
            label(
                &mut text,
                x(*history),
                top + height + 28.0,
                "middle",
                "normal",
                &thousands(*history as f64),
            );
        }
        for contestant in &contestants {
            let points: Vec<String> = plan
                .histories
                .iter()
                .filter_map(|history| {
                    Some(format!(
                        "{:.1},{:.1}",
                        x(*history),
                        y(figure(*contestant, *history)?.median)
                    ))
                })
                .collect();
            let _ = writeln!(
                text,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
                points.join(" "),
                colour(*contestant)
            );
        }
    }
    let rows = Measure::BY_HISTORY.len().div_ceil(2) as f64;
    let legend = rows * HEIGHT + MARGIN;
    for (index, contestant) in contestants.iter().enumerate() {
        let x = MARGIN + AXIS + index as f64 * 140.0;
        let _ = writeln!(
            text,
            "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{}\"/>",
            legend - 10.0,
            colour(*contestant)
        );
        label(
            &mut text,
            x + 18.0,
            legend,
            "start",
            "normal",
            contestant.name(),
        );
    }
    frame(
        legend + MARGIN,
        "Jobs per second over the number of finished jobs in store",
        &text,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures::default();
        for measure in Measure::ALL {
            for history in [1_000, 1_000_000] {
                figures.add(Contestant::Pugmark, measure, history, 1_000.0);
                figures.add(Contestant::Bullmq, measure, history, 500.0);
            }
        }
        figures
    }

    #[test]
    fn a_bar_is_as_long_as_its_rate() {
        let chart = bars(&figures(), 1_000);
        let width = |colour: &str| -> f64 {
            let bar = chart
                .lines()
                .find(|line| line.contains(colour))
                .expect("a bar");
            let width = bar
                .split("width=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            width.and_then(|width| width.parse().ok()).expect("a width")
        };
        let (ours, theirs) = (
            width(colour(Contestant::Pugmark)),
            width(colour(Contestant::Bullmq)),
        );
        assert!((ours / theirs - 2.0).abs() < 0.01, "{ours} {theirs}");
        assert_eq!(
            chart.matches(", jobs per second").count(),
            Measure::ALL.len()
        );
    }

    #[test]
    fn a_line_has_a_point_for_each_history() {
        let plan = Plan {
            jobs: 1,
            rounds: 1,
            histories: vec![1_000, 1_000_000],
        };
        let chart = lines(&figures(), &plan);
        let line = chart
            .lines()
            .find(|line| line.starts_with("<polyline"))
            .expect("a line");
        let points = line.split('"').nth(1).expect("points");
        assert_eq!(points.split(' ').count(), 2);
        assert!(!chart.contains("NaN") && !chart.contains("inf"));
    }
}
