//! The PostgreSQL side: room is made, rows are written together with how far the copy is, and references and numbers are put in
//! order at the end.

use pugmark_queue::db::{Conn, DbError, Ts};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::catalogue::{Column, SEEDED, Table};
use super::digest::Digest;
use super::sides::postgres;
use super::value::Raw;
use super::{MoveError, source};
use crate::capture::triggers::{row_trigger_name, truncate_trigger_name};
use crate::capture::watched::WATCHED;

/// How far a table is.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    /// The primary key of the last row that was copied.
    pub after: Option<Vec<Raw>>,
    pub rows: u64,
    pub done: bool,
}

pub(super) async fn run(conn: &mut Conn, sql: String) -> Result<(), MoveError> {
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(postgres(conn)?)
        .await?;
    Ok(())
}

/// Copies may take longer than any query should, and lists of tables are written in one form.
pub(super) async fn prepare(conn: &mut Conn) -> Result<(), MoveError> {
    run(
        conn,
        "SET statement_timeout = 0; SET DateStyle = ISO".to_owned(),
    )
    .await
}

/// Tables that a freshly migrated store has no rows in, and this one has.
pub(super) async fn used(conn: &mut Conn, tables: &[Table]) -> Result<Vec<String>, MoveError> {
    let mut used = Vec::new();
    for table in tables {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {})", table.full_name());
        let rows: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(postgres(conn)?)
            .await?;
        if rows && !SEEDED.contains(&table.name.as_str()) {
            used.push(table.name.clone());
        }
    }
    Ok(used)
}

/// Empties the tables and takes away what would act on copied rows: capture, which would plan each of them anew, and
/// references, whose order nobody keeps. One transaction, with the note that a copy is under way.
pub(super) async fn make_room(
    conn: &mut Conn,
    tables: &[Table],
    id: Uuid,
    other: &str,
) -> Result<(), MoveError> {
    run(conn, "BEGIN".to_owned()).await?;
    let references = references(conn).await?;
    let known: Option<sqlx::types::Json<Vec<Reference>>> =
        sqlx::query_scalar("SELECT foreign_keys FROM pugmark.store_moves WHERE side = 'target'")
            .fetch_optional(postgres(conn)?)
            .await?;
    let mut kept = known.map(|known| known.0).unwrap_or_default();
    let mut statements = Vec::new();
    for reference in references {
        statements.push(format!(
            "ALTER TABLE {} DROP CONSTRAINT {}",
            reference.table, reference.name
        ));
        if !kept.contains(&reference) {
            kept.push(reference);
        }
    }
    for watched in &WATCHED {
        for name in [
            row_trigger_name(watched.table),
            truncate_trigger_name(watched.table),
        ] {
            statements.push(format!(
                "DROP TRIGGER IF EXISTS {name} ON public.{}",
                watched.table
            ));
        }
    }
    let all: Vec<String> = tables.iter().map(Table::full_name).collect();
    statements.push(format!("TRUNCATE {}", all.join(", ")));
    statements.push("DELETE FROM pugmark.store_moves".to_owned());
    statements.push("DELETE FROM pugmark.store_move_tables".to_owned());
    for statement in statements {
        run(conn, statement).await?;
    }
    sqlx::query(
        "INSERT INTO pugmark.store_moves (id, side, other, state, foreign_keys, begun_at) VALUES ($1, 'target', $2, 'copying', $3, $4)",
    )
    .bind(id)
    .bind(other)
    .bind(sqlx::types::Json(&kept))
    .bind(Ts::now())
    .execute(postgres(conn)?)
    .await?;
    run(conn, "COMMIT".to_owned()).await
}

/// A foreign key, as it is put back.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, sqlx::FromRow)]
struct Reference {
    table: String,
    name: String,
    definition: String,
}

async fn references(conn: &mut Conn) -> Result<Vec<Reference>, MoveError> {
    let sql = "SELECT format('%I.%I', n.nspname, c.relname) AS table, format('%I', k.conname) AS name, \
               pg_get_constraintdef(k.oid) AS definition \
               FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE k.contype = 'f' AND k.conparentid = 0 AND n.nspname IN ('pugmark', 'public') ORDER BY 1, 2";
    Ok(sqlx::query_as(sql).fetch_all(postgres(conn)?).await?)
}

pub(super) async fn place(conn: &mut Conn, table: &Table) -> Result<Place, MoveError> {
    let row = sqlx::query(
        "SELECT place, rows, done FROM pugmark.store_move_tables WHERE table_name = $1",
    )
    .bind(&table.name)
    .fetch_optional(postgres(conn)?)
    .await?;
    let Some(row) = row else {
        return Ok(Place::default());
    };
    let after: Option<String> = row.try_get("place").map_err(DbError::from)?;
    let rows: i64 = row.try_get("rows").map_err(DbError::from)?;
    Ok(Place {
        after: after.and_then(|text| serde_json::from_str(&text).ok()),
        rows: u64::try_from(rows).unwrap_or_default(),
        done: row.try_get("done").map_err(DbError::from)?,
    })
}

