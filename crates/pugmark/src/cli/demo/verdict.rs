//! The oracle: compares the rows with what the look-alike of vTiger really holds, and counts from its journal.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, CellAlignment, Table};
use pugmark_sandbox::{JournalKind, StoredRecord, VtigerSandbox};
use serde::Serialize;

use super::writer::{LiveCustomer, Writer};
use crate::cli::CliError;

/// What arrived.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    rows_written: u64,
    customers: u64,
    test_customers: u64,
    deleted_at_once: u64,
    contacts_created: u64,
    contacts_updated: u64,
    crm_calls: u64,
    crm_reads: u64,
    crm_writes: u64,
    crm_logins: u64,
    coalesced: u64,
    faults_injected: u64,
    duplicates: u64,
    lost: u64,
    stale: u64,
    leaked: u64,
    notes: u64,
    notes_wrong: u64,
    tasks: u64,
    tasks_wrong: u64,
    payments: u64,
    figures_wrong: u64,
    drained: bool,
    seconds: f64,
}

impl Verdict {
    /// Nothing lost, nothing twice, nothing out of step, nothing where it does not belong.
    pub(super) fn is_fine(&self) -> bool {
        self.drained
            && self.duplicates == 0
            && self.lost == 0
            && self.stale == 0
            && self.leaked == 0
            && self.notes_wrong == 0
            && self.tasks_wrong == 0
            && self.figures_wrong == 0
    }

    pub(super) fn to_json(&self) -> String {
        // Numbers and booleans only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn to_table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        let mut row = |name: &str, value: String, meaning: &str| {
            table.add_row(vec![
                Cell::new(name),
                Cell::new(value).set_alignment(CellAlignment::Right),
                Cell::new(meaning),
            ]);
        };
        row(
            "rows written",
            self.rows_written.to_string(),
            "by a program that knows nothing of Pugmark",
        );
        row(
            "customers",
            self.customers.to_string(),
            &format!(
                "of them {} test customers and {} deleted at once, which must not arrive",
                self.test_customers, self.deleted_at_once
            ),
        );
        row(
            "contacts created",
            self.contacts_created.to_string(),
            "records that vTiger's journal shows",
        );
        row(
            "contacts updated",
            self.contacts_updated.to_string(),
            "revisions that changed something",
        );
        row(
            "CRM calls",
            self.crm_calls.to_string(),
            &format!(
                "{} writes, {} reads, {} for logging in",
                self.crm_writes, self.crm_reads, self.crm_logins
            ),
        );
        row(
            "coalesced",
            self.coalesced.to_string(),
            "changes that needed no write of their own",
        );
        row(
            "faults injected",
            self.faults_injected.to_string(),
            "5xx, lost answers, lost sessions, 429",
        );
        row(
            "duplicates",
            self.duplicates.to_string(),
            "contacts made twice",
        );
        row("lost", self.lost.to_string(), "customers without a contact");
        row(
            "out of step",
            self.stale.to_string(),
            "contacts whose values differ from the row",
        );
        row(
            "leaked",
            self.leaked.to_string(),
            "contacts of customers who must not be there",
        );
        row(
            "notes",
            self.notes.to_string(),
            &format!(
                "dependants and significant edits as comments; {} contacts with too few, too many or the wrong ones",
                self.notes_wrong
            ),
        );
        row(
            "tasks",
            self.tasks.to_string(),
            &format!(
                "missing requirements; {} contacts with too few or too many open ones",
                self.tasks_wrong
            ),
        );
        row(
            "payments",
            self.payments.to_string(),
            &format!(
                "paid rows; {} contacts whose count or total differs",
                self.figures_wrong
            ),
        );
        row(
            "time",
            format!("{:.1} s", self.seconds),
            if self.drained {
                "until the queue was empty"
            } else {
                "GAVE UP: the queue is not empty"
            },
        );
        table
    }
}

pub(super) async fn judge(
    writer: &mut Writer,
    sandbox: &VtigerSandbox,
    drained: bool,
    elapsed: Duration,
) -> Result<Verdict, CliError> {
    let customers = writer.live_customers().await?;
    let journal = sandbox.journal();
    let reference = reference_field(sandbox);
    let made = journal.count_distinct_by("Contacts", &reference);
    let mut by_reference: HashMap<String, StoredRecord> = HashMap::new();
    for record in sandbox.records("Contacts") {
        by_reference.insert(record.value(&reference).to_owned(), record);
    }

    let expected: BTreeMap<&str, &LiveCustomer> = customers
        .iter()
        .filter(|customer| !customer.is_test)
        .map(|customer| (customer.id.as_str(), customer))
        .collect();
    let lost = expected
        .keys()
        .filter(|id| !by_reference.contains_key(**id))
        .count();
    let stale = expected
        .iter()
        .filter(|(id, customer)| {
            by_reference
                .get(**id)
                .is_some_and(|contact| !agrees(customer, contact))
        })
        .count();
    let leaked = by_reference
        .keys()
        .filter(|id| !expected.contains_key(id.as_str()))
        .count();
    let belonging = compare_belongings(writer, sandbox, &by_reference).await?;
    let calls = count_calls(sandbox);
    let updated = journal
        .entries()
        .iter()
        .filter(|entry| matches!(&entry.kind, JournalKind::Revised { module, changed, .. } if module == "Contacts" && !changed.is_empty()))
        .count() as u64;
    let created = journal.count_created("Contacts");
    Ok(Verdict {
        rows_written: writer.written.rows,
        customers: writer.written.customers,
        test_customers: writer.written.tests,
        deleted_at_once: writer.written.gone_at_once,
        contacts_created: created,
        contacts_updated: updated,
        crm_calls: calls.writes + calls.reads + calls.logins,
        crm_reads: calls.reads,
        crm_writes: calls.writes,
        crm_logins: calls.logins,
        coalesced: writer.written.relevant.saturating_sub(created + updated),
        faults_injected: journal.faults().len() as u64,
        duplicates: made.values().map(|ids| ids.len() as u64 - 1).sum(),
        lost: lost as u64,
        stale: stale as u64,
        leaked: leaked as u64,
        notes: sandbox.records("ModComments").len() as u64,
        notes_wrong: belonging.notes_wrong,
        tasks: sandbox.records("Calendar").len() as u64,
        tasks_wrong: belonging.tasks_wrong,
        payments: belonging.payments,
        figures_wrong: belonging.figures_wrong,
        drained,
        seconds: elapsed.as_secs_f64(),
    })
}

