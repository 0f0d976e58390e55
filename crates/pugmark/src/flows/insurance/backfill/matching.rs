//! Which contact is whose. Deciding is pure; nothing is guessed.

use std::collections::BTreeMap;

use pugmark_queue::db::{Conn, DbError};
use serde_json::{Value, json};
use vtiger::Client;

use super::reading::Keys;
use super::{Backfiller, PAGE, Page, keys_of};
use crate::crm::contact_fields::ContactFields;
use crate::delivery::Shape;
use crate::delivery::difference::difference;
use crate::flows::insurance::customer;
use crate::flows::insurance::reconcile::CompareError;
use crate::store::backfill::{self, Contact, Key, Match, Run};
use crate::store::standing::{self, Standing};

/// What is decided about a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// This contact is theirs.
    Matched(Box<Contact>, Key),
    /// A person has to decide: the contacts in question, and why.
    Ambiguous(Vec<String>, Key, &'static str),
    /// There is none.
    New,
}

/// Decides by the first key that leads to any contact. `customer_id_key` is the customer's document; `is_customer` says whether a
/// reference is that of a customer.
pub fn decide(
    found: &[(Key, Vec<Contact>)],
    customer_id_key: &str,
    is_customer: impl Fn(&str) -> bool,
) -> Decision {
    for (key, contacts) in found {
        // A contact that carries another customer's reference is that customer's, whatever else it holds.
        let mut theirs: Vec<&Contact> = contacts
            .iter()
            .filter(|contact| {
                *key == Key::Reference
                    || contact.reference.is_empty()
                    || !is_customer(&contact.reference)
            })
            .collect();
        let names = |contacts: &[&Contact]| -> Vec<String> {
            contacts
                .iter()
                .map(|contact| contact.vtiger_id.clone())
                .collect()
        };
        let contact = match theirs.len() {
            0 => continue,
            1 => theirs.remove(0),
            _ => {
                let why = "several contacts have the same key";
                return Decision::Ambiguous(names(&theirs), *key, why);
            }
        };
        let one = vec![contact.vtiger_id.clone()];
        if *key != Key::Reference && !contact.reference.is_empty() {
            let why = "the contact carries the reference of no customer";
            return Decision::Ambiguous(one, *key, why);
        }
        let documents = [customer_id_key, contact.id_key.as_str()];
        let contradict =
            documents.iter().all(|key| !key.is_empty()) && documents[0] != documents[1];
        if *key == Key::Email && contradict {
            let why = "the e-mail is the same, but the identity document is another";
            return Decision::Ambiguous(one, *key, why);
        }
        return Decision::Matched(Box::new(contact.clone()), *key);
    }
    Decision::New
}

impl Backfiller {
    /// Matches the customers behind the place of the run.
    pub(super) async fn match_page(
        &self,
        run: &Run,
        client: &Client,
    ) -> Result<Page, CompareError> {
        let fields = self.fields(client).await?;
        let keys = keys_of(run);
        let after = Some(run.place.as_str()).filter(|place| !place.is_empty());
        let page = standing::page(&mut self.db.read().await?, after, PAGE).await?;
        let mut moved = run.clone();
        moved.customers += i64::try_from(page.len()).unwrap_or(i64::MAX);
        let mut matches = Vec::new();
        for customer in page
            .iter()
            .filter(|customer| customer.is_member() && customer.vtiger_id.is_none())
        {
            matches.extend(self.matched(run, &keys, &fields, customer).await?);
        }
        let last = page.len() < PAGE as usize;
        match page.last() {
            Some(end) if !last => moved.place = end.id.clone(),
            _ => {
                moved.place = String::new();
                moved.customers = 0;
                // For the estimate; it is looked again when it matters.
                moved.upserts = self.can_upsert(client).await?;
                moved.phase = match (run.dry_run, run.confirmed) {
                    (true, _) => "ended",
                    (false, true) => "linking",
                    (false, false) => "ready",
                }
                .to_owned();
                moved.ended_at = run.dry_run.then(pugmark_queue::db::Ts::now);
            }
        }
        let id = run.id;
        Ok(Page {
            moved,
            effects: Box::new(move |conn| {
                Box::pin(async move {
                    for found in &matches {
                        backfill::note_match(conn, id, found).await?;
                    }
                    if last {
                        backfill::part_shared(conn, id).await?;
                    }
                    Ok(())
                })
            }),
        })
    }

