//! `pugmark bench` through the real binary: every measurement is made and told. How fast anything was is not judged.

use std::process::{Output, Stdio};

use tokio::process::Command;

/// The binary with nothing of this environment.
fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pugmark"));
    command
        .arg("bench")
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What is measured on each database, by the beginnings of the lines.
const LINES: [&str; 21] = [
    "enqueue, 64 callers, ungrouped peer",
    "enqueue, 64 callers",
    "enqueue, 200 per transaction",
    "claim 1 + complete",
    "claim 32 + complete",
    "captured payments, one per transaction",
    "captured payments, 500 per statement",
    "edits without a change, one per transaction",
    "CRM calls for 10 new customers",
    "CRM calls for 10 edited customers",
    "delay of another program's edit, median",
    "delay of another program's edit, p99",
    "delay of edit through the API, median",
    "delay of edit through the API, p99",
    "serve, start on a fresh store",
    "serve, start on an existing store",
    "serve, memory when idle",
    "serve, memory after 10 customers",
    "leads received, 10 senders",
    "leads received, 10 senders, a connection each",
    "answer to a lead, p99 of 10 senders",
];

/// The lines of one database in the JSON, by name; each has a number, and a ratio unless nothing compares.
fn check_lines(report: &serde_json::Value, database: &str) {
    let lines = report["lines"].as_array().expect("a list of lines");
    for name in LINES {
        if name.contains("memory") && !cfg!(target_os = "linux") {
            continue;
        }
        let mut found = lines
            .iter()
            .filter(|line| line["name"] == name && line["database"] == database);
        let line = found
            .next()
            .unwrap_or_else(|| panic!("no line {name:?} of {database}: {report}"));
        assert!(found.next().is_none(), "{name} of {database} came twice");
        assert!(line["ours"].as_f64().expect("a number") > 0.0, "{line}");
        if name == "serve, memory when idle" || name.starts_with("answer to a lead") {
            assert!(line["ratio"].is_null(), "{line}");
        } else {
            assert!(line["ratio"].as_f64().expect("a ratio") > 0.0, "{line}");
        }
        if name.starts_with("CRM calls") {
            assert_eq!(line["ratio"], 1.0, "one call per customer: {line}");
        }
    }
}

fn report_of(output: &Output) -> serde_json::Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let printed = String::from_utf8(output.stdout.clone()).expect("text");
    serde_json::from_str(printed.trim_end()).expect("one line of JSON")
}

mod sqlite {
    use super::*;

