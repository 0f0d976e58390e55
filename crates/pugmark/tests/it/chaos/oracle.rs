//! The oracle: reads the journal of vTiger's look-alike and MicroBima's rows, asks Pugmark nothing but what it has left to do,
//! and decides.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use pugmark_sandbox::JournalKind;

use super::load::Load;
use crate::harness::{FIELDS, World, Writer};

/// What was found, each with whom it struck. All empty is what must be.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// What happened in one system and did not arrive in the other.
    pub(super) lost: Vec<String>,
    /// Effects that were had twice.
    pub(super) twice: Vec<String>,
    /// Effects on one record in another order than their causes.
    pub(super) out_of_order: Vec<String>,
    /// Calls that should not have been made when they were.
    pub(super) beyond_budget: Vec<String>,
    /// What did not end without a human.
    pub(super) left_over: Vec<String>,
    /// What was looked at, for the table.
    pub(super) work: Vec<(&'static str, u64)>,
}

impl Verdict {
    /// Everything found, the first few of each kind.
    pub(super) fn findings(&self) -> Vec<String> {
        let kinds = [
            ("lost", &self.lost),
            ("twice", &self.twice),
            ("out of order", &self.out_of_order),
            ("beyond the budget", &self.beyond_budget),
            ("left over", &self.left_over),
        ];
        kinds
            .into_iter()
            .flat_map(|(kind, found)| {
                found
                    .iter()
                    .take(20)
                    .map(move |what| format!("{kind}: {what}"))
            })
            .collect()
    }
}

/// How much is not done yet: changes to be planned, and operations that have neither ended nor been given up.
pub(super) async fn left(program: &Writer) -> i64 {
    let sql = "SELECT CAST((SELECT count(*) FROM change_log WHERE processed_at IS NULL) + \
         (SELECT count(*) FROM vtiger_sync_queue WHERE status <> 'COMPLETED' \
          AND NOT (status = 'FAILED' AND dead_at IS NOT NULL)) AS TEXT)";
    let left = program.one(sql).await;
    left.and_then(|text| text.parse().ok()).expect("a count")
}

/// Judges customers and their notes.
pub(super) async fn judge(world: &World, program: &Writer, load: &Load) -> Verdict {
    let mut verdict = Verdict::default();
    contacts(world, program, load, &mut verdict).await;
    notes(world, program, &mut verdict).await;
    order(world, &mut verdict);
    left_over(program, &mut verdict).await;
    verdict.work = load.done.iter().map(|(what, n)| (*what, *n)).collect();
    verdict
        .work
        .push(("calls", world.crm.journal().count_calls(None)));
    verdict
}

/// Every row has one contact with its values, and nobody else has one that is not marked.
async fn contacts(world: &World, program: &Writer, load: &Load, verdict: &mut Verdict) {
    let reference = world.reference();
    let mut contacts: HashMap<String, Vec<pugmark_sandbox::StoredRecord>> = HashMap::new();
    for contact in world.crm.records("Contacts") {
        let customer = contact.value(&reference).to_owned();
        contacts.entry(customer).or_default().push(contact);
    }
    let rows = program.rows().await;
    let there: BTreeSet<&String> = rows.iter().map(|row| &row.id).collect();
    for customer in &load.answered {
        if !there.contains(customer) && !load.gone.contains(customer) {
            verdict.lost.push(format!("the row of {customer}"));
        }
    }
    let status = world.field("MicroBima Status");
    for row in &rows {
        let found = contacts.remove(&row.id).unwrap_or_default();
        if row.is_test {
            let unmarked = |contact: &&pugmark_sandbox::StoredRecord| {
                contact.value(&status) != "Test customer"
            };
            let wrong = found.iter().filter(unmarked);
            verdict.lost.extend(
                wrong.map(|_| format!("the mark on the contact of the test customer {}", row.id)),
            );
            continue;
        }
        let Some(contact) = found.first() else {
            verdict.lost.push(format!("the contact of {}", row.id));
            continue;
        };
        for (name, expected) in row.shown() {
            let field = match FIELDS.contains(&name) {
                true => world.field(name),
                false => name.to_owned(),
            };
            let held = contact.value(&field);
            if held != expected {
                verdict.lost.push(format!(
                    "{name} of {}: {held:?} instead of {expected:?}",
                    row.id
                ));
            }
        }
    }
    for (customer, found) in contacts {
        if !load.gone.contains(&customer) {
            verdict.twice.push(format!(
                "{customer}: {} contacts without a row",
                found.len()
            ));
        } else if found
            .iter()
            .any(|contact| contact.value(&status) != "Deleted")
        {
            verdict.lost.push(format!(
                "the mark on the contact of {customer}, who was deleted"
            ));
        }
    }
    // A contact that was made and removed again was made all the same.
    let made = world
        .crm
        .journal()
        .count_distinct_by("Contacts", &reference);
    for (customer, made) in made {
        if made.len() > 1 {
            verdict
                .twice
                .push(format!("{} contacts made of {customer}", made.len()));
        }
    }
}

