//! `pugmark demo` through the real binary: what the reader of the README tries first.

use serde_json::Value;

use crate::http::keys;
use crate::program::{Ended, pugmark, run};

async fn demo(arguments: &[&str]) -> (Ended, Value) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = vec!["demo", "--json"];
    all.extend(arguments);
    let ended = run(pugmark(folder.path(), &all)).await;
    let last = ended.stdout.lines().last().unwrap_or_default();
    let table = serde_json::from_str(last).unwrap_or_default();
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("it is there")
        .collect();
    assert!(
        left.is_empty(),
        "nothing is left in the working folder: {left:?}"
    );
    (ended, table)
}

fn assert_fine(ended: &Ended, table: &Value) {
    assert_eq!(ended.code, 0, "{ended:?}");
    for wanted in [
        "duplicates",
        "lost",
        "contacts_created",
        "contacts_updated",
        "crm_calls",
        "coalesced",
        "rows_written",
    ] {
        assert!(
            keys(table).iter().any(|key| key == wanted),
            "{wanted}: {table}"
        );
    }
    assert_eq!(
        (&table["duplicates"], &table["lost"]),
        (&0.into(), &0.into()),
        "{table}"
    );
    assert_eq!(
        (&table["stale"], &table["leaked"]),
        (&0.into(), &0.into()),
        "{table}"
    );
    let number = |key: &str| table[key].as_u64().unwrap_or_default();
    assert!(
        number("contacts_created") > 0 && number("contacts_updated") > 0,
        "{table}"
    );
    assert_eq!(
        number("contacts_created"),
        number("customers") - number("test_customers") - number("deleted_at_once"),
        "{table}"
    );
}

#[tokio::test]
async fn the_demonstration_ends_with_one_line_of_json_and_nothing_lost_or_doubled() {
    let (ended, table) = demo(&["--customers", "40"]).await;
    assert_fine(&ended, &table);
    assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.stdout);
    assert_eq!(table["faults_injected"], 0);
}

#[tokio::test]
async fn the_demonstration_survives_a_bad_day() {
    let (ended, table) = demo(&["--customers", "30", "--faults", "--seed", "11"]).await;
    assert_fine(&ended, &table);
    assert!(table["faults_injected"].as_u64() > Some(0), "{table}");
}

#[tokio::test]
async fn the_same_seed_writes_the_same_rows() {
    let (_, one) = demo(&["--customers", "12", "--seed", "5"]).await;
    let (_, other) = demo(&["--customers", "12", "--seed", "5"]).await;
    let (_, third) = demo(&["--customers", "12", "--seed", "6"]).await;
    for key in [
        "rows_written",
        "customers",
        "test_customers",
        "deleted_at_once",
        "contacts_created",
    ] {
        assert_eq!(one[key], other[key], "{key}");
    }
    assert!(one["rows_written"].as_u64() > Some(12), "{one}");
    assert!(keys(&third).len() == keys(&one).len());
}

#[tokio::test]
async fn a_folder_that_holds_a_store_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let arguments = |json: bool| {
        let mut all = vec!["demo", "--customers", "4", "--data", "data"];
        all.extend(json.then_some("--json"));
        pugmark(folder.path(), &all)
    };
    let first = run(arguments(false)).await;
    assert_eq!(first.code, 0, "{first:?}");
    for word in ["rows written", "contacts created", "duplicates", "lost"] {
        assert!(first.stdout.contains(word), "{word}: {}", first.stdout);
    }
    let store = data.join("pugmark.db");
    let before = std::fs::read(&store).expect("the store stays");
    let second = run(arguments(true)).await;
    assert_eq!(second.code, 1, "{second:?}");
    assert!(
        second.stderr.contains("holds a store already"),
        "{}",
        second.stderr
    );
    assert!(second.stdout.is_empty());
    assert_eq!(std::fs::read(&store).expect("the store stays"), before);
}

#[tokio::test]
async fn arguments_that_make_no_sense_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["demo", "--customers", "0"][..],
        &["demo", "--customers", "many"],
        &["demo", "--port", "99999"],
        &["demo", "--nothing"],
    ] {
        let ended = run(pugmark(folder.path(), arguments)).await;
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains("--help"), "{}", ended.stderr);
    }
    let ended = run(pugmark(folder.path(), &["demo", "--data", "/proc/nowhere"])).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("cannot be made"), "{}", ended.stderr);
}
