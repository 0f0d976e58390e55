//! The screens of the queue: what they show, and what they let people do.

use pugmark::people::Role;
use pugmark_queue::Status;

use super::Browser;
use super::planted::{api_alone, note, plant, plant_dead, stored, update, without_worker};
use crate::harness::{World, eventually, on_both_databases};

on_both_databases!(
    the_address_is_the_filter_and_pages_follow_on,
    what_a_filter_says_wrong_is_named_with_what_to_write,
    what_others_wrote_is_escaped,
    a_viewer_sees_how_it_stands_and_nobody_s_data,
    the_page_of_an_operation_says_why_it_stands_as_it_does,
    a_retry_is_made_once_and_audited_with_its_reason,
    a_discard_shows_first_what_it_does_and_needs_a_reason,
    an_edit_is_shown_before_it_is_made_and_keeps_what_was_there,
    a_role_that_may_not_changes_nothing,
);

const CUSTOMER: &str = "7f000000-0000-4000-8000-000000000007";

fn rows(page: &str) -> usize {
    page.matches("<th scope=\"row\">").count()
}

/// The address behind a link with this rel.
fn next(page: &str) -> String {
    let before = page.split_once("\" rel=\"next\"").expect("a next page").0;
    let address = before.rsplit_once("href=\"").expect("a link").1;
    address.replace("&#38;", "&").replace("&amp;", "&")
}

async fn the_address_is_the_filter_and_pages_follow_on(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let empty = person.get("/operations").await;
    assert!(
        empty.text.contains("No operation is like this"),
        "{}",
        empty.text
    );
    for number in 0..60 {
        let customer = format!("c{number}");
        plant_dead(
            &running,
            &program,
            note(&customer, 1),
            "PUG-2006",
            "refused",
        )
        .await;
    }
    let update = plant(&running, update(CUSTOMER)).await;

    let dead = person
        .get("/operations?q=status:dead+kind:note.create")
        .await;
    assert_eq!((dead.status, rows(&dead.text)), (200, 50), "{}", dead.text);
    assert!(dead.text.contains("value=\"status:dead kind:note.create\""));
    let further = person.get(&next(&dead.text)).await;
    assert_eq!(rows(&further.text), 10, "{}", further.text);
    assert!(!further.text.contains("rel=\"next\""));
    for (filter, count) in [
        ("status:dead older:1h", 0),
        ("status:dead newer:1h code:2006", 50),
        ("status:waiting", 1),
        ("customer:c7", 0),
        ("record:NOTE/added:c7:1", 1),
        (format!("customer:{CUSTOMER}").as_str(), 1),
        ("%22ADDED:C7:1%22", 1),
        ("kind:customer.update nobody-at-all", 0),
        ("status:done", 0),
    ] {
        let answer = person
            .get(&format!("/operations?q={}", filter.replace(' ', "+")))
            .await;
        assert_eq!(rows(&answer.text), count, "{filter}: {}", answer.text);
    }
    let pasted = person.get(&format!("/operations?q={update}")).await;
    assert_eq!(pasted.header("location"), format!("/operations/{update}"));
    let live = person.get("/console/operations?q=status:waiting").await;
    assert!(live.text.contains("customer.update") && !live.text.contains("<html"));
    running.shutdown().await;
}

async fn what_a_filter_says_wrong_is_named_with_what_to_write(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    plant(&running, update(CUSTOMER)).await;
    let page = person.get("/operations?q=satus:dead+older:yesterday").await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("did you mean `status:`?"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("<code>older:yesterday</code>"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("value=\"satus:dead older:yesterday\""),
        "what was typed stays"
    );
    assert_eq!(
        rows(&page.text),
        0,
        "nothing is shown for a filter that is not understood"
    );
    running.shutdown().await;
}

async fn what_others_wrote_is_escaped(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::Admin).await;
    let evil = "<script>alert(1)</script>";
    let id = plant_dead(&running, &program, note(evil, 1), "PUG-2006", evil).await;
    for path in [
        "/operations".to_owned(),
        format!("/operations?q={evil}"),
        format!("/operations/{id}"),
        format!("/operations/{id}/edit"),
        format!("/operations/{id}/discard"),
        "/problems".to_owned(),
        format!("/logs?q={evil}&request={evil}"),
        format!("/audit?q={evil}&action={evil}"),
    ] {
        let page = person.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(
            !page.text.contains("<script>alert"),
            "{path}: {}",
            page.text
        );
    }
    running.shutdown().await;
}

