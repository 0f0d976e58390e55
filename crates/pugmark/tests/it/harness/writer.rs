//! "Any program": what writes MicroBima's tables beside Pugmark.

use std::time::Duration;

use pugmark_queue::db::{Conn, Db, DbError, DbOptions, Engine};
use pugmark_queue::on;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use tokio::time::Instant;

use super::*;

/// "Any program": writes MicroBima's tables with plain SQL, knowing nothing of Pugmark.
pub(crate) struct Writer {
    db: Db,
}

impl Writer {
    /// Another program on the store at this address.
    pub(crate) async fn on(url: &str) -> Self {
        let db = Db::open(url, DbOptions::default())
            .await
            .expect("the store opens a second time");
        Writer { db }
    }

    pub(crate) fn engine(&self) -> Engine {
        self.db.engine()
    }

    /// Runs one statement in a transaction of its own.
    pub(crate) async fn sql(&self, sql: impl Into<String>) {
        self.try_sql(sql).await.expect("the statement runs");
    }

    pub(crate) async fn try_sql(&self, sql: impl Into<String>) -> Result<(), DbError> {
        let sql: String = sql.into();
        self.db
            .write("test", move |conn| {
                Box::pin(async move {
                    on!(conn, |c| sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(c)
                        .await
                        .map(drop))?;
                    Ok::<_, DbError>(())
                })
            })
            .await
    }

    /// The first column of the first row, as text.
    pub(crate) async fn one(&self, sql: impl Into<String>) -> Option<String> {
        let sql: String = sql.into();
        let mut conn: Conn = self.db.read().await.expect("a connection");
        let row: Option<(Option<String>,)> = on!(&mut conn, |c| sqlx::query_as(AssertSqlSafe(sql))
            .fetch_optional(c)
            .await)
        .expect("the query runs");
        row.and_then(|(value,)| value)
    }

    /// The first column of every row, as text; rows without a value are left out.
    pub(crate) async fn column(&self, sql: impl Into<String>) -> Vec<String> {
        let sql: String = sql.into();
        let mut conn: Conn = self.db.read().await.expect("a connection");
        let rows: Vec<Option<String>> = on!(&mut conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(c)
            .await)
        .expect("the query runs");
        rows.into_iter().flatten().collect()
    }

