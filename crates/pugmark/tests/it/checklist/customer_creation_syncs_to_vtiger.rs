use crate::harness::{World, on_both_databases};

on_both_databases!(customer_creation_syncs_to_vtiger);

async fn customer_creation_syncs_to_vtiger(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    assert_eq!(contact.value("firstname"), "Achieng");
    assert_eq!(contact.value("lastname"), "Otieno");
    assert_eq!(contact.value("mobile"), "0712345678");
    assert_eq!(contact.value("birthday"), "1990-04-12");
    assert_eq!(contact.value(&world.field("ID Number")), &customer[..8]);
    running.shutdown().await;
}
