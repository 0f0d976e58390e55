//! `POST /api/internal/vtiger/users`.

use pugmark_sandbox::NewUser;
use serde_json::json;

use super::{PASSWORD, Staffed, USERS, login_calls, new_user, text};
use crate::harness::{World, on_both_databases};
use crate::http::answer;

on_both_databases!(
    login_ambassador_and_user_are_made_with_one_password,
    without_the_checkbox_no_user_of_the_crm_is_made,
    a_password_that_was_made_is_in_the_answer_once_and_works_in_both_systems,
    the_same_idempotency_key_is_the_same_account,
    a_user_of_that_name_is_taken_up_when_the_mail_agrees,
    without_the_extension_a_repaired_role_field_is_enough,
);

async fn login_ambassador_and_user_are_made_with_one_password(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("Amina@Example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let data = made.data();
    let user = text(data, "userId");

    let login = staffed
        .logins
        .user(user)
        .expect("a login under the id we chose");
    assert_eq!(login.email, "amina@example.co.ke");
    assert_eq!(login.user_metadata["roles"], json!(["brand_ambassador"]));
    assert_eq!(login.user_metadata["phone"], "254712345678");
    assert_eq!(login.user_metadata["displayName"], "Amina Wanjiru");
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert_eq!(text(data, "vtigerUserId"), crm.id);
    assert_eq!(data["vtigerSyncStatus"], "SYNCED");
    assert!(text(data, "vtigerUserUrl").contains("module=Users"));
    assert_eq!(
        (crm.first_name.as_str(), crm.last_name.as_str()),
        ("Amina", "Wanjiru")
    );
    assert_eq!(crm.email1, "amina@example.co.ke");
    assert_eq!(crm.roleid, "H5");
    assert_eq!(crm.phone_mobile, "254712345678");
    assert_eq!(crm.reference.as_deref(), Some(user));
    assert!(staffed.password_is(user, Some(&crm.id), PASSWORD));
    let program = staffed.program().await;
    let row = program
        .one(format!(
            "SELECT \"displayName\" || '/' || \"phoneNumber\" || '/' || CAST(\"perRegistrationRateCents\" AS TEXT) || '/' \
             || \"createdBy\" FROM brand_ambassadors WHERE \"userId\" = '{user}'"
        ))
        .await;
    assert_eq!(
        row.as_deref(),
        Some("Amina Wanjiru/254712345678/5000/token:APP_SECRET_TOKEN")
    );
    for step in data["steps"].as_array().expect("steps") {
        assert!(step["doneAt"].is_string(), "{step}");
    }
    program.wait_until_idle().await;
    assert_eq!(login_calls(&staffed, "create"), 1);
    assert_eq!(login_calls(&staffed, "update"), 0);
    assert_eq!(staffed.world.calls("pugmark.user_create"), 1);
    assert_eq!(staffed.world.calls("pugmark.user_update"), 0);
    let action = program
        .one("SELECT actor || ' ' || action || ' ' || subject FROM audit_log")
        .await;
    assert_eq!(
        action,
        Some(format!("token:APP_SECRET_TOKEN user.create {user}"))
    );
    running.shutdown().await;
}

async fn without_the_checkbox_no_user_of_the_crm_is_made(world: World) {
    let mut staffed = Staffed::extended(world).await;
    // Nor is a role needed for that.
    staffed.world.settings.insurance.users.role = None;
    let (running, api) = staffed.start().await;
    let mut body = new_user("amina@example.co.ke");
    body["createVtigerUser"] = json!(false);
    let made = api.post(USERS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.data()["vtigerSyncStatus"], "NOT_SYNCED");
    assert!(made.data()["vtigerUserId"].is_null());
    assert!(staffed.crm_user("amina@example.co.ke").is_none());
    let user = text(made.data(), "userId");
    assert!(staffed.password_is(user, None, PASSWORD));
    let shown = api.get(&format!("{USERS}/{user}")).await;
    assert_eq!(shown.data()["vtigerSyncStatus"], "NOT_SYNCED");
    running.shutdown().await;
}

async fn a_password_that_was_made_is_in_the_answer_once_and_works_in_both_systems(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let mut body = new_user("amina@example.co.ke");
    body.as_object_mut().expect("an object").remove("password");
    let made = api.post(USERS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.header("cache-control"), "no-store");
    let password = text(made.data(), "generatedPassword").to_owned();
    assert!(password.len() >= 16 && password.is_ascii(), "{password}");
    let user = text(made.data(), "userId").to_owned();
    let crm = text(made.data(), "vtigerUserId").to_owned();
    assert!(staffed.password_is(&user, Some(&crm), &password));
    let operation = text(made.data(), "operationId");
    for path in [
        format!("{USERS}/{user}"),
        USERS.to_owned(),
        format!("/api/internal/vtiger/queue/{operation}"),
    ] {
        let shown = api.get(&path).await;
        assert!(!shown.text.contains(&password), "{path}");
    }
    running.shutdown().await;
}

async fn the_same_idempotency_key_is_the_same_account(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let ask = |email: &str| {
        let mut body = new_user(email);
        body.as_object_mut().expect("an object").remove("password");
        answer(
            api.request(reqwest::Method::POST, USERS)
                .header("Idempotency-Key", "form-1")
                .json(&body),
        )
    };
    let first = ask("amina@example.co.ke").await;
    let again = ask("amina@example.co.ke").await;
    assert_eq!(first.status, 201, "{}", first.text);
    assert_eq!(again.status, 201, "{}", again.text);
    assert_eq!(first.data()["userId"], again.data()["userId"]);
    assert_eq!(first.data()["operationId"], again.data()["operationId"]);
    assert!(first.data()["generatedPassword"].is_string());
    assert!(again.data()["generatedPassword"].is_null());
    let other = ask("somebody@example.co.ke").await;
    other.assert_error(422, "IDEMPOTENCY_KEY_REUSED", USERS);
    assert_eq!(staffed.logins.users().len(), 1);
    running.shutdown().await;
}

async fn a_user_of_that_name_is_taken_up_when_the_mail_agrees(world: World) {
    let staffed = Staffed::extended(world).await;
    let theirs = NewUser::new("amina@example.co.ke", "H4").email("AMINA@example.co.ke");
    let existing = staffed
        .world
        .crm
        .add_user(&theirs.inactive())
        .expect("made by hand");
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(text(made.data(), "vtigerUserId"), existing);
    let user = text(made.data(), "userId");
    assert!(staffed.password_is(user, Some(&existing), PASSWORD));
    let crm = staffed.crm_user("amina@example.co.ke").expect("the user");
    assert_eq!(
        crm.status, "Active",
        "an enabled ambassador's user is enabled"
    );
    assert_eq!(crm.phone_mobile, "254712345678");
    assert_eq!(crm.roleid, "H4", "the role a person gave is left alone");
    running.shutdown().await;
}

async fn without_the_extension_a_repaired_role_field_is_enough(world: World) {
    world.crm.apply_roleid_fix();
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert_eq!((crm.roleid.as_str(), crm.admin), ("H5", false));
    assert!(staffed.password_is(text(made.data(), "userId"), Some(&crm.id), PASSWORD));
    assert_eq!(staffed.world.calls("create"), 1);
    running.shutdown().await;
}