/// Every dependant of a customer is told once on the contact, in the order in which they were added.
async fn notes(world: &World, program: &Writer, verdict: &mut Verdict) {
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let sql = "SELECT CAST(d.\"customerId\" AS TEXT) || ' ' || d.\"firstName\" FROM dependants d \
               JOIN customers c ON c.\"id\" = d.\"customerId\" WHERE NOT c.\"isTestUser\" ORDER BY d.\"firstName\"";
    for line in program.column(sql).await {
        let (customer, name) = line.split_once(' ').expect("two words");
        let names = wanted.entry(customer.to_owned()).or_default();
        names.push(name.to_owned());
    }
    let reference = world.reference();
    let customers: HashMap<String, String> = world
        .crm
        .records("Contacts")
        .into_iter()
        .map(|contact| (contact.id.clone(), contact.value(&reference).to_owned()))
        .collect();
    let mut told: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut references = BTreeSet::new();
    let notes = world.crm.records("ModComments");
    for note in &notes {
        let text = note.value("commentcontent");
        if !references.insert(text.lines().last().unwrap_or_default().to_owned()) {
            verdict.twice.push(format!("the note {text:?}"));
        }
        let name = text
            .strip_prefix("Dependant ")
            .and_then(|rest| rest.split_once(' '));
        let customer = customers.get(note.value("related_to"));
        if let (Some((name, rest)), Some(customer)) = (name, customer)
            && rest.contains(" added on ")
        {
            let names = told.entry(customer).or_default();
            names.push(name.to_owned());
        }
    }
    let nothing = Vec::new();
    for (customer, wanted) in &wanted {
        let told = told.get(customer.as_str()).unwrap_or(&nothing);
        judge_notes(customer, wanted, told, verdict);
    }
    let everybody: usize = told.values().map(Vec::len).sum();
    let expected: usize = wanted.values().map(Vec::len).sum();
    if everybody > expected {
        verdict
            .twice
            .push(format!("{everybody} notes of {expected} dependants"));
    }
}

fn judge_notes(customer: &str, wanted: &[String], told: &[String], verdict: &mut Verdict) {
    for name in wanted {
        match told.iter().filter(|one| *one == name).count() {
            0 => verdict
                .lost
                .push(format!("the note on {name} for {customer}")),
            1 => {}
            times => verdict
                .twice
                .push(format!("{times} notes on {name} for {customer}")),
        }
    }
    if !told.is_sorted() {
        verdict
            .out_of_order
            .push(format!("the notes of {customer}: {told:?}"));
    }
}

/// The names that a contact had, one after the other, only rise: an older name never comes after a newer one.
fn order(world: &World, verdict: &mut Verdict) {
    let mut newest: HashMap<String, String> = HashMap::new();
    for entry in world.crm.journal().entries() {
        let (id, name) = match &entry.kind {
            JournalKind::Created { id, fields, module } if module == "Contacts" => {
                (id, fields.get("lastname"))
            }
            JournalKind::Revised { id, changed, .. } | JournalKind::Updated { id, changed, .. } => {
                (id, changed.get("lastname").map(|change| &change.new))
            }
            _ => continue,
        };
        let Some(name) = name else { continue };
        if let Some(before) = newest.get(id)
            && before > name
        {
            verdict
                .out_of_order
                .push(format!("{id} was {before:?} and became {name:?}"));
        }
        newest.insert(id.clone(), name.clone());
    }
}

/// Nothing waits, nothing runs, nothing was given up.
pub(super) async fn left_over(program: &Writer, verdict: &mut Verdict) {
    let unplanned = program.count("change_log WHERE processed_at IS NULL").await;
    if unplanned > 0 {
        verdict
            .left_over
            .push(format!("{unplanned} changes that were never planned"));
    }
    let sql = "SELECT kind || ' ' || entity_id || ' ' || status || ', attempt ' || CAST(attempts AS TEXT) || ' ' || \
         COALESCE(blocked_by, '') || ' ' || COALESCE(error_code, '') || ' ' || COALESCE(error_message, '') \
         FROM vtiger_sync_queue WHERE status <> 'COMPLETED' ORDER BY created_at";
    verdict.left_over.extend(program.column(sql).await);
}
