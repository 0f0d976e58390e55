//! Checks everything that can be checked, and says what is missing and what to do: for `pugmark doctor` and for the console.

mod accounts;
mod broker;
mod capture;
mod forms;
mod leader;
mod maxio;
mod tasks;
mod webhooks;

mod mapping;
mod polling;
mod postgres;
mod redis;

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use pugmark_queue::db::{Db, Engine};
use serde::Serialize;
use vtiger::{CallError, Client, Module, RefusalReason};

use crate::app::code_of;
use crate::config::{self, ConfigError, Mode, Settings};
use crate::crm::contact_fields::{ContactFields, REFERENCE};
use crate::crm::{CONTACTS, Crm};
use crate::desk::chosen;
use crate::flows::insurance::sources::{self, Source};
use crate::problem::Code;
use crate::store::moving::{NotServed, may_be_served};
use crate::store::{self, field_mapping};

/// How far the clocks may be apart before it is worth a word.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(30);

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// Nothing to do.
    Ok,
    /// Works, but not as it might.
    Warning,
    /// Keeps Pugmark from working.
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub mark: Mark,
    /// What was looked at.
    pub what: String,
    /// How it stands.
    pub said: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, what: &str, said: impl Into<String>) {
        self.0.push(Finding {
            mark: Mark::Ok,
            what: what.to_owned(),
            said: said.into(),
            fix: None,
        });
    }

    fn warning(&mut self, what: &str, said: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding {
            mark: Mark::Warning,
            what: what.to_owned(),
            said: said.into(),
            fix: Some(fix.into()),
        });
    }

    fn problem(&mut self, what: &str, said: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Finding {
            mark: Mark::Problem,
            what: what.to_owned(),
            said: said.into(),
            fix: Some(fix.into()),
        });
    }
}

/// Runs every check: settings, store, broker, Redis, CRM, logins, webhooks, Maxio. Changes nothing.
pub async fn check(settings: Result<&Settings, &ConfigError>) -> Vec<Finding> {
    let mut findings = Findings::default();
    match settings {
        Err(ConfigError(problems)) => {
            for problem in problems {
                findings.problem(&problem.setting, &problem.what, &problem.fix);
            }
        }
        Ok(settings) => {
            findings.ok("settings", format!("readable; mode {}", settings.mode));
            check_settings(settings, &mut findings);
            let db = check_store(settings, &mut findings).await;
            broker::check(settings, &mut findings).await;
            redis::check(settings, &mut findings).await;
            check_crm(settings, db.as_ref(), &mut findings).await;
            accounts::check(settings, &mut findings).await;
            webhooks::check(settings, db.as_ref(), &mut findings).await;
            maxio::check(settings, &mut findings).await;
            if let Some(db) = db {
                db.close().await;
            }
        }
    }
    findings.0
}

fn check_settings(settings: &Settings, findings: &mut Findings) {
    if settings.server.token.is_none() {
        findings.warning(
            "APP_SECRET_TOKEN",
            "is not set, so the internal API refuses everybody",
            "Set it to a long random text",
        );
    }
    if settings.server.customer_url.is_none() {
        findings.warning(
            "PUGMARK_CUSTOMER_URL",
            "is not set, so contacts carry no link back to their customer",
            "Set it to the address at which people see a customer, with {id} for the customer's id",
        );
    }
    if settings.mode == Mode::Shadow {
        findings.warning(
            "PUGMARK_MODE",
            "is shadow: nothing is written to vTiger",
            "Set it to live when the reports look right",
        );
    }
}

async fn check_store(settings: &Settings, findings: &mut Findings) -> Option<Db> {
    let what = config::mask_url(&settings.database.url);
    let exists = store::sqlite_path(&settings.database.url).is_none_or(std::path::Path::exists);
    if !exists {
        findings.warning(
            "store",
            format!("{what} does not exist yet"),
            "`pugmark migrate` or `pugmark serve` makes it",
        );
        return None;
    }
    let db = match store::open_to_look(&settings.database).await {
        Ok(db) => db,
        Err(error) => {
            findings.problem(
                "store",
                format!("{}: {error}", code_of(&error)),
                "Check DATABASE_URL, the server and the rights of its user",
            );
            return None;
        }
    };
    if let Ok(Some(moved)) = moved(&db).await {
        findings.problem("store", moved, "Run `pugmark migrate-store` again, or set DATABASE_URL to the store that it was moved to");
    }
    match db.check_version(&store::migrations(db.engine())).await {
        Ok(()) => findings.ok("store", format!("{what}, at this program's version")),
        Err(error) => {
            let fix = match code_of(&error) {
                Code::StoreTooNew => "Use the newer Pugmark that migrated it",
                _ => "Run `pugmark migrate`",
            };
            findings.problem("store", format!("{}: {error}", code_of(&error)), fix);
            return Some(db);
        }
    }
    capture::check(settings, &db, findings).await;
    polling::check(settings, &db, findings).await;
    postgres::check(settings, &db, findings).await;
    leader::check(&db, findings).await;
    if db.engine() == Engine::Sqlite {
        findings.ok(
            "processes",
            "SQLite: one `pugmark serve` at a time; several need PostgreSQL",
        );
    }
    Some(db)
}

