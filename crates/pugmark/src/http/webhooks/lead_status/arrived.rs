//! A delivery that proved itself, and taking it in by itself.

use std::sync::Arc;

use pugmark_queue::db::{Conn, Db, DbError, Ts};
use pugmark_queue::{Queue, QueueError, Sealer};

use super::effect::{Effect, plan, request_of};
use super::reading::{self, Said, Verdict};
use super::{ENDPOINT, masking};
use crate::config;
use crate::flows::onboarding::arrivals::{self, Arrival};
use crate::flows::onboarding::request;
use crate::http::AppState;
use crate::http::webhooks::proof::Proven;
use crate::http::webhooks::reading::Letter;
use crate::http::webhooks::{SAME_BODY_FOR, hash_of, storable};
use crate::store::webhook_deliveries::{self, NewDelivery};
use crate::store::{lead_arrivals, sync_jobs};

/// How often what collides with another delivery in the store is tried.
const TRIES: u32 = 4;

/// What it takes to take deliveries in.
#[derive(Clone)]
pub struct Means {
    /// The store.
    pub db: Db,
    /// The queue.
    pub queue: Queue,
    /// The onboarding flow's settings.
    pub onboarding: Arc<config::Onboarding>,
    /// Seals what is received; without one nothing of it is kept.
    pub sealer: Option<Arc<Sealer>>,
}

impl Means {
    /// Those of this process.
    pub fn of(state: &AppState) -> Self {
        Means {
            db: state.db.clone(),
            queue: state.queue.clone(),
            onboarding: state.onboarding.clone(),
            sealer: state.staff.sealer.clone(),
        }
    }
}

/// A delivery that proved itself. What it says may hold bank data, so it has no `Debug`.
pub struct Arrived {
    pub(super) new: NewDelivery,
    pub(super) said: Result<Said, String>,
    /// The sender's own id of the delivery stands in the key, and not its content.
    pub(super) has_id: bool,
}

impl Arrived {
    /// Reads a delivery that came now.
    pub fn of(means: &Means, letter: &Letter<'_>, proven: &Proven, correlation_id: &str) -> Self {
        let said = reading::read(letter, &means.onboarding);
        let iban = &means.onboarding.lead.iban;
        let shown = masking::body(letter, iban);
        let parameters = letter.parameters.map(|query| masking::form(query, iban));
        let in_body = said.as_ref().ok().and_then(|said| said.delivery_id.clone());
        let id = proven.id.clone().or(in_body);
        // The digest is of what is stored: one of the whole body would let the account be guessed.
        let dedup_key = match &id {
            Some(id) => format!(
                "id:{ENDPOINT}:{}:{}",
                proven.kind.as_str(),
                masking::plain(id)
            ),
            None => hash_of(ENDPOINT, parameters.as_deref(), shown.as_bytes()),
        };
        Arrived {
            new: NewDelivery {
                received_at: Ts::now(),
                endpoint: ENDPOINT.into(),
                proof: proven.kind.as_str().into(),
                secret_number: i64::try_from(proven.secret_number).unwrap_or(i64::MAX),
                dedup_key: storable(&dedup_key),
                content_type: letter.content_type.map(storable),
                parameters: parameters.as_deref().map(storable),
                body: storable(&shown),
                correlation_id: correlation_id.to_owned(),
            },
            said,
            has_id: id.is_some(),
        }
    }

    /// The job that it calls for if its lead has none, with the delivery; `None` when it calls for none.
    ///
    /// # Errors
    /// [`QueueError::Seal`].
    pub(super) fn first(&self, means: &Means) -> Result<Option<Arrival>, QueueError> {
        let Ok(said) = &self.said else {
            return Ok(None);
        };
        let Verdict::Wanted(lead) = said.verdict(&means.onboarding) else {
            return Ok(None);
        };
        let new = request_of(said, lead, &self.new.correlation_id);
        let job = request::first_job(&new, means.sealer.as_deref())?;
        let effect = Effect::of(said, &request::started(&job));
        Ok(Some(Arrival {
            job,
            delivery: self.new.clone(),
            has_id: self.has_id,
            became: effect.became,
        }))
    }

