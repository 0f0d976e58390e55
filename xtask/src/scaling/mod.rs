//! `cargo xtask scaling`: what sizes beyond one machine would cost, computed from measured figures. docs/scaling.md shows and
//! explains the result.

mod model;
mod report;

use std::process::ExitCode;

use model::{Crm, Measured, Scenario, outcome};

/// What is looked at. The first column of the report.
fn scenarios() -> Vec<Scenario> {
    let ten_million = 10_000_000;
    let open_source = Crm::OpenSource { creates: 23.0 };
    let bulk = Crm::OpenSource { creates: 92.9 };
    let cloud = Crm::Cloud {
        minute: 90,
        hour: 5_000,
        day: 120_000,
    };
    vec![
        Scenario::new("one open-source vTiger", ten_million, 1, open_source),
        Scenario::new(
            "one open-source vTiger, extension in bulk",
            ten_million,
            1,
            bulk,
        ),
        Scenario::new(
            "50 brokers, an open-source vTiger each",
            ten_million,
            50,
            open_source,
        ),
        Scenario::new("one vTiger Cloud Enterprise", ten_million, 1, cloud),
        Scenario::new(
            "50 brokers, a vTiger Cloud Enterprise each",
            ten_million,
            50,
            cloud,
        ),
        Scenario::new("one vTiger Cloud Enterprise", 500_000, 1, cloud),
        Scenario::new("one vTiger Cloud Enterprise", 100_000, 1, cloud),
    ]
}

/// Prints the tables of docs/scaling.md.
pub(crate) fn run() -> ExitCode {
    print!("{}", tables());
    ExitCode::SUCCESS
}

fn tables() -> String {
    let measured = Measured::default();
    let outcomes: Vec<_> = scenarios()
        .into_iter()
        .map(|scenario| {
            let outcome = outcome(&scenario, &measured);
            (scenario, outcome)
        })
        .collect();
    report::tables(&outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_shows_what_the_program_computes() {
        let document = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scaling.md");
        let document = std::fs::read_to_string(document).expect("docs/scaling.md is there");
        let tables = tables();
        assert!(
            document.contains(tables.trim()),
            "run `cargo xtask scaling` and put its tables into docs/scaling.md"
        );
    }
}