async fn a_viewer_sees_how_it_stands_and_nobody_s_data(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let message = "the value achieng@example.co.ke of \"Otieno\" is taken";
    let id = plant_dead(&running, &program, note(CUSTOMER, 1), "PUG-2006", message).await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    for path in [
        "/operations".to_owned(),
        format!("/operations/{id}"),
        format!("/console/operations/{id}"),
        "/problems".to_owned(),
    ] {
        let masked = viewer.get(&path).await.text;
        for personal in ["achieng@", "Otieno", "0712345678"] {
            assert!(!masked.contains(personal), "{path}: {personal} in {masked}");
        }
        assert!(masked.contains("PUG-2006"), "{path}: {masked}");
        let whole = care.get(&path).await.text;
        assert!(whole.contains("achieng@example.co.ke"), "{path}: {whole}");
    }
    running.shutdown().await;
}

async fn the_page_of_an_operation_says_why_it_stands_as_it_does(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let first = plant(&running, update(CUSTOMER)).await;
    let behind = plant(&running, note(CUSTOMER, 1)).await;
    let page = person.get(&format!("/operations/{behind}")).await.text;
    assert!(
        page.contains("it waits until the one before it has ended"),
        "{page}"
    );
    assert!(
        page.contains(&format!("href=\"/operations/{first}\"")),
        "{page}"
    );
    running
        .queue
        .pause("customer.update", "ann")
        .await
        .expect("it is paused");
    let page = person.get(&format!("/operations/{first}")).await.text;
    assert!(page.contains("paused by ann"), "{page}");
    let dead = plant_dead(
        &running,
        &program,
        note("c9", 1),
        "PUG-2006",
        "no last name",
    )
    .await;
    let page = person.get(&format!("/operations/{dead}")).await.text;
    assert!(page.contains("it waits for a person"), "{page}");
    assert!(
        page.contains("What you can do.") && page.contains("vtiger.contact_defaults"),
        "{page}"
    );
    assert!(page.contains("href=\"/problems/codes/PUG-2006\""), "{page}");
    let explained = person.get("/problems/codes/PUG-2006").await;
    assert!(
        explained.text.contains("What Pugmark does by itself"),
        "{}",
        explained.text
    );
    assert_eq!(person.get("/problems/codes/PUG-0000").await.status, 404);
    assert_eq!(person.get("/operations/nothing").await.status, 404);
    running.shutdown().await;
}

async fn a_retry_is_made_once_and_audited_with_its_reason(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let id = plant_dead(&running, &program, note(CUSTOMER, 1), "PUG-2006", "refused").await;
    let path = format!("/operations/{id}/retry");
    let page = person
        .post_and_follow(&path, &[("reason", " mended in vTiger ")])
        .await;
    assert!(
        page.text.contains("It is tried again now."),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("retry by customer_care-"),
        "{}",
        page.text
    );
    let record = stored(&running, id).await;
    assert_eq!((record.status, record.dead_at), (Status::Pending, None));
    let entries = program
        .count(format!(
            "audit_log WHERE action = 'queue.retry' AND subject = '{id}' AND reason = 'mended in vTiger' \
             AND actor LIKE 'customer_care-%' AND correlation_id IS NOT NULL"
        ))
        .await;
    assert_eq!(entries, 1);
    running.shutdown().await;
}

async fn a_discard_shows_first_what_it_does_and_needs_a_reason(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let id = plant_dead(&running, &program, note(CUSTOMER, 1), "PUG-2006", "refused").await;
    let path = format!("/operations/{id}/discard");
    let preview = person.get(&path).await;
    assert!(
        preview.text.contains("This cannot be undone"),
        "{}",
        preview.text
    );
    for reason in [&[][..], &[("reason", "  ")]] {
        let refused = person.post(&path, reason).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert!(refused.text.contains("A reason is needed"));
    }
    assert_eq!(
        stored(&running, id).await.status,
        Status::Failed,
        "nothing was done"
    );
    let page = person
        .post_and_follow(&path, &[("reason", "doubled")])
        .await;
    assert!(page.text.contains("Discarded"), "{}", page.text);
    assert_eq!(stored(&running, id).await.status, Status::Completed);
    let again = person.post(&path, &[("reason", "doubled")]).await;
    assert_eq!(again.status, 409, "{}", again.text);
    assert_eq!(
        person.get(&path).await.status,
        422,
        "there is nothing left to discard"
    );
    let entries = program
        .count("audit_log WHERE action = 'queue.discard' AND reason = 'doubled'")
        .await;
    assert_eq!(entries, 1);
    running.shutdown().await;
}

