//! Both databases carry the same tables, whoever made them.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::try_join_all;
use pugmark::capture::triggers;
use pugmark::{config, store};
use pugmark_queue::db::{Conn, Engine, Ts};
use pugmark_queue::on;
use pugmark_queue::testing::TestDb;

use crate::harness::{World, on_both_databases, sandbox};

on_both_databases!(
    migrating_again_changes_nothing,
    every_migration_is_recorded_under_its_version,
);

#[test]
fn both_folders_hold_the_same_versions() {
    let of = |engine| -> Vec<(i64, String)> {
        let migrations = store::migrations(engine);
        migrations
            .iter()
            .map(|m| (m.version, m.description.to_string()))
            .collect()
    };
    assert_eq!(of(Engine::Sqlite), of(Engine::Postgres));
    let versions: Vec<i64> = of(Engine::Sqlite)
        .into_iter()
        .map(|(version, _)| version)
        .collect();
    assert!(versions.is_sorted() && versions.len() > 2, "{versions:?}");
    assert_eq!(
        versions.iter().collect::<BTreeSet<_>>().len(),
        versions.len()
    );
}

#[tokio::test]
async fn processes_that_start_at_once_on_an_empty_database_do_not_collide() {
    let Some(empty) = TestDb::postgres().await else {
        return;
    };
    let settings = config::Database::new(empty.url());
    let opened = (0..6).map(|_| store::open(&settings));
    let opened = try_join_all(opened).await.expect("it opens");
    let all = opened.iter().map(store::migrate);
    try_join_all(all).await.expect("each of them starts");
    let mut conn = opened[0].read().await.expect("a connection");
    let missing = triggers::missing(&mut conn).await.expect("a list");
    assert_eq!(missing, Vec::<String>::new());
}

/// Table -> column -> whether it may be NULL.
type Tables = BTreeMap<String, BTreeMap<String, bool>>;

const SQLITE: &str = "SELECT t.name, c.name, c.\"notnull\" = 0 AND c.pk = 0 FROM sqlite_schema t, pragma_table_xinfo(t.name) c \
    WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND t.name <> '_sqlx_migrations'";
const POSTGRES: &str = "SELECT table_name::text, column_name::text, is_nullable = 'YES' FROM information_schema.columns \
    WHERE table_schema IN ('pugmark', 'public') AND table_name <> '_sqlx_migrations'";

async fn tables(conn: &mut Conn) -> Tables {
    let sql = match conn.engine() {
        Engine::Sqlite => SQLITE,
        Engine::Postgres => POSTGRES,
    };
    let rows: Vec<(String, String, bool)> =
        on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).expect("the tables are described");
    let mut tables = Tables::new();
    for (table, column, nullable) in rows {
        tables.entry(table).or_default().insert(column, nullable);
    }
    tables
}

async fn indexes(conn: &mut Conn) -> BTreeSet<String> {
    let sql = match conn.engine() {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_schema WHERE type = 'index' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'"
        }
        // Those behind a constraint have names of the database's own making on both sides.
        Engine::Postgres => {
            "SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname IN ('pugmark', 'public') \
             AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid)"
        }
    };
    let rows: Vec<(String,)> =
        on!(conn, |c| sqlx::query_as(sql).fetch_all(c).await).expect("the indexes are listed");
    rows.into_iter().map(|(name,)| name).collect()
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let sqlite = TestDb::sqlite().await;
    let Some(postgres) = TestDb::postgres().await else {
        return;
    };
    store::migrate(sqlite.db()).await.expect("migrated");
    store::migrate(postgres.db()).await.expect("migrated");
    let (mut one, mut other) = (
        sqlite.db().read().await.expect("a connection"),
        postgres.db().read().await.expect("a connection"),
    );
    let (small, large) = (tables(&mut one).await, tables(&mut other).await);
    assert!(
        small.contains_key("customers") && small.contains_key("crm_links"),
        "{small:?}"
    );
    assert_eq!(small, large);
    assert_eq!(indexes(&mut one).await, indexes(&mut other).await);
}

async fn migrating_again_changes_nothing(world: World) {
    let db = world.store.db();
    store::migrate(db).await.expect("migrated");
    let program = world.other_program().await;
    let customer = program.insert_customer("Were").await;
    let before = tables(&mut db.read().await.expect("a connection")).await;
    store::migrate(db).await.expect("again");
    store::migrate(db).await.expect("and again");
    assert_eq!(
        tables(&mut db.read().await.expect("a connection")).await,
        before
    );
    assert_eq!(
        program
            .count(&format!(
                "customers WHERE \"lastName\" = 'Were' AND \"id\" = '{customer}'"
            ))
            .await,
        1
    );
    program.set(&customer, "lastName", "'Otieno'").await;
    assert_eq!(program.count("change_log").await, 2, "captured once each");
}

async fn every_migration_is_recorded_under_its_version(world: World) {
    let db = world.store.db();
    let migrations = store::migrations(db.engine());
    assert!(
        db.check_version(&migrations).await.is_err(),
        "the application's wait"
    );
    store::migrate(db).await.expect("migrated");
    db.check_version(&migrations).await.expect("all are there");
    let program = world.other_program().await;
    assert_eq!(
        program.count("_sqlx_migrations WHERE success").await,
        migrations.len() as i64
    );
}

