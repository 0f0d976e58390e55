use crate::harness::{World, on_both_databases};

on_both_databases!(missing_requirement_creates_task);

async fn missing_requirement_creates_task(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let child = program.add_dependant(&customer, "Zuri", "Otieno").await;
    let registration = program.register(&customer).await;
    program
        .require(&registration, "CHILD", Some(&child), "dateOfBirth")
        .await;
    program.wait_until_idle().await;
    let contact = world.contact_of(&customer).expect("a contact");
    let tasks = world.crm.records("Calendar");
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    assert_eq!(tasks[0].value("contact_id"), contact.id);
    assert_eq!(
        tasks[0].value("subject"),
        "Missing Date of birth for child Zuri Otieno (customer Achieng Otieno)"
    );
    running.shutdown().await;
}