/// Why this store is not to be served, if it was moved or is being filled.
async fn moved(db: &Db) -> Result<Option<String>, NotServed> {
    match may_be_served(db).await {
        Err(NotServed::Store(error)) => Err(error.into()),
        Err(told) => Ok(Some(told.to_string())),
        Ok(()) => Ok(None),
    }
}

async fn check_crm(settings: &Settings, db: Option<&Db>, findings: &mut Findings) {
    let Some(crm) = settings.crm.clone() else {
        findings.problem(
            "CRM",
            "no address is configured",
            "Set VTIGER_URL (open source) or VTIGER_API_URL (Cloud), VTIGER_USERNAME and VTIGER_ACCESS_KEY",
        );
        return;
    };
    if !crm.enabled {
        findings.warning(
            "VTIGER_ENABLED",
            "is false: everything is queued, nothing is sent",
            "Set it to true to send",
        );
    }
    let crm = match Crm::new(crm) {
        Ok(crm) => crm,
        Err(error) => {
            findings.problem(
                "VTIGER_URL",
                error.to_string(),
                "Write it as in the browser",
            );
            return;
        }
    };
    let client = crm.client.clone();
    if !check_connection(&client, findings).await || !check_login(&client, findings).await {
        return;
    }
    check_modules(&client, &crm, db, findings).await;
    let tasks = chosen_tasks(settings, db).await;
    tasks::check(&client, &crm, &tasks, findings).await;
    forms::check(&client, settings, findings).await;
}

/// Connection and clock. `false` when there is no use in going on.
async fn check_connection(client: &Client, findings: &mut Findings) -> bool {
    match client.server_time().await {
        Ok(time) => {
            findings.ok(
                "connection",
                format!("answered in {} ms", time.round_trip.as_millis()),
            );
            let here = Timestamp::try_from(SystemTime::now()).unwrap_or(time.server);
            let apart = here.duration_since(time.server).unsigned_abs();
            if apart > CLOCK_TOLERANCE {
                findings.warning(
                    "clock",
                    format!("this machine and vTiger are {} seconds apart", apart.as_secs()),
                    "Let both follow a time server; Pugmark itself does not compare the two clocks when it writes",
                );
            } else {
                findings.ok("clock", format!("{} ms apart", apart.as_millis()));
            }
            true
        }
        Err(error) => {
            let fix = match error.reason() {
                Some(
                    RefusalReason::Credentials
                    | RefusalReason::AccessDenied
                    | RefusalReason::MissingOrForbidden,
                ) => "vTiger knows no such user: check VTIGER_USERNAME",
                _ => {
                    "Check the address in a browser, the name server, the firewall and the certificate"
                }
            };
            findings.problem("connection", call_error(&error), fix);
            false
        }
    }
}

async fn check_login(client: &Client, findings: &mut Findings) -> bool {
    match client.identify().await {
        Ok(identity) => {
            let version = identity.vtiger_version.as_deref().unwrap_or("unknown");
            findings.ok(
                "login",
                format!(
                    "{} ({}), vTiger {version}",
                    identity.user_name, identity.user_id
                ),
            );
            match identity.is_admin {
                Some(true) => findings.ok("rights", "the user is an administrator"),
                Some(false) => findings.warning(
                    "rights",
                    "the user is no administrator: vTiger 8 then refuses to assign records to some users",
                    "Make the user an administrator",
                ),
                None => findings.warning("rights", "this vTiger does not tell whether the user is an administrator", "Make sure it is one"),
            }
            true
        }
        Err(error) => {
            findings.problem(
                "login",
                call_error(&error),
                "Copy the access key from the user's preferences again (it is not the password), and check that the user is active",
            );
            false
        }
    }
}

async fn check_modules(client: &Client, crm: &Crm, db: Option<&Db>, findings: &mut Findings) {
    match client.list_types().await {
        Ok(types) => {
            let missing: Vec<&str> = [CONTACTS, "Leads", "Calendar", "ModComments", "Users"]
                .into_iter()
                .filter(|name| !types.contains(name))
                .collect();
            if missing.is_empty() {
                findings.ok(
                    "modules",
                    "Contacts, Leads, Calendar, ModComments and Users are there",
                );
            } else {
                findings.warning(
                    "modules",
                    format!("not there, or hidden from the user: {}", missing.join(", ")),
                    "Some vTigers have no Leads; the others need the right to see them",
                );
            }
        }
        Err(error) => findings.problem(
            "modules",
            call_error(&error),
            "The user needs the right to use the web service",
        ),
    }
    match client.describe(CONTACTS).await {
        Ok(module) => check_contacts(&module, crm, db, findings).await,
        Err(error) => findings.problem(
            "Contacts",
            call_error(&error),
            "Give the user the right to read, create and edit Contacts",
        ),
    }
}

