//! What PostgreSQL's catalogue says about the role, the database and the tables: what attached mode has to know before it
//! changes anything. The queries work before Pugmark has a schema.

use std::collections::BTreeSet;

use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::on;
use serde_json::json;

/// The role, the server and the database.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Setting {
    /// The role that Pugmark connects as.
    pub role: String,
    /// The database.
    pub database: String,
    /// `server_version_num`, for example 150004.
    pub version_number: i32,
    /// The version for people.
    pub version: String,
    /// Whether the server is a replica that takes no writes.
    pub is_replica: bool,
    /// `session_replication_role` as it comes with the connection; triggers fire when it is `origin`.
    pub replication_role: String,
    /// Whether the role may create a schema.
    pub may_create: bool,
    /// Whether the role may use schema `public`.
    pub may_use_public: bool,
    /// Whether the role may write functions in PL/pgSQL.
    pub may_use_plpgsql: bool,
    /// Owner of schema `pugmark`; `None` while there is none.
    pub schema_owner: Option<String>,
    /// Whether that is this role, or one that it may act as.
    pub owns_schema: bool,
}

/// Reads the setting.
///
/// # Errors
/// Whatever the database says.
pub async fn setting(conn: &mut Conn) -> Result<Setting, DbError> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
            "SELECT current_user::text AS role, current_database()::text AS database, \
                    current_setting('server_version_num')::int AS version_number, \
                    current_setting('server_version') AS version, pg_is_in_recovery() AS is_replica, \
                    current_setting('session_replication_role') AS replication_role, \
                    has_database_privilege(current_database(), 'CREATE') AS may_create, \
                    has_schema_privilege('public', 'USAGE') AS may_use_public, \
                    has_language_privilege('plpgsql', 'USAGE') AS may_use_plpgsql, \
                    (SELECT pg_get_userbyid(n.nspowner)::text FROM pg_namespace n WHERE n.nspname = 'pugmark') AS schema_owner, \
                    COALESCE((SELECT pg_has_role(n.nspowner, 'USAGE') FROM pg_namespace n WHERE n.nspname = 'pugmark'), FALSE) \
                        AS owns_schema",
        )
        .fetch_one(c)
        .await
    })?)
}

/// Roles whose sessions begin with `session_replication_role = replica`, so that no trigger sees what they write.
///
/// # Errors
/// Whatever the database says.
pub async fn roles_without_triggers(conn: &mut Conn) -> Result<Vec<String>, DbError> {
    let rows: Vec<(String,)> = on!(conn, |c| {
        sqlx::query_as(
            "SELECT COALESCE(r.rolname::text, 'every role') FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole \
             WHERE 'session_replication_role=replica' = ANY (s.setconfig) \
             AND (s.setdatabase = 0 OR s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())) \
             ORDER BY 1",
        )
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().map(|(role,)| role).collect())
}

/// One of MicroBima's tables, as this role finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// What is there under that name; `None` when there is nothing.
    pub found: Option<Found>,
}

/// A table that is there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Whether it is a table, and not a view or something else that takes no row trigger.
    pub is_table: bool,
    /// The role that owns it.
    pub owner: String,
    /// Whether that is this role, or one that it may act as.
    pub owned: bool,
    /// Whether row level security hides rows of it from this role. PostgreSQL itself says so: it knows of ownership, FORCE
    /// and BYPASSRLS.
    pub hides_rows: bool,
    /// Whether the role may read it.
    pub may_select: bool,
    /// Whether the role may put a trigger on it.
    pub may_trigger: bool,
    /// Its columns.
    pub columns: BTreeSet<String>,
}

#[derive(sqlx::FromRow)]
struct TableRow {
    name: String,
    kind: Option<String>,
    owner: Option<String>,
    owned: Option<bool>,
    hides_rows: Option<bool>,
    may_select: Option<bool>,
    may_trigger: Option<bool>,
    columns: String,
}

impl From<TableRow> for Table {
    fn from(row: TableRow) -> Self {
        let found = row.kind.map(|kind| Found {
            is_table: kind == "r" || kind == "p",
            owner: row.owner.unwrap_or_default(),
            owned: row.owned.unwrap_or_default(),
            hides_rows: row.hides_rows.unwrap_or_default(),
            may_select: row.may_select.unwrap_or_default(),
            may_trigger: row.may_trigger.unwrap_or_default(),
            columns: serde_json::from_str(&row.columns).unwrap_or_default(),
        });
        Table {
            name: row.name,
            found,
        }
    }
}

