use crate::harness::{World, on_both_databases};

on_both_databases!(custom_fields_map_correctly);

/// Fields made by hand in vTiger are found by their labels, whatever number they got, and show values in words.
async fn custom_fields_map_correctly(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program.set(&customer, "middleName", "'Adhiambo'").await;
    program.wait_until_idle().await;
    let contact = world.contact_of(&customer).expect("a contact");
    for (label, value) in [
        ("MicroBima Customer ID", customer.as_str()),
        ("Middle Name", "Adhiambo"),
        ("Gender", "Female"),
        ("ID Type", "National ID"),
        ("ID Number", &customer[..8]),
        ("MicroBima Status", "Pending activation"),
        (
            "MicroBima Link",
            &format!("https://agents.example.org/admin/customer/{customer}"),
        ),
    ] {
        assert_eq!(contact.value(&world.field(label)), value, "{label}");
    }
    running.shutdown().await;
}
