//! Calls without an answer, crashes and lost leases: no step is done twice, none is forgotten.

use std::time::Duration;

use pugmark::app::{self, Roles};
use pugmark_sandbox::{Fault, FaultPlan, NewUser};
use serde_json::{Value, json};

use super::{PASSWORD, Staffed, USERS, login_calls, new_user, post_nothing, text};
use crate::harness::{PATIENCE, World, on_both_databases};
use crate::program::{Serving, configured};

on_both_databases!(
    a_login_whose_answer_was_lost_is_not_made_twice,
    a_user_whose_answer_was_lost_is_not_made_twice_with_the_extension,
    without_the_extension_a_user_whose_answer_was_lost_is_found_by_name,
    without_the_extension_an_unclear_creation_that_is_not_to_be_seen_waits_for_a_person,
    a_creation_stopped_anywhere_goes_on_where_it_was,
    a_killed_programs_creation_is_ended_by_the_next_one,
    what_one_process_began_another_ends,
);

fn completed(operation: &Value) -> bool {
    operation["status"] == "COMPLETED"
}

async fn a_login_whose_answer_was_lost_is_not_made_twice(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let faults = [
        Fault::HttpAfterEffect(502),
        Fault::CutBody { after_effect: true },
        Fault::Http(503),
        Fault::TooMany { retry_after: None },
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let plan = FaultPlan::new(1).nth("create", 1, fault);
        staffed.logins.faults().set(plan);
        let email = format!("amina{number}@example.co.ke");
        let made = api.post(USERS, &new_user(&email)).await;
        assert_eq!(made.status, 201, "{number}: {}", made.text);
        assert_eq!(staffed.logins.users().len(), number + 1);
        let user = text(made.data(), "userId");
        let crm = text(made.data(), "vtigerUserId");
        assert!(staffed.password_is(user, Some(crm), PASSWORD));
    }
    running.shutdown().await;
}

async fn a_user_whose_answer_was_lost_is_not_made_twice_with_the_extension(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let plan = FaultPlan::new(1)
        .nth("pugmark.user_create", 1, Fault::HttpAfterEffect(502))
        .nth(
            "pugmark.user_create",
            2,
            Fault::CutBody { after_effect: true },
        );
    staffed.world.crm.faults().set(plan);
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("one user");
    let user = text(made.data(), "userId");
    assert!(staffed.password_is(user, Some(&crm.id), PASSWORD));
    assert_eq!(login_calls(&staffed, "create"), 1);
    running.shutdown().await;
}

async fn without_the_extension_a_user_whose_answer_was_lost_is_found_by_name(world: World) {
    world.crm.apply_roleid_fix();
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let plan = FaultPlan::new(1).nth("create", 1, Fault::HttpAfterEffect(502));
    staffed.world.crm.faults().set(plan);
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("one user");
    let user = text(made.data(), "userId");
    assert!(staffed.password_is(user, Some(&crm.id), PASSWORD));
    assert_eq!(staffed.world.calls("create"), 1);
    running.shutdown().await;
}

async fn without_the_extension_an_unclear_creation_that_is_not_to_be_seen_waits_for_a_person(
    world: World,
) {
    world.crm.apply_roleid_fix();
    let mut staffed = Staffed::of(world).await;
    staffed.world.settings.insurance.users.wait = Duration::from_secs(30);
    let (running, api) = staffed.start().await;
    let plan = FaultPlan::new(1).nth("create", 1, Fault::Http(502));
    staffed.world.crm.faults().set(plan);
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let data = made.data();
    assert_eq!(data["result"], "failed", "{data}");
    assert_eq!(data["reasonCode"], "PUG-4005");
    assert!(text(data, "reason").contains("Inactive Users"), "{data}");
    assert_eq!(
        staffed.world.calls("create"),
        1,
        "not repeated on suspicion"
    );

    // A person has looked: there is none. With the retry it is made.
    let user = text(data, "userId").to_owned();
    let retried = post_nothing(&api, &format!("{USERS}/{user}/retry")).await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    assert_eq!(staffed.world.calls("create"), 2);
    assert_eq!(login_calls(&staffed, "create"), 1);
    running.shutdown().await;
}

/// Longer than anybody waits.
const LONG: Duration = Duration::from_secs(60);

