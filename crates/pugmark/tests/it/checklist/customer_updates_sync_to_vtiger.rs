use crate::harness::{World, on_both_databases};

on_both_databases!(customer_updates_sync_to_vtiger);

async fn customer_updates_sync_to_vtiger(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program
        .set(&customer, "lastName", "'O''Brien-Otieno'")
        .await;
    program
        .set(&customer, "email", "'achieng@example.org'")
        .await;
    let contact = world
        .wait_for_contact(&customer, |contact| {
            contact.value("lastname") == "O'Brien-Otieno"
                && contact.value("email") == "achieng@example.org"
        })
        .await;
    assert_eq!(contact.value("mobile"), "0712345678", "the rest stays");
    running.shutdown().await;
}
