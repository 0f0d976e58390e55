//! A password is sealed while it waits and stands nowhere in clear: not in the database, an answer or a log.

use pugmark_queue::db::{Engine, Ts};
use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::{Value, json};

use super::{PASSWORD, Staffed, USERS, new_user, post_nothing, text};
use crate::harness::{World, Writer, assert_not_in, dump, eventually, on_both_databases};
use crate::http::Api;
use crate::program::{Serving, configured};

on_both_databases!(
    no_password_is_in_the_database_or_an_answer,
    no_password_is_in_the_log_however_much_is_logged,
    the_sealed_part_is_erased_at_the_end,
    after_its_time_a_retry_asks_for_a_new_password_and_sets_it_in_both_systems,
    an_older_operation_never_brings_an_older_password_back,
    another_seal_key_opens_nothing_and_a_new_password_helps,
);

async fn no_password_is_in_the_database_or_an_answer(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let program = staffed.program().await;
    // Everything goes wrong once, and each answer repeats what it was sent where it can.
    staffed.logins.faults().set(
        FaultPlan::new(1)
            .nth("create", 1, Fault::HttpAfterEffect(500))
            .nth("update", 1, Fault::Http(500)),
    );
    staffed.world.crm.faults().set(
        FaultPlan::new(1)
            .nth("pugmark.user_create", 1, Fault::DisplayErrorsNoise)
            .nth("pugmark.user_password", 1, Fault::HttpAfterEffect(502)),
    );
    let mut answers = Vec::new();
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_not_in(&dump(&program).await, PASSWORD);
    let user = text(made.data(), "userId").to_owned();
    answers.push(made.text);
    let second = "Canary-9902-Twiga?";
    let body = json!({ "newPassword": second });
    let path = format!("{USERS}/{user}/reset-password");
    let reset = api.post(&path, &body).await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    answers.push(reset.text);
    let generated = post_nothing(&api, &path).await;
    let third = text(generated.data(), "generatedPassword").to_owned();
    // While one waits, too.
    staffed.world.crm.remove_extension();
    let waits = eventually("one that waits", || async {
        let waits = api.post(&path, &json!({ "newPassword": second })).await;
        (waits.status == 202).then_some(waits)
    })
    .await;
    answers.push(waits.text);
    let refused = api.post(&path, &json!({ "newPassword": " kurz-1 " })).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(!refused.text.contains("kurz-1"));
    let queue = api.get("/api/internal/vtiger/queue?limit=200").await;
    for operation in queue.data()["items"].as_array().expect("a list") {
        let id = text(operation, "id");
        let shown = api.get(&format!("/api/internal/vtiger/queue/{id}")).await;
        answers.push(shown.text);
    }
    let dump = dump(&program).await;
    for secret in [PASSWORD, second, &third] {
        assert_not_in(&dump, secret);
        for answer in &answers {
            assert!(!answer.contains(secret), "{answer}");
        }
    }
    running.shutdown().await;
}

async fn no_password_is_in_the_log_however_much_is_logged(world: World) {
    let staffed = Staffed::extended(world).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(&staffed.world, folder.path(), &["serve"]);
    command
        .env("RUST_LOG", "trace")
        .env("SUPABASE_URL", staffed.logins.url())
        .env("SUPABASE_SERVICE_ROLE_KEY", staffed.logins.service_key())
        .env("PUGMARK_SEAL_KEY", "07".repeat(32))
        .env("PUGMARK__USERS__ROLE", "H5");
    let plan = || {
        FaultPlan::new(1)
            .nth("create", 1, Fault::HttpAfterEffect(500))
            .nth("update", 1, Fault::Http(500))
            .nth("pugmark.user_create", 1, Fault::HttpAfterEffect(502))
            .nth("pugmark.user_password", 1, Fault::Http(500))
    };
    staffed.logins.faults().set(plan());
    staffed.world.crm.faults().set(plan());
    let serving = Serving::start(command).await;
    let api = Api::at(serving.address);
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert!([201, 202].contains(&made.status), "{}", made.text);
    let user = text(made.data(), "userId").to_owned();
    let program = staffed.program().await;
    program.wait_until_idle().await;
    let path = format!("{USERS}/{user}/reset-password");
    let second = "Canary-9902-Twiga?";
    let reset = api.post(&path, &json!({ "newPassword": second })).await;
    assert!([200, 202].contains(&reset.status), "{}", reset.text);
    program.wait_until_idle().await;
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(&user, Some(&crm.id), second));
    let log = serving.log();
    serving.stop().await;
    assert!(log.contains("vTiger call"), "enough is logged");
    for secret in [
        PASSWORD,
        second,
        &"07".repeat(32),
        staffed.logins.service_key(),
    ] {
        let (encoded, escaped) = (urlencoded(secret), secret.replace('!', "%21"));
        for form in [secret, &encoded, &escaped] {
            assert!(!log.contains(form), "a secret was logged");
        }
    }
}

