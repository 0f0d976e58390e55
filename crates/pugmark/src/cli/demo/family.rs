//! What belongs to a customer: dependants, a policy with its payments, and what is missing of somebody.

use sqlx::SqliteConnection;

use super::people::Chance;
use crate::cli::CliError;

/// Now, in the form that the store keeps instants in.
const NOW: &str = "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)";
/// The ambassador who registers everybody here.
const AGENT: &str = "00000000-0000-4000-8000-0000000000a9";

/// The ambassador without whom nobody is registered and nothing can be missing.
pub(super) async fn begin(connection: &mut SqliteConnection) -> Result<(), CliError> {
    sqlx::query(
        "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"perRegistrationRateCents\") \
         VALUES (?1, ?1, 1, 'Brian Agent', 5000)",
    )
    .bind(AGENT)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a customer some of all that; says how many rows were written.
pub(super) async fn grow(
    connection: &mut SqliteConnection,
    chance: &mut Chance,
    customer: &str,
    certainly: bool,
) -> Result<u64, CliError> {
    let mut rows = 0;
    if certainly || chance.percent(40) {
        let children = chance.between(1, 3);
        add_dependants(connection, chance, customer, children).await?;
        rows += u64::from(children);
    }
    if certainly || chance.percent(50) {
        rows += insure(connection, chance, customer).await?;
    }
    if certainly || chance.percent(15) {
        rows += find_missing(connection, chance, customer).await?;
    }
    Ok(rows)
}

/// One statement for all of them, as MicroBima's createMany sends it.
async fn add_dependants(
    connection: &mut SqliteConnection,
    chance: &mut Chance,
    customer: &str,
    number: u32,
) -> Result<(), CliError> {
    let mut insert = sqlx::QueryBuilder::new(
        "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \"createdByPartnerId\") ",
    );
    let people: Vec<(String, &str)> = (0..number)
        .map(|_| (chance.id(), chance.last_name()))
        .collect();
    insert.push_values(people, |mut row, (id, last)| {
        row.push_bind(id)
            .push_bind(customer)
            .push_bind(" Zuri ")
            .push_bind(last)
            .push_bind("CHILD")
            .push_bind(1);
    });
    insert.build().execute(connection).await?;
    Ok(())
}

/// A policy, and instalments that come as prompts, as pay bill notifications, or not at all.
async fn insure(
    connection: &mut SqliteConnection,
    chance: &mut Chance,
    customer: &str,
) -> Result<u64, CliError> {
    let policy = chance.id();
    sqlx::query(
        "INSERT INTO policies (\"id\", \"policyNumber\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \
         \"customerId\", \"packageId\") VALUES (?1, ?2, 'Mfanisi', 50, 'DAILY', 1, ?3, 1)",
    )
    .bind(&policy)
    .bind(format!("MB-{}", &policy[..8]))
    .bind(customer)
    .execute(&mut *connection)
    .await?;
    let payments = chance.between(1, 5);
    for _ in 0..payments {
        pay(connection, chance, &policy).await?;
    }
    Ok(1 + u64::from(payments))
}

async fn pay(
    connection: &mut SqliteConnection,
    chance: &mut Chance,
    policy: &str,
) -> Result<(), CliError> {
    let reference = chance.id();
    let cents = chance.between(2_000, 20_000);
    let amount = format!("{}.{:02}", cents / 100, cents % 100);
    let insert = format!(
        "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
         \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\") VALUES (?1, 'MPESA', ?2, ?3, {NOW}, NULL, ?4)"
    );
    let at_once = chance.percent(60);
    let status = if at_once {
        "COMPLETED"
    } else {
        "PENDING_STK_CALLBACK"
    };
    sqlx::query(sqlx::AssertSqlSafe(insert))
        .bind(policy)
        .bind(&reference)
        .bind(amount)
        .bind(status)
        .execute(&mut *connection)
        .await?;
    // Most prompts are answered; the others stay for ever and count as nothing.
    if !at_once && chance.percent(70) {
        let complete = format!(
            "UPDATE policy_payments SET \"paymentStatus\" = 'COMPLETED', \"actualPaymentDate\" = {NOW} \
             WHERE \"transactionReference\" = ?1"
        );
        sqlx::query(sqlx::AssertSqlSafe(complete))
            .bind(&reference)
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// A blank field of a child; a third of them is filled in again while the contact is still being made.
async fn find_missing(
    connection: &mut SqliteConnection,
    chance: &mut Chance,
    customer: &str,
) -> Result<u64, CliError> {
    let (registration, requirement) = (chance.id(), chance.id());
    sqlx::query(
        "INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\") VALUES (?1, ?2, ?3, 1)",
    )
    .bind(&registration)
    .bind(AGENT)
    .bind(customer)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO missing_requirements (\"id\", \"registrationId\", \"customerId\", \"partnerId\", \"entityKind\", \
         \"fieldPath\") VALUES (?1, ?2, ?3, 1, 'CHILD', 'dateOfBirth')",
    )
    .bind(&requirement)
    .bind(&registration)
    .bind(customer)
    .execute(&mut *connection)
    .await?;
    if chance.percent(33) {
        sqlx::query("UPDATE missing_requirements SET \"status\" = 'RESOLVED', \"resolvedBy\" = 'system' WHERE \"id\" = ?1")
            .bind(&requirement)
            .execute(connection)
            .await?;
    }
    Ok(2)
}

/// What the rows say about one customer, read with nothing of Pugmark in between.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub(super) struct Belongings {
    pub(super) customer: String,
    pub(super) dependants: i64,
    pub(super) payments: i64,
    pub(super) cents: i64,
    pub(super) open_requirements: i64,
}

/// What belongs to every customer who is no test customer.
pub(super) async fn belongings(
    connection: &mut SqliteConnection,
) -> Result<Vec<Belongings>, CliError> {
    Ok(sqlx::query_as(
        "SELECT c.\"id\" AS customer, \
         (SELECT COUNT(*) FROM dependants d WHERE d.\"customerId\" = c.\"id\") AS dependants, \
         (SELECT COUNT(*) FROM policy_payments y JOIN policies p ON p.\"id\" = y.\"policyId\" \
          WHERE p.\"customerId\" = c.\"id\" AND y.\"paymentStatus\" = 'COMPLETED') AS payments, \
         (SELECT COALESCE(SUM(CAST(ROUND(y.\"amount\" * 100) AS INTEGER)), 0) FROM policy_payments y \
          JOIN policies p ON p.\"id\" = y.\"policyId\" \
          WHERE p.\"customerId\" = c.\"id\" AND y.\"paymentStatus\" = 'COMPLETED') AS cents, \
         (SELECT COUNT(*) FROM missing_requirements m WHERE m.\"customerId\" = c.\"id\" AND m.\"status\" = 'PENDING') \
          AS open_requirements \
         FROM customers c WHERE NOT c.\"isTestUser\"",
    )
    .fetch_all(connection)
    .await?)
}
