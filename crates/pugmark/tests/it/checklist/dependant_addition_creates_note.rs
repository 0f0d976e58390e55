use crate::harness::{World, new_id, on_both_databases};

on_both_databases!(dependant_addition_creates_note);

async fn dependant_addition_creates_note(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    program
        .sql(format!(
            "INSERT INTO dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \
             \"createdByPartnerId\") VALUES ('{}', '{customer}', 'Zuri', 'Otieno', 'CHILD', 1)",
            new_id()
        ))
        .await;
    program.wait_until_idle().await;
    let contact = world.contact_of(&customer).expect("a contact");
    let notes = world.notes_on(&contact.id);
    assert_eq!(notes.len(), 1, "{notes:?}");
    let today = jiff::Zoned::now()
        .in_tz("Africa/Nairobi")
        .expect("a zone")
        .strftime("%-d %b %Y")
        .to_string();
    assert_eq!(notes[0], format!("Dependant Zuri Otieno added on {today}"));
    running.shutdown().await;
}
