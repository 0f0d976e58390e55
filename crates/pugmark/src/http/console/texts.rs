//! What the console says where code, not a template, chooses the words. Everything else that people read stands in
//! `templates/console/`, and nowhere else.

/// A page that says one thing.
#[derive(Debug)]
pub struct Words {
    /// Title and heading.
    pub title: &'static str,
    /// What it means and what to do.
    pub text: &'static str,
}

pub(super) const STORE_DOWN: Words = Words {
    title: "The store does not answer",
    text: "The store does not answer. Nothing is lost: what is captured waits. Look at the log of `pugmark serve`.",
};
pub(super) const NOT_ALLOWED: Words = Words {
    title: "Your role does not allow this",
    text: "Somebody who administers Pugmark can give you another role under People. Nothing was changed.",
};
pub(super) const FOREIGN_FORM: Words = Words {
    title: "This form is out of date",
    text: "It was made for another session, or sent from another site, so nothing was done. Go back, load the page again and send \
           the form once more.",
};
pub(super) const NOT_FOUND: Words = Words {
    title: "There is nothing here",
    text: "What you look for does not exist, or does not exist any more.",
};
pub(super) const NOT_TAKEN: Words = Words {
    title: "This cannot be done as it is",
    text: "Nothing was changed. Go back and correct it:",
};
pub(super) const NOT_DONE: Words = Words {
    title: "This could not be done",
    text: "Nothing was changed.",
};
pub(super) const LINK_USED: Words = Words {
    title: "This link works no more",
    text: "It was used before, it has expired, or the account is disabled. Somebody who administers Pugmark makes a new one under \
           People, or with `pugmark user link`.",
};
pub(super) const LOGINS_DOWN: Words = Words {
    title: "Supabase does not answer",
    text: "You sign in with a login of Supabase, which cannot be asked at the moment. Try again in a moment.",
};
/// How long somebody who failed too often has to wait.
pub(super) fn too_soon(seconds: u64) -> String {
    let wait = match seconds {
        0..=1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    };
    format!("Too many attempts have failed. Try again in {wait}; a one-time link works at once.")
}

/// A role, for people.
impl crate::people::Role {
    /// Its name on pages.
    pub fn label(self) -> &'static str {
        use crate::people::Role;
        match self {
            Role::Viewer => "Viewer",
            Role::CustomerCare => "Customer care",
            Role::RegistrationAdmin => "Registration admin",
            Role::Admin => "Administrator",
        }
    }
}

/// What a role may do, in a sentence.
pub(super) fn may(role: crate::people::Role) -> &'static str {
    use crate::people::Role;
    match role {
        Role::Viewer => {
            "Sees how things stand. Names, phones and addresses of customers are masked."
        }
        Role::CustomerCare => {
            "Also sees customers as they are, works on problems, and has single operations tried again."
        }
        Role::RegistrationAdmin => {
            "Also changes what is delivered: edits and discards, many at once, staff accounts, the field mapping."
        }
        Role::Admin => "Also says who may do what: people, roles, sessions.",
    }
}

/// What an operation does, in the words of a customer's journey.
pub(super) fn operation(kind: &str) -> &'static str {
    match kind {
        "customer.create" => "The contact is made",
        "customer.update" => "The contact is brought up to date",
        "customer.mark" => "The contact is marked as withdrawn",
        "note.create" => "A note is written on the contact",
        "task.create" => "Tasks about a missing requirement",
        "payment.summary" => "The week's payments are told",
        "contact.apply" => "Edits of the contact are merged",
        "lead.convert" => "A converted lead becomes a customer",
        _ => "An operation",
    }
}

/// A row of MicroBima's tables, in a word.
pub(super) fn table(table: &str) -> &str {
    match table {
        "customers" => "Customer",
        "dependants" => "Dependant",
        "beneficiaries" => "Next of kin",
        "missing_requirements" => "Missing requirement",
        "policies" => "Policy",
        "policy_payments" => "Payment",
        other => other,
    }
}

pub(super) const NO_RIGHT: &str = "Your login has no right in Pugmark. Somebody with APP_SECRET_TOKEN gives one by `pugmark grant add`.";
pub(super) const SIGNED_OUT: &str =
    "You were signed out, so nothing was done. Sign in and try again.";
pub(super) const WRONG: &str = "The e-mail address or the password is not right.";
pub(super) const ALERT_TEST: &str = "A test is on its way; below you see what came of it, as soon as the process that leads has sent it.";
pub(super) const WAY_UNUSED: &str = "Not used yet";
pub(super) const WAY_SENT: &str = "Sent";
pub(super) const WAY_WAITS: &str = "Is to be sent";
pub(super) const WAY_FAILS: &str = "Not sent; tried again";
pub(super) const WAY_GIVEN_UP: &str = "Given up";
pub(super) const NOT_CONFIGURED: &str = "Not configured";
pub(super) const CONFIGURED: &str = "Configured";
pub(super) const ASKED_WHEN_NEEDED: &str = "asked when somebody signs in or an account changes";
pub(super) const SWITCHED_OFF: &str = "Switched off";
pub(super) const LEFT_ALONE: &str = "Left alone";
pub(super) const PAUSED: &str = "Paused";
pub(super) const ANSWERS: &str = "Answers";
pub(super) const CONNECTED: &str = "Connected";
pub(super) const CONNECTING: &str = "Connecting";
pub(super) const AWAY: &str = "Away";
pub(super) const FILTER_KEPT: &str = "Kept. It stands above the list, for you alone.";
pub(super) const FILTER_FORGOTTEN: &str = "The filter is forgotten.";
pub(super) const NO_SUCH_FILTER: &str = "You keep no filter of this name.";
pub(super) const NO_SUCH_SCREEN: &str = "This screen has no filters that can be kept.";
pub(super) const FILTER_NAME: &str = "Give the filter a name of up to 60 letters.";
pub(super) const NO_FILTER: &str = "There is no filter to keep: look for something first.";
pub(super) const TOO_MANY_FILTERS: &str = "You keep 50 filters; forget one first.";
pub(super) const NOTHING_TICKED: &str =
    "Nothing is ticked. Go back, tick the dead letters that are meant, and choose again.";
