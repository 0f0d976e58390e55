//! The rolling verifier, and the comparison by night.

use std::time::Duration;

use pugmark::config;
use pugmark_queue::db::Engine;

use super::{PATH, ended, found};
use crate::harness::{World, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    linked_contacts_are_proved_equal_bit_by_bit_and_the_status_says_so,
    an_edit_of_microbimas_own_field_is_found_and_put_back,
    every_night_both_sides_are_compared_once_and_nothing_is_repaired,
);

fn verifying(world: &mut World) {
    world.settings.insurance.reconcile = config::Reconcile {
        verify: true,
        verify_every: Duration::from_millis(20),
        ..config::Reconcile::off()
    };
}

async fn proved(api: &Api, contacts: i64) -> serde_json::Value {
    eventually("the proof", || async {
        let status = api.get("/api/internal/status").await.data().clone();
        let proof = &status["proof"];
        (proof["proved"] == contacts && proof["contacts"] == contacts).then_some(status)
    })
    .await
}

async fn linked_contacts_are_proved_equal_bit_by_bit_and_the_status_says_so(mut world: World) {
    verifying(&mut world);
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    for number in 0..3 {
        program.insert_customer(&format!("Were {number}")).await;
    }
    program.wait_until_idle().await;

    let status = proved(&api, 3).await;

    let words = status["proof"]["words"].as_str().unwrap_or_default();
    assert!(
        words.starts_with("3 of 3 contacts proved equal, oldest proof "),
        "{words}"
    );
    assert!(status["proof"]["oldestAt"].is_string());
    let person = crate::console::Browser::signed_in(&running, pugmark::people::Role::Viewer).await;
    let page = person.get("/").await;
    assert!(page.text.contains("Proved equal"), "{}", page.text);
    // What is proved is not looked at again at once.
    let before = world.traffic();
    program.insert_customer("Another").await;
    program.wait_until_idle().await;
    proved(&api, 4).await;
    assert_eq!((world.traffic() - before).query, 1, "only the new one");
    running.shutdown().await;
}

async fn an_edit_of_microbimas_own_field_is_found_and_put_back(mut world: World) {
    verifying(&mut world);
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let customer = program.insert_customer("Ours").await;
    program.wait_until_idle().await;
    proved(&api, 1).await;

    let contact = world.contact_of(&customer).expect("a contact").id;
    assert!(world.crm.edit(&contact, &[("lastname", "Theirs")]));
    let long_ago = match program.engine() {
        Engine::Sqlite => "1",
        Engine::Postgres => "TIMESTAMPTZ '2000-01-01'",
    };
    program
        .sql(format!("UPDATE crm_links SET checked_at = {long_ago}"))
        .await;

    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Ours")
        .await;
    program.wait_until_idle().await;
    let by = program
        .one("SELECT requested_by FROM vtiger_sync_queue WHERE correlation_id LIKE 'verify-%'")
        .await;
    assert_eq!(by.as_deref(), Some("verifier"));
    assert_eq!(
        program.link(&customer, "verified_at").await,
        None,
        "not proved again before it is looked at again"
    );
    running.shutdown().await;
}

async fn every_night_both_sides_are_compared_once_and_nothing_is_repaired(mut world: World) {
    // A night that has just begun, wherever this runs.
    let zone = world.settings.insurance.zone.clone();
    let now = jiff::Timestamp::now().to_zoned(zone);
    world.settings.insurance.reconcile = config::Reconcile {
        nightly: true,
        time: now
            .time()
            .round(jiff::Unit::Second)
            .unwrap_or(now.time())
            .min(now.time()),
        ..config::Reconcile::off()
    };
    let running = world.start().await;
    let api = Api::of(&running);
    let run = eventually("the run of the night", || async {
        let run = api.get(PATH).await;
        (run.status == 200).then_some(())
    })
    .await;
    let () = run;
    let run = ended(&api).await;
    assert_eq!(run["requestedBy"], "schedule", "{run}");
    assert_eq!(
        (run["fix"].as_bool(), found(&run, "missing")),
        (Some(false), (0, 0))
    );
    running.shutdown().await;
    // Another process of the same night finds it done.
    let running = world.start().await;
    let program = world.other_program().await;
    assert_eq!(program.count("reconcile_runs").await, 1);
    running.shutdown().await;
}
