//! `lead_conversions`: converted leads on their way to becoming customers.

mod notice;

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::{AssertSqlSafe, QueryBuilder};

use super::dialect::json_object;

pub use notice::{Claim, IS_OPEN, Notice, contact_of, is_open, notice};

/// Where a conversion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Noticed, and to be looked at.
    Open,
    /// Something that a customer needs is missing.
    Incomplete,
    /// It looks like a customer there is already.
    Undecided,
    /// MicroBima was asked to make the customer, or is just being asked.
    Reserved,
    /// There is a customer, linked to the contact.
    Done,
    /// Nothing can be made of it.
    Refused,
}

impl State {
    /// Every state.
    pub const ALL: [State; 6] = [
        State::Open,
        State::Incomplete,
        State::Undecided,
        State::Reserved,
        State::Done,
        State::Refused,
    ];

    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Open => "OPEN",
            State::Incomplete => "INCOMPLETE",
            State::Undecided => "UNDECIDED",
            State::Reserved => "RESERVED",
            State::Done => "DONE",
            State::Refused => "REFUSED",
        }
    }

    /// Reads the word, in letters of any case.
    pub fn parse(word: &str) -> Option<Self> {
        State::ALL
            .into_iter()
            .find(|state| state.as_str().eq_ignore_ascii_case(word.trim()))
    }
}

/// A conversion as kept.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Conversion {
    /// Its number; later ones have higher ones.
    pub id: i64,
    /// The contact; of a conversion that names none, the lead.
    pub record_id: String,
    /// `Contacts` or `Leads`.
    pub module: String,
    /// The lead, when it is known.
    pub lead_id: Option<String>,
    /// By [`Claim::parse`].
    pub claim: String,
    /// Who noticed it.
    pub noticed_by: String,
    /// By [`State::parse`].
    pub state: String,
    /// What an operator filled in, a JSON object by field.
    pub given: String,
    /// What is missing or wrong, a JSON object by field.
    pub missing: String,
    /// The partner's reference that was sent.
    pub partner_reference: Option<String>,
    /// What the contact held of our fields when it was read, a JSON object.
    pub snapshot: String,
    /// When the last call began that may have made the customer.
    pub sent_at: Option<Ts>,
    /// A customer who may be the same person.
    pub candidate_id: Option<String>,
    /// The customer that a person decided on.
    pub decided_id: Option<String>,
    /// Who decided.
    pub decided_by: Option<String>,
    /// The customer it became.
    pub customer_id: Option<String>,
    /// Why it stands still.
    pub error_code: Option<String>,
    /// The same, for people.
    pub message: Option<String>,
    /// Correlation id of the first notice.
    pub correlation_id: String,
    /// When it was first noticed.
    pub created_at: Ts,
    /// When it last changed.
    pub updated_at: Ts,
}

impl Conversion {
    /// Where it stands.
    pub fn standing(&self) -> State {
        State::parse(&self.state).unwrap_or(State::Open)
    }

    /// What an operator filled in, by field.
    pub fn given(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.given).unwrap_or_default()
    }

    /// What the contact held of our fields.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&self.snapshot).unwrap_or_default()
    }
}

const COLUMNS: &str = "id, record_id, module, lead_id, claim, noticed_by, state, given, missing, partner_reference, snapshot, \
     sent_at, candidate_id, decided_id, decided_by, customer_id, error_code, message, correlation_id, created_at, updated_at";

/// The conversion of a record.
///
/// # Errors
/// Whatever the database says.
pub async fn get(conn: &mut Conn, record: &str) -> Result<Option<Conversion>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM lead_conversions WHERE record_id = $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(record)
        .fetch_optional(c)
        .await)?)
}

/// Which conversions a list shows. What is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct ConversionFilter {
    /// In this state.
    pub state: Option<State>,
    /// Older than the one with this number.
    pub before: Option<i64>,
    /// Most conversions.
    pub limit: u32,
}