/// As it stands in the body of a form.
fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

async fn sealed(program: &Writer) -> i64 {
    program
        .count("vtiger_sync_queue WHERE sealed_payload IS NOT NULL")
        .await
}

async fn the_sealed_part_is_erased_at_the_end(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let program = staffed.program().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 202, "{}", made.text);
    assert_eq!(sealed(&program).await, 1, "it waits for a CRM that can");
    let kept = program
        .one("SELECT CAST(COUNT(*) AS TEXT) FROM vtiger_sync_queue WHERE secret_expires_at > created_at")
        .await;
    assert_eq!(kept.as_deref(), Some("1"));
    staffed.world.crm.install_extension();
    program.wait_until_idle().await;
    assert_eq!(sealed(&program).await, 0);
    running.shutdown().await;
}

/// The operation has waited for a day. Not while an attempt is at it: that one has looked at its clock already.
async fn let_a_day_pass(program: &Writer) {
    let past = match program.engine() {
        Engine::Sqlite => (Ts::now().as_micros() - 1).to_string(),
        Engine::Postgres => "clock_timestamp() - INTERVAL '1 second'".to_owned(),
    };
    eventually("a day to pass", || async {
        let sql = format!(
            "UPDATE vtiger_sync_queue SET secret_expires_at = {past} \
             WHERE sealed_payload IS NOT NULL AND status <> 'PROCESSING'"
        );
        program.sql(sql).await;
        let passed = "vtiger_sync_queue WHERE secret_expires_at < next_attempt_at";
        (program.count(passed).await > 0).then_some(())
    })
    .await;
}

fn dead(operation: &Value) -> bool {
    operation["dead"] == true
}

async fn after_its_time_a_retry_asks_for_a_new_password_and_sets_it_in_both_systems(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let program = staffed.program().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let user = text(made.data(), "userId").to_owned();
    let id = text(made.data(), "operationId").to_owned();
    let_a_day_pass(&program).await;
    let operation = staffed.operation(&api, &id, "a dead letter", dead).await;
    assert_eq!(operation["errorCode"], "SECRET_EXPIRED");
    assert_eq!(sealed(&program).await, 0);
    // The general way cannot help, and says so.
    let queue = format!("/api/internal/vtiger/queue/{id}/retry");
    let plain = api.post(&queue, &json!({})).await;
    plain.assert_error(409, "CONFLICT", &queue);

    staffed.world.crm.install_extension();
    let body = json!({ "operationId": id, "reason": "she starts today" });
    let retried = api.post(&format!("{USERS}/{user}/retry"), &body).await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    let password = text(retried.data(), "generatedPassword").to_owned();
    let crm = text(retried.data(), "vtigerUserId").to_owned();
    assert!(staffed.password_is(&user, Some(&crm), &password));
    assert_eq!(staffed.logins.users().len(), 1);
    running.shutdown().await;
}

