//! The way back: what was edited in the CRM, merged with what MicroBima says.

mod applying;
pub(crate) mod desk;
mod histories;
mod merge;
mod polling;
mod refusing;

use pugmark::app::Running;
use pugmark::flows::insurance::inbound::{self, Noticed};
use pugmark_queue::QueueError;
use serde_json::{Value, json};

use crate::harness::{World, Writer};
use crate::http::Api;

const MAPPINGS: &str = "/api/internal/vtiger/field-mappings";

/// Sets which way a source goes and who wins.
pub(crate) async fn rule(api: &Api, source: &str, direction: &str, on_conflict: &str) {
    let list = api.get(MAPPINGS).await;
    let items = list.data()["items"].as_array().expect("a list").clone();
    let mapping = items
        .iter()
        .find(|item| item["microbimaField"] == source)
        .expect("it is mapped");
    let change = json!({ "direction": direction, "onConflict": on_conflict });
    let path = format!("{MAPPINGS}/{}", mapping["id"]);
    let changed = api.patch(&path, &change).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

/// Somebody tells Pugmark that a contact was changed.
async fn notice(running: &Running, contact: &str) {
    let (queue, contact) = (running.queue.clone(), contact.to_owned());
    running
        .db
        .write("notice", move |conn| {
            Box::pin(async move {
                let noticed = Noticed {
                    contact,
                    converted: false,
                    correlation_id: uuid::Uuid::now_v7().to_string(),
                    by: "webhook",
                };
                inbound::enqueue(conn, &queue, &noticed).await?;
                Ok::<_, QueueError>(())
            })
        })
        .await
        .expect("it is queued");
}

/// A customer with a contact, both at rest. Gives the ids of both.
pub(crate) async fn linked(world: &World, program: &Writer, last_name: &str) -> (String, String) {
    let customer = program.insert_customer(last_name).await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    (customer, contact.id)
}

/// A column of the customer, as text.
pub(crate) async fn column(program: &Writer, customer: &str, column: &str) -> Option<String> {
    let sql =
        format!("SELECT CAST(\"{column}\" AS TEXT) FROM customers WHERE \"id\" = '{customer}'");
    program.one(sql).await
}

/// What the last operation of a kind came to.
async fn outcome(program: &Writer, kind: &str) -> Value {
    let sql = format!(
        "SELECT CAST(outcome AS TEXT) FROM vtiger_sync_queue WHERE kind = '{kind}' ORDER BY id DESC LIMIT 1"
    );
    let text = program.one(sql).await.expect("an outcome");
    serde_json::from_str(&text).expect("JSON")
}