async fn an_edit_is_shown_before_it_is_made_and_keeps_what_was_there(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let id = plant_dead(&running, &program, note(CUSTOMER, 1), "PUG-2006", "refused").await;
    let path = format!("/operations/{id}/edit");
    let form = person.get(&path).await;
    assert!(form.text.contains("Achieng Otieno"), "{}", form.text);
    let payload = format!("{{\"customer\": \"{CUSTOMER}\", \"text\": \"Achieng\", \"change\": 1}}");
    let fields = [("payload", payload.as_str()), ("reason", "too long")];
    let preview = person.post(&path, &fields).await;
    assert_eq!(preview.status, 200);
    assert!(
        preview
            .text
            .contains("<del>Achieng Otieno, 0712345678</del>"),
        "{}",
        preview.text
    );
    assert!(
        preview.text.contains("<ins>Achieng</ins>"),
        "{}",
        preview.text
    );
    assert_eq!(
        stored(&running, id).await.status,
        Status::Failed,
        "nothing was done yet"
    );
    let wrong = person
        .post(
            &path,
            &[("payload", "{}"), ("reason", "x"), ("sure", "yes")],
        )
        .await;
    assert!(
        wrong.text.contains("is missing; put it back"),
        "{}",
        wrong.text
    );

    let sure = [fields[0], fields[1], ("sure", "yes")];
    let page = person.post_and_follow(&path, &sure).await;
    assert!(
        page.text.contains("It is changed, and tried again now."),
        "{}",
        page.text
    );
    let record = stored(&running, id).await;
    assert_eq!(
        (record.status, &record.payload["text"]),
        (Status::Pending, &"Achieng".into())
    );
    let human = record.human_action.expect("who did it").0;
    assert_eq!(human["before"]["text"], "Achieng Otieno, 0712345678");
    let entries = program
        .count("audit_log WHERE action = 'queue.edit' AND reason = 'too long'")
        .await;
    assert_eq!(entries, 1);

    let state = plant(&running, update("c8")).await;
    let refused = person.get(&format!("/operations/{state}/edit")).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.text.contains("Change the record instead"),
        "{}",
        refused.text
    );
    running.shutdown().await;
}

async fn a_role_that_may_not_changes_nothing(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let id = plant_dead(&running, &program, note(CUSTOMER, 1), "PUG-2006", "refused").await;
    let before = program.count("audit_log").await;
    let all = [
        ("reason", "because"),
        ("q", "status:dead"),
        ("action", "discard"),
        ("kind", "note.create"),
        ("code", "PUG-2006"),
        ("act", "acknowledge"),
    ];
    for (role, paths) in [
        (Role::Viewer, &["retry", "discard", "edit"][..]),
        (Role::CustomerCare, &["discard", "edit"][..]),
    ] {
        let person = Browser::signed_in(&running, role).await;
        for path in paths {
            let refused = person.post(&format!("/operations/{id}/{path}"), &all).await;
            assert_eq!(refused.status, 403, "{role} {path}: {}", refused.text);
        }
        assert_eq!(person.post("/operations/bulk", &all).await.status, 403);
        let page = person.get(&format!("/operations/{id}")).await.text;
        assert!(
            !page.contains("Discard"),
            "what is refused is not offered: {page}"
        );
    }
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    assert_eq!(viewer.post("/problems/mark", &all).await.status, 403);
    assert_eq!(stored(&running, id).await.status, Status::Failed);
    assert_eq!(program.count("audit_log").await, before);
    assert_eq!(program.count("bulk_runs").await, 0);
    running.shutdown().await;
}

mod many {
    use super::*;
    use pugmark_queue::OperationId;

    on_both_databases!(
        many_are_planned_run_and_audited_and_what_dies_later_is_left_alone,
        a_run_is_stopped_and_one_that_was_broken_off_goes_on,
    );

    async fn dead(
        running: &pugmark::app::Running,
        program: &crate::harness::Writer,
        names: std::ops::Range<u32>,
    ) -> Vec<OperationId> {
        let mut ids = Vec::new();
        for number in names {
            let operation = note(&format!("c{number}"), 1);
            ids.push(plant_dead(running, program, operation, "PUG-2006", "refused").await);
        }
        ids
    }

