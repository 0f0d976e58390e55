//! What only the CRM's side can show: contacts under one reference twice, under none of ours, or not linked.

use futures::{StreamExt, pin_mut};
use serde_json::json;
use vtiger::{KeysetQuery, Record, RecordId};

use super::{CompareError, Comparer, Found, PAGE, Reconciler, Repair};
use crate::crm::CONTACTS;
use crate::flows::insurance::plan::CUSTOMER;
use crate::store::reconcile::Run;
use crate::store::standing::{self, Standing};
use crate::store::{links, reconcile};

/// What a page of contacts came to.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) seen: i64,
    pub(super) strangers: i64,
    pub(super) findings: Vec<Found>,
    /// The id of the last one; `None`: there are no more.
    pub(super) last: Option<String>,
}

/// How a contact that carries a reference stands.
enum Sight {
    /// As it should, or nothing can be said now.
    Fine,
    Found(&'static str, Option<Repair>),
}

impl Reconciler {
    /// Looks at the contacts behind the place of the run.
    pub(super) async fn contacts_page(
        &self,
        run: &Run,
        client: &vtiger::Client,
        comparer: &Comparer<'_>,
    ) -> Result<Page, CompareError> {
        let Some(reference) = comparer.fields().reference().map(str::to_owned) else {
            return Err(CompareError::NoReferenceField);
        };
        let mut query = KeysetQuery::by_id(CONTACTS).fields([reference.clone()]);
        if let Ok(place) = run.place.parse::<RecordId>() {
            query = query.after(place);
        }
        let pages = client.pages(query);
        pin_mut!(pages);
        let records: Vec<Record> = pages.next().await.transpose()?.unwrap_or_default();
        let mut page = Page {
            seen: i64::try_from(records.len()).unwrap_or(i64::MAX),
            ..Page::default()
        };
        for record in &records {
            let carried = record.get(&reference).unwrap_or_default().trim();
            self.look_at(run, record.id.as_str(), carried, &mut page)
                .await?;
        }
        page.last = records
            .last()
            .filter(|_| records.len() >= PAGE as usize)
            .map(|record| record.id.to_string());
        Ok(page)
    }

    async fn look_at(
        &self,
        run: &Run,
        contact: &str,
        carried: &str,
        page: &mut Page,
    ) -> Result<(), CompareError> {
        let mut conn = self.db.read().await?;
        if carried.is_empty() {
            // One of ours that has lost its reference is found different from its customer's side.
            let linked = links::of_record(&mut conn, CONTACTS, contact).await?;
            if linked.is_none_or(|(entity_type, _)| entity_type != CUSTOMER) {
                page.strangers += 1;
            }
            return Ok(());
        }
        let mut standing = standing::of(&mut conn, carried).await?;
        if standing.is_test.is_none() && standing.vtiger_id.is_none() {
            // MicroBima writes ids in small letters; people may not.
            standing = standing::of(&mut conn, &carried.to_lowercase()).await?;
        }
        let customer = standing.id.clone();
        let twin = reconcile::of_customer(&mut conn, run.id, "unlinked", &customer).await?;
        let twin = twin.or_else(|| {
            let here = page.findings.iter();
            here.map(|found| &found.finding)
                .find(|found| found.kind == "unlinked" && found.entity_id == customer)
                .map(|found| found.vtiger_id.clone())
        });
        drop(conn);
        let other = standing.vtiger_id.clone().or_else(|| twin.clone());
        match sight(contact, &standing, twin.as_deref()) {
            Sight::Fine => {}
            Sight::Found(kind, repair) => {
                let detail = match kind {
                    "duplicate" => json!({ "keeps": other }),
                    _ => json!({ "reference": carried }),
                };
                let found = Found::new(kind, &customer, contact, detail);
                page.findings.push(found.repaired_by(&standing, repair));
            }
        }
        Ok(())
    }
}

/// `twin`: another contact of this run that carries the same reference, of a customer without a link.
fn sight(contact: &str, customer: &Standing, twin: Option<&str>) -> Sight {
    if customer.unfinished {
        return Sight::Fine;
    }
    let linked = customer.vtiger_id.as_deref();
    match (linked, customer.is_test) {
        (Some(linked), _) if linked != contact => Sight::Found("duplicate", None),
        (Some(_), Some(false)) => Sight::Fine,
        // Marked and kept, as it should be.
        (Some(_), _) if customer.withdrawn == Some(true) => Sight::Fine,
        (Some(_), _) => Sight::Found("extra", Some(Repair::Mark)),
        (None, Some(false)) if twin.is_some_and(|twin| twin != contact) => {
            Sight::Found("duplicate", None)
        }
        (None, Some(false)) => Sight::Found("unlinked", Some(Repair::Create)),
        // Nobody here knows whose it is: it is for people to decide.
        (None, _) => Sight::Found("extra", None),
    }
}
