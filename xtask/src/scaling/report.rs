//! The outcome as tables in Markdown.

use std::fmt::Write;

use super::model::{Outcome, Scenario};

/// Both tables.
pub(super) fn tables(outcomes: &[(Scenario, Outcome)]) -> String {
    let mut text = String::from(
        "| installation | customers | first sync | calls in use | a change waits, usually / at worst | weekly summary |\n\
         |---|---|---|---|---|---|\n",
    );
    for (scenario, outcome) in outcomes {
        let lag = outcome
            .lag
            .map_or("**never catches up**".to_owned(), |(half, worst)| {
                format!("{} / {}", span(half), span(worst))
            });
        let summary = outcome
            .summary_hours
            .map_or("longer than a week".to_owned(), |hours| {
                span(hours * 3_600.0)
            });
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.0} % | {lag} | {summary} |",
            scenario.name,
            thousands(scenario.customers),
            span(outcome.first_sync_days * 86_400.0),
            outcome.load * 100.0,
        );
    }
    text.push_str(
        "\n| installation | customers | calls a day | Cloud users whose allowance that is | stores with 90 days of history | busiest minute, of what one PostgreSQL does |\n\
         |---|---|---|---|---|---|\n",
    );
    for (scenario, outcome) in outcomes {
        let users = outcome
            .cloud_users
            .map_or("-".to_owned(), |users| thousands(users as u64));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {users} | {:.1} GB | {:.0} % |",
            scenario.name,
            thousands(scenario.customers),
            thousands(outcome.calls_a_day as u64),
            outcome.storage / 1e9,
            outcome.database_share * 100.0,
        );
    }
    text
}

/// A time in the unit in which a person would say it.
fn span(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "at once".to_owned(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
