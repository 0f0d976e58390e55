//! Whether a secret lies about in clear.

use pugmark_queue::db::Engine;

use super::Writer;

/// Every text of every table, whatever it is stored as.
pub(crate) async fn dump(program: &Writer) -> String {
    let (tables, columns) = match program.engine() {
        Engine::Sqlite => (
            "SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
            r#"SELECT group_concat('hex(COALESCE("' || name || '", ''''))', ' || ''/'' || ') FROM pragma_table_info('{}')"#,
        ),
        Engine::Postgres => (
            "SELECT string_agg(table_schema || '.' || table_name, ',') FROM information_schema.tables \
             WHERE table_schema IN ('pugmark', 'public') AND table_type = 'BASE TABLE'",
            "",
        ),
    };
    let tables = program.one(tables).await.expect("tables");
    let mut dump = String::new();
    for table in tables.split(',') {
        let row = match program.engine() {
            Engine::Sqlite => {
                let sql = columns.replace("{}", table);
                program.one(sql).await.expect("columns")
            }
            // Bytes are shown in hexadecimal, texts as they are.
            Engine::Postgres => "CAST(t AS TEXT)".to_owned(),
        };
        let all = match program.engine() {
            Engine::Sqlite => format!("SELECT group_concat({row}, '\n') FROM \"{table}\" AS t"),
            Engine::Postgres => format!("SELECT string_agg({row}, E'\\n') FROM {table} AS t"),
        };
        dump.push_str(&program.one(all).await.unwrap_or_default());
        dump.push('\n');
    }
    dump
}

pub(crate) fn assert_not_in(dump: &str, secret: &str) {
    assert!(dump.len() > 1000, "there is something to look through");
    for form in [secret.to_owned(), hex(secret), hex(secret).to_lowercase()] {
        assert!(!dump.contains(&form), "a secret lies about in clear");
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}