/// What belongs to customers, beside what their contacts show of it.
#[derive(Default)]
struct Belonging {
    notes_wrong: u64,
    tasks_wrong: u64,
    payments: u64,
    figures_wrong: u64,
}

async fn compare_belongings(
    writer: &mut Writer,
    sandbox: &VtigerSandbox,
    contacts: &HashMap<String, StoredRecord>,
) -> Result<Belonging, CliError> {
    let mut belonging = Belonging::default();
    let notes = count_by(sandbox, "ModComments", "related_to", |_| true);
    let tasks = count_by(sandbox, "Calendar", "contact_id", |task| {
        task.value("taskstatus") != "Completed"
    });
    for owned in writer.belongings().await? {
        let Some(contact) = contacts.get(&owned.customer) else {
            continue;
        };
        let told = writer.told.get(&owned.customer).copied().unwrap_or(0);
        let wanted_notes = owned.dependants.unsigned_abs() + told;
        let found = |counts: &HashMap<String, u64>| counts.get(&contact.id).copied().unwrap_or(0);
        belonging.notes_wrong += u64::from(found(&notes) != wanted_notes);
        belonging.tasks_wrong += u64::from(found(&tasks) != owned.open_requirements.unsigned_abs());
        belonging.payments += owned.payments.unsigned_abs();
        let values: Vec<f64> = contact
            .fields
            .iter()
            .filter(|(name, _)| name.starts_with("cf_"))
            .filter_map(|(_, value)| value.parse().ok())
            .collect();
        let shows = |number: f64| values.iter().any(|value| (value - number).abs() < 0.005);
        #[allow(
            clippy::cast_precision_loss,
            reason = "a demonstration's amounts are small"
        )]
        let (count, total) = (owned.payments as f64, owned.cents as f64 / 100.0);
        belonging.figures_wrong += u64::from(owned.payments > 0 && !(shows(count) && shows(total)));
    }
    Ok(belonging)
}

/// How many records of a module refer to each contact.
fn count_by(
    sandbox: &VtigerSandbox,
    module: &str,
    field: &str,
    counts: impl Fn(&StoredRecord) -> bool,
) -> HashMap<String, u64> {
    let mut by_contact = HashMap::new();
    for record in sandbox
        .records(module)
        .iter()
        .filter(|record| counts(record))
    {
        *by_contact
            .entry(record.value(field).to_owned())
            .or_default() += 1;
    }
    by_contact
}

struct Calls {
    writes: u64,
    reads: u64,
    logins: u64,
}

fn count_calls(sandbox: &VtigerSandbox) -> Calls {
    let mut calls = Calls {
        writes: 0,
        reads: 0,
        logins: 0,
    };
    for entry in sandbox.journal().calls() {
        if let JournalKind::Call { operation, .. } = &entry.kind {
            match operation.as_str() {
                "create" | "revise" | "update" | "delete" => calls.writes += 1,
                "getchallenge" | "login" | "logout" | "extendsession" => calls.logins += 1,
                _ => calls.reads += 1,
            }
        }
    }
    calls
}

/// The custom field that carries the reference, found as a person would: by its label's place among the custom fields. The
/// first one made is the reference.
fn reference_field(sandbox: &VtigerSandbox) -> String {
    sandbox
        .records("Contacts")
        .first()
        .and_then(|record| {
            record
                .fields
                .keys()
                .find(|name| name.starts_with("cf_"))
                .cloned()
        })
        .unwrap_or_else(|| "cf_853".to_owned())
}

/// Whether a contact shows what the row says. Written apart from the mapping that made it.
fn agrees(customer: &LiveCustomer, contact: &StoredRecord) -> bool {
    let values: Vec<&str> = contact.fields.values().map(String::as_str).collect();
    let shown = |value: &str| values.contains(&value);
    contact.value("firstname") == cut(&customer.first, 40)
        && contact.value("lastname") == cut(&customer.last, 80)
        && contact.value("email") == customer.email.as_deref().unwrap_or_default()
        && contact.value("mobile") == customer.phone
        && contact.value("birthday") == customer.born.as_deref().unwrap_or_default()
        && customer.middle.as_deref().is_none_or(shown)
        && shown(&customer.id_number)
}

/// vTiger's column holds so many characters.
fn cut(value: &str, characters: usize) -> String {
    value.chars().take(characters).collect()
}
