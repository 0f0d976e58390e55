use serde_json::Value;

use crate::harness::{World, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(vtiger_sync_status_displays_correctly_in_ui);

/// What a customer's page shows comes from these fields of the API's answer.
async fn vtiger_sync_status_displays_correctly_in_ui(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let path = format!("/api/internal/customers/{customer}");
    let shown = eventually("the customer in step", || async {
        let shown = api.get(&path).await.data().clone();
        (shown["vtigerSyncStatus"] == "SYNCED").then_some(shown)
    })
    .await;
    let contact = world.contact_of(&customer).expect("a contact");
    assert_eq!(shown["vtigerContactId"], contact.id);
    let url = shown["vtigerContactUrl"].as_str().expect("an address");
    let (_, number) = contact.id.split_once('x').expect("a record id");
    assert!(
        url.ends_with(&format!(
            "index.php?module=Contacts&view=Detail&record={number}"
        )),
        "{url}"
    );
    assert_ne!(shown["vtigerLastSyncedAt"], Value::Null);
    assert_eq!(shown["vtigerSyncError"], Value::Null);
    running.shutdown().await;
}
