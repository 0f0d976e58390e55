//! What to do next for a lead, given what is known: pure, so that every order of crashes, lost answers and repetitions can be
//! thought through without a network.
//!
//! The three creations are protected differently, because Maxio protects them differently:
//!
//! * **customer**: Maxio refuses a second one with the same reference. Looking it up before each creation is enough, also after
//!   one whose outcome is unknown: whichever of two comes late is refused.
//! * **payment profile**: nothing protects it. It is looked for among the customer's profiles by the end of its number. After a
//!   creation whose outcome is unknown, its absence is believed only when Maxio cannot be working on it any more.
//! * **subscription**: it carries a reference, of which nobody says whether a second is refused, and a token stored before it is
//!   sent. After a creation whose outcome is unknown, its absence is believed only when Maxio cannot be working on it any more
//!   and two questions agree; it is then sent again with the same token, so that what is on its way all the same is refused.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::time;
use jiff::tz::TimeZone;
use maxio::{
    BankDetails, Customer, CustomerChange, CustomerId, NewCustomer, PaymentProfile, Phase,
    Subscription,
};
use pugmark_queue::db::Ts;
use uuid::Uuid;

use crate::config::NextBilling;
use crate::store::sync_jobs::{Begun, Step};

/// Maxio knows a token for 60 minutes. Older ones are not worth sending again.
const TOKEN_KNOWN_FOR: Duration = Duration::from_secs(55 * 60);
/// How far Maxio's clock and the database's may be apart.
const CLOCKS: Duration = Duration::from_secs(300);

/// The next step of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read the lead and see whether it has everything.
    Check,
    /// See to the customer.
    Customer,
    /// See to the payment profile.
    PaymentProfile,
    /// See to the subscription.
    Subscription,
    /// Tell the lead.
    Tell,
    /// Nothing is left to do.
    Nothing,
}

/// What follows the last finished step.
pub fn next(reached: Step) -> Next {
    match reached {
        Step::Received => Next::Check,
        Step::Checked => Next::Customer,
        Step::Customer => Next::PaymentProfile,
        Step::PaymentProfile => Next::Subscription,
        Step::Subscription => Next::Tell,
        Step::LeadUpdated => Next::Nothing,
    }
}

/// When a step that was begun, and of whose end nothing is known, can have no effect any more.
pub fn settled_at(begun: &Begun, settle: Duration) -> Ts {
    begun.begun_at.after(settle)
}

/// What to do about the payment profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileDo {
    /// This one is it.
    Adopt(Box<PaymentProfile>),
    /// There is none.
    Create,
    /// One may still come to be; not before this.
    Wait(Ts),
}

/// Decides about the payment profile, given those that the customer has and whether a creation was begun of whose end nothing
/// is known.
pub fn profile(
    profiles: &[PaymentProfile],
    bank: &BankDetails,
    begun: Option<&Begun>,
    now: Ts,
    settle: Duration,
) -> ProfileDo {
    let shown = |profile: &&PaymentProfile| profile.shows(bank) == Some(true);
    // Of a profile that shows no number, the time alone can say that it is the one that was begun.
    let made_since = |profile: &&PaymentProfile| {
        let Some(begun) = begun else { return false };
        let since = begun.begun_at.before(CLOCKS).timestamp();
        profile.shows(bank).is_none()
            && profile.is_bank_account()
            && profile.created_at.is_some_and(|made| made >= since)
    };
    let found = profiles
        .iter()
        .find(shown)
        .or_else(|| profiles.iter().find(made_since));
    match (found, begun) {
        (Some(found), _) => ProfileDo::Adopt(Box::new(found.clone())),
        (None, Some(begun)) if now < settled_at(begun, settle) => {
            ProfileDo::Wait(settled_at(begun, settle))
        }
        (None, _) => ProfileDo::Create,
    }
}

/// What to do about the subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionDo {
    /// This one is it.
    Adopt(Box<Subscription>),
    /// There is none. With this token: that of the creation begun before, or a new one.
    Create(Token),
    /// One may still come to be; not before this.
    Wait(Ts),
    /// What stands there does not fit; a person has to decide.
    Occupied(String),
}

