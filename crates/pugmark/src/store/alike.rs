//! Customers who are, or may be, the person whom a converted lead is about to become.

use pugmark_queue::db::{Conn, DbError};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

use super::dialect;

/// A customer who has something in common with a new one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Alike {
    /// UUID, as text.
    pub id: String,
    /// Label of `CustomerStatus`.
    pub status: String,
    /// The contact it is linked to.
    pub vtiger_id: Option<String>,
}

fn select(condition: &str) -> String {
    format!(
        "SELECT CAST(c.\"id\" AS TEXT) AS id, CAST(c.\"status\" AS TEXT) AS status, l.vtiger_id FROM customers c \
         LEFT JOIN crm_links l ON l.entity_type = 'CUSTOMER' AND l.entity_id = CAST(c.\"id\" AS TEXT) \
         WHERE {condition} ORDER BY c.\"id\" LIMIT 1"
    )
}

/// The customer whom this partner knows by this reference.
///
/// # Errors
/// Whatever the database says.
pub async fn by_reference(
    conn: &mut Conn,
    partner: i32,
    reference: &str,
) -> Result<Option<Alike>, DbError> {
    let sql = select(
        "c.\"id\" = (SELECT k.\"customerId\" FROM partner_customers k WHERE k.\"partnerId\" = $1 AND k.\"partnerCustomerId\" = $2)",
    );
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(partner)
        .bind(reference)
        .fetch_optional(c)
        .await)?)
}

/// The customer with this document.
///
/// # Errors
/// Whatever the database says.
pub async fn by_document(
    conn: &mut Conn,
    id_type: &str,
    id_number: &str,
) -> Result<Option<Alike>, DbError> {
    let engine = conn.engine();
    let kind = dialect::enum_parameter(engine, 1, "IdType");
    let sql = select(&format!("c.\"idType\" = {kind} AND c.\"idNumber\" = $2"));
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(id_type)
        .bind(id_number)
        .fetch_optional(c)
        .await)?)
}

/// A customer with exactly this e-mail.
///
/// # Errors
/// Whatever the database says.
pub async fn by_email(conn: &mut Conn, email: &str) -> Result<Option<Alike>, DbError> {
    let sql = select("c.\"email\" = $1");
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(email)
        .fetch_optional(c)
        .await)?)
}

/// A customer with one of these spellings of a phone number, terminated ones first.
///
/// # Errors
/// Whatever the database says.
pub async fn by_phone(conn: &mut Conn, spellings: &[String]) -> Result<Option<Alike>, DbError> {
    let places: Vec<String> = (1..=spellings.len())
        .map(|place| format!("${place}"))
        .collect();
    if places.is_empty() {
        return Ok(None);
    }
    let sql = select(&format!("c.\"phoneNumber\" IN ({})", places.join(", "))).replace(
        "ORDER BY c.\"id\"",
        "ORDER BY CASE WHEN CAST(c.\"status\" AS TEXT) = 'TERMINATED' THEN 0 ELSE 1 END, c.\"id\"",
    );
    Ok(on!(conn, |c| {
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for spelling in spellings {
            query = query.bind(spelling);
        }
        query.fetch_optional(c).await
    })?)
}

/// Notes which partner a customer belongs to, under its own reference, and to which package scheme.
///
/// # Errors
/// Whatever the database says; a violation when there is no such partner or scheme.
pub async fn join_partner(
    conn: &mut Conn,
    customer: &str,
    partner: i32,
    reference: &str,
    scheme: Option<i32>,
) -> Result<(), DbError> {
    let id = dialect::uuid_parameter(conn.engine(), 1);
    let sql = format!(
        "INSERT INTO partner_customers (\"customerId\", \"partnerId\", \"partnerCustomerId\") VALUES ({id}, $2, $3)"
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(customer)
        .bind(partner)
        .bind(reference)
        .execute(c)
        .await
        .map(drop))?;
    let Some(scheme) = scheme else {
        return Ok(());
    };
    let sql = format!(
        "INSERT INTO package_scheme_customers (\"customerId\", \"packageSchemeId\", \"partnerId\", \"partnerCustomerId\") \
         VALUES ({id}, $2, $3, $4)"
    );
    on!(conn, |c| sqlx::query(AssertSqlSafe(sql))
        .bind(customer)
        .bind(scheme)
        .bind(partner)
        .bind(reference)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Whether the package scheme exists.
///
/// # Errors
/// Whatever the database says.
pub async fn has_scheme(conn: &mut Conn, scheme: i32) -> Result<bool, DbError> {
    let sql = "SELECT COUNT(*) FROM package_schemes WHERE \"id\" = $1";
    let found: i64 = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(scheme)
        .fetch_one(c)
        .await)?;
    Ok(found > 0)
}
