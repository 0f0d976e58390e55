//! Whether webhooks can prove where they come from, and whether converted leads can become customers.

use pugmark_queue::db::Db;

use super::Findings;
use crate::config::Settings;
use crate::problem::Code;
use crate::store::{SliceMode, slice_mode};

/// Checks both.
pub(super) async fn check(settings: &Settings, db: Option<&Db>, findings: &mut Findings) {
    let secrets = &settings.webhooks.secrets;
    let kinds = [
        (secrets.hmac.len(), "X-Vtiger-Signature"),
        (secrets.signing.len(), "Standard Webhooks"),
        (secrets.header.len(), "static header"),
        (secrets.path.len(), "secret in the address"),
    ];
    let on: Vec<String> = kinds
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, kind)| match count {
            1 => kind.to_owned(),
            count => format!("{kind} ({count} secrets are valid)"),
        })
        .collect();
    if on.is_empty() {
        findings.ok(
            "webhooks",
            "no secret is set, so every delivery is refused; docs/webhooks.md says how to switch them on",
        );
    } else {
        let said = format!("taken with {}", on.join(", "));
        findings.ok("webhooks", said);
    }
    check_conversion(settings, db, findings).await;
}

async fn check_conversion(settings: &Settings, db: Option<&Db>, findings: &mut Findings) {
    let conversion = &settings.insurance.conversion;
    if !conversion.enabled {
        findings.ok("lead conversion", "is switched off (conversion.enabled)");
        return;
    }
    let attached = match db {
        Some(db) => match db.read().await {
            Ok(mut conn) => slice_mode(&mut conn).await.ok() == Some(SliceMode::Attached),
            Err(_) => false,
        },
        None => false,
    };
    match (&conversion.api, attached) {
        (Some(api), _) => findings.ok(
            "lead conversion",
            format!(
                "through MicroBima's partner API at {}, partner {}",
                api.url.host_str().unwrap_or("its address"),
                conversion.partner_id
            ),
        ),
        (None, true) => findings.warning(
            "lead conversion",
            format!(
                "{}: the tables are MicroBima's own and MICROBIMA_URL is not set, so converted leads wait",
                Code::PartnerApiNotUsable
            ),
            "Set MICROBIMA_URL and MICROBIMA_API_KEY, or conversion.enabled = false",
        ),
        (None, false) => findings.ok(
            "lead conversion",
            format!("customers of partner {} are written here", conversion.partner_id),
        ),
    }
}