    /// Stores the delivery with what it leads to; one that came before has no second effect. One with an id of its own is known by
    /// that; of all others the lead's job tells whether they say anything new.
    async fn take_in(&self, conn: &mut Conn, means: &Means) -> Result<Effect, QueueError> {
        let held = match self.has_id {
            true => self.hold(conn, means).await?,
            false => None,
        };
        let effect = self.take_in_held(conn, means).await?;
        if let Some(lead) = held {
            lead_arrivals::let_go(conn, &lead).await?;
        }
        Ok(effect)
    }

    async fn take_in_held(&self, conn: &mut Conn, means: &Means) -> Result<Effect, QueueError> {
        let (key, now) = (&self.new.dedup_key, self.new.received_at);
        let ever = Ts::from_micros(0);
        if self.has_id && !webhook_deliveries::claim_key(conn, key, now, ever).await? {
            webhook_deliveries::note_duplicate(conn, key, now).await?;
            return self.again(conn, means).await;
        }
        let effect = self.effect(conn, means).await?;
        let since = now.before(SAME_BODY_FOR);
        if !self.has_id
            && !effect.is_news
            && !webhook_deliveries::claim_key(conn, key, now, since).await?
        {
            webhook_deliveries::note_duplicate(conn, key, now).await?;
            return Ok(effect);
        }
        webhook_deliveries::insert(conn, &self.new, &effect.became).await?;
        Ok(effect)
    }

    /// Stores what the same delivery leads to, or another one of the lead, if that is still to be done, and holds the lead: everybody
    /// takes the lead before the key.
    async fn hold(&self, conn: &mut Conn, means: &Means) -> Result<Option<String>, QueueError> {
        let key = &self.new.dedup_key;
        if let Some(lead) = lead_arrivals::of_delivery(conn, key).await? {
            arrivals::store_lead(conn, &means.queue, &lead).await?;
        }
        let Ok(said) = &self.said else {
            return Ok(None);
        };
        let Verdict::Wanted(lead) = said.verdict(&means.onboarding) else {
            return Ok(None);
        };
        if let Some(waiting) = lead_arrivals::hold(conn, &lead).await? {
            arrivals::store(conn, &means.queue, &[waiting]).await?;
        }
        Ok(Some(lead))
    }

    async fn effect(&self, conn: &mut Conn, means: &Means) -> Result<Effect, QueueError> {
        plan(conn, means, &self.said, &self.new.correlation_id).await
    }

    /// What the sender of a delivery is told whose id came before: how the lead's job stands now.
    async fn again(&self, conn: &mut Conn, means: &Means) -> Result<Effect, QueueError> {
        if let Ok(said) = &self.said
            && let Verdict::Wanted(lead) = said.verdict(&means.onboarding)
            && let Some(job) = sync_jobs::current_of(conn, &lead).await?
        {
            return Ok(Effect::of(said, &request::as_it_is(&job)));
        }
        self.effect(conn, means).await
    }
}

/// Takes one delivery in, as a member of the store's group commit. It is handed over when the future is first polled; from then on
/// dropping it does not take the delivery back.
///
/// # Errors
/// Whatever the database says.
pub async fn take_in_singly(means: &Means, arrived: Arc<Arrived>) -> Result<Effect, QueueError> {
    let mut tries = 0;
    loop {
        let (arrived, shared) = (arrived.clone(), means.clone());
        let taken = means
            .db
            .write("receive lead", move |conn| {
                Box::pin(async move { arrived.take_in(conn, &shared).await })
            })
            .await;
        tries += 1;
        match taken {
            // Another process had the same lead at the same moment.
            Err(QueueError::Db(DbError::Conflict | DbError::RolledBack)) if tries < TRIES => {}
            taken => return taken,
        }
    }
}
