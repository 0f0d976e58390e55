//! The screen of lead conversions: what is missing, who it might be already, and what people do about it.

use pugmark::people::Role;

use super::Browser;
use super::desks::conversion;
use super::planted::api_alone;
use crate::conversions::{COMPLETE, assert_became_one, convert, edit, standing, started, tell};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    what_is_missing_is_named_and_filled_in_and_the_lead_becomes_a_customer,
    a_second_look_finds_what_was_completed_in_the_crm,
    a_customer_with_the_same_document_is_shown_and_linked_with_a_reason,
    what_was_filled_in_is_masked_for_viewers_and_offered_to_those_who_may,
    conversions_that_wait_come_first_and_pages_follow_on,
);

async fn what_is_missing_is_named_and_filled_in_and_the_lead_becomes_a_customer(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let contact = convert(&world, "Otieno", &COMPLETE[..3]);
    tell(&api, &contact).await;
    standing(&api, &contact, "INCOMPLETE").await;
    let list = person.get("/conversions").await.text;
    assert!(list.contains(&format!(">{contact}</a>")), "{list}");
    assert!(
        list.contains("Kind of document") && list.contains("Number of the document"),
        "{list}"
    );
    let path = format!("/conversions/{contact}");
    let page = person.get(&path).await.text;
    assert!(
        page.contains("<code>idNumber</code></span></th><td class=\"wrap\">is missing"),
        "{page}"
    );
    let fill = format!("{path}/fill-in");
    let without = [("idNumber", "12345678"), ("reason", "")];
    assert_eq!(person.post(&fill, &without).await.status, 422);
    let nothing = person.post(&fill, &[("reason", "x")]).await;
    assert!(
        nothing.text.contains("Nothing is filled in"),
        "{}",
        nothing.text
    );
    let fields = [
        ("idType", "national"),
        ("idNumber", "12345678"),
        ("reason", "saw the card"),
    ];
    let page = person.post_and_follow(&fill, &fields).await.text;
    assert!(page.contains("the conversion goes on"), "{page}");
    standing(&api, &contact, "DONE").await;
    let customer = assert_became_one(&world, &program, &contact).await;
    let done = person.get(&path).await.text;
    assert!(
        done.contains(&customer) && !done.contains("/fill-in"),
        "{done}"
    );
    let late = person.post(&fill, &fields).await;
    assert_eq!(late.status, 409, "{}", late.text);
    let why = "SELECT reason FROM audit_log WHERE action = 'lead-conversion.fill-in'";
    assert_eq!(
        program.one(why).await.as_deref(),
        Some("idNumber, idType: saw the card")
    );
    running.shutdown().await;
}

async fn a_second_look_finds_what_was_completed_in_the_crm(mut world: World) {
    let (running, api, program) = started(&mut world).await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let contact = convert(&world, "Otieno", &COMPLETE[..4]);
    tell(&api, &contact).await;
    standing(&api, &contact, "INCOMPLETE").await;
    edit(&world, &contact, &COMPLETE[4..]);
    let path = format!("/conversions/{contact}");
    let page = person.get(&path).await.text;
    assert!(
        page.contains("Look again") && !page.contains("/fill-in"),
        "{page}"
    );
    let look = format!("{path}/look-again");
    assert_eq!(person.post(&look, &[("reason", "")]).await.status, 422);
    person
        .post_and_follow(&look, &[("reason", "completed in vTiger")])
        .await;
    standing(&api, &contact, "DONE").await;
    assert_became_one(&world, &program, &contact).await;
    let why = "SELECT reason FROM audit_log WHERE action = 'lead-conversion.look-again'";
    assert_eq!(
        program.one(why).await.as_deref(),
        Some("completed in vTiger")
    );
    running.shutdown().await;
}

