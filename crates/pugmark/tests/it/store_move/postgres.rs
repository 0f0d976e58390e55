//! Every case needs PostgreSQL: it is where the store goes.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::{Duration, Instant};

use pugmark::app::{self, Roles};
use pugmark::capture::gap;
use pugmark::store;
use pugmark::store::moving::{Ended, LEFT_BEHIND, MoveError, SEEDED};
use pugmark_queue::db::StoreLock;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::{Ask, Stores, differing, filled};
use crate::harness::{PATIENCE, World, Writer, seed};
use crate::program::{Ended as Exit, pugmark, run};

const KILLS: usize = 12;

#[tokio::test]
async fn a_moved_store_works_on_and_nothing_takes_effect_a_second_time() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let filled = filled::fill(&stores).await;
    let journal = stores.world.crm.journal();
    let notes = journal.count_created("ModComments");
    assert!(notes > 0, "the dependant was told of");

    let report = stores.ask(Ask::Run).await.expect("it is moved");

    assert_eq!(report.ended, Ended::Moved, "{:?}", differing(&report));
    let target = stores.target().await;
    let processing = "vtiger_sync_queue WHERE status = 'PROCESSING'";
    assert_eq!(
        target.count(processing).await,
        1,
        "as it was, under its lease"
    );
    let changes = target.count("change_log").await;
    assert_eq!(changes, stores.source().await.count("change_log").await);
    let swept = gap::sweep(stores.target.db()).await.expect("swept");
    assert_eq!(
        swept.healed, 0,
        "every image has the form of its new database"
    );
    // The lease of the dead process runs out.
    target
        .sql("UPDATE vtiger_sync_queue SET lease_expires_at = now() WHERE status = 'PROCESSING'")
        .await;

    let running = app::start(stores.moved(), Roles::ALL)
        .await
        .expect("it serves the new store");
    target.wait_until_idle().await;
    for (customer, name) in &filled.customers {
        let contact = stores
            .world
            .contact_of(customer)
            .expect("exactly one contact");
        assert_eq!(contact.value("lastname"), *name);
    }
    assert_eq!(
        journal.count_created("Contacts"),
        filled.customers.len() as u64
    );
    assert_eq!(
        journal.count_created("ModComments"),
        notes,
        "nothing is told twice"
    );

    let customer = target.insert_customer("Later").await;
    stores.world.wait_for_contact(&customer, |_| true).await;
    running.shutdown().await;
}

#[tokio::test]
async fn every_table_of_both_databases_is_moved_and_numbers_go_on() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    filled::fill(&stores).await;
    let report = stores.ask(Ask::Run).await.expect("it is moved");
    assert_eq!(differing(&report), Vec::<&str>::new());

    let moved: BTreeSet<String> = report
        .tables
        .iter()
        .map(|table| table.table.clone())
        .collect();
    let listed = |text: Option<String>| -> BTreeSet<String> {
        let tables = text.expect("tables");
        let tables = tables.split(',').map(str::to_owned);
        tables
            .filter(|name| !LEFT_BEHIND.contains(&name.as_str()))
            .collect()
    };
    let sqlite = "SELECT group_concat(name, ',') FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'";
    let postgres = "SELECT string_agg(table_name::text, ',') FROM information_schema.tables \
                    WHERE table_schema IN ('pugmark', 'public')";
    assert_eq!(moved, listed(stores.source().await.one(sqlite).await));
    let target = stores.target().await;
    assert_eq!(moved, listed(target.one(postgres).await));

    let empty: Vec<&str> = report
        .tables
        .iter()
        .filter(|table| table.rows == 0)
        .map(|table| table.table.as_str())
        .collect();
    assert!(
        empty.len() < report.tables.len() / 4,
        "too few tables have rows: {empty:?}"
    );
    // The source gave number 2 to a partner who is gone.
    let next = "INSERT INTO partners (\"partnerName\") VALUES ('Next')";
    target.sql(next).await;
    let number = "SELECT CAST(\"id\" AS TEXT) FROM partners WHERE \"partnerName\" = 'Next'";
    assert_eq!(target.one(number).await.as_deref(), Some("3"));
    target
        .try_sql("DELETE FROM partners WHERE \"id\" = 1; DELETE FROM customers")
        .await
        .expect_err("references are watched again");
}

#[tokio::test]
async fn one_altered_row_of_the_target_is_found() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let program = stores.source().await;
    for _ in 0..7 {
        program.insert_customer("Were").await;
    }
    stores.ask(Ask::Run).await.expect("it is moved");
    assert_eq!(
        stores.ask(Ask::Verify).await.expect("compared").ended,
        Ended::Looked
    );

    let target = stores.target().await;
    target
        .sql(
            "UPDATE change_log SET new_row = jsonb_set(new_row, '{lastName}', '\"Wera\"') \
             WHERE id = (SELECT max(id) FROM change_log)",
        )
        .await;

    let report = stores.ask(Ask::Verify).await.expect("compared");
    assert_eq!(
        (report.ended, differing(&report)),
        (Ended::Different, vec!["change_log"])
    );
    let folder = tempfile::tempdir().expect("a folder");
    let told = run_command(&stores, folder.path(), &["--verify"]).await;
    assert_eq!(told.code, 1, "{told:?}");
    assert!(
        told.stdout.contains("PUG-6605") && told.stdout.contains("change_log"),
        "{told:?}"
    );
}

