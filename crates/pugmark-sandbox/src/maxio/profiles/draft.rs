//! A payment profile from what a request says: stand-alone, or inline with a subscription.

use std::collections::BTreeMap;

use super::super::config::Gateway;
use super::super::fields::Fields;
use super::super::refusal::Refusal;
use super::super::state::Stage;
use super::iban;
use super::row::{Means, Profile};
use crate::maxio::customers::Customer;

/// What is said of a payment profile in a list of messages.
fn blank(label: &str) -> String {
    format!("{label}: cannot be blank.")
}

/// A new profile of this customer that is not stored yet. Names come from the customer unless they are given.
pub(in super::super) fn draft(
    stage: &mut Stage<'_>,
    fields: &Fields,
    customer: &Customer,
    bank: bool,
) -> Result<Profile, Refusal> {
    if fields.has("chargify_token") {
        return Err(Refusal::invalid("Chargify token not found"));
    }
    let bank = bank || fields.text("payment_type").as_deref() == Some("bank_account");
    let vaulted = fields.text("vault_token");
    let means = match (bank, &vaulted) {
        (true, None) => bank_account(stage, fields)?,
        (true, Some(_)) => from_vault(fields),
        (false, _) => card(fields)?,
    };
    let id = stage.state.next_id();
    let mut texts = BTreeMap::new();
    for name in ["first_name", "last_name"] {
        if let Some(text) = customer.text(name) {
            texts.insert(name, text.to_owned());
        }
    }
    let vault = fields
        .text("current_vault")
        .unwrap_or_else(|| stage.config.gateway.vault().to_owned());
    let mut profile = Profile {
        id,
        customer: customer.id,
        vault_token: vaulted.unwrap_or_else(|| token(stage, &means)),
        means,
        texts,
        vault,
        customer_vault_token: fields.text("customer_vault_token"),
        created_at: stage.now,
        updated_at: stage.now,
    };
    profile.apply(fields);
    Ok(profile)
}

/// The bogus vault's token of an account is its number.
fn token(stage: &mut Stage<'_>, means: &Means) -> String {
    let number = match means {
        Means::Bank {
            iban,
            account_number,
            ..
        } => account_number.as_ref().or(iban.as_ref()),
        Means::Card { number, .. } => Some(number),
    };
    match (stage.config.gateway, number) {
        (Gateway::Bogus, Some(number)) => number.clone(),
        _ => stage.state.chance_text(),
    }
}

fn from_vault(fields: &Fields) -> Means {
    Means::Bank {
        iban: None,
        account_number: None,
        routing_number: None,
        account_type: kind(fields, "bank_account_type", "checking"),
        holder_type: kind(fields, "bank_account_holder_type", "personal"),
    }
}

fn bank_account(stage: &Stage<'_>, fields: &Fields) -> Result<Means, Refusal> {
    let missing = missing_bank_fields(stage.config.gateway, fields);
    if !missing.is_empty() {
        return Err(Refusal::Invalid(missing));
    }
    let iban = fields.text("bank_iban");
    if stage.config.gateway == Gateway::StripeSepa && stage.config.currency != "EUR" {
        return Err(Refusal::invalid(
            "SEPA Direct Debit payments must be made in EUR",
        ));
    }
    let bad = iban.as_deref().is_some_and(|iban| !iban::is_valid(iban));
    if bad && stage.config.refuse_bad_ibans {
        return Err(Refusal::invalid("The IBAN you provided is invalid."));
    }
    Ok(Means::Bank {
        iban,
        account_number: fields.text("bank_account_number"),
        routing_number: fields
            .text("bank_routing_number")
            .or_else(|| fields.text("bank_branch_code")),
        account_type: kind(fields, "bank_account_type", "checking"),
        holder_type: kind(fields, "bank_account_holder_type", "personal"),
    })
}

fn kind(fields: &Fields, name: &str, otherwise: &str) -> String {
    fields.text(name).unwrap_or_else(|| otherwise.to_owned())
}

fn missing_bank_fields(gateway: Gateway, fields: &Fields) -> Vec<String> {
    let has = |name: &str| fields.text(name).is_some();
    let sorted = has("bank_routing_number") || has("bank_branch_code");
    let mut missing = Vec::new();
    match gateway {
        Gateway::Bogus if has("bank_iban") || has("bank_account_number") => {}
        Gateway::StripeSepa if has("bank_iban") => {}
        Gateway::GoCardless if has("bank_iban") || (has("bank_account_number") && sorted) => {}
        Gateway::StripeSepa => missing.push(blank("Bank iban")),
        Gateway::Bogus | Gateway::GoCardless => missing.push(blank("Bank account number")),
    }
    if gateway == Gateway::GoCardless {
        let demanded = [
            ("bank_name", "Bank name"),
            ("billing_address", "Billing address"),
            ("billing_city", "Billing city"),
            ("billing_state", "Billing state"),
            ("billing_zip", "Billing zip"),
            ("billing_country", "Billing country"),
        ];
        let absent = demanded.into_iter().filter(|(name, _)| !has(name));
        missing.extend(absent.map(|(_, label)| blank(label)));
    }
    missing
}

fn card(fields: &Fields) -> Result<Means, Refusal> {
    let demanded = [
        ("full_number", "Credit card number"),
        ("expiration_month", "Credit card expiration month"),
        ("expiration_year", "Credit card expiration year"),
    ];
    let absent = demanded
        .into_iter()
        .filter(|(name, _)| fields.text(name).is_none());
    let missing: Vec<String> = absent.map(|(_, label)| blank(label)).collect();
    if !missing.is_empty() {
        return Err(Refusal::Invalid(missing));
    }
    Ok(Means::Card {
        number: fields.text("full_number").unwrap_or_default(),
        month: fields.number("expiration_month").unwrap_or_default(),
        year: fields.number("expiration_year").unwrap_or_default(),
    })
}
