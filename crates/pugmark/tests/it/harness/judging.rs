//! What is judged in the end: rows against contacts.

use std::collections::{BTreeMap, BTreeSet};

use crate::generator::Generator;

use super::*;

/// A customer's row, every value as text.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Row {
    pub(crate) id: String,
    first_name: String,
    middle_name: Option<String>,
    last_name: String,
    email: Option<String>,
    phone_number: String,
    date_of_birth: Option<String>,
    gender: Option<String>,
    id_type: String,
    id_number: String,
    status: String,
    pub(crate) is_test: bool,
}

impl Row {
    /// What the contact has to show, by field label or name. The words are written down a second time on purpose.
    pub(crate) fn shown(&self) -> [(&'static str, String); 11] {
        let some = |value: &Option<String>| value.clone().unwrap_or_default();
        let words = |label: &str| {
            match label {
                "" => "",
                "FEMALE" => "Female",
                "MALE" => "Male",
                "PREFER_NOT_TO_SAY" => "Prefer not to say",
                "NATIONAL_ID" => "National ID",
                "PASSPORT" => "Passport",
                "PENDING_ACTIVATION" => "Pending activation",
                "ACTIVE" => "Active",
                "SUSPENDED" => "Suspended",
                other => panic!("no words for {other}"),
            }
            .to_owned()
        };
        [
            ("MicroBima Customer ID", self.id.clone()),
            ("firstname", self.first_name.clone()),
            ("Middle Name", some(&self.middle_name)),
            ("lastname", self.last_name.clone()),
            ("email", some(&self.email)),
            ("mobile", self.phone_number.clone()),
            ("birthday", some(&self.date_of_birth)),
            ("Gender", words(&some(&self.gender))),
            ("ID Type", words(&self.id_type)),
            ("ID Number", self.id_number.clone()),
            ("MicroBima Status", words(&self.status)),
        ]
    }
}

impl World {
    /// In what the contacts differ from the customers' rows: nothing, when every customer that is no test customer has
    /// exactly one contact with the row's values, and nobody else but the `withdrawn` has one.
    pub(crate) async fn out_of_step(&self, program: &Writer, withdrawn: &[String]) -> Vec<String> {
        let reference = self.reference();
        let mut contacts: BTreeMap<String, Vec<pugmark_sandbox::StoredRecord>> = BTreeMap::new();
        for contact in self.crm.records("Contacts") {
            contacts
                .entry(contact.value(&reference).to_owned())
                .or_default()
                .push(contact);
        }
        let mut wrong = Vec::new();
        for row in program.rows().await.into_iter().filter(|row| !row.is_test) {
            let found = contacts.remove(&row.id).unwrap_or_default();
            if found.len() != 1 {
                wrong.push(format!("{}: {} contacts", row.id, found.len()));
            }
            for contact in found {
                for (name, expected) in row.shown() {
                    let field = if FIELDS.contains(&name) {
                        self.field(name)
                    } else {
                        name.to_owned()
                    };
                    if contact.value(&field) != expected {
                        wrong.push(format!(
                            "{} {name}: {:?} instead of {expected:?}",
                            row.id,
                            contact.value(&field)
                        ));
                    }
                }
            }
        }
        for (customer, found) in contacts {
            if !withdrawn.contains(&customer) || found.len() != 1 {
                wrong.push(format!(
                    "{customer}: {} contacts without a row",
                    found.len()
                ));
            }
        }
        // A contact that was made and removed again was made all the same.
        for (customer, made) in self.crm.journal().count_distinct_by("Contacts", &reference) {
            if made.len() > 1 {
                wrong.push(format!("{customer}: created {} times", made.len()));
            }
        }
        wrong
    }
}

impl World {
    /// The first lines of the notes on a contact, in the order in which they were made.
    pub(crate) fn notes_on(&self, contact: &str) -> Vec<String> {
        let notes = self.crm.records("ModComments");
        notes
            .iter()
            .filter(|note| note.value("related_to") == contact)
            .map(|note| {
                let text = note.value("commentcontent");
                text.lines().next().unwrap_or_default().to_owned()
            })
            .collect()
    }

