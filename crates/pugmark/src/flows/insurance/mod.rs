//! MicroBima to vTiger: the insurer's customers as contacts, what happens to them as notes and tasks, its staff as users.

pub mod backfill;
pub mod contact;
pub mod customer;
pub mod events;
pub mod figures;
pub mod inbound;
pub mod lead;
pub mod mapping;
pub mod mapping_check;
pub mod mapping_trial;
pub mod note;
pub mod phone;
pub mod plan;
pub mod reconcile;
pub mod reference;
pub mod sources;
pub mod summary;
pub mod summary_run;
pub mod task;
pub mod user;
pub mod week;
pub mod wording;

use std::collections::HashMap;
use std::sync::Arc;

use pugmark_queue::Handler;

use crate::config::Settings;
use crate::delivery::Deliverer;
use contact::ApplyHandler;
use customer::{CustomerHandler, Setting};
use lead::LeadHandler;
use note::NoteHandler;
use plan::kind;
use summary::SummaryHandler;
use task::TaskHandler;
use user::{Staff, UserHandler};

/// The handler of every kind that this flow plans.
pub fn handlers(
    deliverer: &Deliverer,
    settings: &Settings,
    staff: &Arc<Staff>,
) -> HashMap<String, Arc<dyn Handler>> {
    let contacts = Setting::of(settings);
    let customers: Arc<dyn Handler> = Arc::new(CustomerHandler::new(
        deliverer.clone(),
        contacts.clone(),
        settings.insurance.conversion.partner_id,
    ));
    let edits = Arc::new(ApplyHandler::new(deliverer.clone(), contacts.clone()));
    let notes = Arc::new(NoteHandler::new(deliverer.clone()));
    let summaries = SummaryHandler::new(deliverer.clone(), contacts, &settings.insurance);
    let customer_url = settings.server.customer_url.as_deref();
    let tasks = TaskHandler::new(deliverer.clone(), &settings.insurance, customer_url);
    let users: Arc<dyn Handler> = Arc::new(UserHandler::new(deliverer.clone(), staff.clone()));
    let leads = LeadHandler::new(deliverer.clone(), settings.insurance.clone());
    let handlers: [(&str, Arc<dyn Handler>); 11] = [
        (kind::CUSTOMER_CREATE, customers.clone()),
        (kind::CUSTOMER_UPDATE, customers.clone()),
        (kind::CUSTOMER_MARK, customers),
        (kind::CONTACT_APPLY, edits),
        (kind::NOTE_CREATE, notes),
        (kind::PAYMENT_SUMMARY, Arc::new(summaries)),
        (kind::TASK_CREATE, Arc::new(tasks)),
        (kind::USER_CREATE, users.clone()),
        (kind::USER_UPDATE, users.clone()),
        (kind::USER_PASSWORD_RESET, users),
        (kind::LEAD_CONVERT, Arc::new(leads)),
    ];
    handlers
        .into_iter()
        .map(|(kind, handler)| (kind.to_owned(), handler))
        .collect()
}
