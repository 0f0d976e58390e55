use jiff::ToSpan;

use crate::harness::{World, on_both_databases};
use crate::http::Api;

on_both_databases!(weekly_payment_summary_sent);

/// Made by hand for the week before this one, as the job makes it on Monday morning.
async fn weekly_payment_summary_sent(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let today = jiff::Zoned::now()
        .in_tz("Africa/Nairobi")
        .expect("a zone")
        .date();
    let day = today - 7.days();
    program
        .sql(format!(
            "INSERT INTO policies (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \"customerId\", \
             \"packageId\") VALUES ('{customer}', 'Mfanisi', 50, 'DAILY', 1, '{customer}', 1); \
             INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"actualPaymentDate\", \"paymentStatus\") VALUES \
             ('{customer}', 'MPESA', 'SGL31HA2Q1', 50.00, '{day} 09:00:00', '{day} 09:00:00', 'COMPLETED'), \
             ('{customer}', 'MPESA', 'SGL31HA2Q2', 150.50, '{day} 10:00:00', '{day} 10:00:00', 'COMPLETED')"
        ))
        .await;
    world.wait_for_contact(&customer, |_| true).await;
    let week = serde_json::json!({ "week": day.to_string() });
    for _ in 0..2 {
        api.post("/api/internal/vtiger/payment-summaries", &week)
            .await;
        program.wait_until_idle().await;
    }
    let contact = world.contact_of(&customer).expect("a contact");
    let notes = world.notes_on(&contact.id);
    assert_eq!(
        notes.len(),
        1,
        "one for the customer and the week: {notes:?}"
    );
    let text = world.crm.records("ModComments")[0]
        .value("commentcontent")
        .to_owned();
    assert!(text.contains("200.50"), "the total: {text}");
    running.shutdown().await;
}
