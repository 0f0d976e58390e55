//! Whether onboarding forms can be taken in, and where their answers go.

use vtiger::Client;

use super::{Findings, call_error};
use crate::config::Settings;
use crate::flows::onboarding::form::modules::{Modules, NoField, target};
use crate::problem::Code;

/// Checks the settings of the form against the key and, where the CRM is known, against its fields.
pub(super) async fn check(client: &Client, settings: &Settings, findings: &mut Findings) {
    if settings.maxio.is_none() && settings.server.public_url.is_none() {
        findings.ok(
            "onboarding form",
            "not in use: neither MAXIO_API_URL nor PUGMARK_PUBLIC_URL is set",
        );
        return;
    }
    if settings.seal_key.is_none() {
        findings.warning(
            "onboarding form",
            format!(
                "{}: closed, because PUGMARK_SEAL_KEY is not set",
                Code::FormsClosed
            ),
            "Make a key with `openssl rand -hex 32` and set it",
        );
        return;
    }
    if settings.server.public_url.is_none() {
        findings.warning(
            "onboarding links",
            "PUGMARK_PUBLIC_URL is not set, so links are made as a path alone",
            "Set it to the address under which clients reach this server",
        );
    }
    match Modules::ask(client).await {
        Ok(modules) => check_fields(&modules, settings, findings),
        Err(error) => findings.problem(
            "onboarding form",
            call_error(&error),
            "Give the CRM user the right to read and edit leads and contacts",
        ),
    }
}

fn check_fields(modules: &Modules, settings: &Settings, findings: &mut Findings) {
    for module in modules.leads.iter().chain([&modules.contacts]) {
        let mut missing = Vec::new();
        for question in &settings.onboarding.form.fields {
            match target(module, question) {
                Ok(_) => {}
                Err(NoField::Missing) => missing.push(question.name.clone()),
                Err(NoField::ReadOnly) => missing.push(format!("{} (read-only)", question.name)),
            }
        }
        let what = format!("onboarding form in {}", module.name);
        if missing.is_empty() {
            findings.ok(&what, "every answer has a field");
        } else {
            findings.warning(
                &what,
                format!("{}: no field for {}", Code::FormFieldMissing, missing.join(", ")),
                "Make the fields in vTiger, name others (onboarding.form.fields, `to`), or leave the questions out; until then \
                 these answers are kept here",
            );
        }
    }
}
