//! Operations put into the store as a test needs them, in a Pugmark that delivers nothing.

use pugmark::app::{self, Roles, Running};
use pugmark_queue::db::Engine;
use pugmark_queue::{NewOperation, Operation, OperationId, OperationRecord, QueueError};
use serde_json::json;

use crate::harness::{World, Writer};

/// Starts API and leader without a worker: what is tried again stays where it is.
pub(crate) async fn without_worker(world: &World) -> Running {
    let roles = Roles {
        worker: false,
        ..Roles::ALL
    };
    app::start(world.settings.clone(), roles)
        .await
        .expect("Pugmark starts")
}

/// Starts the API alone: runs over many operations stay where they are, too.
pub(crate) async fn api_alone(world: &World) -> Running {
    let roles = Roles {
        worker: false,
        scheduler: false,
        ..Roles::ALL
    };
    app::start(world.settings.clone(), roles)
        .await
        .expect("Pugmark starts")
}

/// A note about a customer, which carries what somebody wrote.
pub(crate) fn note(customer: &str, number: u32) -> NewOperation {
    NewOperation {
        lane: format!("customer:{customer}"),
        idempotency_key: Some(format!("note:{customer}:{number}")),
        payload: json!({ "customer": customer, "text": "Achieng Otieno, 0712345678", "change": 1 }),
        ..NewOperation::new(
            "note.create",
            "NOTE",
            &format!("added:{customer}:{number}"),
            Operation::Create,
        )
    }
}

/// What brings a customer up to date.
pub(crate) fn update(customer: &str) -> NewOperation {
    NewOperation {
        lane: format!("customer:{customer}"),
        coalesce_key: Some(format!("customer:{customer}")),
        payload: json!({ "change": 1 }),
        ..NewOperation::new("customer.update", "CUSTOMER", customer, Operation::Update)
    }
}

/// Queues an operation.
pub(crate) async fn plant(running: &Running, operation: NewOperation) -> OperationId {
    let queue = running.queue.clone();
    let planted = running.db.write("plant", move |conn| {
        Box::pin(async move {
            let enqueued = queue.enqueue(conn, operation).await?;
            Ok::<_, QueueError>(enqueued.id())
        })
    });
    planted.await.expect("the operation is queued")
}

/// Queues an operation that has failed for good.
pub(crate) async fn plant_dead(
    running: &Running,
    program: &Writer,
    operation: NewOperation,
    code: &str,
    message: &str,
) -> OperationId {
    let id = plant(running, operation).await;
    let now = match program.engine() {
        Engine::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        Engine::Postgres => "now()",
    };
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET status = 'FAILED', head = 0, dead_at = {now}, updated_at = {now}, attempts = 1, \
             error_code = '{code}', error_message = '{}' WHERE id = {}",
            message.replace('\'', "''"),
            literal(program, id)
        ))
        .await;
    id
}

/// The id as SQL.
pub(crate) fn literal(program: &Writer, id: OperationId) -> String {
    match program.engine() {
        Engine::Sqlite => format!("x'{}'", id.0.simple()),
        Engine::Postgres => format!("CAST('{id}' AS UUID)"),
    }
}

/// How an operation stands in the store.
pub(crate) async fn stored(running: &Running, id: OperationId) -> OperationRecord {
    let found = running.queue.get(id).await.expect("the store answers");
    found.expect("the operation is there").asked
}