async fn run_command(stores: &Stores, folder: &std::path::Path, more: &[&str]) -> Exit {
    run(command(stores, folder, more)).await
}

fn command(stores: &Stores, folder: &std::path::Path, more: &[&str]) -> std::process::Command {
    let mut command = pugmark(folder, &["migrate-store", "--batch", "2"]);
    command
        .args(more)
        .args(["--from", stores.world.store.url()])
        .env("PUGMARK_MIGRATE_STORE_TO", stores.target.url());
    command
}

/// Starts the command and kills it once so many rows are copied. Tells whether it was killed before it ended.
async fn killed_at(stores: &Stores, folder: &std::path::Path, target: &Writer, rows: i64) -> bool {
    let mut child = command(stores, folder, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let copied = "SELECT CAST(COALESCE(sum(rows), 0) AS TEXT) FROM store_move_tables";
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("the child is ours") {
            assert_eq!(status.code(), Some(0), "it ended by itself");
            return false;
        }
        let so_far = target.one(copied).await.and_then(|text| text.parse().ok());
        if so_far.unwrap_or(0) >= rows {
            child.kill().expect("SIGKILL");
            return child.wait().expect("the child is ours").code().is_none();
        }
        assert!(Instant::now() < deadline, "it does not get to row {rows}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn killed_at_any_moment_it_goes_on_and_both_sides_are_equal() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let filled = filled::fill(&stores).await;
    let program = stores.source().await;
    for number in 0..60 {
        program.insert_customer(&format!("Were {number}")).await;
    }
    store::migrate(stores.target.db()).await.expect("migrated");
    let target = stores.target().await;
    let looked = stores.ask(Ask::Look).await.expect("looked");
    let all: u64 = looked.tables.iter().map(|table| table.rows).sum();
    let folder = tempfile::tempdir().expect("a folder");
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let mut killed = 0;
    for kill in 0..KILLS {
        // Anywhere, from before the first row to behind the last one.
        let at = (all as f64 * (kill as f64 + rng.random::<f64>()) / (KILLS - 1) as f64) as i64;
        killed += usize::from(killed_at(&stores, folder.path(), &target, at).await);
        if target.count("store_moves WHERE state <> 'moved'").await > 0 {
            let refused = app::start(stores.moved(), Roles::ALL).await;
            assert!(refused.is_err(), "PUGMARK_SEED={seed}: it is not complete");
        }
    }
    assert!(
        killed > KILLS / 2,
        "PUGMARK_SEED={seed}: {killed} kills show little"
    );
    let ended = run_command(&stores, folder.path(), &["--json"]).await;
    assert_eq!(
        ended.code, 0,
        "PUGMARK_SEED={seed} {killed} kills: {ended:?}"
    );
    let again = run_command(&stores, folder.path(), &[]).await;
    assert!(
        again.code == 0 && again.stdout.contains("moved to"),
        "{again:?}"
    );
    let verified = run_command(&stores, folder.path(), &["--verify"]).await;
    assert_eq!(
        verified.code, 0,
        "PUGMARK_SEED={seed} {killed} kills: {verified:?}"
    );
    assert_eq!(
        target.count("customers").await,
        60 + filled.customers.len() as i64
    );
}

#[tokio::test]
async fn a_half_filled_target_is_not_served_and_neither_is_a_moved_source() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let program = stores.source().await;
    let customer = program.insert_customer("Were").await;
    // What PostgreSQL cannot keep stops the copy in the middle.
    program.set(&customer, "dateOfBirth", "'soon'").await;
    let error = stores.refused(Ask::Run).await;
    assert!(
        error.contains("PUG-6604")
            && error.contains("customers")
            && error.contains("dateOfBirth")
            && error.contains(&customer),
        "{error}"
    );

    for command in ["serve", "migrate", "sweep"] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = pugmark(folder.path(), &[command]);
        command.env("DATABASE_URL", stores.target.url());
        let refused = run(command).await;
        assert!(
            refused.code == 3 && refused.stderr.contains("PUG-6601"),
            "{refused:?}"
        );
    }
    assert_eq!(
        stores
            .target()
            .await
            .count("pg_trigger WHERE tgname LIKE 'pugmark_%'")
            .await,
        0
    );

    program.set(&customer, "dateOfBirth", "'1990-04-12'").await;
    let report = stores.ask(Ask::Run).await.expect("it goes on");
    assert_eq!(report.ended, Ended::Moved, "{:?}", differing(&report));
    let refused = app::start(stores.world.settings.clone(), Roles::ALL).await;
    let error = refused.err().expect("it was moved").to_string();
    assert!(
        error.contains("PUG-6602") && error.contains("postgres://there"),
        "{error}"
    );
    assert_eq!(
        stores.ask(Ask::Run).await.expect("told").ended,
        Ended::WasMoved
    );
}