    /// That every contact carries exactly the notes on dependants that the generator's stories call for, in
    /// their order. Of edits of the customer the program tells besides, by its own defaults.
    pub(crate) fn assert_notes(&self, generator: &Generator<'_>, seed: u64) {
        let mut wanted_in_all = 0;
        for member in generator.living() {
            let none = Vec::new();
            let wanted = generator.expected.notes.get(&member.id).unwrap_or(&none);
            wanted_in_all += wanted.len();
            let contact = self.contact_of(&member.id).expect("a contact");
            let mut told = self.notes_on(&contact.id);
            told.retain(|line| line.starts_with("Dependant "));
            assert_eq!(&told, wanted, "notes of {}, PUGMARK_SEED={seed}", member.id);
        }
        assert!(wanted_in_all > 0, "or the test shows nothing");
        let all = self.crm.records("ModComments");
        let told = all
            .iter()
            .filter(|note| note.value("commentcontent").starts_with("Dependant "));
        assert_eq!(
            told.count(),
            wanted_in_all,
            "no others, PUGMARK_SEED={seed}"
        );
    }

    /// That every open requirement has one open task on its customer's contact, and that nothing else is open. One that was
    /// closed before its task was made has none.
    pub(crate) fn assert_tasks(&self, generator: &Generator<'_>, seed: u64) {
        let tasks = self.crm.records("Calendar");
        let on = |contact: &str, open: bool| {
            tasks
                .iter()
                .filter(|task| task.value("contact_id") == contact)
                .filter(|task| (task.value("taskstatus") != "Completed") == open)
                .count()
        };
        for member in generator.living() {
            let wanted = |open| {
                let tasks = generator.expected.tasks.values();
                tasks
                    .filter(|task| task.customer == member.id && task.open == open)
                    .count()
            };
            let contact = self.contact_of(&member.id).expect("a contact");
            assert_eq!(
                on(&contact.id, true),
                wanted(true),
                "open tasks of {}, PUGMARK_SEED={seed}",
                member.id
            );
            assert!(
                on(&contact.id, false) <= wanted(false),
                "closed tasks of {}, PUGMARK_SEED={seed}",
                member.id
            );
        }
        let references: BTreeSet<&str> = tasks
            .iter()
            .filter_map(|task| task.value("description").lines().last())
            .collect();
        assert_eq!(
            references.len(),
            tasks.len(),
            "none twice, PUGMARK_SEED={seed}"
        );
        assert!(!tasks.is_empty(), "or the test shows nothing");
    }

    /// That the payment figures on every contact are those of the rows. The fields stand behind those of [`FIELDS`]: count,
    /// total, date of the last payment.
    pub(crate) fn assert_figures(&self, generator: &Generator<'_>, seed: u64) {
        let field = |number: usize| format!("cf_{}", 853 + 2 * (FIELDS.len() + number));
        let mut paid = 0;
        for member in generator.living() {
            let (count, cents, last) = member.figures();
            paid += count;
            let contact = self.contact_of(&member.id).expect("a contact");
            let shown = [0, 1, 2].map(|number| contact.value(&field(number)).to_owned());
            let shown_count: u64 = shown[0].parse().unwrap_or(0);
            let shown_total: f64 = shown[1].parse().unwrap_or(0.0);
            assert_eq!(
                shown_count, count,
                "payments of {}, PUGMARK_SEED={seed}",
                member.id
            );
            assert!(
                (shown_total * 100.0 - cents as f64).abs() < 0.5,
                "total of {}: {shown_total} instead of {cents} cents, PUGMARK_SEED={seed}",
                member.id
            );
            assert_eq!(
                shown[2],
                last.unwrap_or_default(),
                "last payment of {}, PUGMARK_SEED={seed}",
                member.id
            );
        }
        assert!(paid > 0, "or the test shows nothing");
    }
}