/// By what a creation of a subscription is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// The one that was sent before, or was about to be.
    Same(String),
    /// A new one.
    New,
}

/// What is known when the subscription is decided about.
pub struct Sought<'a> {
    /// Our reference.
    pub reference: &'a str,
    /// The customer it has to belong to.
    pub customer: &'a CustomerId,
    /// Handle of the product.
    pub product: &'a str,
    /// What was found by the reference.
    pub found: Option<&'a Subscription>,
    /// Everything the customer has.
    pub of_customer: &'a [Subscription],
    /// A creation that was begun and of whose end nothing is known.
    pub begun: Option<&'a Begun>,
    /// Now, by the clock that noted when it was begun.
    pub now: Ts,
    /// How long Maxio may still be working on it.
    pub settle: Duration,
}

/// Decides about the subscription.
pub fn subscription(sought: &Sought<'_>) -> SubscriptionDo {
    let ours = |one: &&Subscription| one.reference.as_deref() == Some(sought.reference);
    let found = sought
        .found
        .or_else(|| sought.of_customer.iter().find(ours));
    if let Some(found) = found {
        return fitting(found, sought);
    }
    match sought.begun {
        Some(begun) => {
            let settled = settled_at(begun, sought.settle);
            if sought.now < settled {
                return SubscriptionDo::Wait(settled);
            }
            SubscriptionDo::Create(again(begun, sought.now))
        }
        None => match sought.of_customer.iter().find(|one| bills(one, sought)) {
            Some(other) => SubscriptionDo::Occupied(format!(
                "The customer has a subscription to {} already, {} ({}), under another reference; a second one would be billed \
                 besides. Give it the reference {} in Maxio to have it taken for this lead, or end it, and retry the job",
                sought.product, other.id, other.state, sought.reference
            )),
            None => SubscriptionDo::Create(Token::New),
        },
    }
}

/// Whether it bills the customer for the same product.
fn bills(one: &Subscription, sought: &Sought<'_>) -> bool {
    let handle = one
        .product
        .as_ref()
        .and_then(|product| product.handle.as_deref());
    handle == Some(sought.product) && one.state.phase() != Phase::Ended
}

/// Whether what was found under our reference is what it should be.
fn fitting(found: &Subscription, sought: &Sought<'_>) -> SubscriptionDo {
    let customer = found.customer.as_ref().map(|customer| &customer.id);
    if customer.is_some_and(|id| id != sought.customer) {
        return SubscriptionDo::Occupied(format!(
            "Subscription {} has the reference {} but belongs to another customer than {}. Change its reference in Maxio and \
             retry the job",
            found.id, sought.reference, sought.customer
        ));
    }
    if found.state.phase() == Phase::Ended {
        return SubscriptionDo::Occupied(format!(
            "Subscription {} with the reference {} is {}. Reactivate it in Maxio, or change its reference to have a new one made, \
             and retry the job",
            found.id, sought.reference, found.state
        ));
    }
    SubscriptionDo::Adopt(Box::new(found.clone()))
}

/// The same token as long as Maxio knows it: should what was sent then arrive after all, one of the two is refused.
fn again(begun: &Begun, now: Ts) -> Token {
    let made = begun.token.as_deref().and_then(made_at);
    match (&begun.token, made) {
        (Some(token), Some(made)) if now < made.after(TOKEN_KNOWN_FOR) => {
            Token::Same(token.clone())
        }
        _ => Token::New,
    }
}

/// When a token was made: it is a `UUIDv7`, which begins with the time.
fn made_at(token: &str) -> Option<Ts> {
    let (seconds, nanos) = token.parse::<Uuid>().ok()?.get_timestamp()?.to_unix();
    let micros = i64::try_from(seconds).ok()? * 1_000_000 + i64::from(nanos / 1_000);
    Some(Ts::from_micros(micros))
}