    #[tokio::test]
    async fn a_tiny_benchmark_measures_everything_and_says_that_postgresql_is_left_out() {
        let output = bench(&["--operations", "100", "--json"])
            .output()
            .await
            .expect("the binary runs");
        let report = report_of(&output);

        check_lines(&report, "SQLite");
        let lines = report["lines"].as_array().expect("a list of lines");
        assert!(lines.iter().all(|line| line["database"] == "SQLite"));
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("PostgreSQL is left out"),
            "it says what it does not measure"
        );
    }

    #[tokio::test]
    async fn the_pages_of_the_console_are_measured_by_themselves() {
        let output = bench(&["console", "--history", "1000", "--json"])
            .output()
            .await
            .expect("the binary runs");
        let report = report_of(&output);
        let lines = report["lines"].as_array().expect("a list of lines");
        for page in ["Home", "Problems", "Alerts", "Operations", "Logs"] {
            let line = lines.iter().find(|line| line["name"] == page);
            let line = line.unwrap_or_else(|| panic!("no line {page}: {report}"));
            assert!(line["ours"].as_f64().expect("a number") > 0.0, "{line}");
        }
    }

    #[tokio::test]
    async fn a_week_of_payments_is_measured_by_itself() {
        let arguments = ["payments", "--payments", "21", "--customers", "5", "--json"];
        let output = bench(&arguments).output().await.expect("the binary runs");
        let report = report_of(&output);

        let ratio = |name: &str, against: &str| {
            let lines = report["lines"].as_array().expect("a list of lines");
            let found = lines.iter().find(|line| {
                line["name"] == name
                    && line["against"]
                        .as_str()
                        .unwrap_or_default()
                        .starts_with(against)
            });
            let line = found.unwrap_or_else(|| panic!("no line {name:?}: {report}"));
            line["ratio"].as_f64().expect("a ratio")
        };
        let per_payment = "one call per payment";
        let per_contact = "one call per contact";
        assert_eq!(ratio("CRM calls, 20 payments one by one", per_payment), 1.0);
        let at_once = ratio("CRM calls, 20 payments at once", per_payment);
        assert!((0.25..=1.0).contains(&at_once), "{at_once}");
        assert_eq!(ratio("CRM calls, summary of 5 customers", per_contact), 2.0);
        assert_eq!(
            ratio("CRM calls, summary of 5 customers, again", per_contact),
            0.0
        );
        assert!(ratio("time, 20 payments one by one", "the same calls") > 0.0);
    }

    #[tokio::test]
    async fn a_first_sync_is_measured_without_and_with_the_extension() {
        let arguments = ["backfill", "--contacts", "30", "--quicker", "10", "--json"];
        let output = bench(&arguments).output().await.expect("the binary runs");
        let report = report_of(&output);

        let lines = report["lines"].as_array().expect("a list of lines");
        let names: Vec<_> = lines
            .iter()
            .filter_map(|line| line["name"].as_str())
            .collect();
        assert_eq!(
            names,
            [
                "back-fill of 30 contacts, without the extension",
                "back-fill of 30 contacts, with the extension",
                "back-fill of 30 contacts, with the extension, in bulk mode",
            ]
        );
        for line in lines {
            assert!(line["ratio"].as_f64().expect("a ratio") > 0.0, "{line}");
        }
    }

    #[tokio::test]
    async fn only_what_was_asked_for_is_measured_and_shown_as_a_table() {
        let arguments = ["--operations", "20", "--only", "enqueue", "--only", "calls"];
        let output = bench(&arguments).output().await.expect("the binary runs");
        let table = String::from_utf8_lossy(&output.stdout).into_owned();

        assert!(output.status.success(), "{table}");
        assert!(table.contains("enqueue, 64 callers"), "{table}");
        assert!(table.contains("CRM calls for 2 new customers"), "{table}");
        assert!(
            !table.contains("claim") && !table.contains("serve"),
            "{table}"
        );
    }

    #[tokio::test]
    async fn a_server_that_cannot_be_reached_is_an_error_that_says_so() {
        let arguments = [
            "--operations",
            "10",
            "--only",
            "enqueue",
            "--postgres",
            "postgres://nobody:secret-of-this-test@127.0.0.1:1/none",
        ];
        let output = bench(&arguments).output().await.expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();

        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains("error: "), "{said}");
        assert!(!said.contains("secret-of-this-test"), "{said}");
    }
}

mod postgres {
    use pugmark_queue::on;
    use pugmark_queue::testing::{POSTGRES_URL, TestDb};

    use super::*;

    #[tokio::test]
    async fn a_tiny_benchmark_measures_both_databases_and_drops_what_it_made() {
        let Some(store) = TestDb::postgres().await else {
            return;
        };
        let server = std::env::var(POSTGRES_URL).expect("the server of the test database");
        let child = bench(&["--operations", "100", "--json"])
            .env(POSTGRES_URL, server)
            .spawn()
            .expect("the binary runs");
        let process = child.id().expect("it was just started");
        let report = report_of(&child.wait_with_output().await.expect("it ends"));

        check_lines(&report, "SQLite");
        check_lines(&report, "PostgreSQL");
        let mut conn = store.db().read().await.expect("a connection");
        let left: Vec<String> = on!(&mut conn, |c| sqlx::query_scalar(
            "SELECT CAST(datname AS TEXT) FROM pg_database WHERE datname LIKE $1"
        )
        .bind(format!("pugmark_bench_{process}_%"))
        .fetch_all(c)
        .await)
        .expect("the list of databases");
        assert!(left.is_empty(), "left behind: {left:?}");
    }
}