/// The one document that explains codes explains all of them, and no other.
#[test]
fn every_code_is_explained_in_the_documentation() {
    use pugmark::problem::Code;
    let page = include_str!("../../../../docs/errors.md");
    let explained: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("## PUG-").map(|_| &line[3..11]))
        .collect();
    let known: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(explained, known, "in the same order");
    for code in Code::ALL {
        let section = page.split(&format!("## {code}")).nth(1).expect("a section");
        let section = section.split("\n## ").next().unwrap_or_default();
        assert!(
            section.contains(code.meaning()),
            "{code}: the page says what the program says"
        );
        for part in ["**Pugmark**", "**You**"] {
            assert!(section.contains(part), "{code}: {part}");
        }
    }
}

#[tokio::test]
async fn a_program_with_an_sqlite_of_2021_can_write_a_customer() {
    let sqlite = TestDb::sqlite().await;
    store::migrate(sqlite.db()).await.expect("migrated");
    triggers::install(sqlite.db()).await.expect("installed");
    let mut conn = sqlite.db().read().await.expect("a connection");
    let definitions: Vec<(String, String)> = on!(&mut conn, |c| sqlx::query_as(
        "SELECT name, sql FROM sqlite_schema WHERE tbl_name IN ('customers', 'change_log') AND sql IS NOT NULL"
    )
    .fetch_all(c)
    .await)
    .expect("the definitions are listed");
    assert!(
        definitions
            .iter()
            .any(|(name, _)| name == "pugmark_customers_insert"),
        "{definitions:?}"
    );
    // What came after 3.37 fails in such a program, or is NULL there.
    let newer = [
        "subsec",
        "unixepoch",
        "->>",
        "-> ",
        "format(",
        "octet_length",
        "timediff",
        "iif(",
        "concat(",
        "string_agg",
        "jsonb",
        "DISTINCT FROM",
        "RIGHT JOIN",
        "FULL JOIN",
    ];
    for (name, sql) in &definitions {
        let found = newer.iter().find(|word| sql.contains(*word));
        assert_eq!(found, None, "{name}: {sql}");
    }
}

#[tokio::test]
async fn a_row_written_without_times_has_the_time_of_its_writing() {
    let sqlite = TestDb::sqlite().await;
    store::migrate(sqlite.db()).await.expect("migrated");
    let before = Ts::now().as_micros() - 1_000;
    let world = World::over(sqlite, sandbox()).await;
    let program = world.other_program().await;
    program.insert_customer("Were").await;
    let written: i64 = program
        .one("SELECT CAST(\"createdAt\" AS TEXT) FROM customers")
        .await
        .and_then(|text| text.parse().ok())
        .expect("a time");
    let after = Ts::now().as_micros() + 1_000;
    assert!(
        (before..=after).contains(&written),
        "{before} {written} {after}"
    );
}

/// What a program of the version before would stumble over while it still runs, or what would hold up everybody on a large table.
const NOT_WHILE_SERVED: [&str; 9] = [
    "DROP TABLE",
    "DROP COLUMN",
    "RENAME",
    "SET NOT NULL",
    " TYPE ",
    "DROP DEFAULT",
    "DROP SCHEMA",
    "TRUNCATE",
    "LOCK TABLE",
];

/// The last version that was made before this rule.
const BEFORE_THE_RULE: i64 = 1017;

fn objections(sql: &str) -> Vec<String> {
    let text: String = sql
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let mut objections = Vec::new();
    for statement in text.split(';') {
        let statement = statement
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .to_uppercase();
        let creates = statement.starts_with("CREATE ");
        objections.extend(
            NOT_WHILE_SERVED
                .iter()
                .filter(|word| !creates && format!("{statement} ").contains(*word))
                .map(|word| format!("{word}: {statement}")),
        );
        let adds = statement.contains("ADD COLUMN") && statement.contains("NOT NULL");
        if adds && !statement.contains("DEFAULT") {
            objections.push(format!("NOT NULL without DEFAULT: {statement}"));
        }
    }
    objections
}

#[test]
fn new_migrations_leave_a_program_of_the_version_before_working() {
    for migration in store::migrations(Engine::Postgres) {
        if migration.version > BEFORE_THE_RULE {
            let found = objections(migration.sql.as_str());
            assert!(found.is_empty(), "{}: {found:?}", migration.version);
        }
    }
    for bad in [
        "ALTER TABLE pugmark.x DROP COLUMN y",
        "ALTER TABLE pugmark.x RENAME COLUMN y TO z",
        "ALTER TABLE pugmark.x ADD COLUMN y TEXT NOT NULL",
        "ALTER TABLE pugmark.x ALTER COLUMN y TYPE BIGINT",
    ] {
        assert_eq!(objections(bad).len(), 1, "{bad}");
    }
    assert!(objections("ALTER TABLE pugmark.x ADD COLUMN y TEXT NOT NULL DEFAULT ''").is_empty());
}
