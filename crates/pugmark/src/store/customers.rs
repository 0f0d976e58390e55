//! MicroBima's `customers`, read and written under its own column names.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::page::{Place, Wanted};
use super::{dialect, rows_changed};

pub mod badges;
pub mod search;

/// A customer row, with the columns that the CRM or people see. Enum columns are read as text: a label that this
/// program does not know must not stop it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Customer {
    /// UUID, as text.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Middle name.
    pub middle_name: Option<String>,
    /// Last name.
    pub last_name: String,
    /// E-mail, case as typed.
    pub email: Option<String>,
    /// Phone number as typed.
    pub phone_number: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// Label of MicroBima's enum `Gender`.
    pub gender: Option<String>,
    /// Label of `IdType`.
    pub id_type: String,
    /// Number of that document.
    pub id_number: String,
    /// Label of `CustomerStatus`.
    pub status: String,
    /// Test customers never reach the CRM.
    pub is_test_user: bool,
    /// When the row was made.
    pub created_at: Ts,
    /// When the application last wrote it; no sign of a change.
    pub updated_at: Ts,
}

impl Customer {
    /// Hash of the columns that the CRM sees. The gap sweep compares it with what was last delivered.
    pub fn content_hash(&self) -> String {
        let mut hash = Sha256::new();
        let optional = |value: &Option<String>| value.clone();
        for value in [
            Some(self.first_name.clone()),
            optional(&self.middle_name),
            Some(self.last_name.clone()),
            optional(&self.email),
            Some(self.phone_number.clone()),
            optional(&self.date_of_birth),
            optional(&self.gender),
            Some(self.id_type.clone()),
            Some(self.id_number.clone()),
            Some(self.status.clone()),
            Some(self.is_test_user.to_string()),
        ] {
            // The length in front keeps ("ab", "c") apart from ("a", "bc"), the flag NULL from "".
            match value {
                Some(value) => {
                    hash.update([1]);
                    hash.update((value.len() as u64).to_be_bytes());
                    hash.update(value.as_bytes());
                }
                None => hash.update([0]),
            }
        }
        hex::encode(hash.finalize())
    }
}

/// A customer with the state of its link, for lists and details.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CustomerView {
    /// The row itself.
    #[sqlx(flatten)]
    pub customer: Customer,
    /// Where the row stands in a list; [`Place::parse`] reads it.
    pub place: String,
    /// Id of the contact in vTiger.
    pub vtiger_id: Option<String>,
    /// `PENDING`, `SYNCING`, `SYNCED`, `FAILED`; `None` when no change of it was ever planned.
    pub sync_status: Option<String>,
    /// When both sides last agreed.
    pub last_synced_at: Option<Ts>,
    /// Why it is not in step.
    pub sync_error: Option<String>,
    /// The code of that reason.
    pub sync_error_code: Option<String>,
    /// What had to be adapted, a JSON list.
    pub warnings: Option<String>,
}

fn columns(engine: Engine) -> String {
    format!(
        "CAST(c.\"id\" AS TEXT) AS id, c.\"firstName\" AS first_name, c.\"middleName\" AS middle_name, \
         c.\"lastName\" AS last_name, c.\"email\" AS email, c.\"phoneNumber\" AS phone_number, \
         CAST(c.\"dateOfBirth\" AS TEXT) AS date_of_birth, CAST(c.\"gender\" AS TEXT) AS gender, \
         CAST(c.\"idType\" AS TEXT) AS id_type, c.\"idNumber\" AS id_number, CAST(c.\"status\" AS TEXT) AS status, \
         c.\"isTestUser\" AS is_test_user, {} AS created_at, {} AS updated_at",
        dialect::instant(engine, "c.\"createdAt\""),
        dialect::instant(engine, "c.\"updatedAt\""),
    )
}

