//! `pugmark demo onboarding` through the real binary: the second flow as the reader of the README tries it.

use serde_json::Value;

use crate::program::{Ended, pugmark, run};

async fn demo(arguments: &[&str]) -> (Ended, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = vec!["demo", "onboarding", "--json"];
    all.extend(arguments);
    let ended = run(pugmark(folder.path(), &all)).await;
    let last = ended.stdout.lines().last().unwrap_or_default();
    let table = serde_json::from_str(last).unwrap_or_default();
    let left = std::fs::read_dir(folder.path()).expect("it is there");
    assert_eq!(left.count(), 0, "nothing is left in the working folder");
    (ended, table)
}

fn number(table: &Value, key: &str) -> u64 {
    table[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key}: {table}"))
}

/// That the run is fine, and that its numbers belong together.
fn assert_fine(ended: &Ended, table: &Value, leads: u64) {
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    for wrong in [
        "duplicates",
        "lost",
        "leaked",
        "leads_wrong",
        "accounts_wrong",
        "failures_wrong",
        "wrongly_answered",
    ] {
        assert_eq!(number(table, wrong), 0, "{wrong}: {table}");
    }
    let [set_up, failed, cancelled] =
        ["set_up", "failed", "cancelled"].map(|key| number(table, key));
    assert_eq!(
        (number(table, "leads"), set_up + failed + cancelled),
        (leads, leads)
    );
    assert!(failed >= 2, "{table}");
    assert_eq!((number(table, "corrected"), cancelled), (2, 1), "{table}");
    for made in ["customers", "payment_profiles", "subscriptions"] {
        assert_eq!(number(table, made), set_up, "{made}: {table}");
    }
    assert!((1..=4).contains(&number(table, "most_at_once")), "{table}");
    let reasons = table["reasons"].to_string();
    assert!(reasons.contains("mod 97"), "{reasons}");
    assert!(reasons.contains("email is empty"), "{reasons}");
    for happened in ["webhooks_lost", "webhooks_forged", "maxio_calls"] {
        assert!(number(table, happened) > 0, "{happened}: {table}");
    }
    assert!(
        number(table, "webhooks_delivered") > leads,
        "some came several times: {table}"
    );
    assert!(table["acknowledgement_p99_ms"].as_f64() > Some(0.0));
}

#[tokio::test]
async fn every_lead_is_set_up_once_or_fails_by_name() {
    let (ended, table) = demo(&["--leads", "14"]).await;
    assert_fine(&ended, &table, 14);
    assert_eq!(number(&table, "faults_injected"), 0);
}

#[tokio::test]
async fn every_lead_is_set_up_once_on_a_bad_day() {
    let (ended, table) = demo(&["--leads", "12", "--faults", "--seed", "11"]).await;
    assert_fine(&ended, &table, 12);
    assert!(number(&table, "faults_injected") > 5, "{table}");
}

#[tokio::test]
async fn the_table_names_what_is_wrong_with_a_lead_and_the_store_stays_where_it_was_wanted() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = ["demo", "onboarding", "--leads", "9", "--data", "data"];
    let ended = run(pugmark(folder.path(), &arguments)).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    for word in [
        "set up",
        "cancelled",
        "subscriptions",
        "duplicates",
        "at most",
        "mod 97",
        "email is empty",
    ] {
        assert!(ended.stdout.contains(word), "{word}: {}", ended.stdout);
    }
    assert!(folder.path().join("data/pugmark.db").exists());
    let again = run(pugmark(folder.path(), &arguments)).await;
    assert_eq!(again.code, 1, "{again:?}");
    let said = &again.stderr;
    assert!(said.contains("holds a store already"), "{said}");
}

#[tokio::test]
async fn arguments_are_explained_and_those_that_make_no_sense_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let help = run(pugmark(folder.path(), &["demo", "onboarding", "--help"])).await;
    assert_eq!(help.code, 0, "{help:?}");
    for word in [
        "Ready for Finance Setup",
        "--leads",
        "[default: 40]",
        "--faults",
        "--seed",
        "--data",
        "--port",
        "--keep-running",
        "--json",
        "Exit code 1",
    ] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    let help = run(pugmark(folder.path(), &["demo", "--help"])).await;
    for word in ["onboarding", "--customers"] {
        assert!(help.stdout.contains(word), "{word}: {}", help.stdout);
    }
    for arguments in [
        &["demo", "onboarding", "--leads", "8"][..],
        &["demo", "onboarding", "--customers", "9"],
        &["demo", "--faults", "onboarding"],
        &["demo", "elsewhere"],
    ] {
        let ended = run(pugmark(folder.path(), arguments)).await;
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains("--help"), "{}", ended.stderr);
    }
}