/// What is changed of a customer that was found: what Maxio does not know yet, and what a person corrected in Pugmark (`edited`
/// names it). Everything else stays as it is there, because somebody may have mended it in Maxio.
pub fn completion(
    found: &Customer,
    wanted: &NewCustomer,
    edited: impl Fn(&str) -> bool,
) -> CustomerChange {
    let fill = |name: &str, theirs: &Option<String>, ours: &Option<String>| {
        let ours = ours.clone().filter(|ours| !ours.is_empty())?;
        match theirs {
            None => Some(ours),
            Some(theirs) if edited(name) && *theirs != ours => Some(ours),
            Some(_) => None,
        }
    };
    let given = |text: &String| Some(text.clone());
    CustomerChange {
        first_name: fill("first_name", &found.first_name, &given(&wanted.first_name)),
        last_name: fill("last_name", &found.last_name, &given(&wanted.last_name)),
        email: fill("email", &found.email, &given(&wanted.email)),
        organization: fill("company", &found.organization, &wanted.organization),
        address: fill("street", &found.address, &wanted.address),
        city: fill("city", &found.city, &wanted.city),
        state: fill("state", &found.state, &wanted.state),
        zip: fill("zip", &found.zip, &wanted.zip),
        country: fill("country", &found.country, &wanted.country),
        phone: fill("phone", &found.phone, &wanted.phone),
        vat_number: fill("vat_number", &found.vat_number, &wanted.vat_number),
        ..CustomerChange::default()
    }
}

