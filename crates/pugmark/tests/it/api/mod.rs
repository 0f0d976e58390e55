//! The REST API, over HTTP, as a caller meets it.

mod beneficiaries;
mod brand_ambassadors;
mod bulk;
mod conventions;
mod customers;
mod dependants;
mod equivalence;
mod lists;
mod missing_requirements;
mod payments;
mod policies;
mod queue;

use pugmark_sandbox::FaultPlan;
use serde_json::{Value, json};

use crate::harness::{World, eventually};
use crate::http::Api;

const CUSTOMERS: &str = "/api/internal/customers";
const QUEUE: &str = "/api/internal/vtiger/queue";

async fn started(world: &World) -> (pugmark::app::Running, Api) {
    let running = world.start().await;
    let api = Api::of(&running);
    (running, api)
}

/// Starts with sending switched off: operations stay where they are.
async fn started_quiet(world: &mut World) -> (pugmark::app::Running, Api) {
    world.crm_settings().enabled = false;
    started(world).await
}

fn customer(number: u32) -> Value {
    json!({
        "firstName": "Achieng",
        "lastName": "O'Brien-Otieno",
        "phoneNumber": "0712 345 678",
        "idType": "national",
        "idNumber": format!("{:08}", 10_000_000 + number),
        "gender": "female",
        "dateOfBirth": "1990-04-12",
        "email": format!("achieng{number}@example.co.ke"),
    })
}

async fn register(api: &Api, body: &Value) -> String {
    let answer = api.post(CUSTOMERS, body).await;
    answer.data()["id"].as_str().expect("an id").to_owned()
}

async fn operations_of(api: &Api, customer: &str) -> Vec<Value> {
    let answer = api.get(&format!("{QUEUE}?entityId={customer}")).await;
    answer.data()["items"].as_array().cloned().expect("a list")
}

async fn the_operation(api: &Api, customer: &str) -> Value {
    eventually("an operation", || async {
        operations_of(api, customer).await.into_iter().next()
    })
    .await
}

async fn dead_letter(world: &World, api: &Api) -> (String, Value) {
    world.crm.faults().set(FaultPlan::new(1));
    let customer = register(api, &customer(1)).await;
    let operation = eventually("a dead letter", || async {
        let operations = operations_of(api, &customer).await;
        operations.into_iter().find(|found| found["dead"] == true)
    })
    .await;
    (customer, operation)
}

/// A vTiger in which a record of this kind cannot be stored: a field is unique and another record has the value.
async fn refusing(world: World) -> World {
    world.crm.set_unique("Contacts", "email", true);
    world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Other"), ("email", "achieng1@example.co.ke")],
        )
        .expect("a person makes a contact");
    world
}
