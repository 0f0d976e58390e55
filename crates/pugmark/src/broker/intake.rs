//! Stores what other programs ask for, once under each name they give it.

use async_trait::async_trait;
use pugmark_queue::broker::{Intake, Message, NotTaken};
use pugmark_queue::db::{Conn, Db};
use pugmark_queue::{Enqueued, NewOperation, Operation, Priority, Queue, QueueError};
use serde_json::json;
use uuid::Uuid;

use super::asked::{self, Asked};
use crate::crm::CONTACTS;
use crate::flows::insurance::inbound::{self, Conversion};
use crate::flows::insurance::plan::{
    CUSTOMER, NOTE, TASK, customer_lane, requirement_lane, user_lane,
};
use crate::store::lead_conversions::Claim;
use crate::store::links;

/// Who noticed it, where the sender does not name itself.
const BY: &str = "rabbitmq";

/// Takes messages in.
pub struct Messages {
    db: Db,
    queue: Queue,
    tasks_enabled: bool,
}

impl Messages {
    /// For this queue.
    pub fn new(db: Db, queue: Queue, tasks_enabled: bool) -> Self {
        Messages {
            db,
            queue,
            tasks_enabled,
        }
    }
}

#[async_trait]
impl Intake for Messages {
    async fn take(&self, message: &Message) -> Result<(), NotTaken> {
        let asked = asked::read(message, self.tasks_enabled)?;
        let (queue, request) = (self.queue.clone(), Request::of(message, asked));
        let stored = self.db.write("take message in", move |conn| {
            Box::pin(async move { store(conn, &queue, request).await })
        });
        match stored.await {
            Ok(enqueued) => {
                tracing::debug!(operation = %enqueued.id(), kind = message.kind, "a message was taken in");
                Ok(())
            }
            Err(QueueError::Invalid(what)) => Err(asked::rubbish(message, &what)),
            Err(error) => Err(NotTaken::Later(error.to_string())),
        }
    }
}

/// What is asked for, by whom, under which name.
struct Request {
    asked: Asked,
    kind: String,
    /// Never stored a second time.
    key: String,
    correlation_id: String,
    by: String,
}

impl Request {
    fn of(message: &Message, asked: Asked) -> Self {
        let app = message.app_id.as_deref();
        let name = message.message_id.as_deref().unwrap_or_default();
        let correlation_id = message.correlation_id.clone();
        Request {
            asked,
            kind: message.kind.clone(),
            key: format!(
                "message:{}:{}:{name}",
                app.unwrap_or_default(),
                message.kind
            ),
            correlation_id: correlation_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
            by: app.unwrap_or(BY).to_owned(),
        }
    }

    fn operation(&self, entity_type: &str, id: &str, operation: Operation) -> NewOperation {
        NewOperation {
            idempotency_key: Some(self.key.clone()),
            correlation_id: self.correlation_id.clone(),
            requested_by: Some(self.by.clone()),
            ..NewOperation::new(&self.kind, entity_type, id, operation)
        }
    }

    /// Merges with what waits in the lane for the same record.
    fn state(
        &self,
        entity_type: &str,
        id: &str,
        operation: Operation,
        lane: String,
    ) -> NewOperation {
        NewOperation {
            coalesce_key: Some(lane.clone()),
            lane,
            ..self.operation(entity_type, id, operation)
        }
    }
}

async fn store(conn: &mut Conn, queue: &Queue, request: Request) -> Result<Enqueued, QueueError> {
    let operation = match &request.asked {
        Asked::UpToDate {
            entity_type,
            id,
            operation,
        } => {
            let lane = match *entity_type {
                CUSTOMER => customer_lane(id),
                _ => user_lane(id),
            };
            NewOperation {
                priority: Priority::High,
                payload: json!({}),
                ..request.state(entity_type, id, *operation, lane)
            }
        }
        Asked::Task {
            requirement,
            customer,
        } => NewOperation {
            payload: json!({ "customer": customer }),
            ..request.state(
                TASK,
                requirement,
                Operation::Update,
                requirement_lane(requirement),
            )
        },
        Asked::Note { customer, text } => NewOperation {
            lane: customer_lane(customer),
            payload: json!({ "customer": customer, "text": text }),
            // The comment's reference is made of this, so that it is found again.
            ..request.operation(NOTE, &request.key, Operation::Create)
        },
        Asked::Apply { customer } => apply(&request, customer),
        Asked::Lead { contact } => return lead(conn, queue, &request, contact).await,
    };
    queue.enqueue(conn, operation).await
}

fn apply(request: &Request, customer: &str) -> NewOperation {
    NewOperation {
        idempotency_key: Some(request.key.clone()),
        ..inbound::apply(customer, &request.correlation_id, &request.by)
    }
}

/// The sender says that the contact was a lead; the contact itself is asked before anything is made of it.
async fn lead(
    conn: &mut Conn,
    queue: &Queue,
    request: &Request,
    contact: &str,
) -> Result<Enqueued, QueueError> {
    match links::of_record(conn, CONTACTS, contact).await? {
        Some((entity_type, customer)) if entity_type == CUSTOMER => {
            queue.enqueue(conn, apply(request, &customer)).await
        }
        Some(_) => Err(QueueError::Invalid(
            "contactId is linked to something else than a customer".to_owned(),
        )),
        None => {
            let conversion = Conversion {
                module: CONTACTS,
                record: contact.to_owned(),
                lead: None,
                claim: Claim::None,
                correlation_id: request.correlation_id.clone(),
                by: BY,
            };
            let key = Some(request.key.clone());
            inbound::enqueue_conversion_once(conn, queue, &conversion, key).await
        }
    }
}