/// Conversions, newest first.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn, filter: &ConversionFilter) -> Result<Vec<Conversion>, DbError> {
    Ok(on!(conn, |c, DB| {
        let mut query = QueryBuilder::<DB>::new(format!(
            "SELECT {COLUMNS} FROM lead_conversions WHERE 1 = 1"
        ));
        if let Some(state) = filter.state {
            query.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(before) = filter.before {
            query.push(" AND id < ").push_bind(before);
        }
        query
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(i64::from(filter.limit));
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Why a conversion stands still.
#[derive(Debug, Clone)]
pub struct Standstill {
    /// Where it stands.
    pub state: State,
    /// What is missing or wrong, by field.
    pub missing: BTreeMap<String, String>,
    /// A customer who may be the same person.
    pub candidate: Option<String>,
    /// The code of the reason.
    pub code: &'static str,
    /// The reason, for people.
    pub message: String,
}

/// Notes that a conversion stands still. Nothing is under way then: its reservation ends.
///
/// # Errors
/// Whatever the database says.
pub async fn set_still(
    conn: &mut Conn,
    record: &str,
    still: &Standstill,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE lead_conversions SET state = $2, missing = $3, candidate_id = $4, error_code = $5, message = $6, \
               id_type = NULL, id_number = NULL, sent_at = NULL, updated_at = $7 WHERE record_id = $1 AND state <> 'DONE'";
    let missing = json_object(&still.missing);
    on!(conn, |c| sqlx::query(sql)
        .bind(record)
        .bind(still.state.as_str())
        .bind(missing)
        .bind(still.candidate.as_deref())
        .bind(still.code)
        .bind(&still.message)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Notes why a conversion that goes on by itself has not gone on; everything else stays.
///
/// # Errors
/// Whatever the database says.
pub async fn set_trouble(
    conn: &mut Conn,
    record: &str,
    code: &str,
    message: &str,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE lead_conversions SET error_code = $2, message = $3, updated_at = $4 \
               WHERE record_id = $1 AND state <> 'DONE'";
    on!(conn, |c| sqlx::query(sql)
        .bind(record)
        .bind(code)
        .bind(message)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// What is reserved before MicroBima is asked.
#[derive(Debug, Clone)]
pub struct Reservation {
    /// Label of `IdType`.
    pub id_type: String,
    /// Number of the document.
    pub id_number: String,
    /// The partner's reference.
    pub reference: String,
    /// What the contact held of our fields.
    pub snapshot: BTreeMap<String, String>,
}

/// Reserves the document, before a call that may make the customer.
///
/// # Errors
/// A unique violation when another conversion has reserved the same document.
pub async fn reserve(
    conn: &mut Conn,
    record: &str,
    reservation: &Reservation,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE lead_conversions SET state = 'RESERVED', id_type = $2, id_number = $3, partner_reference = $4, \
               snapshot = $5, sent_at = $6, missing = '{}', candidate_id = NULL, error_code = NULL, message = NULL, \
               updated_at = $6 WHERE record_id = $1 AND state <> 'DONE'";
    let snapshot = json_object(&reservation.snapshot);
    on!(conn, |c| sqlx::query(sql)
        .bind(record)
        .bind(&reservation.id_type)
        .bind(&reservation.id_number)
        .bind(&reservation.reference)
        .bind(snapshot)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Ends the reservation of a conversion that goes on later; nothing was made.
///
/// # Errors
/// Whatever the database says.
pub async fn reopen(conn: &mut Conn, record: &str, now: Ts) -> Result<(), DbError> {
    let sql = "UPDATE lead_conversions SET state = 'OPEN', id_type = NULL, id_number = NULL, sent_at = NULL, updated_at = $2 \
               WHERE record_id = $1 AND state = 'RESERVED'";
    on!(conn, |c| sqlx::query(sql)
        .bind(record)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// The statement behind [`reserved`], for tests of its plan.
pub const RESERVED: &str = "SELECT record_id FROM lead_conversions WHERE id_type = $1 AND id_number = $2 AND state = 'RESERVED'";

/// The contact for which this document is reserved.
///
/// # Errors
/// Whatever the database says.
pub async fn reserved(
    conn: &mut Conn,
    id_type: &str,
    id_number: &str,
) -> Result<Option<String>, DbError> {
    Ok(on!(conn, |c| sqlx::query_scalar(RESERVED)
        .bind(id_type)
        .bind(id_number)
        .fetch_optional(c)
        .await)?)
}

/// Whether an operation on the record is still to run or running.
///
/// # Errors
/// Whatever the database says.
pub async fn is_under_way(conn: &mut Conn, lane: &str) -> Result<bool, DbError> {
    let sql = "SELECT COUNT(*) FROM vtiger_sync_queue WHERE lane = $1 AND unfinished = 1";
    let found: i64 = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(lane)
        .fetch_one(c)
        .await)?;
    Ok(found > 0)
}

/// Notes that the contact has become this customer.
///
/// # Errors
/// Whatever the database says.
pub async fn set_done(
    conn: &mut Conn,
    record: &str,
    customer: &str,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE lead_conversions SET state = 'DONE', customer_id = $2, id_type = NULL, id_number = NULL, \
               missing = '{}', given = '{}', snapshot = '{}', candidate_id = NULL, error_code = NULL, message = NULL, \
               updated_at = $3 WHERE record_id = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(record)
        .bind(customer)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Keeps what an operator filled in.
///
/// # Errors
/// Whatever the database says.
pub async fn set_given(
    conn: &mut Conn,
    record: &str,
    given: &BTreeMap<String, String>,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE lead_conversions SET given = $2, updated_at = $3 WHERE record_id = $1";
    let given = json_object(given);
    on!(conn, |c| sqlx::query(sql)
        .bind(record)
        .bind(given)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Keeps which customer a person decided on.
///
/// # Errors
/// Whatever the database says.
pub async fn set_decided(
    conn: &mut Conn,
    record: &str,
    customer: &str,
    who: &str,
    now: Ts,
) -> Result<(), DbError> {
    let sql = "UPDATE lead_conversions SET decided_id = $2, decided_by = $3, updated_at = $4 WHERE record_id = $1";
    on!(conn, |c| sqlx::query(sql)
        .bind(record)
        .bind(customer)
        .bind(who)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
