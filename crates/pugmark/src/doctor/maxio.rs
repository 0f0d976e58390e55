//! What setting leads up needs: Maxio, what is sold there, and fields in the CRM to tell the lead.

use maxio::{Client, Error, Site};
use vtiger::Module;

use super::Findings;
use crate::billing;
use crate::config::{self, Collection, Settings};
use crate::crm::{CONTACTS, Crm, LEADS};
use crate::flows::onboarding::fields;
use crate::problem::Code;

/// Checks all of it; nothing where no site is configured.
pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let Some(maxio) = &settings.maxio else {
        findings.ok(
            "Maxio",
            "MAXIO_API_URL is not set: leads are not set up there",
        );
        return;
    };
    match billing::client(maxio) {
        Ok(client) => check_site(&client, maxio, findings).await,
        Err(error) => findings.problem(
            "MAXIO_API_URL",
            error.to_string(),
            "Copy the site's address and an API key from its settings",
        ),
    }
    check_secrets(settings, maxio, findings);
    if let Some(crm) = settings.crm.clone().and_then(|crm| Crm::new(crm).ok()) {
        check_fields(&crm, settings, findings).await;
    }
}

async fn check_site(client: &Client, maxio: &config::Maxio, findings: &mut Findings) {
    let site = match client.site().await {
        Ok(site) => site,
        Err(error @ (Error::Credentials { .. } | Error::SiteBlocked { .. })) => {
            return findings.problem(
                "Maxio",
                format!("{}: {error}", Code::MaxioCredentials),
                "Make a key under Config, Integrations, API Access of this very site, and set MAXIO_API_KEY",
            );
        }
        Err(error) => {
            return findings.problem(
                "Maxio",
                format!("{}: {error}", Code::MaxioUnavailable),
                "Check MAXIO_API_URL, the name server, the firewall and the certificate",
            );
        }
    };
    let name = site.subdomain.as_deref().unwrap_or("the site");
    let currency = site.currency.as_deref().unwrap_or("an unknown currency");
    let test = if site.test { ", a test site" } else { "" };
    findings.ok("Maxio", format!("{name} answers; {currency}{test}"));
    check_collection(&site, maxio, findings);
    check_product(client, maxio, findings).await;
}

fn check_collection(site: &Site, maxio: &config::Maxio, findings: &mut Findings) {
    let invoices = maxio.collection != Collection::Iban;
    let debits = maxio.collection != Collection::Remittance;
    if invoices && !site.relationship_invoicing_enabled {
        findings.warning(
            "maxio.collection",
            "the site has no Relationship Invoicing; invoices are made the old way there",
            "Ask Maxio to switch Relationship Invoicing on, or let everybody pay by direct debit",
        );
    }
    let stripe = maxio.gateway == config::Gateway::Stripe;
    if debits && stripe && !site.relationship_invoicing_enabled {
        findings.warning(
            "maxio.gateway",
            "direct debits through Stripe need Relationship Invoicing, which the site does not have",
            "Ask Maxio to switch it on, or use another gateway",
        );
    }
    if debits && stripe && site.currency.as_deref().is_some_and(|code| code != "EUR") {
        findings.warning(
            "maxio.gateway",
            "SEPA Direct Debit is paid in EUR, which is not the site's currency",
            "Use a site in EUR, or maxio.collection = \"remittance\"",
        );
    }
}

async fn check_product(client: &Client, maxio: &config::Maxio, findings: &mut Findings) {
    let product = match client.product_by_handle(&maxio.product).await {
        Ok(Some(product)) => product,
        Ok(None) => {
            return findings.problem(
                "maxio.product",
                format!(
                    "the site has no product with the API handle `{}`",
                    maxio.product
                ),
                "Set it to the API handle of a product (its page in Maxio shows it)",
            );
        }
        Err(error) => {
            return findings.problem(
                "maxio.product",
                error.to_string(),
                "Mend what is said above first",
            );
        }
    };
    if product.is_archived() {
        return findings.problem(
            "maxio.product",
            format!(
                "`{}` is archived, so nobody can subscribe to it",
                maxio.product
            ),
            "Set it to the API handle of a product that is sold",
        );
    }
    let name = product.name.as_deref().unwrap_or("without a name");
    findings.ok("maxio.product", format!("{} ({name})", maxio.product));
    let Some(wanted) = &maxio.price_point else {
        return;
    };
    if product.product_price_point_handle.as_deref() == Some(wanted) {
        findings.ok(
            "maxio.price_point",
            format!("{wanted}, the product's default"),
        );
    } else {
        findings.warning(
            "maxio.price_point",
            format!("`{wanted}` is not the product's default one; whether it exists shows with the first subscription"),
            "Compare it with the price points on the product's page in Maxio",
        );
    }
}