/// Writes rows and how far the table is with them, in one transaction.
pub(super) async fn write(
    conn: &mut Conn,
    table: &Table,
    rows: Vec<Vec<Option<String>>>,
    place: &Place,
) -> Result<(), MoveError> {
    run(conn, "BEGIN".to_owned()).await?;
    match write_in_transaction(conn, table, rows, place).await {
        Ok(()) => run(conn, "COMMIT".to_owned()).await,
        Err(error) => {
            // What broke it is what is told; a connection that is gone has nothing to roll back.
            let _ = run(conn, "ROLLBACK".to_owned()).await;
            Err(error)
        }
    }
}

async fn write_in_transaction(
    conn: &mut Conn,
    table: &Table,
    rows: Vec<Vec<Option<String>>>,
    place: &Place,
) -> Result<(), MoveError> {
    let mut columns: Vec<Vec<Option<String>>> =
        vec![Vec::with_capacity(rows.len()); table.columns.len()];
    for row in rows {
        for (column, value) in columns.iter_mut().zip(row) {
            column.push(value);
        }
    }
    if columns.first().is_some_and(|column| !column.is_empty()) {
        let mut query = sqlx::query(AssertSqlSafe(insert(table)));
        for column in columns {
            query = query.bind(column);
        }
        query
            .execute(postgres(conn)?)
            .await
            .map_err(|error| MoveError::refused_rows(&table.name, error))?;
    }
    let after = place.after.as_ref().map(serde_json::to_string).transpose();
    sqlx::query(
        "INSERT INTO pugmark.store_move_tables (table_name, place, rows, done) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (table_name) DO UPDATE SET place = excluded.place, rows = excluded.rows, done = excluded.done",
    )
    .bind(&table.name)
    .bind(after.map_err(|error| DbError::Sql(std::sync::Arc::new(sqlx::Error::Encode(Box::new(error)))))?)
    .bind(i64::try_from(place.rows).unwrap_or(i64::MAX))
    .bind(place.done)
    .execute(postgres(conn)?)
    .await?;
    Ok(())
}

/// One array per column, whatever the number of rows.
fn insert(table: &Table) -> String {
    let names: Vec<String> = table
        .columns
        .iter()
        .map(|column| format!("\"{}\"", column.name))
        .collect();
    let (mut arrays, mut aliases, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for (at, column) in table.columns.iter().enumerate() {
        arrays.push(format!("CAST(${} AS TEXT[])", at + 1));
        aliases.push(format!("v{at}"));
        values.push(column.kind.read_from(&format!("r.v{at}")));
    }
    format!(
        "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM unnest({}) AS r({})",
        table.full_name(),
        names.join(", "),
        values.join(", "),
        arrays.join(", "),
        aliases.join(", ")
    )
}

/// Puts references back and has sequences go on where the source's numbers end, in one transaction.
pub(super) async fn put_in_order(
    from: &mut Conn,
    to: &mut Conn,
    tables: &[Table],
) -> Result<(), MoveError> {
    let references: sqlx::types::Json<Vec<Reference>> =
        sqlx::query_scalar("SELECT foreign_keys FROM pugmark.store_moves WHERE side = 'target'")
            .fetch_one(postgres(to)?)
            .await?;
    run(to, "BEGIN".to_owned()).await?;
    for Reference {
        table,
        name,
        definition,
    } in references.0
    {
        let statement = format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}");
        let added = sqlx::raw_sql(AssertSqlSafe(statement))
            .execute(postgres(to)?)
            .await;
        added.map_err(|error| MoveError::refused_rows(&table, error))?;
    }
    for table in tables {
        for Column { name, .. } in table.columns.iter().filter(|column| column.numbered) {
            let last = source::last_number(from, &table.name).await?;
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{full}', '{name}'), GREATEST($1, n.last, 1), GREATEST($1, n.last) > 0) \
                 FROM (SELECT COALESCE(max(\"{name}\"), 0)::bigint AS last FROM {full}) n",
                full = table.full_name()
            );
            sqlx::query(AssertSqlSafe(sql))
                .bind(last)
                .execute(postgres(to)?)
                .await?;
        }
    }
    run(
        to,
        "UPDATE pugmark.store_moves SET state = 'copied' WHERE side = 'target'; COMMIT".to_owned(),
    )
    .await
}

/// Sums up a table. Rows come as the server sends them, in any order.
pub(super) async fn digest(conn: &mut Conn, table: &Table) -> Result<Digest, MoveError> {
    use futures::TryStreamExt;
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|column| column.kind.shown_as(&format!("\"{}\"", column.name)))
        .collect();
    let sql = format!("SELECT {} FROM {}", columns.join(", "), table.full_name());
    let mut digest = Digest::default();
    let mut rows = sqlx::query(AssertSqlSafe(sql)).fetch(postgres(conn)?);
    while let Some(row) = rows.try_next().await? {
        let values: Result<Vec<Option<String>>, sqlx::Error> =
            (0..table.columns.len()).map(|at| row.try_get(at)).collect();
        digest.add(table, &values?);
    }
    Ok(digest)
}
