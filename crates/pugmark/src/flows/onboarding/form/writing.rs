//! What is written of a form's answers, and what was kept of them. Pure.

use std::collections::BTreeMap;

use vtiger::{Element, Module, Purpose, Record, WarningKind};

use super::answers::Answers;
use super::modules::{no_field, target};
use crate::config::Form;

/// What is to be written.
pub(super) struct Plan {
    /// Every answer that has a field, as it is to be sent.
    element: Element,
    /// What vTiger will show of each field afterwards.
    stored: BTreeMap<String, String>,
    /// The question behind each field.
    questions: BTreeMap<String, String>,
    /// What has no field or cannot be what it holds, by question.
    pub(super) not_saved: BTreeMap<String, String>,
    /// What is adapted on the way, by question.
    pub(super) changed: BTreeMap<String, String>,
}

impl Plan {
    pub(super) fn of(form: &Form, module: &Module, answers: &Answers) -> Self {
        let mut wanted = Element::new();
        let mut questions: BTreeMap<String, String> = BTreeMap::new();
        let mut not_saved = BTreeMap::new();
        for (name, answer) in answers {
            let Some(question) = form.field(name) else {
                let why = "the form no longer asks this (onboarding.form.fields)";
                not_saved.insert(name.clone(), why.to_owned());
                continue;
            };
            match target(module, question) {
                Ok(field) if questions.contains_key(&field.name) => {
                    let why = format!("another answer goes to vTiger's field \"{}\"", field.label);
                    not_saved.insert(name.clone(), why);
                }
                Ok(field) => {
                    questions.insert(field.name.clone(), name.clone());
                    wanted.set(&field.name, answer.as_str());
                }
                Err(why) => drop(not_saved.insert(name.clone(), no_field(module, question, why))),
            }
        }
        let adapted = module.adapt(&wanted, Purpose::Revise);
        let mut changed = BTreeMap::new();
        for warning in &adapted.warnings {
            let Some(name) = questions.get(&warning.field) else {
                continue;
            };
            let list = match warning.leaves_field_out() {
                true => &mut not_saved,
                false => &mut changed,
            };
            list.insert(name.clone(), in_words(&warning.what));
        }
        Plan {
            element: adapted.element,
            stored: adapted.stored,
            questions,
            not_saved,
            changed,
        }
    }

    /// What differs from the record as it is.
    pub(super) fn difference(&self, module: &Module, record: &Record) -> Element {
        let mut changed = Element::new();
        for (field, value) in self.element.iter() {
            if !self.is_there(module, record, field) {
                changed.set(field, value.clone());
            }
        }
        changed
    }

    /// Compares with the record as it was read back: what vTiger kept otherwise, or not at all.
    pub(super) fn verify(&mut self, module: &Module, before: &Record, after: &Record) {
        for (field, name) in &self.questions {
            if self.element.get(field).is_none() || self.is_there(module, after, field) {
                continue;
            }
            let why = "vTiger took it without an error, but did not keep it";
            match after.get(field) {
                kept if kept == before.get(field) || kept.is_none_or(str::is_empty) => {
                    self.not_saved.insert(name.clone(), why.to_owned());
                }
                _ => {
                    let why = "vTiger keeps it in another form; look at the record";
                    self.changed
                        .entry(name.clone())
                        .or_insert_with(|| why.to_owned());
                }
            }
        }
    }

    fn is_there(&self, module: &Module, record: &Record, field: &str) -> bool {
        let (Some(wanted), Some(held)) = (self.stored.get(field), record.get(field)) else {
            return false;
        };
        let described = module.field(field);
        described.map_or(wanted == held, |field| field.same_value(wanted, held))
    }
}

/// Without the value: it may be a bank account.
fn in_words(what: &WarningKind) -> String {
    match what {
        WarningKind::Cut { from, to } => {
            format!("cut from {from} to {to} characters: vTiger's field holds no more")
        }
        WarningKind::Replaced4Byte { characters } => {
            format!(
                "{characters} characters that vTiger cannot store (emoji and the like) were replaced by `�`"
            )
        }
        WarningKind::ScriptEscaped => {
            "vTiger stores its < > and \" as entities, because it looks like a script".to_owned()
        }
        WarningKind::Rounded { .. } => "rounded: vTiger's field keeps fewer decimals".to_owned(),
        WarningKind::NotInPicklist { .. } => {
            "it is not in vTiger's picklist; stored all the same".to_owned()
        }
        _ => "vTiger's field cannot hold it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vtiger::Edition;

    use super::*;
    use crate::config::Onboarding;

    fn module() -> Module {
        let field = |name: &str, label: &str, kind: &str, editable: bool| {
            json!({
                "name": name, "label": label, "editable": editable, "nullable": true, "mandatory": false, "type": { "name": kind },
            })
        };
        let described = json!({ "name": "Leads", "label": "Leads", "idPrefix": "10", "updateable": true, "fields": [
            field("cf_901", "IBAN", "string", true),
            field("cf_903", "Trading name", "string", false),
            field("cf_905", "Operating Hours", "string", true),
            field("cf_907", "Start Date", "date", true),
        ] });
        Module::from_json(Edition::OpenSource, &described, |_, _| None).expect("a module")
    }

    fn record(fields: &[(&str, &str)]) -> Record {
        let mut object = json!({ "id": "10x1" });
        for (name, value) in fields {
            object[*name] = json!(value);
        }
        Record::from_json(object.as_object().expect("an object")).expect("a record")
    }

    fn plan(answers: &[(&str, &str)]) -> Plan {
        let answers = answers
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        Plan::of(&Onboarding::default().form, &module(), &answers)
    }

    #[test]
    fn only_what_differs_is_written() {
        let plan = plan(&[("iban", "IE29"), ("operatingHours", "9-5")]);
        let held = record(&[("cf_901", "IE29"), ("cf_905", "8-4")]);
        let changed = plan.difference(&module(), &held);
        assert_eq!(
            changed.iter().map(|(name, _)| name).collect::<Vec<_>>(),
            ["cf_905"]
        );
        let same = record(&[("cf_901", "IE29"), ("cf_905", "9-5")]);
        assert!(plan.difference(&module(), &same).is_empty());
    }

    #[test]
    fn what_has_no_field_is_named_with_the_field_that_is_missing() {
        let plan = plan(&[("vatNumber", "IE1"), ("iban", "IE29")]);
        let why = &plan.not_saved["vatNumber"];
        assert!(
            why.contains("VAT Number") && why.contains("onboarding.form.fields"),
            "{why}"
        );
        assert!(!plan.not_saved.contains_key("iban"));
    }

    #[test]
    fn what_vtiger_did_not_keep_is_found_out_by_reading_back() {
        let before = record(&[("cf_901", ""), ("cf_905", "8-4")]);
        let mut plan = plan(&[("iban", "IE29"), ("operatingHours", "9-5")]);
        plan.verify(
            &module(),
            &before,
            &record(&[("cf_901", ""), ("cf_905", "9-")]),
        );
        assert!(plan.not_saved["iban"].contains("did not keep"));
        assert!(plan.changed["operatingHours"].contains("another form"));
    }
}