async fn check_contacts(
    module: &std::sync::Arc<Module>,
    crm: &Crm,
    db: Option<&Db>,
    findings: &mut Findings,
) {
    let wanted = [
        (module.createable, "create"),
        (module.updateable, "edit"),
        (module.retrieveable, "read"),
    ];
    let refused: Vec<&str> = wanted
        .into_iter()
        .filter_map(|(may, right)| (!may).then_some(right))
        .collect();
    if refused.is_empty() {
        findings.ok(
            "Contacts",
            format!(
                "ids begin with {}x; the user may read, create and edit",
                module.id_prefix
            ),
        );
    } else {
        findings.problem(
            "Contacts",
            format!("the user may not {}", refused.join(", ")),
            "Give the right in the user's profile",
        );
    }
    let mappings = match db {
        Some(db) => match read_mappings(db).await {
            Ok(mappings) => mappings,
            Err(error) => {
                findings.problem("field mapping", error.to_string(), "Run `pugmark migrate`");
                return;
            }
        },
        None => {
            findings.warning(
                "field mapping",
                "is checked once the store exists",
                "Run `pugmark migrate`, then `pugmark doctor` again",
            );
            return;
        }
    };
    let fields = ContactFields::resolve(module.clone(), &mappings);
    for mapping in &mappings {
        if let Some(target) = fields.target(&mapping.microbima_field) {
            let label = module
                .field(&target.field)
                .map_or("", |field| field.label.as_str());
            findings.ok(
                "field",
                format!("{} -> {} ({label})", mapping.microbima_field, target.field),
            );
        }
    }
    let (figures, missing): (Vec<_>, Vec<_>) = fields
        .missing
        .iter()
        .partition(|(column, _)| is_figure(column));
    check_figures(&figures, findings);
    for (column, name) in missing {
        let label = name.trim_start_matches("cf_").replace('_', " ");
        let fix = format!(
            "Make a text field labelled \"{label}\" for Contacts (Settings, Module Layouts & Fields), or map another one"
        );
        if column == REFERENCE {
            let said = format!(
                "{}: there is no field `{name}`; contacts are not created without it",
                Code::NoReferenceField
            );
            findings.problem(
                "field id",
                said,
                format!("{fix}. It must hold 36 characters"),
            );
        } else {
            findings.warning(
                &format!("field {column}"),
                format!("there is no field `{name}`; this value is not sent"),
                fix,
            );
        }
    }
    if let Some(db) = db {
        mapping::check(module, db, findings).await;
    }
    check_mandatory(module, crm, &fields, findings);
}

fn is_figure(column: &str) -> bool {
    sources::find(column).is_some_and(Source::is_figure)
}

/// An insurer who shows no payments in the CRM is lacking nothing.
fn check_figures(missing: &[&(String, String)], findings: &mut Findings) {
    if missing.is_empty() {
        return;
    }
    let names: Vec<&str> = missing.iter().map(|(column, _)| column.as_str()).collect();
    findings.ok(
        "payment figures",
        format!(
            "not shown, for want of fields: {}; docs/payments.md says which to make",
            names.join(", ")
        ),
    );
}

/// Fields that this installation demands and that nothing fills.
fn check_mandatory(module: &Module, crm: &Crm, fields: &ContactFields, findings: &mut Findings) {
    let mapped: Vec<&str> = fields.names().collect();
    for field in module.mandatory_fields() {
        let filled = field.name == "assigned_user_id"
            || mapped.contains(&field.name.as_str())
            || crm.settings.contact_defaults.contains_key(&field.name);
        if !filled {
            findings.problem(
                "mandatory field",
                format!(
                    "vTiger demands {} ({}), and nothing fills it",
                    field.name, field.label
                ),
                format!(
                    "Map a column to it, or set vtiger.contact_defaults.{} in pugmark.toml",
                    field.name
                ),
            );
        }
    }
}

/// What was chosen in the console goes before the settings.
async fn chosen_tasks(settings: &Settings, db: Option<&Db>) -> config::Tasks {
    let of_settings = &settings.insurance.tasks;
    let read = async {
        let mut conn = db?.read().await.ok()?;
        chosen::tasks(&mut conn, of_settings).await.ok()
    };
    read.await.unwrap_or_else(|| of_settings.clone())
}

async fn read_mappings(
    db: &Db,
) -> Result<Vec<field_mapping::FieldMapping>, pugmark_queue::db::DbError> {
    let mut conn = db.read().await?;
    field_mapping::to_crm(&mut conn, CONTACTS).await
}

fn call_error(error: &CallError) -> String {
    let code = match error {
        CallError::Refused(refusal) if refusal.reason == RefusalReason::Credentials => {
            Code::CrmCredentials
        }
        CallError::Refused(_) => Code::CrmRights,
        CallError::Throttled { .. } => Code::CrmThrottled,
        CallError::SessionLost(_) => Code::CrmSession,
        _ => Code::CrmUnavailable,
    };
    format!("{code}: {error}")
}
