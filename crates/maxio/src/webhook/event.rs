//! What a delivery says.

use jiff::Timestamp;

use super::form::Form;
use crate::id::{CustomerId, SubscriptionId};
use crate::reading::parse_moment;
use crate::subscriptions::State;

/// A delivery, read. Its payload is a hint: read the record before acting on it.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// The id, unique across the service and the same for every repetition: what to recognise duplicates by. Only the
    /// test event has none.
    pub id: Option<String>,
    /// What happened: `subscription_state_change`, `payment_success` and the like; `test` for the test event.
    pub event: String,
    form: Form,
}

/// Shows what kind of event it is, and nothing of people or accounts.
impl std::fmt::Debug for Event {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Event")
            .field("id", &self.id)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// A body that is no delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// There is no `event`.
    #[error(
        "the body names no event; a webhook of Maxio is a form with `id`, `event` and `payload[…]`"
    )]
    NoEvent,
    /// There is no `id`, without which repetitions cannot be told.
    #[error("the webhook has no id")]
    NoId,
    /// There are two different ones of what must be there once.
    #[error("the webhook has more than one `{0}`")]
    Ambiguous(&'static str),
}

/// The event that a click in the site's settings sends.
const TEST: &str = "test";

impl Event {
    /// Reads the body of a delivery. Check it first: [`verify`](super::verify).
    ///
    /// # Errors
    /// [`Unreadable`] when there is no event in it, or no id.
    pub fn parse(body: &[u8]) -> Result<Self, Unreadable> {
        let form = Form::parse(body);
        let event = only(&form, "event")?.ok_or(Unreadable::NoEvent)?;
        let id = only(&form, "id")?;
        if id.is_none() && event != TEST {
            return Err(Unreadable::NoId);
        }
        Ok(Self { id, event, form })
    }

    /// Whether this is only a test of the connection.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.event == TEST
    }

    /// A text of the payload: `text(&["subscription", "id"])` is `payload[subscription][id]`. `None` when it is absent or
    /// empty, which is how null is sent.
    #[must_use]
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        self.texts(path).into_iter().next()
    }

    /// The texts of a list in the payload, in their order: `texts(&["ids", ""])` is every `payload[ids][]`. Empty ones are
    /// left out.
    #[must_use]
    pub fn texts(&self, path: &[&str]) -> Vec<&str> {
        let full: Vec<&str> = std::iter::once("payload")
            .chain(path.iter().copied())
            .collect();
        let mut texts = self.form.values(&full);
        texts.retain(|text| !text.is_empty());
        texts
    }

    /// A moment of the payload, in either form the service uses.
    #[must_use]
    pub fn moment(&self, path: &[&str]) -> Option<Timestamp> {
        self.text(path).and_then(parse_moment)
    }

    /// The subscription concerned.
    #[must_use]
    pub fn subscription_id(&self) -> Option<SubscriptionId> {
        self.text(&["subscription", "id"])?.parse().ok()
    }

    /// The reference of the subscription concerned.
    #[must_use]
    pub fn subscription_reference(&self) -> Option<&str> {
        self.text(&["subscription", "reference"])
    }

    /// The state of the subscription when the event was made.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.text(&["subscription", "state"]).map(State::from)
    }

    /// The customer concerned: of the subscription, or the one the event is about.
    #[must_use]
    pub fn customer_id(&self) -> Option<CustomerId> {
        self.text(&["subscription", "customer", "id"])
            .or_else(|| self.text(&["customer", "id"]))?
            .parse()
            .ok()
    }

    /// The customer's reference.
    #[must_use]
    pub fn customer_reference(&self) -> Option<&str> {
        self.text(&["subscription", "customer", "reference"])
            .or_else(|| self.text(&["customer", "reference"]))
    }
}

/// The one value of a name outside of the payload.
fn only(form: &Form, name: &'static str) -> Result<Option<String>, Unreadable> {
    let mut values = form.values(&[name]);
    values.retain(|value| !value.trim().is_empty());
    values.dedup();
    match *values {
        [] => Ok(None),
        [value] => Ok(Some(value.to_owned())),
        _ => Err(Unreadable::Ambiguous(name)),
    }
}
