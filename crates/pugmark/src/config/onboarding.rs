//! Which leads are set up in Maxio, and where the CRM keeps what that needs and what comes of it.

use std::time::Duration;

use serde::Deserialize;

use super::form::{Form, FormFile};
use super::values::duration;
use super::{ConfigProblem, form, sources};

/// Settings of the onboarding flow.
#[derive(Debug, Clone)]
pub struct Onboarding {
    /// The module of leads; `None`: `Leads` where vTiger has it, otherwise `Contacts`.
    pub module: Option<String>,
    /// The field that says how far a lead is; `None`: `leadstatus` on leads, `contactstatus` on contacts.
    pub status_field: Option<String>,
    /// Its value that starts the setup.
    pub ready: String,
    /// The value it gets at the end; `None`: it stays.
    pub done: Option<String>,
    /// How often leads without a webhook are looked for; `None`: never.
    pub poll: Option<Duration>,
    /// How long what a failed job knows of its lead is kept.
    pub keep_failed: Duration,
    /// Where the lead keeps what Maxio needs.
    pub lead: LeadFields,
    /// Where the lead is told what came of it.
    pub write: WrittenFields,
    /// The form that new clients fill in.
    pub form: Form,
}

/// Fields of a lead by API name, label, or `cf_` and the label's words. Empty ones are not sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeadFields {
    /// First name of the contact person.
    pub first_name: String,
    /// Last name of the contact person.
    pub last_name: String,
    /// E-mail address for bills.
    pub email: String,
    /// Name of the company.
    pub company: String,
    /// Phone.
    pub phone: String,
    /// IBAN of the account that is debited.
    pub iban: String,
    /// Name of its bank.
    pub bank_name: String,
    /// Street and number.
    pub street: String,
    /// City.
    pub city: String,
    /// Postal code.
    pub zip: String,
    /// State, province or county.
    pub state: String,
    /// Country, by ISO 3166-1 code or English name.
    pub country: String,
    /// VAT number.
    pub vat_number: String,
}

/// Fields of a lead that are written, likewise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenFields {
    /// Maxio's id of the customer.
    pub customer_id: String,
    /// Maxio's id of the subscription.
    pub subscription_id: String,
    /// State of the subscription.
    pub subscription_state: String,
    /// What became of the last direct debit.
    pub direct_debit: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnboardingFile {
    module: String,
    status_field: String,
    ready: String,
    done: String,
    poll: String,
    keep_failed: String,
    lead: LeadFields,
    write: WrittenFields,
    form: FormFile,
}

impl Default for Onboarding {
    /// The commented defaults, for programs that bring their own settings.
    fn default() -> Self {
        check(&sources::defaults(), &mut Vec::new())
    }
}

/// Checks these settings.
pub(super) fn check(file: &sources::File, problems: &mut Vec<ConfigProblem>) -> Onboarding {
    let file = &file.onboarding;
    let given = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let module = given(&file.module).filter(|module| !module.eq_ignore_ascii_case("auto"));
    if let Some(module) = &module
        && !["Leads", "Contacts"].contains(&module.as_str())
    {
        problems.push(ConfigProblem::new(
            "onboarding.module",
            format!("`{module}` is no module of leads"),
            "Use auto, Leads or Contacts",
        ));
    }
    if file.ready.trim().is_empty() {
        problems.push(ConfigProblem::new(
            "onboarding.ready",
            "is empty",
            "Set it to the status that starts the setup in Maxio",
        ));
    }
    let poll = duration("onboarding.poll", &file.poll, problems);
    if !poll.is_zero() && poll < Duration::from_secs(1) {
        problems.push(ConfigProblem::new(
            "onboarding.poll",
            format!("`{}` is too short", file.poll),
            "Use 1s or more, or 0s for never",
        ));
    }
    Onboarding {
        module,
        status_field: given(&file.status_field),
        ready: file.ready.trim().to_owned(),
        done: given(&file.done),
        poll: Some(poll).filter(|poll| !poll.is_zero()),
        keep_failed: duration("onboarding.keep_failed", &file.keep_failed, problems),
        lead: file.lead.clone(),
        write: file.write.clone(),
        form: form::check(&file.form, problems),
    }
}
