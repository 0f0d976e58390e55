//! Every English word of the page that is not in the settings.

use crate::config::Section;

/// The page's name.
pub(super) const TITLE: &str = "Unified Onboarding Hub";
/// Whom to ask, where the settings name nobody.
pub(super) const HELP: &str = "the person who sent you this link";

/// A page that says why there is no form.
pub(super) struct Problem {
    pub(super) title: &'static str,
    pub(super) what: &'static str,
    pub(super) todo: &'static str,
}

pub(super) const FORGED: Problem = Problem {
    title: "This link does not work",
    what: "Part of it may be missing. Some e-mail programs break long links over two lines.",
    todo: "Open the link from the e-mail once more, or copy all of it into the address bar. If that does not help, ask for a new link from",
};
pub(super) const EXPIRED: Problem = Problem {
    title: "This link has expired",
    what: "Links work for a limited time, because the form asks for bank details. What you have typed so far is kept.",
    todo: "With a new link you can go on where you stopped. Ask for one from",
};
pub(super) const CLOSED: Problem = Problem {
    title: "The form is not open yet",
    what: "It is not set up completely on our side, so nothing can be typed in.",
    todo: "Please try again later, or tell",
};
pub(super) const UNAVAILABLE: Problem = Problem {
    title: "One moment, please",
    what: "The form cannot be opened just now. What you have typed so far is kept.",
    todo: "Please load this page again in a minute. If it stays like this, tell",
};
pub(super) const ELSEWHERE: Problem = Problem {
    title: "Please use the form itself",
    what: "This was sent from a page that is not ours, so nothing was taken in.",
    todo: "Open your link and send the form from there. If that does not help, ask",
};
pub(super) const TOO_MANY: Problem = Problem {
    title: "Too fast",
    what: "The form was asked for very often within a minute.",
    todo: "Please wait a minute and load the page again. What was saved is kept. If it goes on like this, tell",
};

/// The heading of a section, and the line below it.
pub(super) fn section(section: Section) -> (&'static str, &'static str) {
    match section {
        Section::Company => (
            "Your company",
            "As it should appear in contracts and on bills.",
        ),
        Section::Contacts => ("People to talk to", "Whom we call or write to."),
        Section::Bank => (
            "Bank details",
            "The account our fees are debited from. It is kept encrypted, and passed on to our own records alone.",
        ),
        Section::Hours => (
            "Hours and pay",
            "How your company works in an ordinary week.",
        ),
        Section::Policies => (
            "Policies",
            "What your employees are promised. A sentence each is enough; we go through the details together.",
        ),
        Section::Start => (
            "Getting started",
            "When you need us, and what we have not asked.",
        ),
    }
}

/// Words for the script, as `data-` attributes of the form.
pub(super) const SCRIPT: [(&str, &str); 15] = [
    ("saving", "Saving…"),
    ("saved", "Saved at {time}"),
    ("unsaved", "Not saved – trying again"),
    (
        "stale",
        "Saved answers cannot be kept any more: this link has expired",
    ),
    ("sending", "Sending…"),
    (
        "unsent",
        "It could not be sent, because the server cannot be reached. Everything you typed is still here. Please send it again in a moment.",
    ),
    ("needed", "must be filled in"),
    ("email", "must be an e-mail address like name@example.com"),
    (
        "iban",
        "is not right: its check digits do not fit, so a digit is mistyped. Compare it with your bank statement",
    ),
    ("short", "is not complete yet"),
    ("good", "Check digits fit"),
    ("done", "Complete"),
    ("todo", "{count} to go"),
    ("empty", "Nothing yet"),
    ("change", "Change"),
];
