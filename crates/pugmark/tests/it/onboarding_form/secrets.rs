//! Bank data stands nowhere in clear: not in the database, an answer, a log or an attempt's record.

use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::json;

use super::{FILLED, Hub, IBAN, SUBMIT, get_page, link, post_form, put_draft};
use crate::harness::{World, assert_not_in, dump, on_both_databases};
use crate::http::Api;
use crate::program::{Serving, configured};

on_both_databases!(
    no_account_is_in_the_database_at_any_time,
    no_account_and_no_link_is_in_the_log_however_much_is_logged,
    once_everything_is_saved_the_sealed_answers_go,
);

const OTHER: &str = "DE89370400440532013000";

async fn no_account_is_in_the_database_at_any_time(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.onboarding.form.wait = std::time::Duration::from_millis(200);
    let plan = FaultPlan::new(1)
        .nth("revise", 1, Fault::DisplayErrorsNoise)
        .nth("revise", 2, Fault::HttpAfterEffect(500))
        .nth("retrieve", 2, Fault::Http(500));
    hub.world.crm.faults().set(plan);
    let (running, api) = hub.start().await;
    let program = hub.world.other_program().await;
    let path = hub.link(&api).await;
    put_draft(&api, &path, &json!({ "iban": IBAN })).await;
    assert_not_in(&dump(&program).await, IBAN);
    post_form(&api, &path, &FILLED).await;
    let mut body = hub.guide();
    body["iban"] = json!(OTHER);
    hub.world.crm.go_down().await;
    let waits = api.post(SUBMIT, &body).await;
    assert_eq!(waits.status, 202, "{}", waits.text);
    assert_not_in(&dump(&program).await, OTHER);
    hub.world.crm.come_back().await.expect("its port is free");
    program.wait_until_idle().await;
    assert_eq!(hub.lead_value("IBAN"), OTHER, "it was told to vTiger");
    let dump = dump(&program).await;
    assert_not_in(&dump, IBAN);
    assert_not_in(&dump, OTHER);
    let operations = api.get("/api/internal/vtiger/queue?limit=50").await;
    for operation in operations.data()["items"].as_array().expect("a list") {
        let id = operation["id"].as_str().expect("an id");
        let shown = api.get(&format!("/api/internal/vtiger/queue/{id}")).await;
        assert!(
            !shown.text.contains(IBAN) && !shown.text.contains(OTHER),
            "{}",
            shown.text
        );
        // People still see what was done.
        assert!(shown.text.contains("revise"), "{}", shown.text);
    }
    running.shutdown().await;
}

async fn no_account_and_no_link_is_in_the_log_however_much_is_logged(world: World) {
    let hub = Hub::of(world).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(&hub.world, folder.path(), &["serve"]);
    command
        .env("RUST_LOG", "trace")
        .env("PUGMARK_SEAL_KEY", "07".repeat(32));
    let serving = Serving::start(command).await;
    let api = Api::at(serving.address);
    let path = link(&api, &hub.lead).await;
    put_draft(&api, &path, &json!({ "iban": IBAN })).await;
    let sent = post_form(&api, &path, &FILLED).await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    let mut body = hub.guide();
    body["iban"] = json!(OTHER);
    assert_eq!(api.post(SUBMIT, &body).await.status, 200);
    get_page(&api, &path).await;
    let log = serving.log();
    serving.stop().await;
    assert!(log.contains("CRM call"), "enough is logged");
    let token = path.rsplit('/').next().expect("a token");
    for secret in [IBAN, OTHER, token, "ie29 aibk"] {
        assert!(!log.contains(secret), "a secret was logged");
    }
}

async fn once_everything_is_saved_the_sealed_answers_go(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    assert_eq!(api.post(SUBMIT, &hub.guide()).await.status, 200);
    let program = hub.world.other_program().await;
    assert_eq!(
        program
            .count("onboarding_forms WHERE sealed_fields IS NOT NULL")
            .await,
        0
    );
    assert_eq!(
        program
            .count("onboarding_forms WHERE state = 'saved'")
            .await,
        1
    );
    running.shutdown().await;
}
