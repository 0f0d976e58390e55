//! What a contact shows of a customer's payments.
//!
//! The figures are read from MicroBima's rows whenever the contact is delivered, never added up.

use pugmark_queue::db::{Conn, DbError};

use super::sources::{Known, Values};
use super::week::{PaymentDays, Week};
use crate::config::{self, SummaryAs};
use crate::store::payment_summaries;
use crate::store::payments;

/// What the operator has chosen about figures.
#[derive(Debug, Clone)]
pub struct FigureRules {
    days: PaymentDays,
    weekly: bool,
}

impl FigureRules {
    /// The rules by these settings.
    pub fn of(insurance: &config::Insurance) -> Self {
        FigureRules {
            days: PaymentDays::of(insurance),
            weekly: insurance.summary.shown_as != SummaryAs::Note,
        }
    }

    /// Adds the figures over all payments. Nothing paid is a zero, and no date.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn add_all(
        &self,
        conn: &mut Conn,
        customer: &str,
        values: &mut Values,
    ) -> Result<(), DbError> {
        let paid = payments::ever(conn, customer).await?;
        values.set("paymentCount", Some(number(paid.count)));
        values.set("paymentTotal", Some(money(paid.cents)));
        values.set(
            "lastPaymentDate",
            paid.last.map(|at| self.days.day(at).into()),
        );
        Ok(())
    }

    /// Adds those of the week that contacts show: the newest that was summed up. Before the first there are none, and where
    /// the operator wants weeks in notes alone the fields are left as they are.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn add_week(
        &self,
        conn: &mut Conn,
        customer: &str,
        values: &mut Values,
    ) -> Result<(), DbError> {
        if !self.weekly {
            return Ok(());
        }
        let shown = payment_summaries::shown_week(conn).await?;
        let Some(week) = shown.and_then(|monday| monday.parse::<Week>().ok()) else {
            return Ok(());
        };
        let paid = payments::within(conn, customer, self.days.window(week)).await?;
        let date = |at| Known::from(self.days.day(at));
        values.set("weeklyPaymentTotal", Some(money(paid.cents)));
        values.set("weeklyPaymentCount", Some(number(paid.count)));
        values.set("weeklyPaymentAverage", Some(money(paid.average())));
        values.set("weeklyFirstPaymentDate", paid.first.map(date));
        values.set("weeklyLastPaymentDate", paid.last.map(date));
        values.set("weeklyPaymentWeek", Some(week.monday().into()));
        Ok(())
    }
}

fn number(count: i64) -> Known {
    Known::Number(count.to_string())
}

/// Shillings and cents as a decimal number: `1200.50`.
fn money(cents: i64) -> Known {
    let sign = if cents < 0 { "-" } else { "" };
    let (whole, rest) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    Known::Number(format!("{sign}{whole}.{rest:02}"))
}