fn check_secrets(settings: &Settings, maxio: &config::Maxio, findings: &mut Findings) {
    if settings.seal_key.is_none() {
        findings.warning(
            "PUGMARK_SEAL_KEY",
            "is not set, so what webhooks and people say of a lead is not kept: jobs read everything in vTiger",
            "Make one with `openssl rand -hex 32` and keep it safe",
        );
    }
    match &maxio.webhook_secret {
        Some(_) => findings.ok("MAXIO_WEBHOOK_SECRET", "is set"),
        None => findings.warning(
            "MAXIO_WEBHOOK_SECRET",
            "is not set, so Maxio's webhooks are refused and leads are not told of changes of their subscription",
            "Copy the site's shared key from its webhook settings",
        ),
    }
}

/// Whether the lead has the fields that are read and written.
async fn check_fields(crm: &Crm, settings: &Settings, findings: &mut Findings) {
    let onboarding = &settings.onboarding;
    let module = match lead_module(crm, onboarding.module.as_deref()).await {
        Ok(module) => module,
        Err(error) => {
            return findings.warning(
                "leads",
                format!("the CRM does not describe them: {error}"),
                "Mend what is said above first",
            );
        }
    };
    findings.ok(
        "leads",
        format!("are {}, ids begin with {}x", module.name, module.id_prefix),
    );
    if fields::status_field(&module, onboarding.status_field.as_deref()).is_none() {
        findings.warning(
            "onboarding.status_field",
            format!(
                "{} have no such field, so nobody can tell when a lead is ready but the webhook",
                module.name
            ),
            "Set it to the name or label of the field",
        );
    }
    for (name, configured) in fields::told(&onboarding.write) {
        check_written(&module, name, configured, findings);
    }
    for (name, configured) in fields::asked(&onboarding.lead) {
        if !configured.trim().is_empty() && fields::field(&module, configured).is_none() {
            findings.warning(
                &format!("onboarding.lead.{name}"),
                format!("{} have no field named or labelled `{configured}`; only the webhook can tell it", module.name),
                "Make the field, set another one, or leave it empty",
            );
        }
    }
}

fn check_written(module: &Module, name: &str, configured: &str, findings: &mut Findings) {
    let what = format!("onboarding.write.{name}");
    let is_id = name.ends_with("_id");
    match fields::field(module, configured) {
        Some(field) if field.editable => {
            findings.ok(&what, format!("{} ({})", field.name, field.label));
        }
        Some(field) => findings.problem(
            &what,
            format!("{} ({}) cannot be written", field.name, field.label),
            "Give Pugmark's user the right to edit it, or set another field",
        ),
        None if configured.trim().is_empty() => {
            findings.ok(&what, "is empty: the lead is not told");
        }
        None if is_id => findings.problem(
            &what,
            format!(
                "{}: {} have no field named or labelled `{configured}`; jobs wait",
                Code::LeadFieldMissing,
                module.name
            ),
            "Make a text field with that label, or set another one",
        ),
        None => findings.warning(
            &what,
            format!(
                "{} have no field named or labelled `{configured}`; it is not told",
                module.name
            ),
            "Make a text field with that label, or leave it empty",
        ),
    }
}

async fn lead_module(
    crm: &Crm,
    configured: Option<&str>,
) -> Result<std::sync::Arc<Module>, vtiger::CallError> {
    let module = match configured {
        Some(module) => module,
        None if crm.client.list_types().await?.contains(LEADS) => LEADS,
        None => CONTACTS,
    };
    crm.client.describe(module).await
}