/// Stops the program after each call that changes something, starts it again, and looks what came of it.
async fn a_creation_stopped_anywhere_goes_on_where_it_was(world: World) {
    let mut staffed = Staffed::extended(world).await;
    staffed.world.settings.server.shutdown_grace = Duration::ZERO;
    staffed.world.settings.insurance.users.wait = Duration::ZERO;
    let stops = [
        ("logins", "create", Fault::HangAfterEffect),
        ("logins", "create", Fault::HangBeforeEffect(LONG)),
        ("crm", "pugmark.user_create", Fault::HangAfterEffect),
        ("crm", "pugmark.user_create", Fault::HangBeforeEffect(LONG)),
    ];
    for (number, (system, operation, fault)) in stops.into_iter().enumerate() {
        let email = format!("amina{number}@example.co.ke");
        let plan = FaultPlan::new(1).nth(operation, 1, fault);
        let journal = match system {
            "logins" => {
                staffed.logins.faults().set(plan);
                staffed.logins.journal()
            }
            _ => {
                staffed.world.crm.faults().set(plan);
                staffed.world.crm.journal()
            }
        };
        let faults = journal.faults().len();
        let (running, api) = staffed.start().await;
        let made = api.post(USERS, &new_user(&email)).await;
        assert_eq!(made.status, 202, "{}", made.text);
        let struck = journal
            .wait_until(|journal| journal.faults().len() > faults, PATIENCE)
            .await;
        assert!(struck, "{system} {operation}");
        running.shutdown().await;

        staffed.logins.faults().set(FaultPlan::new(1));
        staffed.world.crm.faults().set(FaultPlan::new(1));
        let (running, api) = staffed.start().await;
        let id = text(made.data(), "operationId");
        staffed.operation(&api, id, "the end", completed).await;
        let user = text(made.data(), "userId");
        let crm = staffed.crm_user(&email).expect("one user");
        assert!(
            staffed.password_is(user, Some(&crm.id), PASSWORD),
            "{email}"
        );
        assert_eq!(staffed.logins.users().len(), number + 1);
        running.shutdown().await;
    }
}

/// `kill -9` while vTiger makes the user: its lease is lost, and the next program finds out how far it came.
async fn a_killed_programs_creation_is_ended_by_the_next_one(world: World) {
    let staffed = Staffed::extended(world).await;
    let folder = tempfile::tempdir().expect("a folder");
    let serve = || {
        let mut command = configured(&staffed.world, folder.path(), &["serve"]);
        command
            .env("SUPABASE_URL", staffed.logins.url())
            .env("SUPABASE_SERVICE_ROLE_KEY", staffed.logins.service_key())
            .env("PUGMARK_SEAL_KEY", "07".repeat(32))
            .env("PUGMARK__USERS__ROLE", "H5")
            .env("PUGMARK__USERS__WAIT", "1ms")
            .env("PUGMARK__VTIGER__CALL_TIMEOUT", "2s")
            .env("PUGMARK__SUPABASE__CALL_TIMEOUT", "2s")
            .env("PUGMARK_LEASE", "5s");
        command
    };
    let plan = FaultPlan::new(1).nth("pugmark.user_create", 1, Fault::HangAfterEffect);
    staffed.world.crm.faults().set(plan);
    let serving = Serving::start(serve()).await;
    let api = crate::http::Api::at(serving.address);
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let journal = staffed.world.crm.journal();
    let struck = journal
        .wait_until(|journal| !journal.faults().is_empty(), PATIENCE)
        .await;
    assert!(struck, "vTiger was asked");
    drop(serving);

    let serving = Serving::start(serve()).await;
    staffed.program().await.wait_until_idle().await;
    let crm = staffed.crm_user("amina@example.co.ke").expect("one user");
    let user = text(made.data(), "userId");
    assert!(staffed.password_is(user, Some(&crm.id), PASSWORD));
    assert_eq!(login_calls(&staffed, "create"), 1);
    assert_eq!(staffed.logins.users().len(), 1);
    serving.stop().await;
}

async fn what_one_process_began_another_ends(world: World) {
    let staffed = Staffed::extended(world).await;
    if staffed.world.store.url().starts_with("sqlite") {
        return;
    }
    let roles = |roles: &str| roles.parse::<Roles>().expect("roles");
    let api_only = app::start(staffed.world.settings.clone(), roles("api"))
        .await
        .expect("it starts");
    let worker_only = app::start(staffed.world.settings.clone(), roles("worker"))
        .await
        .expect("it starts");
    let api = crate::http::Api::of(&api_only);
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(text(made.data(), "userId"), Some(&crm.id), PASSWORD));
    api_only.shutdown().await;
    worker_only.shutdown().await;
}

#[tokio::test]
async fn an_inactive_user_is_found_by_the_extension_alone() {
    let Some(staffed) = stock_with_inactive().await else {
        return;
    };
    let (running, api) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("{USERS}/{user}/sync");
    let synced = api.post(&path, &json!({ "password": PASSWORD })).await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    let crm = staffed.crm_user("amina.wanjiru@example.co.ke");
    assert_eq!(crm.expect("still one").status, "Active");
    running.shutdown().await;
}

async fn stock_with_inactive() -> Option<Staffed> {
    let staffed = Staffed::extended(World::sqlite().await).await;
    let theirs = NewUser::new("amina.wanjiru@example.co.ke", "H5");
    let theirs = theirs.email("amina.wanjiru@example.co.ke").inactive();
    staffed.world.crm.add_user(&theirs)?;
    Some(staffed)
}
