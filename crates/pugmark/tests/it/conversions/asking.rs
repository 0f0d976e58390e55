//! Customers that are made through MicroBima's partner API, whatever happens to the call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::partner_api::{KEY, PartnerApi, Turn};
use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    microbima_is_asked_in_its_own_words,
    capture_that_runs_before_the_answer_waits_and_makes_no_second_contact,
    a_customer_who_may_be_the_one_being_made_waits_for_the_end_of_that,
    a_lost_answer_makes_nobody_twice,
    an_error_after_everything_was_done_makes_nobody_twice,
    an_error_before_anything_was_done_is_repeated,
    a_customer_who_comes_long_after_the_call_was_given_up_is_found,
    a_process_that_is_stopped_in_the_middle_makes_nobody_twice,
    what_microbima_refuses_is_told_by_field_and_what_it_takes_back_leaves_nothing,
    without_the_right_key_it_waits_and_nothing_is_reserved,
);

async fn asking(world: &mut World) -> PartnerApi {
    pugmark::store::migrate(world.store.db())
        .await
        .expect("migrated");
    let partner = PartnerApi::start(world).await;
    world.settings.insurance.conversion.api = Some(config::PartnerApi {
        url: format!("http://{}", partner.address)
            .parse()
            .expect("an address"),
        key: SecretString::from(KEY),
        call_timeout: Duration::from_millis(700),
    });
    partner
}

/// Gives a call four seconds; how long is looked for what it may have made follows from that.
fn patient(world: &mut World) {
    let api = &mut world.settings.insurance.conversion.api;
    api.as_mut().expect("set").call_timeout = Duration::from_secs(4);
}

async fn microbima_is_asked_in_its_own_words(mut world: World) {
    let partner = asking(&mut world).await;
    world.settings.insurance.conversion.package_scheme_id = 3;
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "O'Brien-Otieno", &COMPLETE);
    let told = tell(&api, &contact).await;
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    let asked = partner.journal();
    assert_eq!(
        asked,
        [json!({
            "correlationId": told.header("x-correlation-id"),
            "product": { "productId": "mfanisi-go", "planId": "basic" },
            "principalMember": {
                "firstName": "Achieng", "lastName": "O'Brien-Otieno", "dateOfBirth": "1990-04-12", "gender": "female",
                "email": "achieng@example.co.ke", "phoneNumber": "0712345678", "idType": "national", "idNumber": "12345678",
                "partnerCustomerId": format!("vtiger-{contact}"),
            },
            "packageSchemeId": 3,
        })]
    );
    assert_eq!(world.calls("create"), 0);
    running.shutdown().await;
}

async fn capture_that_runs_before_the_answer_waits_and_makes_no_second_contact(mut world: World) {
    let partner = asking(&mut world).await;
    // The call may take as long as the test likes.
    patient(&mut world);
    let (running, api, program) = started(&mut world).await;
    let answer_now = Arc::new(Notify::new());
    partner.next(Turn::AnswerAfter(answer_now.clone()));
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    partner.committed().await;
    // The customer is captured and delivered although MicroBima has not answered yet.
    eventually("the customer's contact", || async {
        let linked = program.count("crm_links WHERE vtiger_id IS NOT NULL").await;
        (linked == 1).then_some(())
    })
    .await;
    answer_now.notify_one();
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    assert_eq!((world.calls("create"), partner.journal().len()), (0, 1));
    running.shutdown().await;
}

async fn a_customer_who_may_be_the_one_being_made_waits_for_the_end_of_that(mut world: World) {
    let partner = asking(&mut world).await;
    patient(&mut world);
    let (running, api, program) = started(&mut world).await;
    let go_on = Arc::new(Notify::new());
    partner.next(Turn::ReferenceAfter(go_on.clone()));
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    let waits = format!("vtiger_sync_queue WHERE blocked_by = 'reservation:{contact}'");
    eventually("the customer's waiting", || async {
        (program.count(&waits).await == 1).then_some(())
    })
    .await;
    let customer = program
        .one("SELECT CAST(\"id\" AS TEXT) FROM customers")
        .await;
    program
        .wait_for_trouble(&customer.expect("a row"), "PUG-3609")
        .await;
    go_on.notify_one();
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    assert_eq!((world.calls("create"), partner.journal().len()), (0, 1));
    running.shutdown().await;
}