#[tokio::test]
async fn a_source_that_is_served_again_ends_the_move_and_a_restart_takes_what_it_has_by_then() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let program = stores.source().await;
    let customer = program.insert_customer("Were").await;
    program.set(&customer, "dateOfBirth", "'soon'").await;
    stores.refused(Ask::Run).await;
    program.set(&customer, "dateOfBirth", "'1990-04-12'").await;

    let running = stores.world.start().await;
    program.insert_customer("Later").await;
    program.wait_until_idle().await;
    running.shutdown().await;

    let error = stores.refused(Ask::Run).await;
    assert!(
        error.contains("PUG-6603") && error.contains("--restart"),
        "{error}"
    );
    let report = stores.ask(Ask::Restart).await.expect("it is moved");
    assert_eq!(report.ended, Ended::Moved, "{:?}", differing(&report));
    assert_eq!(stores.target().await.count("customers").await, 2);
}

#[tokio::test]
async fn a_target_that_is_not_empty_is_refused_with_what_is_in_it() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    store::migrate(stores.target.db()).await.expect("migrated");
    stores.target().await.insert_customer("Were").await;
    for ask in [Ask::Run, Ask::Look] {
        let error = stores.refused(ask).await;
        for word in [
            "PUG-6603",
            "not empty",
            "customers",
            "change_log",
            "new database",
        ] {
            assert!(error.contains(word), "{word}: {error}");
        }
    }
    assert_eq!(
        stores.target().await.count("customers").await,
        1,
        "nothing was thrown away"
    );
}

#[tokio::test]
async fn stores_of_other_versions_and_of_others_are_refused_with_the_fix() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let target = stores.target().await;
    target
        .sql("CREATE TABLE public.customers (\"id\" UUID PRIMARY KEY)")
        .await;
    let error = stores.refused(Ask::Run).await;
    assert!(error.contains("MicroBima's own database"), "{error}");
    target.sql("DROP TABLE public.customers").await;

    stores
        .target
        .db()
        .migrate(pugmark_queue::db::migrations(
            pugmark_queue::db::Engine::Postgres,
        ))
        .await
        .expect("the queue alone");
    let error = stores.refused(Ask::Run).await;
    assert!(
        error.contains("older version") && error.contains("pugmark migrate"),
        "{error}"
    );
    target.sql("DROP SCHEMA pugmark CASCADE").await;

    let old = World::sqlite().await;
    let stores = Stores {
        world: old,
        ..stores
    };
    let error = stores.refused(Ask::Run).await;
    assert!(
        error.contains("older version") && error.contains("pugmark migrate"),
        "{error}"
    );
}

#[tokio::test]
async fn a_source_that_is_served_is_refused() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let _serving = StoreLock::acquire(&stores.path()).expect("free");
    let folder = tempfile::tempdir().expect("a folder");
    let refused = run_command(&stores, folder.path(), &["--dry-run"]).await;
    assert!(
        refused.code == 3 && refused.stderr.contains("PUG-1103"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_dry_run_names_every_unfit_value_and_writes_nothing() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    let program = stores.source().await;
    let customer = program.insert_customer("Were").await;
    program.set(&customer, "gender", "'UNHEARD'").await;
    program.set(&customer, "createdAt", "'whenever'").await;
    program
        .sql("INSERT INTO settings (name, value, updated_at) VALUES ('odd', '{', 1)")
        .await;
    let report = stores.ask(Ask::Look).await.expect("looked");
    assert!(
        report.notes[0].contains("pugmark migrate"),
        "{:?}",
        report.notes
    );
    store::migrate(stores.target.db()).await.expect("migrated");

    let report = stores.ask(Ask::Look).await.expect("looked");

    let found: BTreeSet<(&str, &str)> = report
        .unfit
        .iter()
        .map(|unfit| (unfit.table.as_str(), unfit.column.as_str()))
        .collect();
    for unfit in [
        ("customers", "gender"),
        ("customers", "createdAt"),
        ("settings", "value"),
    ] {
        assert!(found.contains(&unfit), "{found:?}");
    }
    assert_eq!(stores.target().await.count("store_moves").await, 0);
    assert_eq!(program.count("store_moves").await, 0);
    assert!(matches!(
        stores.ask(Ask::Run).await,
        Err(MoveError::Unfit(_))
    ));
}

#[tokio::test]
async fn a_fresh_store_has_rows_in_the_known_tables_alone() {
    let Some(stores) = Stores::new().await else {
        return;
    };
    store::migrate(stores.target.db()).await.expect("migrated");
    for program in [stores.source().await, stores.target().await] {
        let tables = "SELECT string_agg(table_name::text, ',') FROM information_schema.tables \
                      WHERE table_schema IN ('pugmark', 'public')";
        let names = stores.target().await.one(tables).await.expect("tables");
        let mut filled = Vec::new();
        for name in names.split(',').filter(|name| !LEFT_BEHIND.contains(name)) {
            if program.count(name).await > 0 {
                filled.push(name.to_owned());
            }
        }
        filled.sort();
        assert_eq!(filled, SEEDED, "{:?}", program.engine());
    }
}