/// When the first bill is due; `None`: at once. A day without a time means noon to Maxio, which is that day nearly everywhere.
pub fn first_bill(next: NextBilling, now: Timestamp) -> Option<Timestamp> {
    match next {
        NextBilling::Now => None,
        NextBilling::After(wait) if wait.is_zero() => None,
        NextBilling::After(wait) => now.checked_add(wait).ok(),
        NextBilling::FirstOfNextMonth => {
            let today = now.to_zoned(TimeZone::UTC).date();
            let first = today.last_of_month().tomorrow().ok()?;
            let noon = first.to_datetime(time(12, 0, 0, 0));
            noon.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SETTLE: Duration = Duration::from_secs(150);

    fn at(seconds: i64) -> Ts {
        Ts::from_micros(1_700_000_000_000_000 + seconds * 1_000_000)
    }

    fn begun(seconds: i64, token: Option<&str>) -> Begun {
        Begun {
            begun_at: at(seconds),
            token: token.map(str::to_owned),
            finished_at: None,
        }
    }

    fn of(value: Value) -> Subscription {
        serde_json::from_value(value).unwrap()
    }

    fn sub(id: u64, reference: Option<&str>, state: &str, customer: u64) -> Subscription {
        of(
            json!({"id": id, "state": state, "reference": reference, "customer": {"id": customer},
            "product": {"id": 1, "handle": "hr"}}),
        )
    }

    struct Case<'a> {
        found: Option<&'a Subscription>,
        list: &'a [Subscription],
        begun: Option<&'a Begun>,
        now: Ts,
    }

    fn decide(case: &Case<'_>) -> SubscriptionDo {
        subscription(&Sought {
            reference: "lead-10x456",
            customer: &CustomerId::from(7),
            product: "hr",
            found: case.found,
            of_customer: case.list,
            begun: case.begun,
            now: case.now,
            settle: SETTLE,
        })
    }

    #[test]
    fn what_stands_under_the_reference_is_adopted_wherever_it_shows() {
        let one = sub(1, Some("lead-10x456"), "past_due", 7);
        let adopted = SubscriptionDo::Adopt(Box::new(one.clone()));
        let earlier = begun(0, None);
        for begun in [None, Some(&earlier)] {
            let by_reference = Case {
                found: Some(&one),
                list: &[],
                begun,
                now: at(1),
            };
            let in_list = Case {
                found: None,
                list: std::slice::from_ref(&one),
                begun,
                now: at(1),
            };
            assert_eq!(decide(&by_reference), adopted);
            assert_eq!(decide(&in_list), adopted);
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_a_person() {
        let theirs = sub(1, Some("lead-10x456"), "active", 8);
        let ended = sub(1, Some("lead-10x456"), "canceled", 7);
        let by_hand = sub(1, None, "active", 7);
        for (found, list) in [
            (Some(&theirs), vec![]),
            (Some(&ended), vec![]),
            (None, vec![by_hand]),
        ] {
            let case = Case {
                found,
                list: &list,
                begun: None,
                now: at(0),
            };
            assert!(matches!(decide(&case), SubscriptionDo::Occupied(_)));
        }
        let over = sub(1, None, "canceled", 7);
        let case = Case {
            found: None,
            list: &[over],
            begun: None,
            now: at(0),
        };
        assert_eq!(decide(&case), SubscriptionDo::Create(Token::New));
    }

    #[test]
    fn absence_is_believed_only_when_nothing_can_arrive_any_more() {
        let token = Uuid::new_v7(uuid::Timestamp::from_unix(
            uuid::NoContext,
            1_700_000_000,
            0,
        ));
        let token = token.to_string();
        let begun = begun(0, Some(&token));
        let when = |now| {
            decide(&Case {
                found: None,
                list: &[],
                begun: Some(&begun),
                now,
            })
        };
        assert_eq!(when(at(149)), SubscriptionDo::Wait(at(150)));
        assert_eq!(
            when(at(150)),
            SubscriptionDo::Create(Token::Same(token.clone()))
        );
        assert_eq!(when(at(55 * 60)), SubscriptionDo::Create(Token::New));
    }

    #[test]
    fn a_profile_is_known_by_the_end_of_its_number_and_waited_for() {
        let bank = BankDetails::iban("IE29AIBK93115212345678".into());
        let profile_of = |masked: Option<&str>, made: &str| -> PaymentProfile {
            serde_json::from_value(
                json!({"id": 3, "payment_type": "bank_account", "created_at": made,
                "masked_bank_account_number": masked}),
            )
            .unwrap()
        };
        let same = profile_of(Some("XXXX5678"), "2001-01-01T00:00:00Z");
        let other = profile_of(Some("XXXX9999"), "2023-11-14T22:13:21Z");
        let hidden = profile_of(None, "2023-11-14T22:13:21Z");
        let decide = |profiles: &[PaymentProfile], begun: Option<&Begun>, now| {
            profile(profiles, &bank, begun, now, SETTLE)
        };
        let earlier = begun(0, None);
        assert_eq!(
            decide(std::slice::from_ref(&same), None, at(0)),
            ProfileDo::Adopt(Box::new(same))
        );
        assert_eq!(
            decide(std::slice::from_ref(&other), None, at(0)),
            ProfileDo::Create
        );
        assert_eq!(
            decide(std::slice::from_ref(&hidden), None, at(0)),
            ProfileDo::Create
        );
        assert_eq!(
            decide(std::slice::from_ref(&hidden), Some(&earlier), at(0)),
            ProfileDo::Adopt(Box::new(hidden))
        );
        assert_eq!(
            decide(&[other], Some(&earlier), at(1)),
            ProfileDo::Wait(at(150))
        );
        assert_eq!(decide(&[], Some(&earlier), at(150)), ProfileDo::Create);
    }

    #[test]
    fn of_a_customer_that_was_found_only_blanks_and_corrections_are_written() {
        let found: Customer =
            serde_json::from_value(json!({"id": 7, "first_name": "John", "last_name": "Doe",
            "email": "mended@acme.example", "organization": null, "phone": "1"}))
            .unwrap();
        let mut wanted = NewCustomer::new("Jon", "Doe", "old@acme.example");
        wanted.organization = Some("Acme".to_owned());
        wanted.phone = Some("2".to_owned());
        let change = completion(&found, &wanted, |name| name == "phone");
        assert_eq!(
            change,
            CustomerChange {
                organization: Some("Acme".to_owned()),
                phone: Some("2".to_owned()),
                ..CustomerChange::default()
            }
        );
    }

    #[test]
    fn the_first_bill_is_due_when_the_settings_say() {
        let now: Timestamp = "2026-12-15T23:30:00Z".parse().unwrap();
        let shown = |next| first_bill(next, now).map(|at| at.to_string());
        assert_eq!(shown(NextBilling::Now), None);
        assert_eq!(
            shown(NextBilling::FirstOfNextMonth).as_deref(),
            Some("2027-01-01T12:00:00Z")
        );
        let fortnight = NextBilling::After(Duration::from_secs(14 * 86_400));
        assert_eq!(shown(fortnight).as_deref(), Some("2026-12-29T23:30:00Z"));
    }
}
