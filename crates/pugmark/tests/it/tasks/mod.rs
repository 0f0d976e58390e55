//! Missing requirements as tasks of the calendar.

mod assignees;
mod closing;
mod creating;
mod faults;
mod planning;
mod waiting;
mod words;

use std::sync::Arc;

use pugmark_queue::{Filter, OperationRecord};
use pugmark_sandbox::{JournalEntry, StoredRecord};

use crate::harness::{World, Writer};
use crate::rows::Registration;

/// A customer with a contact, registered by an agent.
async fn registered(world: &World, program: &Writer) -> Registration {
    let customer = program.insert_customer("O'Brien-Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    let registration = program.register(&customer).await;
    program.wait_until_idle().await;
    registration
}

/// The tasks there are, oldest first.
fn tasks(world: &World) -> Vec<StoredRecord> {
    world.crm.records("Calendar")
}

/// The only task there is and ever was.
fn only_task(world: &World) -> StoredRecord {
    assert_eq!(world.crm.journal().count_created("Calendar"), 1);
    tasks(world).pop().expect("the task is there")
}

/// What was ever done to a record.
fn effects(world: &World, id: &str) -> Vec<Arc<JournalEntry>> {
    world.crm.journal().effects_on(id)
}

/// The operations on a requirement, newest first.
async fn operations(running: &pugmark::app::Running, requirement: &str) -> Vec<OperationRecord> {
    let filter = Filter {
        entity_id: Some(requirement.to_owned()),
        limit: 50,
        ..Filter::default()
    };
    let found = running.queue.list(&filter).await;
    found.expect("a list").operations
}

/// No operation became a dead letter.
async fn assert_nothing_died(program: &Writer) {
    let dead = program
        .one("SELECT error_message FROM vtiger_sync_queue WHERE dead_at IS NOT NULL")
        .await;
    assert_eq!(dead, None);
}