async fn a_customer_with_the_same_document_is_shown_and_linked_with_a_reason(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let customer = program.insert_customer("Wanjiru").await;
    conversion(&running, "12x5", Some(&customer)).await;
    let page = person.get("/conversions/12x5").await.text;
    assert!(
        page.contains("Is it this customer?") && page.contains("Achieng Wanjiru"),
        "{page}"
    );
    assert!(page.contains("Nobody is made twice"), "{page}");
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let masked = viewer.get("/conversions/12x5").await.text;
    assert!(
        !masked.contains("Wanjiru") && !masked.contains("/link\""),
        "{masked}"
    );
    let path = "/conversions/12x5/link";
    let said = |customer: &'static str, reason: &'static str| {
        vec![("customer", customer), ("reason", reason)]
    };
    assert_eq!(person.post(path, &said("x", "y")).await.status, 422);
    let unknown = said("00000000-0000-4000-8000-000000000000", "y");
    assert_eq!(person.post(path, &unknown).await.status, 404);
    let fields = [("customer", customer.as_str()), ("reason", "")];
    assert_eq!(person.post(path, &fields).await.status, 422);
    let fields = [("customer", customer.as_str()), ("reason", "the same card")];
    let page = person.post_and_follow(path, &fields).await.text;
    assert!(page.contains("the two are being linked"), "{page}");
    assert!(page.contains("to be customer"), "{page}");
    let queued = "vtiger_sync_queue WHERE kind = 'lead.convert' AND entity_id = '12x5'";
    assert_eq!(program.count(queued).await, 1);
    let why = "SELECT reason FROM audit_log WHERE action = 'lead-conversion.link'";
    assert_eq!(program.one(why).await.as_deref(), Some("the same card"));
    running.shutdown().await;
}

async fn what_was_filled_in_is_masked_for_viewers_and_offered_to_those_who_may(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    conversion(&running, "12x5", None).await;
    let fill = "/conversions/12x5/fill-in";
    let fields = [("lastName", "Otieno-Were"), ("reason", "by phone")];
    let page = person.post_and_follow(fill, &fields).await.text;
    assert!(
        page.contains("name=\"was_lastName\" value=\"Otieno-Were\""),
        "{page}"
    );
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let masked = viewer.get("/conversions/12x5").await.text;
    assert!(masked.contains("Filled in: Last name"), "{masked}");
    assert!(
        !masked.contains("Were") && !masked.contains("/look-again"),
        "{masked}"
    );
    let same = [
        ("lastName", "Otieno-Were"),
        ("was_lastName", "Otieno-Were"),
        ("reason", "x"),
    ];
    assert_eq!(
        person.post(fill, &same).await.status,
        422,
        "nothing is changed"
    );
    let back = [
        ("lastName", ""),
        ("was_lastName", "Otieno-Were"),
        ("reason", "it was wrong"),
    ];
    let page = person.post_and_follow(fill, &back).await.text;
    assert!(!page.contains("Otieno-Were"), "it is taken back: {page}");
    running.shutdown().await;
}

async fn conversions_that_wait_come_first_and_pages_follow_on(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let none = person.get("/conversions").await.text;
    assert!(none.contains("No conversion waits for anybody"), "{none}");
    for number in 1..=60 {
        let candidate = (number % 2 == 0).then_some("7f000000-0000-4000-8000-000000000007");
        conversion(&running, &format!("12x{number}"), candidate).await;
    }
    let rows = |page: &str| page.matches("<th scope=\"row\">").count();
    let first = person.get("/conversions").await.text;
    assert_eq!(rows(&first), 50);
    let newest = first.find(">12x60</a>").expect("the newest");
    assert!(
        newest < first.find(">12x59</a>").expect("the next"),
        "both states in one order"
    );
    let next = first.split_once("\" rel=\"next\"").expect("a next page").0;
    let next = next.rsplit_once("href=\"").expect("a link").1;
    let second = person
        .get(&next.replace("&#38;", "&").replace("&amp;", "&"))
        .await
        .text;
    assert_eq!(rows(&second), 10, "{second}");
    let done = person.get("/console/conversions?show=done").await.text;
    assert!(done.contains("No conversion is like this"), "{done}");
    let pasted = person.get("/conversions?record=12x7").await;
    assert_eq!(pasted.header("location"), "/conversions/12x7");
    assert_eq!(person.get("/conversions/12x999").await.status, 404);
    running.shutdown().await;
}