/// Tables of a schema, by name, in the order asked for.
///
/// # Errors
/// Whatever the database says.
pub async fn tables(conn: &mut Conn, schema: &str, names: &[&str]) -> Result<Vec<Table>, DbError> {
    let rows: Vec<TableRow> = on!(conn, |c| {
        sqlx::query_as(
            "SELECT wanted.name, c.relkind::text AS kind, pg_get_userbyid(c.relowner)::text AS owner, \
                    pg_has_role(c.relowner, 'USAGE') AS owned, row_security_active(c.oid) AS hides_rows, \
                    has_table_privilege(c.oid, 'SELECT') AS may_select, has_table_privilege(c.oid, 'TRIGGER') AS may_trigger, \
                    COALESCE((SELECT jsonb_agg(a.attname) FROM pg_attribute a \
                              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]')::text AS columns \
             FROM jsonb_array_elements_text(CAST($2 AS JSONB)) WITH ORDINALITY AS wanted (name, place) \
             LEFT JOIN pg_namespace n ON n.nspname = $1 \
             LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name \
             ORDER BY wanted.place",
        )
        .bind(schema)
        .bind(json!(names).to_string())
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().map(Table::from).collect())
}

/// The columns of MicroBima's tables, each as `table.column`, that no index begins with. An index of a part of the rows does
/// not count. Of tables that are not there nothing is said.
///
/// # Errors
/// Whatever the database says.
pub async fn without_index(
    conn: &mut Conn,
    columns: &[(&str, &str)],
) -> Result<Vec<String>, DbError> {
    let wanted: Vec<[&str; 2]> = columns
        .iter()
        .map(|(table, column)| [*table, *column])
        .collect();
    Ok(on!(conn, |c| {
        sqlx::query_scalar(
            "SELECT (wanted.pair->>0) || '.' || (wanted.pair->>1) \
             FROM jsonb_array_elements(CAST($1 AS JSONB)) WITH ORDINALITY AS wanted (pair, place) \
             JOIN pg_namespace n ON n.nspname = 'public' \
             JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.pair->>0 \
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = wanted.pair->>1 AND NOT a.attisdropped \
             WHERE NOT EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid \
                               AND i.indpred IS NULL AND i.indkey[0] = a.attnum) \
             ORDER BY wanted.place",
        )
        .bind(json!(wanted).to_string())
        .fetch_all(c)
        .await
    })?)
}

/// Something of ours, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Thing {
    /// Its name with the schema; functions with parentheses.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// Whether that is this role, or one that it may act as.
    pub owned: bool,
}

/// Tables and functions in schema `pugmark`.
///
/// # Errors
/// Whatever the database says.
pub async fn our_things(conn: &mut Conn) -> Result<Vec<Thing>, DbError> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
            "SELECT 'pugmark.' || c.relname AS name, pg_get_userbyid(c.relowner)::text AS owner, \
                    pg_has_role(c.relowner, 'USAGE') AS owned \
             FROM pg_class c WHERE c.relnamespace = to_regnamespace('pugmark') AND c.relkind = 'r' \
             UNION ALL \
             SELECT 'pugmark.' || p.proname || '()', pg_get_userbyid(p.proowner)::text, pg_has_role(p.proowner, 'USAGE') \
             FROM pg_proc p WHERE p.pronamespace = to_regnamespace('pugmark') ORDER BY 1",
        )
        .fetch_all(c)
        .await
    })?)
}

/// Functions of ours that capture, with the triggers that call them.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CaptureFunction {
    /// Its name without the schema.
    pub name: String,
    /// The role that owns it.
    pub owner: String,
    /// Whether that is this role, or one that it may act as.
    pub owned: bool,
    /// The triggers, each as `name on table`, separated by commas.
    pub triggers: String,
    /// Whether its owner, as whom it runs, sees the rows of `public.policies` that it looks up.
    pub sees_policies: bool,
}

/// Every capture function, whatever version of Pugmark made it.
///
/// # Errors
/// Whatever the database says.
pub async fn capture_functions(conn: &mut Conn) -> Result<Vec<CaptureFunction>, DbError> {
    Ok(on!(conn, |c| {
        sqlx::query_as(
            "SELECT p.proname::text AS name, o.rolname::text AS owner, pg_has_role(p.proowner, 'USAGE') AS owned, \
                    COALESCE((SELECT string_agg(t.tgname || ' on ' || t.tgrelid::regclass::text, ', ' ORDER BY t.tgname) \
                              FROM pg_trigger t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal), '') AS triggers, \
                    COALESCE((SELECT has_table_privilege(p.proowner, l.oid, 'SELECT') \
                                     AND (o.rolsuper OR o.rolbypassrls OR NOT l.relrowsecurity \
                                          OR (pg_has_role(p.proowner, l.relowner, 'USAGE') AND NOT l.relforcerowsecurity)) \
                              FROM pg_class l WHERE l.oid = to_regclass('public.policies')), TRUE) AS sees_policies \
             FROM pg_proc p JOIN pg_roles o ON o.oid = p.proowner \
             WHERE p.pronamespace = to_regnamespace('pugmark') AND p.prorettype = 'trigger'::regtype ORDER BY 1",
        )
        .fetch_all(c)
        .await
    })?)
}

/// Other connections of Pugmark to this database, by the process ids of their backends.
///
/// # Errors
/// Whatever the database says.
pub async fn other_connections(conn: &mut Conn) -> Result<Vec<i32>, DbError> {
    let rows: Vec<(i32,)> = on!(conn, |c| {
        sqlx::query_as(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'pugmark' \
             AND pid <> pg_backend_pid() ORDER BY pid",
        )
        .fetch_all(c)
        .await
    })?;
    Ok(rows.into_iter().map(|(pid,)| pid).collect())
}

/// Migrations that were run, by their versions; none before the first.
///
/// # Errors
/// Whatever the database says.
pub async fn migrated(conn: &mut Conn) -> Result<BTreeSet<i64>, DbError> {
    let (exists,): (bool,) = on!(conn, |c| sqlx::query_as(
        "SELECT to_regclass('pugmark._sqlx_migrations') IS NOT NULL"
    )
    .fetch_one(c)
    .await)?;
    if !exists {
        return Ok(BTreeSet::new());
    }
    let rows: Vec<(i64,)> = on!(conn, |c| sqlx::query_as(
        "SELECT version FROM pugmark._sqlx_migrations WHERE success"
    )
    .fetch_all(c)
    .await)?;
    Ok(rows.into_iter().map(|(version,)| version).collect())
}
