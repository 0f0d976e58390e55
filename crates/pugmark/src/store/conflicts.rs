//! `conflicts`: fields about which a person has to decide.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

/// Why a person has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Both sides changed it, and the mapping says that a person is asked.
    BothChanged,
    /// MicroBima cannot take the CRM's value.
    NotAccepted,
}

impl Kind {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::BothChanged => "both_changed",
            Kind::NotAccepted => "not_accepted",
        }
    }
}

/// What a person chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// MicroBima's value.
    Microbima,
    /// The CRM's value.
    Vtiger,
    /// Another value, typed by the person.
    Value,
}

impl Choice {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Choice::Microbima => "microbima",
            Choice::Vtiger => "vtiger",
            Choice::Value => "value",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Choice::Microbima, Choice::Vtiger, Choice::Value]
            .into_iter()
            .find(|choice| choice.as_str() == word)
    }
}

/// A field that a merge could not settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The source, by the name that a mapping uses.
    pub source: String,
    /// API name of the field.
    pub field: String,
    /// What people call it.
    pub label: String,
    /// Why.
    pub kind: Kind,
    /// What was last agreed on, as the CRM stores it.
    pub base: Option<String>,
    /// What MicroBima would have the CRM show.
    pub ours: String,
    /// What the CRM shows.
    pub theirs: String,
    /// Why MicroBima cannot take the CRM's value.
    pub reason: Option<String>,
}

/// A stored conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Its number (UUIDv7).
    pub id: String,
    /// The customer.
    pub customer_id: String,
    /// The source.
    pub source: String,
    /// API name of the field.
    pub field: String,
    /// What people call it.
    pub label: String,
    /// `both_changed` or `not_accepted`.
    pub kind: String,
    /// What was last agreed on.
    pub base: Option<String>,
    /// MicroBima's value.
    pub ours: String,
    /// The CRM's value.
    pub theirs: String,
    /// Why MicroBima cannot take the CRM's value.
    pub reason: Option<String>,
    /// `OPEN`, `DECIDED` (chosen and not carried out yet) or `RESOLVED`.
    pub status: String,
    /// What a person chose.
    pub choice: Option<Choice>,
    /// The value that the person typed.
    pub chosen_value: Option<String>,
    /// Who chose.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Ts>,
    /// Why.
    pub decided_why: Option<String>,
    /// `decided` or `by itself`.
    pub resolution: Option<String>,
    /// When it ended.
    pub resolved_at: Option<Ts>,
    /// When it was found.
    pub found_at: Ts,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    customer_id: String,
    source: String,
    field: String,
    label: String,
    kind: String,
    base: Option<String>,
    ours: String,
    theirs: String,
    reason: Option<String>,
    status: String,
    choice: Option<String>,
    chosen_value: Option<String>,
    decided_by: Option<String>,
    decided_at: Option<Ts>,
    decided_why: Option<String>,
    resolution: Option<String>,
    resolved_at: Option<Ts>,
    found_at: Ts,
}

impl From<Row> for Conflict {
    fn from(row: Row) -> Self {
        Conflict {
            choice: row.choice.as_deref().and_then(Choice::parse),
            id: row.id,
            customer_id: row.customer_id,
            source: row.source,
            field: row.field,
            label: row.label,
            kind: row.kind,
            base: row.base,
            ours: row.ours,
            theirs: row.theirs,
            reason: row.reason,
            status: row.status,
            chosen_value: row.chosen_value,
            decided_by: row.decided_by,
            decided_at: row.decided_at,
            decided_why: row.decided_why,
            resolution: row.resolution,
            resolved_at: row.resolved_at,
            found_at: row.found_at,
        }
    }
}

const COLUMNS: &str = "id, customer_id, source, field, label, kind, base, ours, theirs, reason, status, choice, chosen_value, \
     decided_by, decided_at, decided_why, resolution, resolved_at, found_at";

/// What is unresolved about a customer.
///
/// # Errors
/// Whatever the database says.
pub async fn unresolved(conn: &mut Conn, customer: &str) -> Result<Vec<Conflict>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM conflicts WHERE customer_id = $1 AND status <> 'RESOLVED' ORDER BY source"
    );
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(customer)
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Conflict::from).collect())
}

/// A customer's conflicts that were found at this time or before, resolved or not, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn of_customer(
    conn: &mut Conn,
    customer: &str,
    until: Ts,
    limit: u32,
) -> Result<Vec<Conflict>, DbError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM conflicts WHERE customer_id = $1 AND found_at <= $2 ORDER BY found_at DESC LIMIT $3"
    );
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(customer)
        .bind(until)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Conflict::from).collect())
}

/// One conflict.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Conflict>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM conflicts WHERE id = $1");
    let row: Option<Row> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?;
    Ok(row.map(Conflict::from))
}

/// Which conflicts a list shows.
#[derive(Debug, Clone, Default)]
pub struct Wanted<'a> {
    /// Resolved ones, instead of those that wait for a person or for being carried out.
    pub resolved: bool,
    /// Of one customer only.
    pub customer: Option<&'a str>,
    /// Behind this one, by its time and number.
    pub after: Option<(Ts, &'a str)>,
    /// At most so many.
    pub limit: u32,
}

