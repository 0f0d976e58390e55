use crate::conversions::{COMPLETE, assert_became_one, convert, standing, started, tell};
use crate::harness::{World, on_both_databases};

on_both_databases!(lead_conversion_creates_customer);

async fn lead_conversion_creates_customer(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    standing(&api, &contact, "DONE").await;
    let customer = assert_became_one(&world, &program, &contact).await;
    let found = api
        .get(&format!("/api/internal/customers/{customer}"))
        .await;
    assert_eq!(found.data()["vtigerContactId"], contact);
    assert_eq!(found.data()["idNumber"], "12345678");
    running.shutdown().await;
}
