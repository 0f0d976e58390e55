//! A member of the staff as pages show them.

use pugmark_queue::db::Ts;

use crate::flows::insurance::wording::money;
use crate::http::api::users::{ActionResult, Answered, System, UserBody};
use crate::http::console::masking;
use crate::http::console::moment::Moment;
use crate::http::console::sync_badge::SyncBadge;
use crate::store::products::Partner;

/// Somebody in the list and on their page.
pub(super) struct Agent {
    pub(super) user_id: String,
    pub(super) name: String,
    pub(super) partner: String,
    pub(super) partner_id: i32,
    pub(super) phone: String,
    pub(super) rate: String,
    /// Whole shillings and cents, for a field.
    pub(super) rate_plain: String,
    pub(super) active: bool,
    pub(super) created: String,
    pub(super) badge: SyncBadge,
    /// The user in vTiger: id and address.
    pub(super) vtiger_id: Option<String>,
    pub(super) link: Option<String>,
    /// What waits or failed.
    pub(super) operation: Option<OpenAct>,
}

/// An act that is not over.
pub(super) struct OpenAct {
    pub(super) id: String,
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) waiting_for: Option<&'static str>,
}

impl Agent {
    /// `personal`: whoever looks may see personal data.
    pub(super) fn of(user: &UserBody, partners: &[Partner], personal: bool, now: Ts) -> Self {
        let seen = |text: &str| match personal {
            true => text.to_owned(),
            false => masking::word(text),
        };
        let known = partners
            .iter()
            .find(|partner| partner.id == user.partner_id);
        Agent {
            user_id: user.user_id.clone(),
            name: seen(&user.display_name),
            partner: known.map_or_else(
                || format!("Partner {}", user.partner_id),
                |partner| partner.name.clone(),
            ),
            partner_id: user.partner_id,
            phone: seen(user.phone_number.as_deref().unwrap_or_default()),
            rate: money(i64::from(user.per_registration_rate_cents)),
            rate_plain: plain(user.per_registration_rate_cents),
            active: user.is_active,
            created: day(&user.created_at),
            badge: badge(user, personal, now),
            vtiger_id: user.vtiger_user_id.clone(),
            link: user.vtiger_user_url.clone(),
            operation: user.operation.as_ref().map(|open| OpenAct {
                id: open.id.clone(),
                class: if open.dead { "bad" } else { "wait" },
                word: if open.dead { "Failed" } else { "Waiting" },
                waiting_for: open.waiting_for.map(system),
            }),
        }
    }
}

/// Synced or not: whether there is a user in vTiger. Whatever waits or failed is in the tooltip.
fn badge(user: &UserBody, personal: bool, now: Ts) -> SyncBadge {
    let linked = user.vtiger_user_id.is_some();
    let (class, word) = match linked {
        true => ("good", "Synced"),
        false => ("", "Not Synced"),
    };
    let agreed = user
        .vtiger_last_synced_at
        .as_deref()
        .and_then(|at| at.parse::<jiff::Timestamp>().ok())
        .map(|at| Moment::of(Ts::from_micros(at.as_microsecond()), now));
    let mut tip = vec![match (agreed, linked) {
        (Some(at), _) => format!("Both sides last agreed {} ({}).", at.words, at.exact),
        (None, true) => "There is a user in vTiger.".to_owned(),
        (None, false) => "There is no user in vTiger.".to_owned(),
    }];
    tip.extend(
        user.vtiger_sync_error
            .as_deref()
            .map(|error| match personal {
                true => error.to_owned(),
                false => masking::sentence(error),
            }),
    );
    SyncBadge {
        class,
        word,
        tip,
        code: user.vtiger_sync_error_code.clone(),
    }
}

/// `50` or `50.25` for cents.
fn plain(cents: i32) -> String {
    match cents % 100 {
        0 => (cents / 100).to_string(),
        rest => format!("{}.{:02}", cents / 100, rest.abs()),
    }
}

/// `21 Nov 2026` of an instant.
fn day(at: &str) -> String {
    let parsed = at.parse::<jiff::Timestamp>().ok();
    parsed.map_or_else(String::new, |at| at.strftime("%-d %b %Y").to_string())
}

/// The name of a system.
pub(super) fn system(system: System) -> &'static str {
    match system {
        System::Supabase => "Supabase",
        System::MicroBima => "MicroBima",
        System::VTiger => "vTiger",
    }
}

/// One half of an act: what is done in which system.
pub(super) struct Half {
    pub(super) system: &'static str,
    pub(super) what: &'static str,
    pub(super) done: Option<Moment>,
}

/// An act with how far it came in each system.
pub(super) struct Halves {
    pub(super) operation: Option<String>,
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    pub(super) each: Vec<Half>,
    pub(super) reason: Option<String>,
    pub(super) code: Option<String>,
    /// It can be tried again.
    pub(super) open: bool,
}

impl Halves {
    pub(super) fn of(answered: Answered, personal: bool, now: Ts) -> Self {
        let body = answered.body;
        let (class, word, open) = match body.result {
            ActionResult::Done => ("good", "Done", false),
            ActionResult::Waiting => ("wait", "Waiting", true),
            ActionResult::Failed => ("bad", "Failed", true),
        };
        let each = body.steps.into_iter().map(|step| {
            let (system, what) = step_of(step.step);
            let done = step.done_at.as_deref();
            let done = done.and_then(|at| at.parse::<jiff::Timestamp>().ok());
            Half {
                system,
                what,
                done: done.map(|at| Moment::of(Ts::from_micros(at.as_microsecond()), now)),
            }
        });
        Halves {
            operation: body.operation_id,
            class,
            word,
            each: each.collect(),
            reason: body.reason.map(|reason| match personal {
                true => reason,
                false => masking::sentence(&reason),
            }),
            code: body.reason_code,
            open,
        }
    }
}

fn step_of(step: &str) -> (&'static str, &'static str) {
    match step {
        "login" => ("Supabase", "login"),
        "login-password" => ("Supabase", "password"),
        "ambassador" => ("MicroBima", "agent"),
        "crm-user" => ("vTiger", "user"),
        "crm-password" => ("vTiger", "password"),
        _ => ("vTiger", "status"),
    }
}

/// A field of the API in the words of the form.
pub(super) fn field(name: &str) -> &str {
    match name {
        "firstName" => "First name",
        "lastName" => "Last name",
        "email" => "Email",
        "password" | "newPassword" => "Password",
        "phoneNumber" => "Phone number",
        "partnerId" => "Partner",
        "perRegistrationRateCents" => "Rate per registration",
        "roles" => "Roles",
        other => other,
    }
}

/// Shillings as they were typed, in cents; `None` when they are none.
pub(super) fn cents(typed: &str) -> Option<i32> {
    let typed = typed.trim();
    if typed.is_empty() {
        return Some(0);
    }
    let amount: crate::microbima::amount::Amount = typed.parse().ok()?;
    i32::try_from(amount.cents()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_go_forth_and_back_without_loss() {
        for (shown, amount) in [("50", 5_000), ("50.25", 5_025), ("0", 0)] {
            assert_eq!(plain(amount), shown);
            assert_eq!(cents(shown), Some(amount));
        }
        assert_eq!(cents(""), Some(0));
        for wrong in ["x", "-1", "1,000", "1.234"] {
            assert_eq!(cents(wrong), None, "{wrong}");
        }
    }
}
