//! Noticing a conversion: who says so, and that it was said.

use pugmark_queue::db::{Conn, DbError, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

/// Who says that a lead was converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// Nobody but, perhaps, the contact's own field.
    None,
    /// A delivery that proves itself by a static secret alone.
    Plain,
    /// A delivery whose body is signed.
    Signed,
    /// The vTiger extension, which sees the conversion itself.
    Extension,
}

impl Claim {
    /// The word stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Claim::None => "none",
            Claim::Plain => "plain",
            Claim::Signed => "signed",
            Claim::Extension => "extension",
        }
    }

    /// Reads the stored word.
    pub fn parse(word: &str) -> Self {
        [Claim::Plain, Claim::Signed, Claim::Extension]
            .into_iter()
            .find(|claim| claim.as_str() == word)
            .unwrap_or(Claim::None)
    }
}

/// A conversion that was noticed.
#[derive(Debug, Clone)]
pub struct Notice<'a> {
    /// The contact; of a conversion that names none, the lead.
    pub record: &'a str,
    /// `Contacts` or `Leads`.
    pub module: &'static str,
    /// The lead, when it is named.
    pub lead: Option<&'a str>,
    /// Who says so.
    pub claim: Claim,
    /// Who noticed it: `webhook`, `poll`, ...
    pub by: &'a str,
    /// Correlation id of the delivery or the poll.
    pub correlation_id: &'a str,
}

/// Notes that a conversion was noticed; the stronger claim and what is already known stay.
///
/// # Errors
/// Whatever the database says.
pub async fn notice(conn: &mut Conn, notice: &Notice<'_>, now: Ts) -> Result<(), DbError> {
    const STRENGTH: &str =
        "CASE {} WHEN 'extension' THEN 3 WHEN 'signed' THEN 2 WHEN 'plain' THEN 1 ELSE 0 END";
    let (new, old) = (
        STRENGTH.replace("{}", "excluded.claim"),
        STRENGTH.replace("{}", "l.claim"),
    );
    let sql = format!(
        "INSERT INTO lead_conversions AS l (record_id, module, lead_id, claim, noticed_by, correlation_id, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
         ON CONFLICT (record_id) DO UPDATE SET lead_id = COALESCE(excluded.lead_id, l.lead_id), \
         claim = CASE WHEN {new} > {old} THEN excluded.claim ELSE l.claim END, updated_at = excluded.updated_at"
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(notice.record)
        .bind(notice.module)
        .bind(notice.lead)
        .bind(notice.claim.as_str())
        .bind(notice.by)
        .bind(notice.correlation_id)
        .bind(now)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Whether the contact's conversion was noticed and may still come about: what was refused is taken up again only when somebody
/// says once more that it was converted.
///
/// # Errors
/// Whatever the database says.
pub async fn is_open(conn: &mut Conn, record: &str) -> Result<bool, DbError> {
    let found: Option<i64> = on!(conn, |c| sqlx::query_scalar(IS_OPEN)
        .bind(record)
        .fetch_optional(c)
        .await)?;
    Ok(found.is_some())
}

/// The statement behind [`is_open`], for tests of its plan.
pub const IS_OPEN: &str = "SELECT CAST(1 AS BIGINT) FROM lead_conversions WHERE record_id = $1 AND state NOT IN ('DONE', 'REFUSED')";

/// The contact that a lead became, if its conversion was noticed and names both.
///
/// # Errors
/// Whatever the database says.
pub async fn contact_of(conn: &mut Conn, lead: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT record_id FROM lead_conversions WHERE lead_id = $1 AND module = 'Contacts' ORDER BY id DESC LIMIT 1";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(lead)
        .fetch_optional(c)
        .await)?)
}