/// While an operation of the customer is being delivered, its status reads `SYNCING`; while one waits, `PENDING`; when one
/// has become a dead letter that no newer one took over, `FAILED`.
const SYNC_STATUS: &str = "CASE WHEN EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.lane = 'customer:' || l.entity_id \
                      AND q.status = 'PROCESSING') THEN 'SYNCING' \
         WHEN EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.lane = 'customer:' || l.entity_id \
                      AND q.unfinished = 1) THEN 'PENDING' \
         WHEN EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.entity_type = 'CUSTOMER' AND q.entity_id = l.entity_id \
                      AND q.status = 'FAILED' AND q.dead_at IS NOT NULL AND q.heir IS NULL) THEN 'FAILED' \
         ELSE l.sync_status END";

fn view_columns(engine: Engine) -> String {
    format!(
        "{}, {} AS place, l.vtiger_id, l.last_synced_at, l.sync_error, l.sync_error_code, \
         CAST(l.warnings AS TEXT) AS warnings, {SYNC_STATUS} AS sync_status",
        columns(engine),
        dialect::place(engine, "c.\"createdAt\""),
    )
}

const LINK_JOIN: &str =
    "LEFT JOIN crm_links l ON l.entity_type = 'CUSTOMER' AND l.entity_id = CAST(c.\"id\" AS TEXT)";

/// One customer.
///
/// # Errors
/// Whatever the database says; a column that holds no valid text is named in the error.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Customer>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {} FROM customers c WHERE c.\"id\" = {}",
        columns(engine),
        dialect::uuid_parameter(engine, 1)
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// One customer, held until the transaction ends, so that a change laid over it loses no other one.
///
/// # Errors
/// Whatever the database says.
pub async fn get_for_update(conn: &mut Conn, id: &str) -> Result<Option<Customer>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {} FROM customers c WHERE c.\"id\" = {} {}",
        columns(engine),
        dialect::uuid_parameter(engine, 1),
        dialect::for_update(engine),
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// One customer with its link.
///
/// # Errors
/// Whatever the database says.
pub async fn view(conn: &mut Conn, id: &str) -> Result<Option<CustomerView>, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {} FROM customers c {LINK_JOIN} WHERE c.\"id\" = {}",
        view_columns(engine),
        dialect::uuid_parameter(engine, 1)
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id)
        .fetch_optional(c)
        .await)?)
}

/// Which customers a list shows.
#[derive(Debug, Clone, Default)]
pub struct CustomerFilter {
    /// Part of a name, e-mail, phone or id number; letters of any case.
    pub search: Option<String>,
    /// Only customers whose link stands in this status.
    pub sync_status: Option<&'static str>,
    /// Which part of the list.
    pub wanted: Wanted,
}

/// The page of a list as SQL with the parameters $1 (search pattern), $2 (status), $3 (id), $4 (place), $5 (limit).
///
/// Every form names every parameter. What is not asked for stands there as a condition on the parameter alone, and not as
/// `$1 IS NULL OR ...` on each row: a plan that does not know the parameters would read the whole table for that.
fn list_sql(engine: Engine, filter: &CustomerFilter) -> String {
    let created = "c.\"createdAt\"";
    let named = "c.\"firstName\" || ' ' || COALESCE(c.\"middleName\" || ' ', '') || c.\"lastName\" || ' ' \
                 || COALESCE(c.\"email\", '') || ' ' || c.\"phoneNumber\" || ' ' || c.\"idNumber\"";
    let search = match filter.search {
        None => "CAST($1 AS TEXT) IS NULL".to_owned(),
        Some(_) => dialect::contains(engine, named, 1),
    };
    let status = match filter.sync_status {
        None => "CAST($2 AS TEXT) IS NULL".to_owned(),
        Some(_) => format!("{SYNC_STATUS} = $2"),
    };
    let further = match &filter.wanted.after {
        None => "CAST($3 AS TEXT) IS NULL AND CAST($4 AS TEXT) IS NULL".to_owned(),
        Some((place, _)) => format!(
            "({created}, c.\"id\") < ({}, {})",
            dialect::place_parameter(engine, 4, matches!(place, Place::Text(_))),
            dialect::uuid_parameter(engine, 3),
        ),
    };
    format!(
        "SELECT {columns} FROM customers c {LINK_JOIN} WHERE {search} AND {status} AND {further} \
         ORDER BY {created} DESC, c.\"id\" DESC LIMIT $5",
        columns = view_columns(engine),
    )
}

