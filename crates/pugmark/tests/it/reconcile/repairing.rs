//! What `fix` does, and what it leaves alone.

use serde_json::json;

use super::{Disorder, PATH, compared, ended, findings, fix, found};
use crate::harness::{World, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    what_there_is_a_rule_for_is_repaired_and_the_rest_is_left_to_people,
    an_edit_of_a_field_that_may_be_edited_in_the_crm_is_merged_and_never_overwritten,
    a_comparison_can_be_stopped_and_only_one_runs_at_a_time,
);

async fn what_there_is_a_rule_for_is_repaired_and_the_rest_is_left_to_people(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let disorder = Disorder::make(&world, &program).await;
    let before = world.traffic();

    let run = compared(&api, &fix()).await;

    for kind in ["missing", "unlinked", "different"] {
        assert_eq!(found(&run, kind), (1, 1), "{kind}: {run}");
    }
    for kind in ["gone", "duplicate", "extra"] {
        assert_eq!(found(&run, kind), (1, 0), "{kind}: {run}");
    }
    assert_eq!(
        (&run["left"], &run["repairsFailed"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(run["repairsDone"], 3, "{run}");
    let missing = world.contact_of(&disorder.missing).expect("it was created");
    assert_eq!(missing.value("lastname"), "Missing");
    let edited = world.contact_of(&disorder.edited).expect("it is there");
    assert_eq!(
        edited.value("lastname"),
        "Edited",
        "MicroBima owns the name"
    );
    let unlinked = world.contact_of(&disorder.unlinked).expect("only one");
    let link = program.link(&disorder.unlinked, "vtiger_id").await;
    assert_eq!(link, Some(unlinked.id), "the contact that was there");
    assert!(world.contact_of(&disorder.gone).is_none());
    for left in [&disorder.twin, &disorder.extra] {
        let record = world.crm.record(left).expect("nothing is removed");
        assert!(["Twin", "Extra"].contains(&record.value("lastname")));
    }
    let made = world.traffic() - before;
    assert_eq!((made.create, made.delete), (1, 0));

    let again = compared(&api, &json!({ "fix": true, "recreate": true })).await;
    assert_eq!(found(&again, "gone"), (1, 1), "{again}");
    assert_eq!(again["left"], 2);
    let back = world.contact_of(&disorder.gone).expect("created again");
    assert_eq!(back.value("lastname"), "Gone");

    let last = compared(&api, &json!({})).await;
    assert_eq!(last["left"], 2, "{last}");
    assert_eq!(last["equal"], 5);
    let kinds: Vec<_> = findings(&api)
        .await
        .iter()
        .map(|item| item["kind"].clone())
        .collect();
    assert_eq!(kinds, ["duplicate", "extra"]);
    running.shutdown().await;
}

async fn an_edit_of_a_field_that_may_be_edited_in_the_crm_is_merged_and_never_overwritten(
    world: World,
) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    program
        .sql(
            "UPDATE vtiger_custom_field_mapping SET direction = 'both' WHERE microbima_field = 'lastName'",
        )
        .await;
    let customer = program.insert_customer("Ours").await;
    program.wait_until_idle().await;
    let contact = world.contact_of(&customer).expect("a contact").id;
    assert!(
        world
            .crm
            .edit(&contact, &[("lastname", "Theirs"), ("mobile", "1")])
    );
    // What the merge does is not looked at here.
    for kind in ["contact.apply", "customer.update"] {
        running.queue.pause(kind, "test").await.expect("paused");
    }

    assert_eq!(api.post(PATH, &fix()).await.status, 202);
    eventually("everything to be compared", || async {
        let run = api.get(PATH).await.data().clone();
        (run["phase"] == "ended").then_some(())
    })
    .await;

    let listed = findings(&api).await;
    let fields = listed[0]["detail"]["fields"].as_array().expect("fields");
    let directions: Vec<_> = fields
        .iter()
        .map(|field| (field["field"].as_str(), field["direction"].as_str()))
        .collect();
    assert!(
        directions.contains(&(Some("lastname"), Some("both"))),
        "{fields:?}"
    );
    assert!(
        directions.contains(&(Some("mobile"), Some("to_crm"))),
        "{fields:?}"
    );
    let queued = program
        .count("vtiger_sync_queue WHERE kind = 'contact.apply' AND status = 'PENDING'")
        .await;
    assert_eq!(queued, 1, "the edit goes to the merge");
    let snapshot = program.link(&customer, "snapshot").await.expect("a link");
    let snapshot: serde_json::Value = serde_json::from_str(&snapshot).expect("JSON");
    assert_eq!(
        snapshot["lastname"], "Ours",
        "the merge needs what was agreed on"
    );
    assert_eq!(
        snapshot["mobile"], "1",
        "and MicroBima's own field is put back"
    );
    running.shutdown().await;
}

async fn a_comparison_can_be_stopped_and_only_one_runs_at_a_time(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    // Under way in a process that is not there any more, and far from its end.
    let now = match program.engine() {
        pugmark_queue::db::Engine::Sqlite => "1",
        pugmark_queue::db::Engine::Postgres => "now()",
    };
    world.crm.faults().set(
        (1..200).fold(pugmark_sandbox::FaultPlan::new(1), |plan, nth| {
            plan.nth("query", nth, pugmark_sandbox::Fault::Http(503))
        }),
    );
    program
        .sql(format!(
            "INSERT INTO reconcile_runs (fix, recreate, requested_by, correlation_id, phase, created_at) \
             VALUES (FALSE, FALSE, 'test', 'c', 'contacts', {now})"
        ))
        .await;
    let api = Api::of(&running);
    let second = api.post(PATH, &json!({})).await;
    assert_eq!(second.status, 409, "{}", second.text);

    let stopped = api.delete(PATH).await;
    assert_eq!(stopped.data()["state"], "stopped", "{}", stopped.text);
    assert_eq!(stopped.data()["stoppedBy"], "token:APP_SECRET_TOKEN");
    world.crm.faults().set(pugmark_sandbox::FaultPlan::new(1));
    assert_eq!(api.post(PATH, &json!({})).await.status, 202);
    let run = ended(&api).await;
    assert_eq!(run["state"], "finished", "{run}");
    running.shutdown().await;
}