    /// The hidden field of the plan.
    fn upto(page: &str) -> String {
        let rest = page.split_once("name=\"upto\" value=\"").expect("a plan").1;
        rest.split('"').next().expect("a value").to_owned()
    }

    async fn many_are_planned_run_and_audited_and_what_dies_later_is_left_alone(world: World) {
        let running = without_worker(&world).await;
        let program = world.other_program().await;
        let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
        let ids = dead(&running, &program, 0..45).await;
        let other = plant_dead(&running, &program, update(CUSTOMER), "PUG-2006", "refused").await;
        let q = "status:dead kind:note.create";
        let list = person
            .get("/operations?q=status:dead+kind:note.create")
            .await;
        assert!(list.text.contains("Retry all of these"), "{}", list.text);
        let plan = person
            .get("/operations/bulk?action=retry&q=status:dead+kind:note.create")
            .await;
        assert!(plan.text.contains("<strong>45</strong>"), "{}", plan.text);
        assert!(
            plan.text.contains("none like these was finished lately"),
            "{}",
            plan.text
        );
        let upto = upto(&plan.text);
        let later = dead(&running, &program, 100..101).await[0];
        let fields = [("q", q), ("action", "retry"), ("upto", upto.as_str())];
        assert_eq!(
            person.post("/operations/bulk", &fields).await.status,
            422,
            "a reason is needed"
        );
        let all = [fields[0], fields[1], fields[2], ("reason", "mended")];
        let sent = person.post("/operations/bulk", &all).await;
        let path = sent.header("location").to_owned();
        let page = eventually("the end of the run", || async {
            let page = person.get(&path).await;
            page.text.contains(">Ended</span>").then_some(page)
        })
        .await;
        assert!(page.text.contains("<strong>45</strong>"), "{}", page.text);
        for id in ids {
            assert_eq!(stored(&running, id).await.status, Status::Pending);
        }
        for untouched in [other, later] {
            assert_eq!(stored(&running, untouched).await.status, Status::Failed);
        }
        let entries = program
            .count("audit_log WHERE action = 'queue.retry' AND reason = 'mended' AND actor LIKE 'registration_admin-%'")
            .await;
        assert_eq!(entries, 45);
        let plan = person
            .get("/operations/bulk?action=discard&q=status:done")
            .await;
        assert_eq!(plan.status, 422, "only dead letters: {}", plan.text);
        running.shutdown().await;
    }

    async fn a_run_is_stopped_and_one_that_was_broken_off_goes_on(world: World) {
        let running = api_alone(&world).await;
        let program = world.other_program().await;
        let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
        let ids = dead(&running, &program, 0..5).await;
        let plan = person
            .get("/operations/bulk?action=discard&q=status:dead")
            .await;
        let upto = upto(&plan.text);
        let fields = [
            ("q", "status:dead"),
            ("action", "discard"),
            ("upto", upto.as_str()),
            ("reason", "doubles"),
        ];
        let first = person.post("/operations/bulk", &fields).await;
        let first = first.header("location").to_owned();
        let page = person.get(&first).await.text;
        assert!(
            page.contains("Under way") && page.contains("Stop the run"),
            "{page}"
        );
        let stopped = person.post_and_follow(&format!("{first}/stop"), &[]).await;
        assert!(
            stopped.text.contains("The run is stopped"),
            "{}",
            stopped.text
        );
        assert!(stopped.text.contains(">Stopped</span>"), "{}", stopped.text);
        let second = person.post("/operations/bulk", &fields).await;
        assert_eq!(second.status, 303);
        running.shutdown().await;

        // The process ended before anything was done; the next one with a leader does it.
        let running = without_worker(&world).await;
        eventually("the end of the second run", || async {
            let ended = program
                .count("bulk_runs WHERE done = 5 AND ended_at IS NOT NULL")
                .await;
            (ended == 1).then_some(())
        })
        .await;
        for id in ids {
            assert_eq!(stored(&running, id).await.status, Status::Completed);
        }
        let stopped = program
            .count("bulk_runs WHERE done = 0 AND stopped_by LIKE 'registration_admin-%'")
            .await;
        assert_eq!(stopped, 1, "the first one did nothing");
        assert_eq!(
            program
                .count("audit_log WHERE action = 'queue.discard'")
                .await,
            5
        );
        running.shutdown().await;
    }
}