    /// What is found for a customer; `None` for one whose row cannot be read, which is told in the log.
    async fn matched(
        &self,
        run: &Run,
        keys: &[Key],
        fields: &ContactFields,
        standing: &Standing,
    ) -> Result<Option<Match>, CompareError> {
        let id = standing.id.as_str();
        let mut conn = self.db.read().await?;
        let shape = match self.shape(&mut conn, id, fields).await {
            Ok(shape) => shape,
            Err(DbError::Sql(error)) => {
                tracing::warn!(customer = id, %error, "a customer's row cannot be read, so it is not matched");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let shown = difference(&shape, &BTreeMap::new()).adapted.stored;
        let shown: BTreeMap<String, String> = shown.into_iter().collect();
        let ours = Keys::of(&shown, fields);
        let mut found = Vec::new();
        for key in keys {
            let value = match key {
                Key::Reference => id,
                Key::Id => &ours.id,
                Key::Email => &ours.email,
            };
            if !value.is_empty() {
                let value = value.to_lowercase();
                found.push((
                    *key,
                    backfill::candidates(&mut conn, run.id, *key, &value).await?,
                ));
            }
        }
        let mut customers = Vec::new();
        for (_, contacts) in &found {
            for contact in contacts
                .iter()
                .filter(|contact| !contact.reference.is_empty())
            {
                let other = standing::of(&mut conn, &contact.reference).await?;
                if other.is_test.is_some() {
                    customers.push(contact.reference.clone());
                }
            }
        }
        let decision = decide(&found, &ours.id, |reference| {
            customers.iter().any(|customer| customer == reference)
        });
        Ok(Some(match_of(id, decision, &shape)))
    }

    async fn shape(
        &self,
        conn: &mut Conn,
        id: &str,
        fields: &ContactFields,
    ) -> Result<Shape, DbError> {
        let contact = customer::Contact::load(conn, id, &self.setting).await?;
        contact
            .shape_of(fields.clone(), &BTreeMap::new(), conn)
            .await
    }
}

fn match_of(customer: &str, decision: Decision, shape: &Shape) -> Match {
    let found = |outcome: &str, key: Option<Key>, detail: Value| Match {
        customer_id: customer.to_owned(),
        outcome: outcome.to_owned(),
        vtiger_id: None,
        matched_by: key.map(|key| key.as_str().to_owned()),
        detail,
        changes: false,
    };
    match decision {
        Decision::New => found("new", None, json!({})),
        Decision::Ambiguous(contacts, key, why) => found(
            "ambiguous",
            Some(key),
            json!({ "contacts": contacts, "why": why }),
        ),
        Decision::Matched(contact, key) => {
            let known = known(shape, &contact.held);
            let changed = difference(shape, &known);
            let overwritten: Vec<Value> = changed
                .changed
                .iter()
                .filter_map(|(name, _)| {
                    let held = contact.held.get(name).filter(|held| !held.is_empty())?;
                    let field = shape.module.field(name);
                    Some(json!({
                        "field": name,
                        "label": field.map_or(name, |field| field.label.as_str()),
                        "theirs": held,
                        "ours": changed.adapted.stored.get(name),
                    }))
                })
                .collect();
            let detail = json!({ "overwrites": overwritten, "snapshot": known });
            Match {
                vtiger_id: Some(contact.vtiger_id.clone()),
                changes: !changed.changed.is_empty(),
                ..found("matched", Some(key), detail)
            }
        }
    }
}

/// What both sides may be said to agree on before the first delivery: what the contact holds. Where MicroBima has nothing, it is left
/// out, so that what somebody has entered in vTiger is not wiped.
fn known(shape: &Shape, held: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let stored = difference(shape, &BTreeMap::new()).adapted.stored;
    held.iter()
        .filter(|(name, _)| stored.get(*name).is_some_and(|ours| !ours.is_empty()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact(id: &str, reference: &str, id_key: &str) -> Contact {
        Contact {
            vtiger_id: id.to_owned(),
            reference: reference.to_owned(),
            id_key: id_key.to_owned(),
            email_key: "a@b.ke".to_owned(),
            held: BTreeMap::new(),
        }
    }

    fn why(found: &[(Key, Vec<Contact>)]) -> String {
        match decide(found, "national id\n1", |reference| {
            reference == "other customer"
        }) {
            Decision::Matched(contact, key) => format!("{} by {}", contact.vtiger_id, key.as_str()),
            Decision::Ambiguous(contacts, key, why) => {
                format!("{} by {}: {why}", contacts.join(" "), key.as_str())
            }
            Decision::New => "new".to_owned(),
        }
    }

    #[test]
    fn the_first_key_that_leads_to_a_contact_decides() {
        let by_email = (Key::Email, vec![contact("12x2", "", "")]);
        assert_eq!(why(&[]), "new");
        assert_eq!(why(&[(Key::Id, vec![]), by_email.clone()]), "12x2 by email");
        let by_reference = (Key::Reference, vec![contact("12x1", "me", "")]);
        assert_eq!(why(&[by_reference, by_email]), "12x1 by reference");
    }

    #[test]
    fn what_is_not_certain_is_for_a_person_to_decide() {
        let two = vec![contact("12x1", "", ""), contact("12x2", "", "")];
        assert_eq!(
            why(&[(Key::Id, two)]),
            "12x1 12x2 by id: several contacts have the same key"
        );
        let other_document = vec![contact("12x1", "", "passport\n9")];
        assert_eq!(
            why(&[(Key::Email, other_document)]),
            "12x1 by email: the e-mail is the same, but the identity document is another"
        );
        let of_nobody = vec![contact("12x1", "nobody", "")];
        assert_eq!(
            why(&[(Key::Id, of_nobody)]),
            "12x1 by id: the contact carries the reference of no customer"
        );
    }

    #[test]
    fn the_contact_of_another_customer_is_never_taken() {
        let others = vec![contact("12x1", "other customer", "")];
        assert_eq!(why(&[(Key::Email, others.clone())]), "new");
        let both = [others, vec![contact("12x2", "", "")]].concat();
        assert_eq!(why(&[(Key::Email, both)]), "12x2 by email");
    }
}