/// Customers, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, filter: &CustomerFilter) -> Result<Vec<CustomerView>, DbError> {
    let engine = conn.engine();
    let (place, id) = filter.wanted.parameters();
    let sql = list_sql(engine, filter);
    let pattern = filter
        .search
        .as_deref()
        .map(|text| dialect::containing(engine, text.trim()));
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(pattern)
        .bind(filter.sync_status)
        .bind(id)
        .bind(place)
        .bind(i64::from(filter.wanted.limit))
        .fetch_all(c)
        .await)?)
}

/// The statements whose cost must not grow with the tables, by name, for tests of their plans.
pub fn hot_queries(engine: Engine) -> [(&'static str, String); 3] {
    let view = format!(
        "SELECT {} FROM customers c {LINK_JOIN} WHERE c.\"id\" = {}",
        view_columns(engine),
        dialect::uuid_parameter(engine, 1)
    );
    let further = CustomerFilter {
        wanted: Wanted {
            after: Some((Place::Instant(0), String::new())),
            limit: 0,
        },
        ..CustomerFilter::default()
    };
    [
        ("view", view),
        ("first page", list_sql(engine, &CustomerFilter::default())),
        ("further page", list_sql(engine, &further)),
    ]
}

/// Inserts a customer.
///
/// # Errors
/// [`DbError`] with the violated constraint when the e-mail or the document is taken.
pub async fn insert(
    conn: &mut Conn,
    new: &Customer,
    partner_id: i32,
    created_by: Option<&str>,
) -> Result<(), DbError> {
    let engine = conn.engine();
    let sql = format!(
        "INSERT INTO customers (\"id\", \"firstName\", \"middleName\", \"lastName\", \"email\", \"phoneNumber\", \
         \"dateOfBirth\", \"gender\", \"idType\", \"idNumber\", \"status\", \"createdByPartnerId\", \"isTestUser\", \
         \"createdBy\", \"createdAt\", \"updatedAt\") \
         VALUES ({id}, $2, $3, $4, $5, $6, {birth}, {gender}, {id_type}, $10, {status}, $12, $13, $14, {created}, {updated})",
        id = dialect::uuid_parameter(engine, 1),
        birth = dialect::date_parameter(engine, 7),
        gender = dialect::enum_parameter(engine, 8, "Gender"),
        id_type = dialect::enum_parameter(engine, 9, "IdType"),
        status = dialect::enum_parameter(engine, 11, "CustomerStatus"),
        created = dialect::instant_parameter(engine, 15),
        updated = dialect::instant_parameter(engine, 16),
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(&new.id)
        .bind(&new.first_name)
        .bind(new.middle_name.as_deref())
        .bind(&new.last_name)
        .bind(new.email.as_deref())
        .bind(&new.phone_number)
        .bind(new.date_of_birth.as_deref())
        .bind(new.gender.as_deref())
        .bind(&new.id_type)
        .bind(&new.id_number)
        .bind(&new.status)
        .bind(partner_id)
        .bind(new.is_test_user)
        .bind(created_by)
        .bind(new.created_at)
        .bind(new.updated_at)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Writes every editable column of a customer and says whether the row was there.
///
/// # Errors
/// [`DbError`] with the violated constraint when the e-mail or the document is taken.
pub async fn update(
    conn: &mut Conn,
    customer: &Customer,
    updated_by: Option<&str>,
    now: Ts,
) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE customers SET \"firstName\" = $2, \"middleName\" = $3, \"lastName\" = $4, \"email\" = $5, \
         \"phoneNumber\" = $6, \"dateOfBirth\" = {birth}, \"gender\" = {gender}, \"idType\" = {id_type}, \
         \"idNumber\" = $10, \"status\" = {status}, \"isTestUser\" = $12, \"updatedBy\" = $13, \"updatedAt\" = {now} \
         WHERE \"id\" = {id}",
        id = dialect::uuid_parameter(engine, 1),
        birth = dialect::date_parameter(engine, 7),
        gender = dialect::enum_parameter(engine, 8, "Gender"),
        id_type = dialect::enum_parameter(engine, 9, "IdType"),
        status = dialect::enum_parameter(engine, 11, "CustomerStatus"),
        now = dialect::instant_parameter(engine, 14),
    );
    let rows = on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(&customer.id)
        .bind(&customer.first_name)
        .bind(customer.middle_name.as_deref())
        .bind(&customer.last_name)
        .bind(customer.email.as_deref())
        .bind(&customer.phone_number)
        .bind(customer.date_of_birth.as_deref())
        .bind(customer.gender.as_deref())
        .bind(&customer.id_type)
        .bind(&customer.id_number)
        .bind(&customer.status)
        .bind(customer.is_test_user)
        .bind(updated_by)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
    Ok(rows > 0)
}

/// Sets the status and the time that goes with it. `false` when the customer has that status already; then nothing is
/// written.
///
/// # Errors
/// Whatever the database says.
pub async fn set_status(conn: &mut Conn, id: &str, status: &str, now: Ts) -> Result<bool, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE customers SET \"status\" = {status}, \"deactivatedAt\" = \
         CASE WHEN CAST($2 AS TEXT) IN ('DEACTIVATED', 'TERMINATED') THEN {now} END, \"updatedAt\" = {now} \
         WHERE \"id\" = {id} AND \"status\" <> {status}",
        id = dialect::uuid_parameter(engine, 1),
        status = dialect::enum_parameter(engine, 2, "CustomerStatus"),
        now = dialect::instant_parameter(engine, 3),
    );
    rows_changed!(conn, sql, id, status, now)
}