async fn after(mut world: World, turn: Turn, calls: usize) {
    let partner = asking(&mut world).await;
    let (running, api, program) = started(&mut world).await;
    partner.next(turn);
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    assert_eq!(program.count("customers").await, 1);
    assert_eq!((world.calls("create"), partner.journal().len()), (0, calls));
    running.shutdown().await;
}

async fn a_lost_answer_makes_nobody_twice(world: World) {
    after(world, Turn::AnswerLost, 1).await;
}

async fn an_error_after_everything_was_done_makes_nobody_twice(world: World) {
    after(world, Turn::FailAfter, 1).await;
}

async fn an_error_before_anything_was_done_is_repeated(world: World) {
    after(world, Turn::FailBefore, 2).await;
}

async fn a_customer_who_comes_long_after_the_call_was_given_up_is_found(mut world: World) {
    let partner = asking(&mut world).await;
    // How long is looked before MicroBima is asked again follows from it; a busy machine needs a part of that to get here.
    patient(&mut world);
    let (running, api, program) = started(&mut world).await;
    let commit_now = Arc::new(Notify::new());
    partner.next(Turn::CommitAfter(commit_now.clone()));
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    eventually("the call's end", || async {
        let found = api.get(&format!("{CONVERSIONS}/{contact}")).await;
        (found.data()["errorCode"] == "PUG-3608").then_some(())
    })
    .await;
    commit_now.notify_one();
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    assert_eq!((world.calls("create"), partner.journal().len()), (0, 1));
    running.shutdown().await;
}

async fn a_process_that_is_stopped_in_the_middle_makes_nobody_twice(mut world: World) {
    let partner = asking(&mut world).await;
    patient(&mut world);
    world.settings.server.shutdown_grace = Duration::from_millis(20);
    let (running, api, program) = started(&mut world).await;
    partner.next(Turn::AnswerAfter(Arc::new(Notify::new())));
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    partner.committed().await;
    running.shutdown().await;
    let (running, api, _) = started(&mut world).await;
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    assert_eq!((world.calls("create"), partner.journal().len()), (0, 1));
    running.shutdown().await;
}

async fn what_microbima_refuses_is_told_by_field_and_what_it_takes_back_leaves_nothing(
    mut world: World,
) {
    let partner = asking(&mut world).await;
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    partner.next(Turn::Refuse(400, "VALIDATION_ERROR", "phoneNumber"));
    tell(&api, &contact).await;
    let parked = standing(&api, &contact, "INCOMPLETE").await;
    assert_eq!(
        parked["missing"],
        json!({ "phoneNumber": "VALIDATION_ERROR" })
    );

    partner.next(Turn::Refuse(422, "DUPLICATE_ID_NUMBER", "idNumber"));
    let path = format!("{CONVERSIONS}/{contact}");
    api.patch(&path, &json!({ "phoneNumber": "0712345679" }))
        .await;
    let parked = standing(&api, &contact, "UNDECIDED").await;
    assert_eq!(
        parked["missing"],
        json!({ "idNumber": "DUPLICATE_ID_NUMBER" })
    );

    partner.next(Turn::InsertAndTakeBack);
    api.patch(&path, &json!({ "idNumber": "12345679" })).await;
    standing(&api, &contact, "INCOMPLETE").await;
    api.patch(&path, &json!({ "idNumber": "12345670" })).await;
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    assert_eq!(program.count("customers").await, 1);
    assert_eq!(partner.journal().len(), 4);
    running.shutdown().await;
}

async fn without_the_right_key_it_waits_and_nothing_is_reserved(mut world: World) {
    let partner = asking(&mut world).await;
    let api_settings = world
        .settings
        .insurance
        .conversion
        .api
        .as_mut()
        .expect("set");
    api_settings.key = SecretString::from("another-key-of-this-test");
    let (running, api, program) = started(&mut world).await;
    let contact = convert(&world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    eventually("the reason", || async {
        let found = api.get(&format!("{CONVERSIONS}/{contact}")).await;
        let data = found.data();
        (data["errorCode"] == "PUG-3606" && data["state"] == "OPEN").then_some(())
    })
    .await;
    assert!(partner.journal().is_empty());
    let noted = program
        .one("SELECT error_message FROM vtiger_sync_queue WHERE kind = 'lead.convert'")
        .await;
    assert!(!noted.unwrap_or_default().contains("another-key"));
    running.shutdown().await;
}