/// The statement behind [`list`], for tests of its plan.
pub fn list_sql(wanted: &Wanted<'_>) -> String {
    let status = match wanted.resolved {
        true => "status = 'RESOLVED'",
        false => "status IN ('OPEN', 'DECIDED')",
    };
    let customer = match wanted.customer {
        Some(_) => "customer_id = $1",
        None => "CAST($1 AS TEXT) IS NULL",
    };
    let after = match wanted.after {
        Some(_) => "(found_at, id) < ($2, $3)",
        None => "$2 IS NOT NULL AND CAST($3 AS TEXT) IS NOT NULL",
    };
    format!(
        "SELECT {COLUMNS} FROM conflicts WHERE {status} AND {customer} AND {after} ORDER BY found_at DESC, id DESC LIMIT $4"
    )
}

/// Conflicts, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, wanted: &Wanted<'_>) -> Result<Vec<Conflict>, DbError> {
    let (at, id) = wanted.after.unwrap_or((Ts::now(), ""));
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(list_sql(wanted)))
        .bind(wanted.customer)
        .bind(at)
        .bind(id)
        .bind(i64::from(wanted.limit))
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Conflict::from).collect())
}

/// How many wait for a person.
///
/// # Errors
/// Whatever the database says.
pub async fn open(conn: &mut Conn) -> Result<i64, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(
        "SELECT COUNT(*) FROM conflicts WHERE status = 'OPEN'"
    )
    .fetch_one(c)
    .await)?)
}

/// Brings the desk to what a merge found about a customer: what is found again stays the one conflict that it is, what is
/// not found any more is resolved. A choice made for just these values stays.
///
/// # Errors
/// Whatever the database says.
pub async fn settle(
    conn: &mut Conn,
    customer: &str,
    found: &[Found],
    decided: &[String],
    correlation_id: Option<&str>,
    now: Ts,
) -> Result<(), DbError> {
    for conflict in unresolved(conn, customer).await? {
        if found.iter().any(|found| found.source == conflict.source) {
            continue;
        }
        let how = match decided.contains(&conflict.source) {
            true => "decided",
            false => "by itself",
        };
        resolve(conn, &conflict.id, how, now).await?;
    }
    for found in found {
        store(conn, customer, found, correlation_id, now).await?;
    }
    Ok(())
}

async fn resolve(conn: &mut Conn, id: &str, how: &str, now: Ts) -> Result<(), DbError> {
    let sql = "UPDATE conflicts SET status = 'RESOLVED', resolution = $2, resolved_at = $3, updated_at = $3 WHERE id = $1";
    Ok(on!(conn, |c| sqlx::query(sql)
        .bind(id)
        .bind(how)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?)
}

/// A choice for other values than these is none; nor is the CRM's value a choice that MicroBima cannot take.
async fn store(
    conn: &mut Conn,
    customer: &str,
    found: &Found,
    correlation_id: Option<&str>,
    now: Ts,
) -> Result<(), DbError> {
    const SAME: &str = "conflicts.ours = excluded.ours AND conflicts.theirs = excluded.theirs \
         AND (excluded.kind = 'both_changed' OR conflicts.choice = 'microbima')";
    let sql = format!(
        "INSERT INTO conflicts (id, customer_id, source, field, label, kind, base, ours, theirs, reason, correlation_id, \
         found_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12) \
         ON CONFLICT (customer_id, source) WHERE status <> 'RESOLVED' DO UPDATE SET field = excluded.field, \
         label = excluded.label, kind = excluded.kind, base = excluded.base, ours = excluded.ours, theirs = excluded.theirs, \
         reason = excluded.reason, updated_at = excluded.updated_at, \
         status = CASE WHEN {SAME} THEN conflicts.status ELSE 'OPEN' END, \
         choice = CASE WHEN {SAME} THEN conflicts.choice END, \
         chosen_value = CASE WHEN {SAME} THEN conflicts.chosen_value END"
    );
    Ok(on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(Uuid::now_v7().to_string())
        .bind(customer)
        .bind(&found.source)
        .bind(&found.field)
        .bind(&found.label)
        .bind(found.kind.as_str())
        .bind(found.base.as_deref())
        .bind(&found.ours)
        .bind(&found.theirs)
        .bind(found.reason.as_deref())
        .bind(correlation_id)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?)
}

/// A person's choice.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What is to be done.
    pub choice: Choice,
    /// The value that the person typed.
    pub value: Option<String>,
    /// Who.
    pub by: String,
    /// Why.
    pub why: Option<String>,
}

/// Notes a person's choice; `false` when the conflict is not open any more.
///
/// # Errors
/// Whatever the database says.
pub async fn decide(
    conn: &mut Conn,
    id: &str,
    decision: &Decision,
    now: Ts,
) -> Result<bool, DbError> {
    let sql = "UPDATE conflicts SET status = 'DECIDED', choice = $2, chosen_value = $3, decided_by = $4, decided_why = $5, \
               decided_at = $6, updated_at = $6 WHERE id = $1 AND status = 'OPEN'";
    let rows = on!(conn, |c| sqlx::query(sql)
        .bind(id)
        .bind(decision.choice.as_str())
        .bind(decision.value.as_deref())
        .bind(&decision.by)
        .bind(decision.why.as_deref())
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(rows == 1)
}

/// Customers about whose field of this source a person is asked, because both sides changed it.
///
/// # Errors
/// Whatever the database says.
pub async fn customers_asked(
    conn: &mut Conn,
    source: &str,
    limit: u32,
) -> Result<Vec<String>, DbError> {
    let sql = "SELECT customer_id FROM conflicts WHERE status = 'OPEN' AND source = $1 AND kind = 'both_changed' \
               ORDER BY found_at LIMIT $2";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(source)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}