    /// Every customer.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        let sql = "SELECT CAST(\"id\" AS TEXT) AS id, \"firstName\" AS first_name, \"middleName\" AS middle_name, \
                   \"lastName\" AS last_name, \"email\" AS email, \"phoneNumber\" AS phone_number, \
                   CAST(\"dateOfBirth\" AS TEXT) AS date_of_birth, CAST(\"gender\" AS TEXT) AS gender, \
                   CAST(\"idType\" AS TEXT) AS id_type, \"idNumber\" AS id_number, CAST(\"status\" AS TEXT) AS status, \
                   \"isTestUser\" AS is_test FROM customers";
        let mut conn: Conn = self.db.read().await.expect("a connection");
        on!(&mut conn, |c| sqlx::query_as(sql).fetch_all(c).await).expect("the query runs")
    }

    /// The number that a `SELECT count(*)` gives.
    pub(crate) async fn count(&self, from_where: impl std::fmt::Display) -> i64 {
        let text = self
            .one(format!("SELECT CAST(count(*) AS TEXT) FROM {from_where}"))
            .await;
        text.and_then(|text| text.parse().ok()).expect("a count")
    }

    /// Waits until every captured change is planned and every operation has ended, as done or as a dead letter.
    pub(crate) async fn wait_until_idle(&self) {
        // One statement: an operation that ends may leave a change behind, and a change that is planned an operation.
        let waiting = "SELECT CAST((SELECT count(*) FROM change_log WHERE processed_at IS NULL) + \
             (SELECT count(*) FROM vtiger_sync_queue WHERE status <> 'COMPLETED' \
              AND NOT (status = 'FAILED' AND dead_at IS NOT NULL)) AS TEXT)";
        let began = Instant::now();
        let mut least = (i64::MAX, began);
        loop {
            let left = self.one(waiting).await;
            let left: i64 = left.and_then(|text| text.parse().ok()).expect("a count");
            if left == 0 {
                return;
            }
            if left < least.0 {
                least = (left, Instant::now());
            }
            // A busy machine may take long; what has come to a stop, or never does, is told.
            if least.1.elapsed() >= PATIENCE || began.elapsed() >= PATIENCE * 4 {
                panic!("work does not end: {}", self.what_waits().await);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The operations that have not ended, for people.
    async fn what_waits(&self) -> String {
        let sql = "SELECT kind || ' ' || entity_id || ' ' || status || ', attempt ' || CAST(attempts AS TEXT) || ', due ' || \
             CAST(next_attempt_at AS TEXT) || ', ' || COALESCE(blocked_by, '') || ' ' || COALESCE(error_code, '') || ' ' || \
             COALESCE(error_message, '') FROM vtiger_sync_queue WHERE status <> 'COMPLETED' AND dead_at IS NULL \
             ORDER BY created_at LIMIT 10";
        let mut conn: Conn = self.db.read().await.expect("a connection");
        let rows: Vec<Option<String>> =
            on!(&mut conn, |c| sqlx::query_scalar(sql).fetch_all(c).await).expect("the query runs");
        rows.into_iter().flatten().collect::<Vec<_>>().join("\n")
    }

    /// A column of the customer's link, as text.
    pub(crate) async fn link(&self, customer: &str, column: &str) -> Option<String> {
        self.one(format!(
            "SELECT CAST({column} AS TEXT) FROM crm_links WHERE entity_id = '{customer}'"
        ))
        .await
    }

    /// Waits until the customer's link carries this error code.
    pub(crate) async fn wait_for_trouble(&self, customer: &str, code: &str) {
        eventually(code, || async {
            (self.link(customer, "sync_error_code").await.as_deref() == Some(code)).then_some(())
        })
        .await;
    }

    /// Inserts a customer with this last name and gives the id.
    pub(crate) async fn insert_customer(&self, last_name: &str) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.insert_customer_as(&id, last_name, false).await;
        id
    }

    pub(crate) async fn insert_customer_as(&self, id: &str, last_name: &str, test: bool) {
        let last_name = last_name.replace('\'', "''");
        let number = &id[..8];
        self.sql(format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"dateOfBirth\", \"gender\", \
             \"idType\", \"idNumber\", \"status\", \"createdByPartnerId\", \"isTestUser\") \
             VALUES ('{id}', 'Achieng', '{last_name}', '0712345678', '1990-04-12', 'FEMALE', 'NATIONAL_ID', '{number}', \
             'PENDING_ACTIVATION', 1, {test})"
        ))
        .await;
    }

    /// Sets one column of a customer; `value` is an SQL literal.
    pub(crate) async fn set(&self, id: &str, column: &str, value: &str) {
        self.sql(format!(
            "UPDATE customers SET \"{column}\" = {value} WHERE \"id\" = '{id}'"
        ))
        .await;
    }
}

/// A connection of another program, with transactions that last as long as the test wants.
pub(crate) enum Session {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Session {
    /// Connects to the store of this world.
    pub(crate) async fn open(world: &World) -> Self {
        let url = world.store.url();
        if url.starts_with("sqlite:") {
            Session::Sqlite(SqliteConnection::connect(url).await.expect("a connection"))
        } else {
            Session::Postgres(PgConnection::connect(url).await.expect("a connection"))
        }
    }

    /// Runs statements as they are, `BEGIN` and `COMMIT` included.
    pub(crate) async fn run(&mut self, sql: &str) {
        self.try_run(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    pub(crate) async fn try_run(&mut self, sql: &str) -> Result<(), sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self {
            Session::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
            Session::Postgres(connection) => sqlx::raw_sql(sql).execute(connection).await.map(drop),
        }
    }
}

/// The statement that inserts a customer, without Pugmark's knowing anything of it.
pub(crate) fn insert_statement(id: &str, last_name: &str) -> String {
    format!(
        "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"dateOfBirth\", \"gender\", \
         \"idType\", \"idNumber\", \"status\") VALUES ({})",
        customer_values(id, last_name)
    )
}

/// The values of [`insert_statement`], for inserts of several rows.
pub(crate) fn customer_values(id: &str, last_name: &str) -> String {
    let (last_name, number) = (last_name.replace('\'', "''"), &id[..8]);
    format!(
        "'{id}', 'Achieng', '{last_name}', '0712345678', '1990-04-12', 'FEMALE', 'NATIONAL_ID', '{number}', 'PENDING_ACTIVATION'"
    )
}
