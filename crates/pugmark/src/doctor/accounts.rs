//! What staff accounts need: Supabase, the key that seals passwords, a role, and a vTiger that can.

use supabase_auth::CallError;

use super::Findings;
use crate::config::Settings;
use crate::crm::Crm;
use crate::crm::accounts::{Lack, Way};
use crate::logins::Logins;
use crate::problem::Code;

/// Checks all of it; nothing where no logins are configured, because then accounts are none of Pugmark's business.
pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let Some(supabase) = &settings.supabase else {
        findings.ok(
            "accounts",
            "SUPABASE_URL is not set: staff accounts are not managed here",
        );
        return;
    };
    match Logins::new(supabase) {
        Ok(logins) => check_logins(&logins, findings).await,
        Err(error) => findings.problem(
            "SUPABASE_URL",
            error.to_string(),
            "Copy the project's address from its API settings",
        ),
    }
    check_settings(settings, findings);
    if let Some(crm) = settings.crm.clone().and_then(|crm| Crm::new(crm).ok()) {
        check_crm(&crm, findings).await;
    }
}

/// Reachable, and the key is one of an admin.
async fn check_logins(logins: &Logins, findings: &mut Findings) {
    match logins.client.list_users(1, 1).await {
        Ok(page) => {
            let total = page
                .total
                .map_or_else(|| "some".to_owned(), |total| total.to_string());
            findings.ok("Supabase", format!("answers; {total} login(s)"));
        }
        Err(error @ CallError::Credentials(_)) => findings.problem(
            "Supabase",
            format!("{}: {error}", Code::LoginsCredentials),
            "Copy the secret key (sb_secret_..., or the older service_role key) into SUPABASE_SERVICE_ROLE_KEY",
        ),
        Err(error) => findings.problem(
            "Supabase",
            format!("{}: {error}", Code::LoginsUnavailable),
            "Check SUPABASE_URL, the name server, the firewall and the certificate",
        ),
    }
}

fn check_settings(settings: &Settings, findings: &mut Findings) {
    match &settings.seal_key {
        Some(_) => findings.ok("PUGMARK_SEAL_KEY", "is set"),
        None => findings.warning(
            "PUGMARK_SEAL_KEY",
            "is not set, so no password is taken in: accounts are neither made nor synced, and none is reset",
            "Make one with `openssl rand -hex 32` and keep it safe",
        ),
    }
    match &settings.insurance.users.role {
        Some(role) => findings.ok("users.role", format!("new vTiger users get {role}")),
        None => findings.warning(
            "users.role",
            "is not set, so no vTiger user is made",
            "Set it to the id of a role, for example H5: it stands in the address of the role's page (Settings, Roles)",
        ),
    }
}

async fn check_crm(crm: &Crm, findings: &mut Findings) {
    let abilities = match crm.accounts.abilities(&crm.client).await {
        Ok(abilities) => abilities,
        Err(error) => {
            findings.warning(
                "vTiger users",
                format!("it could not be found out what vTiger can do: {error}"),
                "Mend what is said above first",
            );
            return;
        }
    };
    match &abilities.extension {
        Some(version) => findings.ok("extension", format!("installed, version {version}")),
        None => findings.ok("extension", "not installed"),
    }
    for (what, ability) in [
        ("make users", abilities.create),
        ("set passwords", abilities.password),
        ("enable users", abilities.enable),
        ("disable users", abilities.disable),
    ] {
        told(what, ability, findings);
    }
}

fn told(what: &str, ability: Result<Way, Lack>, findings: &mut Findings) {
    match ability {
        Ok(Way::Extension) => findings.ok(what, "through the extension"),
        Ok(Way::WebService) => findings.ok(what, "through vTiger's own web service"),
        Err(lack) => findings.warning(what, format!("{}: {lack}", lack.code()), lack.fix()),
    }
}
