//! Planning the summary of a week: which customers get a `payment.summary`, page by page.
//!
//! A page is read without a lock and stored in one transaction that holds the run and checks that nobody else has planned the
//! page meanwhile. So any process may go on with any run, after a crash as well, and no customer is planned twice.

use std::sync::Arc;

use pugmark_queue::db::{Conn, Db, DbError, Ts};
use pugmark_queue::{Enqueued, NewOperation, Operation, Priority, Queue, QueueError};
use serde_json::json;

use super::plan::{PAYMENT_SUMMARY, customer_lane, kind};
use super::week::{PaymentDays, Week};
use crate::config::{self, SummaryAs};
use crate::store::audit;
use crate::store::payment_summaries::{self, NewRun, PagePlanned, Run};
use crate::store::payments::{self, Counted, Payer};

/// Customers of a page, and so the most operations of one transaction.
const PAGE: u32 = 500;

/// Plans weekly summaries.
#[derive(Clone)]
pub struct Summaries {
    db: Db,
    queue: Queue,
    insurance: Arc<config::Insurance>,
}

/// What is to be summed up.
#[derive(Debug, Clone)]
pub struct Request {
    /// The week.
    pub week: Week,
    /// The only customer; `None` is all of them.
    pub customer: Option<String>,
    /// Also those whose summary of this week was planned before: what has changed is revised.
    pub again: bool,
    /// Who asks.
    pub requested_by: String,
    /// The correlation id of the request.
    pub correlation_id: String,
}

/// What became of an attempt to plan the next page of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It was planned, and there are more.
    More,
    /// It was the last, or the run was planned before.
    Planned,
    /// Another process is at it.
    Elsewhere,
}

/// Whom a run would concern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Preview {
    /// Summaries that would be planned.
    pub planned: i64,
    /// Customers who would be left out because their summary was planned before.
    pub known: i64,
    /// Payments of the week, of all customers who may reach the CRM.
    pub payments: i64,
    /// What they come to, in cents.
    pub cents: i64,
}

/// What is done about one customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Plan,
    /// Planned before.
    Known,
    None,
}

impl Summaries {
    /// Summaries over this store.
    pub fn new(db: Db, queue: Queue, insurance: Arc<config::Insurance>) -> Self {
        Summaries {
            db,
            queue,
            insurance,
        }
    }

    /// The settings.
    pub fn insurance(&self) -> &config::Insurance {
        &self.insurance
    }

    /// The store.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Stores a run that a person asks for, and that they did. Its pages are planned by [`Summaries::plan_page`].
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn begin(&self, request: &Request) -> Result<i64, DbError> {
        let request = request.clone();
        self.db
            .write("begin summary", move |conn| {
                Box::pin(async move {
                    note_act(conn, &request).await?;
                    let new = new_run(conn, request).await?;
                    payment_summaries::begin(conn, &new, Ts::now()).await
                })
            })
            .await
    }

    /// Stores the run that the clock makes of a week. `None` when it was made before.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn begin_scheduled(&self, week: Week) -> Result<Option<i64>, DbError> {
        let request = Request {
            week,
            customer: None,
            // Somebody may have summed the week up before it was over.
            again: true,
            requested_by: "schedule".to_owned(),
            correlation_id: format!("summary-{week}"),
        };
        self.db
            .write("begin summary", move |conn| {
                Box::pin(async move {
                    let new = new_run(conn, request).await?;
                    payment_summaries::begin_scheduled(conn, &new, Ts::now()).await
                })
            })
            .await
    }

    /// Plans the next page of a run: all of its operations, and that the page is done, or nothing.
    ///
    /// # Errors
    /// Whatever the database or the queue says; the page is then still to be planned.
    pub async fn plan_page(&self, run: i64) -> Result<Progress, QueueError> {
        let mut reader = self.db.read().await?;
        let Some(run) = payment_summaries::get(&mut reader, run).await? else {
            return Ok(Progress::Planned);
        };
        if run.planned_at.is_some() {
            return Ok(Progress::Planned);
        }
        let Some(counted) = self.counted(&run.week, run.previous_week.as_deref()) else {
            return Err(QueueError::Invalid(format!("{} is no week", run.week)));
        };
        let page = match &run.customer_id {
            Some(customer) => payments::payer(&mut reader, &counted, customer)
                .await?
                .into_iter()
                .collect(),
            None => payments::payers(&mut reader, &counted, run.cursor.as_deref(), PAGE).await?,
        };
        drop(reader);
        let last = run.customer_id.is_some() || page.len() < PAGE as usize;
        let queue = self.queue.clone();
        self.db
            .write("plan summaries", move |conn| {
                Box::pin(async move {
                    if !payment_summaries::hold(conn, run.id, run.cursor.as_deref()).await? {
                        return Ok(Progress::Elsewhere);
                    }
                    let mut planned = PagePlanned {
                        cursor: page.last().map(|payer| payer.id.clone()),
                        last,
                        ..PagePlanned::default()
                    };
                    for payer in &page {
                        match choose(payer, run.again) {
                            Choice::None => {}
                            Choice::Known => planned.known += 1,
                            Choice::Plan => match enqueue(&queue, conn, &run, payer).await? {
                                true => planned.planned += 1,
                                false => planned.known += 1,
                            },
                        }
                    }
                    payment_summaries::page_planned(conn, run.id, &planned, Ts::now()).await?;
                    Ok(if last {
                        Progress::Planned
                    } else {
                        Progress::More
                    })
                })
            })
            .await
    }

    /// Whom a request would concern, without planning anything.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn preview(&self, request: &Request) -> Result<Preview, DbError> {
        let week = request.week.to_string();
        let mut reader = self.db.read().await?;
        let previous = replaced_week(&mut reader, &week, request.customer.is_none()).await?;
        let mut preview = Preview::default();
        let Some(counted) = self.counted(&week, previous.as_deref()) else {
            return Ok(preview);
        };
        if let Some(customer) = &request.customer {
            let payer = payments::payer(&mut reader, &counted, customer).await?;
            payer
                .iter()
                .for_each(|payer| preview.count(payer, request.again));
            return Ok(preview);
        }
        let mut cursor: Option<String> = None;
        loop {
            let page = payments::payers(&mut reader, &counted, cursor.as_deref(), PAGE).await?;
            page.iter()
                .for_each(|payer| preview.count(payer, request.again));
            if page.len() < PAGE as usize {
                return Ok(preview);
            }
            cursor = page.last().map(|payer| payer.id.clone());
        }
    }

    /// What is counted for a week, and for the one that contacts showed before: where they show no weeks, nobody has to go
    /// back to zero.
    fn counted(&self, week: &str, previous: Option<&str>) -> Option<Counted> {
        let days = PaymentDays::of(&self.insurance);
        let shown = self.insurance.summary.shown_as != SummaryAs::Note;
        let other = previous
            .filter(|_| shown)
            .and_then(|week| week.parse::<Week>().ok());
        let week: Week = week.parse().ok()?;
        Some(Counted {
            monday: week.to_string(),
            week: days.window(week),
            other: other.map(|other| days.window(other)),
        })
    }
}