/// Rewrites whether the customer has an open missing requirement, mostly with the same value, as MicroBima does.
///
/// # Errors
/// Whatever the database says.
pub async fn note_missing_requirements(conn: &mut Conn, id: &str, now: Ts) -> Result<(), DbError> {
    let engine = conn.engine();
    let sql = format!(
        "UPDATE customers SET \"hasMissingRequirements\" = EXISTS (SELECT 1 FROM missing_requirements m \
         WHERE m.\"customerId\" = {id} AND m.\"status\" = 'PENDING'), \"updatedAt\" = {now} WHERE \"id\" = {id}",
        id = dialect::uuid_parameter(engine, 1),
        now = dialect::instant_parameter(engine, 2),
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Removes a customer with everything that belongs to it, children first. `false` when there is none.
///
/// # Errors
/// [`DbError`] with the violated constraint when a table that this program does not know still needs the row.
pub async fn delete(conn: &mut Conn, id: &str) -> Result<bool, DbError> {
    let customer = dialect::uuid_parameter(conn.engine(), 1);
    for table in [
        "missing_requirements",
        "agent_registrations",
        "package_scheme_customers",
        "partner_customers",
        "entity_status_changes",
        "dependants",
        "beneficiaries",
    ] {
        let sql = format!("DELETE FROM {table} WHERE \"customerId\" = {customer}");
        execute(conn, sql, id).await?;
    }
    let payments = format!(
        "DELETE FROM policy_payments WHERE \"policyId\" IN \
         (SELECT p.\"id\" FROM policies p WHERE p.\"customerId\" = {customer})"
    );
    execute(conn, payments, id).await?;
    let policies = format!("DELETE FROM policies WHERE \"customerId\" = {customer}");
    execute(conn, policies, id).await?;
    let sql = format!("DELETE FROM customers WHERE \"id\" = {customer}");
    rows_changed!(conn, sql, id)
}

async fn execute(conn: &mut Conn, sql: String, id: &str) -> Result<(), DbError> {
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(id)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// A customer as the gap sweep sees it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Swept {
    /// The row itself.
    #[sqlx(flatten)]
    pub customer: Customer,
    /// Hash of what was last delivered.
    pub row_hash: Option<String>,
    /// Whether a link was ever begun.
    pub known: bool,
    /// Whether an operation of it is still to run, or has failed for good: then there is nothing to heal.
    pub unfinished: bool,
}

/// A page of the gap sweep.
#[derive(Debug, Clone, Default)]
pub struct SweepPage {
    /// How many rows there were.
    pub seen: usize,
    /// Those that can be read.
    pub rows: Vec<Swept>,
    /// Those that cannot, each with its id and the reason: SQLite keeps whatever a program writes.
    pub unreadable: Vec<(String, String)>,
    /// Where the next page begins; `None` after the last row.
    pub last: Option<String>,
}

impl SweepPage {
    fn add<R: Row>(&mut self, row: &R)
    where
        Swept: for<'r> FromRow<'r, R>,
        for<'r> String: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,
        &'static str: sqlx::ColumnIndex<R>,
    {
        self.seen += 1;
        let id: Option<String> = row.try_get("id").ok();
        match Swept::from_row(row) {
            Ok(swept) => self.rows.push(swept),
            Err(error) => {
                let id = id.clone().unwrap_or_default();
                self.unreadable.push((id, error.to_string()));
            }
        }
        self.last = id.or(self.last.take());
    }
}

/// A page of customers in the order of their ids, after `after`, for the gap sweep.
///
/// # Errors
/// Whatever the database says.
pub async fn sweep_page(
    conn: &mut Conn,
    after: Option<&str>,
    limit: u32,
) -> Result<SweepPage, DbError> {
    let engine = conn.engine();
    let sql = format!(
        "SELECT {columns}, l.row_hash, (l.entity_id IS NOT NULL) AS known, \
                (EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.entity_type = 'CUSTOMER' \
                         AND q.entity_id = CAST(c.\"id\" AS TEXT) AND q.status <> 'COMPLETED') \
                 OR EXISTS (SELECT 1 FROM change_log g WHERE g.table_name = 'customers' \
                            AND g.row_key = CAST(c.\"id\" AS TEXT) AND g.processed_at IS NULL)) AS unfinished \
         FROM customers c {LINK_JOIN} WHERE {further} ORDER BY c.\"id\" LIMIT $2",
        columns = columns(engine),
        // A plan that does not know whether there is a beginning would read the table from its beginning for each page.
        further = match after {
            None => "CAST($1 AS TEXT) IS NULL".to_owned(),
            Some(_) => format!("c.\"id\" > {}", dialect::uuid_parameter(engine, 1)),
        },
    );
    Ok(on!(conn, |c| {
        let rows = sqlx::query(AssertSqlSafe(sql))
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(c)
            .await?;
        let mut page = SweepPage::default();
        rows.iter().for_each(|row| page.add(row));
        page
    }))
}

/// Ids whose contact is linked and not withdrawn although the customer's row is gone.
///
/// # Errors
/// Whatever the database says.
pub async fn orphaned_links(conn: &mut Conn, limit: u32) -> Result<Vec<String>, DbError> {
    let rows: Vec<(String,)> = on!(conn, |c| {
        sqlx::query_as(
        "SELECT l.entity_id FROM crm_links l WHERE l.entity_type = 'CUSTOMER' AND NOT l.withdrawn \
         AND l.vtiger_id IS NOT NULL \
         AND NOT EXISTS (SELECT 1 FROM customers c WHERE CAST(c.\"id\" AS TEXT) = l.entity_id) \
         AND NOT EXISTS (SELECT 1 FROM vtiger_sync_queue q WHERE q.entity_type = 'CUSTOMER' \
                         AND q.entity_id = l.entity_id AND q.status <> 'COMPLETED') \
         AND NOT EXISTS (SELECT 1 FROM change_log g WHERE g.table_name = 'customers' \
                         AND g.row_key = l.entity_id AND g.processed_at IS NULL) \
         LIMIT $1"
    )
    .bind(i64::from(limit))
    .fetch_all(c)
    .await
    })?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}
