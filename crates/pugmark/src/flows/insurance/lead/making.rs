//! Making the customer: directly, or through MicroBima's partner API with a reservation before the call.

use std::collections::BTreeMap;
use std::time::Duration;

use pugmark_queue::db::{Conn, Ts};
use pugmark_queue::{NewOperation, NotBefore, Queue, QueueError, Release};
use serde_json::{Value, json};

use super::still::{incomplete, linked_elsewhere, undecided};
use super::{Attempt, Stop, blocked, check_partner, reservation};
use crate::delivery::Trouble;
use crate::flows::insurance::inbound;
use crate::flows::insurance::plan::CUSTOMER;
use crate::microbima::partner_api::{Answer, Partner};
use crate::problem::Code;
use crate::store::customers::{self, Customer};
use crate::store::lead_conversions::{self, Conversion, Reservation};
use crate::store::{SliceMode, alike, change_log, links, slice_mode};

/// What MicroBima may still do after it was given up on: its own requests end within that time.
const LATE: Duration = Duration::from_secs(30);
/// The soonest that is looked again for what a call may have made.
const LOOK: Duration = Duration::from_millis(500);

impl Attempt<'_> {
    /// The longest a call may take.
    fn longest(&self) -> Duration {
        let longest = self.handler.partner.as_ref().map(Partner::call_timeout);
        longest.unwrap_or(LATE)
    }

    /// An earlier call may still make the customer; it was looked for a moment ago.
    pub(super) fn wait_for_late(&self, conversion: &Conversion) -> Result<(), Stop> {
        let longest = self.longest();
        match conversion.sent_at {
            Some(sent) if Ts::now() < sent.after(longest + LATE.min(longest)) => {
                Err(unclear("an earlier call may still make the customer", look(longest)).into())
            }
            _ => Ok(()),
        }
    }

    pub(super) async fn make(
        &self,
        conversion: &Conversion,
        draft: &Customer,
        snapshot: BTreeMap<String, String>,
    ) -> Result<Value, Stop> {
        match &self.handler.partner {
            Some(partner) => self.ask(partner, conversion, draft, snapshot).await,
            None => self.write(draft, snapshot).await,
        }
    }

    /// The customer, what belongs to it, the link and the end of the conversion in one commit.
    async fn write(
        &self,
        draft: &Customer,
        snapshot: BTreeMap<String, String>,
    ) -> Result<Value, Stop> {
        {
            let mut conn = self.handler.deliverer.db.read().await?;
            if slice_mode(&mut conn).await? == SliceMode::Attached {
                let what = "The tables are MicroBima's own, so that customers are made through its partner API: set \
                            MICROBIMA_URL and MICROBIMA_API_KEY";
                return Err(blocked("MICROBIMA_URL", what.to_owned()).into());
            }
            check_partner(&mut conn, self.settings()).await?;
        }
        let (queue, lease) = (
            self.handler.deliverer.queue.clone(),
            self.operation.lease.clone(),
        );
        let ended = Ended::of(self, &draft.id, snapshot, None);
        let (draft, settings) = (draft.clone(), self.settings().clone());
        let (reference, correlation) = (self.reference(), self.correlation_id().to_owned());
        let id = draft.id.clone();
        let written = self
            .handler
            .deliverer
            .db
            .write("convert lead", move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    let partner = settings.partner_id;
                    customers::insert(conn, &draft, partner, Some("lead conversion")).await?;
                    let scheme = Some(settings.package_scheme_id).filter(|scheme| *scheme > 0);
                    alike::join_partner(conn, &draft.id, partner, &reference, scheme).await?;
                    change_log::correlate(conn, "customers", &draft.id, &correlation).await?;
                    ended.store(conn, &queue).await
                })
            })
            .await;
        match written {
            Ok(()) => Ok(json!({ "result": "created", "customer": id })),
            // Somebody was faster; the next look finds out who.
            Err(QueueError::Db(error)) if error.is_unique_violation() => {
                let message = "somebody with the same document or e-mail was registered just now";
                Err(Trouble::later(Code::LeadUndecided, message.to_owned()).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn ask(
        &self,
        partner: &Partner,
        conversion: &Conversion,
        draft: &Customer,
        snapshot: BTreeMap<String, String>,
    ) -> Result<Value, Stop> {
        if self.operation.deadline() < tokio::time::Instant::now() + partner.call_timeout() {
            let message = "the call would not have ended before the operation's lease";
            return Err(Trouble::later(Code::LeaseTooShort, message.to_owned()).into());
        }
        self.reserve(draft, &snapshot).await?;
        let answer = partner
            .create(
                draft,
                &self.reference(),
                self.settings(),
                self.correlation_id(),
            )
            .await;
        match answer {
            Answer::Created(customer) => {
                self.finish(&customer, &snapshot, None).await?;
                Ok(json!({ "result": "created", "customer": customer }))
            }
            answer => self.not_created(answer, conversion, &snapshot).await,
        }
    }

    /// An error does not mean that nothing was committed: MicroBima's tables tell.
    async fn not_created(
        &self,
        answer: Answer,
        conversion: &Conversion,
        snapshot: &BTreeMap<String, String>,
    ) -> Result<Value, Stop> {
        if let Some(customer) = self.landed(conversion).await? {
            self.finish(&customer, snapshot, None).await?;
            return Ok(json!({ "result": "found", "customer": customer }));
        }
        Err(match answer {
            Answer::Refused { fields, message } => Stop::Still(refused(fields, message)),
            Answer::NotUsable(message) => {
                self.nothing_sent().await?;
                let hint = "Check MICROBIMA_URL, MICROBIMA_API_KEY and [conversion]";
                let message = format!("{message}. {hint}");
                Trouble::unavailable(Code::PartnerApiNotUsable, message).into()
            }
            Answer::Unavailable(message) => {
                self.nothing_sent().await?;
                Trouble::unavailable(Code::PartnerApiUnavailable, message).into()
            }
            Answer::Throttled(retry_after) => {
                self.nothing_sent().await?;
                let message = "MicroBima wants fewer calls".to_owned();
                let mut trouble =
                    Trouble::unavailable(Code::PartnerApiUnavailable, message.clone());
                trouble.release = Release::Throttled {
                    retry_after,
                    code: Code::PartnerApiUnavailable.to_string(),
                    message,
                };
                trouble.into()
            }
            Answer::Unknown(message) => {
                let look = look(self.longest());
                let mut trouble = unclear(&message, look);
                trouble.release = Release::Unknown {
                    not_before: Some(NotBefore::After(look)),
                    code: Code::PartnerApiUnclear.to_string(),
                    message: trouble.message.clone(),
                };
                trouble.into()
            }
            Answer::Created(_) => Stop::LeaseLost,
        })
    }

    async fn reserve(
        &self,
        draft: &Customer,
        snapshot: &BTreeMap<String, String>,
    ) -> Result<(), Stop> {
        let reserved = Reservation {
            id_type: draft.id_type.clone(),
            id_number: draft.id_number.clone(),
            reference: self.reference(),
            snapshot: snapshot.clone(),
        };
        let record = self.record().to_owned();
        let stored = self
            .guarded("reserve document", move |conn| {
                Box::pin(async move {
                    lead_conversions::reserve(conn, &record, &reserved, Ts::now()).await?;
                    Ok(())
                })
            })
            .await;
        match stored {
            Err(QueueError::Db(error)) if error.is_unique_violation() => {
                let message = "Another converted lead with the same document is just becoming a customer. When that is done, merge \
                               the two contacts in vTiger, or correct the document";
                let missing = [(
                    "idNumber".to_owned(),
                    "another lead has this document".to_owned(),
                )];
                let still = undecided(None, missing.into(), message.to_owned());
                Err(Stop::Still(still))
            }
            stored => Ok(stored?),
        }
    }

    /// Nothing can have been made: the reservation ends.
    async fn nothing_sent(&self) -> Result<(), Stop> {
        let (record, queue) = (
            self.record().to_owned(),
            self.handler.deliverer.queue.clone(),
        );
        let stored = self.guarded("end reservation", move |conn| {
            Box::pin(async move {
                lead_conversions::reopen(conn, &record, Ts::now()).await?;
                queue.unblock(conn, &reservation::key(&record)).await?;
                Ok(())
            })
        });
        Ok(stored.await?)
    }

    /// Links contact and customer and ends the conversion.
    pub(super) async fn finish(
        &self,
        customer: &str,
        snapshot: &BTreeMap<String, String>,
        then: Option<NewOperation>,
    ) -> Result<(), Stop> {
        let linked = {
            let mut conn = self.handler.deliverer.db.read().await?;
            links::get(&mut conn, CUSTOMER, customer).await?
        };
        let other = linked.and_then(|link| link.vtiger_id);
        if let Some(other) = other.filter(|other| other != self.record()) {
            return Err(Stop::Still(linked_elsewhere(customer, &other)));
        }
        let queue = self.handler.deliverer.queue.clone();
        let ended = Ended::of(self, customer, snapshot.clone(), then);
        let stored = self.guarded("convert lead", move |conn| {
            Box::pin(async move { ended.store(conn, &queue).await })
        });
        match stored.await {
            Err(QueueError::Db(error)) if error.is_unique_violation() => {
                let message =
                    format!("The contact was linked to another customer than {customer} just now");
                Err(Trouble::later(Code::LinkedElsewhere, message).into())
            }
            stored => Ok(stored?),
        }
    }

    /// A commit in the middle of the attempt, guarded by the lease.
    async fn guarded<F>(&self, label: &'static str, member: F) -> Result<(), QueueError>
    where
        F: for<'c> FnOnce(&'c mut Conn) -> futures::future::BoxFuture<'c, Result<(), QueueError>>
            + Send
            + 'static,
    {
        let (queue, lease) = (
            self.handler.deliverer.queue.clone(),
            self.operation.lease.clone(),
        );
        self.handler
            .deliverer
            .db
            .write(label, move |conn| {
                Box::pin(async move {
                    queue.check_lease(conn, &lease).await?;
                    member(conn).await
                })
            })
            .await
    }
}

/// The end of a conversion, to be stored in one commit.
struct Ended {
    record: String,
    customer: String,
    snapshot: BTreeMap<String, String>,
    then: Option<NewOperation>,
}

impl Ended {
    fn of(
        attempt: &Attempt<'_>,
        customer: &str,
        snapshot: BTreeMap<String, String>,
        then: Option<NewOperation>,
    ) -> Self {
        Ended {
            record: attempt.record().to_owned(),
            customer: customer.to_owned(),
            snapshot,
            then,
        }
    }

    async fn store(self, conn: &mut Conn, queue: &Queue) -> Result<(), QueueError> {
        reservation::link(conn, queue, &self.record, &self.customer, &self.snapshot).await?;
        if let Some(then) = self.then {
            queue.enqueue(conn, then).await?;
        }
        queue
            .unblock(conn, &inbound::waits_for(&self.record))
            .await?;
        Ok(())
    }
}

/// How soon is looked again for what a call may have made: a few times while it may still come.
fn look(longest: Duration) -> Duration {
    LOOK.max(longest / 5)
}

fn unclear(what: &str, wait: Duration) -> Trouble {
    let message = format!("{what}. Pugmark looks in MicroBima's tables before it asks again");
    let mut trouble = Trouble::later(Code::PartnerApiUnclear, message.clone());
    trouble.release = Release::Later {
        not_before: NotBefore::After(wait),
        code: Code::PartnerApiUnclear.to_string(),
        message,
    };
    trouble
}

/// What MicroBima does not take.
fn refused(fields: Vec<(String, String)>, message: String) -> lead_conversions::Standstill {
    let duplicate = message.to_ascii_lowercase().contains("duplicate")
        || message.contains("already")
        || fields.iter().any(|(_, what)| {
            let what = what.to_ascii_lowercase();
            what.contains("duplicate") || what.contains("already")
        });
    let missing: BTreeMap<String, String> = fields.into_iter().collect();
    if duplicate {
        return undecided(None, missing, message);
    }
    incomplete(missing, &message)
}