async fn an_older_operation_never_brings_an_older_password_back(world: World) {
    use pugmark_sandbox::NewUser;
    world.crm.apply_roleid_fix();
    let staffed = Staffed::of(world).await;
    // Somebody has the name, so the creation stops half-way for good.
    let other = NewUser::new("amina@example.co.ke", "H5").email("boss@example.com");
    let other = staffed.world.crm.add_user(&other).expect("made by hand");
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.data()["reasonCode"], "PUG-4004", "{}", made.text);
    let user = text(made.data(), "userId").to_owned();
    let id = text(made.data(), "operationId").to_owned();
    let path = format!("{USERS}/{user}/reset-password");
    let reset = api
        .post(&path, &json!({ "newPassword": "Newer-Pass-3" }))
        .await;
    assert_eq!(reset.status, 200, "{}", reset.text);
    assert!(staffed.world.crm.edit(&other, &[("user_name", "boss")]));

    let retry = format!("{USERS}/{user}/retry");
    let stale = api.post(&retry, &json!({ "operationId": id })).await;
    assert_eq!(stale.data()["reasonCode"], "PUG-4016", "{}", stale.text);
    assert!(staffed.crm_user("amina@example.co.ke").is_none());
    let body = json!({ "operationId": id, "password": "Newest-Pass-4" });
    let retried = api.post(&retry, &body).await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(&user, Some(&crm.id), "Newest-Pass-4"));
    running.shutdown().await;
}

async fn another_seal_key_opens_nothing_and_a_new_password_helps(world: World) {
    use pugmark::config::SealKey;
    let mut staffed = Staffed::of(world).await;
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 202, "{}", made.text);
    let user = text(made.data(), "userId").to_owned();
    let id = text(made.data(), "operationId").to_owned();
    running.shutdown().await;

    staffed.world.settings.seal_key = Some(SealKey::of([8; 32]));
    staffed.world.crm.install_extension();
    let (running, api) = staffed.start().await;
    let operation = staffed.operation(&api, &id, "a dead letter", dead).await;
    assert_eq!(operation["errorCode"], "PUG-4012");
    let body = json!({ "password": "Newer-Pass-3" });
    let retried = api.post(&format!("{USERS}/{user}/retry"), &body).await;
    assert_eq!(retried.status, 200, "{}", retried.text);
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(&user, Some(&crm.id), "Newer-Pass-3"));
    running.shutdown().await;
}

#[test]
fn passwords_that_are_made_are_long_mixed_and_without_lookalikes() {
    use secrecy::ExposeSecret;
    let mut counts = std::collections::BTreeMap::new();
    for _ in 0..2_000 {
        let made = pugmark::passwords::generate().expect("randomness");
        assert!(pugmark::passwords::problems(&made).is_empty());
        let text = made.expose_secret();
        assert!(text.len() >= 16 && text.is_ascii());
        let classes: [fn(&char) -> bool; 4] = [
            char::is_ascii_lowercase,
            char::is_ascii_uppercase,
            char::is_ascii_digit,
            char::is_ascii_punctuation,
        ];
        for class in classes {
            assert!(text.chars().any(|letter| class(&letter)), "{text}");
        }
        assert!(
            !text
                .chars()
                .any(|letter| "lIO01o&<>'\"\\ ".contains(letter))
        );
        for letter in text.chars() {
            *counts.entry(letter).or_insert(0_u32) += 1;
        }
    }
    // 40,000 draws from 65 characters: 615 each, give or take 25; a modulo would make the first 61 a third likelier.
    let (least, most) = (
        counts.values().min().copied().unwrap_or(0),
        counts.values().max().copied().unwrap_or(0),
    );
    assert!(least > 450 && most < 850, "{counts:?}");
}

#[test]
fn a_given_password_is_judged_by_both_systems_rules() {
    let wrong = |text: &str| pugmark::passwords::problems(&text.to_owned().into()).join("; ");
    assert_eq!(wrong("abc123"), "");
    assert_eq!(wrong("Zuri Otieno's pass"), "");
    assert!(wrong("abc").contains("at least 6"));
    assert!(wrong(&"x".repeat(73)).contains("72"));
    assert!(wrong(&"ü".repeat(37)).contains("72"), "bytes count");
    assert!(wrong(" padded-1 ").contains("blank"));
    assert!(wrong("line\nbreak").contains("control"));
}