/// Contacts show this week from now on, unless they show a newer one or it is made for one customer alone.
async fn new_run(conn: &mut Conn, request: Request) -> Result<NewRun, DbError> {
    let week = request.week.to_string();
    Ok(NewRun {
        previous_week: replaced_week(conn, &week, request.customer.is_none()).await?,
        week,
        customer_id: request.customer,
        again: request.again,
        requested_by: request.requested_by,
        correlation_id: request.correlation_id,
    })
}

async fn note_act(conn: &mut Conn, request: &Request) -> Result<(), DbError> {
    let subject = match &request.customer {
        Some(customer) => format!("{customer}/{}", request.week),
        None => request.week.to_string(),
    };
    let action = match request.again {
        true => "summary.again",
        false => "summary.run",
    };
    let entry = audit::Entry {
        actor: &request.requested_by,
        action,
        subject: &subject,
        reason: None,
        correlation_id: Some(&request.correlation_id),
    };
    audit::record(conn, Ts::now(), &entry).await
}

/// The week that contacts show, when they show `week` instead after a run for all.
async fn replaced_week(
    conn: &mut Conn,
    week: &str,
    for_all: bool,
) -> Result<Option<String>, DbError> {
    let shown = payment_summaries::shown_week(conn).await?;
    // Dates in this form are ordered like their texts.
    Ok(shown.filter(|shown| for_all && shown.as_str() < week))
}

impl Preview {
    fn count(&mut self, payer: &Payer, again: bool) {
        match choose(payer, again) {
            Choice::None => {}
            Choice::Known => self.known += 1,
            Choice::Plan => self.planned += 1,
        }
        if !payer.is_test_user {
            self.payments += payer.payments;
            self.cents += payer.cents;
        }
    }
}

fn choose(payer: &Payer, again: bool) -> Choice {
    let concerned = payer.payments > 0 || payer.other_payments > 0 || payer.summed_up;
    match (payer.is_test_user, concerned, payer.summed_up) {
        (true, _, _) | (_, false, _) => Choice::None,
        (false, true, true) if !again => Choice::Known,
        (false, true, _) => Choice::Plan,
    }
}

/// Queues one customer's summary. `false` when it was queued before, or no operation can carry the customer's id.
async fn enqueue(
    queue: &Queue,
    conn: &mut Conn,
    run: &Run,
    payer: &Payer,
) -> Result<bool, QueueError> {
    match queue.enqueue(conn, operation(run, payer)).await {
        Ok(Enqueued::New(_) | Enqueued::Coalesced { .. }) => {
            payment_summaries::note_planned(conn, &run.week, &payer.id, run.id).await?;
            Ok(true)
        }
        Ok(Enqueued::Duplicate(_)) => Ok(false),
        // Waiting would not make the id better, and everybody behind would wait, too.
        Err(QueueError::Invalid(reason)) => {
            tracing::error!(
                run = run.id,
                reason,
                "a customer's id cannot be queued; its summary is left out"
            );
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The first summary of a customer and week carries a key by which there is never another; one that is asked for again carries
/// the run's number besides.
fn operation(run: &Run, payer: &Payer) -> NewOperation {
    let (customer, week) = (&payer.id, &run.week);
    let key = match payer.summed_up {
        false => format!("summary:{customer}:{week}"),
        true => format!("summary:{customer}:{week}:{}", run.id),
    };
    let id = format!("{customer}/{week}");
    NewOperation {
        lane: customer_lane(customer),
        idempotency_key: Some(key),
        // People and money first.
        priority: Priority::Low,
        payload: json!({ "customer": customer, "week": week }),
        correlation_id: run.correlation_id.clone(),
        requested_by: Some(run.requested_by.clone()),
        ..NewOperation::new(
            kind::PAYMENT_SUMMARY,
            PAYMENT_SUMMARY,
            &id,
            Operation::Update,
        )
    }
}
