//! Comparing both sides: what is out of step is found, repaired by rule, and nothing else is touched.

mod command;
mod finding;
mod repairing;
mod verifying;

use serde_json::{Value, json};

use crate::harness::{Traffic, World, Writer, eventually};
use crate::http::Api;

const PATH: &str = "/api/internal/vtiger/reconcile";

/// Customers and contacts in every state that a comparison tells apart.
struct Disorder {
    /// In step.
    equal: String,
    /// Its last name was edited in the CRM.
    edited: String,
    /// Its contact was deleted in the CRM.
    gone: String,
    /// It has neither contact nor link.
    missing: String,
    /// Its contact is there, the link is not.
    unlinked: String,
    /// A second contact with the reference of `equal`.
    twin: String,
    /// A contact with the reference of nobody.
    extra: String,
}

impl Disorder {
    async fn make(world: &World, program: &Writer) -> Self {
        let mut ids = Vec::new();
        for name in ["Equal", "Edited", "Gone", "Missing", "Unlinked"] {
            ids.push(program.insert_customer(name).await);
        }
        program.wait_until_idle().await;
        let contact = |customer: &str| world.contact_of(customer).expect("a contact").id;
        let [equal, edited, gone, missing, unlinked] = ids.try_into().expect("five");
        assert!(
            world
                .crm
                .edit(&contact(&edited), &[("lastname", "Somebody")])
        );
        assert!(world.crm.remove(&contact(&gone)));
        assert!(world.crm.remove(&contact(&missing)));
        for customer in [&missing, &unlinked] {
            program
                .sql(format!(
                    "DELETE FROM crm_links WHERE entity_id = '{customer}'"
                ))
                .await;
        }
        let reference = world.reference();
        let made = |fields: &[(&str, &str)]| {
            let made = world.crm.insert_as_ui("Contacts", fields);
            made.expect("a person makes a contact")
        };
        let nobody = uuid::Uuid::new_v4().to_string();
        made(&[("lastname", "Stranger")]);
        Disorder {
            twin: made(&[("lastname", "Twin"), (&reference, &equal)]),
            extra: made(&[("lastname", "Extra"), (&reference, &nobody)]),
            equal,
            edited,
            gone,
            missing,
            unlinked,
        }
    }
}

/// Begins a comparison and waits for its end.
async fn compared(api: &Api, body: &Value) -> Value {
    let begun = api.post(PATH, body).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
    ended(api).await
}

async fn ended(api: &Api) -> Value {
    eventually("the end of the comparison", || async {
        let run = api.get(PATH).await.data().clone();
        (!["running", "repairing"].contains(&run["state"].as_str()?)).then_some(run)
    })
    .await
}

/// How many of a kind were found and repaired.
fn found(run: &Value, kind: &str) -> (i64, i64) {
    let number = |name: &str| run["found"][kind][name].as_i64().unwrap_or_default();
    (number("found"), number("repaired"))
}

/// Every finding, as the list shows it.
async fn findings(api: &Api) -> Vec<Value> {
    let page = api.get(&format!("{PATH}/findings")).await;
    page.data()["items"].as_array().expect("a list").clone()
}

fn writes(traffic: Traffic) -> (u64, u64, u64) {
    (traffic.create, traffic.revise, traffic.delete)
}

fn fix() -> Value {
    json!({ "fix": true })
}
