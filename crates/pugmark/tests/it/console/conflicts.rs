//! The screen of conflicts: both sides and what was agreed on, and what a person decides.

use pugmark::people::Role;
use pugmark::store::conflicts::Kind;

use super::Browser;
use super::desks::conflict;
use super::planted::api_alone;
use crate::harness::{World, on_both_databases};
use crate::http::Api;
use crate::two_way::desk::in_conflict;
use crate::two_way::{column, rule};

on_both_databases!(
    both_sides_and_what_was_agreed_on_are_shown_and_masked_for_viewers,
    a_decision_needs_a_reason_is_audited_and_made_once,
    a_decision_that_cannot_be_carried_out_is_refused_with_what_is_wrong,
    a_decision_made_here_is_carried_out_on_both_sides,
    pages_of_conflicts_follow_on,
);

const CUSTOMER: &str = "7f000000-0000-4000-8000-000000000007";

fn said<'a>(choice: &'a str, value: &'a str, reason: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("choice", choice), ("value", value), ("reason", reason)]
}

async fn both_sides_and_what_was_agreed_on_are_shown_and_masked_for_viewers(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let none = person.get("/conflicts").await.text;
    assert!(none.contains("No conflict waits"), "{none}");
    let found = conflict(&running, CUSTOMER, Kind::BothChanged).await;
    let path = format!("/conflicts/{}", found.id);
    for page in ["/conflicts", path.as_str(), "/console/conflicts"] {
        let page = person.get(page).await.text;
        for value in ["Mobile Phone", "0712345678", "0700000009", "0799000111"] {
            assert!(page.contains(value), "{value}: {page}");
        }
    }
    let other = person.get("/conflicts?customer=nobody").await.text;
    assert!(other.contains("No conflict is like this"), "{other}");
    let settled = person.get("/conflicts?show=settled").await.text;
    assert!(settled.contains("Nothing was settled yet"), "{settled}");
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    for page in ["/conflicts", path.as_str()] {
        let page = viewer.get(page).await.text;
        assert!(page.contains("Mobile Phone"), "{page}");
        for value in ["0712345678", "0700000009", "0799000111", "/decide"] {
            assert!(!page.contains(value), "{value}: {page}");
        }
    }
    assert_eq!(person.get("/conflicts/unknown").await.status, 404);
    running.shutdown().await;
}

async fn a_decision_needs_a_reason_is_audited_and_made_once(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let found = conflict(&running, CUSTOMER, Kind::BothChanged).await;
    let path = format!("/conflicts/{}/decide", found.id);
    for wrong in [
        said("vtiger", "", " "),
        said("", "", "x"),
        said("both", "", "x"),
    ] {
        assert_eq!(person.post(&path, &wrong).await.status, 422, "{wrong:?}");
    }
    let mut ruling = said("vtiger", "", "the customer called");
    ruling.push(("make_rule", "yes"));
    let page = person.post_and_follow(&path, &ruling).await.text;
    assert!(page.contains("Decided, being carried out"), "{page}");
    assert!(page.contains("Reason: the customer called"), "{page}");
    assert!(!page.contains("/decide\""), "it is decided: {page}");
    let again = person.post(&path, &said("microbima", "", "no")).await;
    assert_eq!(again.status, 409, "{}", again.text);
    let queued =
        format!("vtiger_sync_queue WHERE kind = 'contact.apply' AND entity_id = '{CUSTOMER}'");
    assert_eq!(program.count(queued).await, 1);
    let audited = program
        .column("SELECT action FROM audit_log WHERE reason = 'the customer called' ORDER BY id")
        .await;
    assert_eq!(audited, ["conflict.decide", "conflict.rule"]);
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    assert_eq!(care.post(&path, &said("vtiger", "", "x")).await.status, 403);
    running.shutdown().await;
}

async fn a_decision_that_cannot_be_carried_out_is_refused_with_what_is_wrong(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let customer = program.insert_customer("Otieno").await;
    let found = conflict(&running, &customer, Kind::NotAccepted).await;
    let path = format!("/conflicts/{}", found.id);
    let page = person.get(&path).await.text;
    assert!(
        page.contains("MicroBima cannot take what stands in vTiger"),
        "{page}"
    );
    assert!(
        !page.contains("value=\"vtiger\""),
        "what is refused is not offered: {page}"
    );
    let decide = format!("{path}/decide");
    let refused = person.post(&decide, &said("vtiger", "", "x")).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text.contains("MicroBima cannot take that value"),
        "{}",
        refused.text
    );
    let refused = person.post(&decide, &said("value", "", "x")).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let taken = person
        .post(&decide, &said("value", "0711222333", "asked again"))
        .await;
    assert_eq!(taken.status, 303, "{}", taken.text);
    running.shutdown().await;
}

async fn a_decision_made_here_is_carried_out_on_both_sides(world: World) {
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    rule(&api, "phoneNumber", "both", "ask").await;
    let (customer, contact) = in_conflict(&world, &running, &program, "Otieno").await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let list = person.get("/conflicts").await.text;
    let id = list.split_once("href=\"/conflicts/").expect("a conflict").1;
    let id = id.split('"').next().expect("its id");
    let page = person.get(&format!("/conflicts/{id}")).await.text;
    assert!(page.contains(&format!("{contact} in vTiger")), "{page}");
    let path = format!("/conflicts/{id}/decide");
    let sent = person
        .post(&path, &said("value", "0733444555", "asked the customer"))
        .await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    program.wait_until_idle().await;
    let row = column(&program, &customer, "phoneNumber").await;
    assert_eq!(row.as_deref(), Some("0733444555"));
    let held = world.crm.record(&contact).expect("the contact");
    assert_eq!(held.value("mobile"), "0733444555");
    let settled = person.get("/conflicts?show=settled").await.text;
    assert!(settled.contains(">Decided</span>"), "{settled}");
    running.shutdown().await;
}

async fn pages_of_conflicts_follow_on(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    for number in 0..60 {
        let customer = format!("7f000000-0000-4000-8000-{number:012}");
        conflict(&running, &customer, Kind::BothChanged).await;
    }
    let rows = |page: &str| page.matches("<th scope=\"row\">").count();
    let first = person.get("/conflicts").await.text;
    assert_eq!(rows(&first), 50);
    let next = first.split_once("\" rel=\"next\"").expect("a next page").0;
    let next = next.rsplit_once("href=\"").expect("a link").1;
    let second = person
        .get(&next.replace("&#38;", "&").replace("&amp;", "&"))
        .await
        .text;
    assert_eq!(rows(&second), 10, "{second}");
    assert!(!second.contains("rel=\"next\""), "{second}");
    running.shutdown().await;
}
