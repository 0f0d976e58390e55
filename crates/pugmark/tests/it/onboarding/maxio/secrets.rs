//! No account stands anywhere in clear: not in the store, an answer or the log.

use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::json;

use super::*;
use crate::harness::{assert_not_in, dump, on_both_databases};
use crate::program::Serving;

on_both_databases!(no_account_is_in_the_store_an_answer_or_the_log);

async fn no_account_is_in_the_store_an_answer_or_the_log(world: World) {
    let site = Site::of(world).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = killed::serve(&site, folder.path());
    command.env("PUGMARK_LOG", "trace").env("RUST_LOG", "trace");
    let serving = Serving::start(command).await;
    let api = Api::at(serving.address);
    // Everything goes wrong once.
    let plan = FaultPlan::new(1)
        .nth("payment_profile.create", 1, Fault::HttpAfterEffect(502))
        .nth(
            "subscription.create",
            1,
            Fault::CutBody { after_effect: true },
        );
    site.maxio.faults().set(plan);
    let lead = site.lead("contact@acmecorp.com");
    let job = site.said(&api, &guide_for(&lead)).await;
    let other = "DE89370400440532013000";
    let wrong = site.lead_with(
        "other@acmecorp.com",
        &[(IBAN_FIELD, "DE88370400440532013000")],
    );
    let failing = site.ready(&api, &wrong).await;
    site.until(&api, &failing, "failed").await;
    let program = site.program().await;
    for account in [ACCOUNT, "DE88370400440532013000"] {
        assert_not_in(&dump(&program).await, account);
    }
    let path = format!("/api/internal/onboarding/jobs/{failing}/edit-and-retry");
    let edited = api.post(&path, &json!({"iban": other})).await;
    assert!(edited.status < 300, "{}", edited.text);
    for job in [&job, &failing] {
        site.until(&api, job, "crm_updated").await;
        let shown = api
            .get(&format!("/api/internal/onboarding/jobs/{job}"))
            .await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        for account in [ACCOUNT, other] {
            assert!(!shown.text.contains(account), "{}", shown.text);
        }
    }
    let (stored, log) = (dump(&program).await, serving.log());
    assert!(
        log.contains("Maxio call"),
        "or the log shows nothing: {log}"
    );
    for account in [ACCOUNT, other, "DE88370400440532013000"] {
        assert_not_in(&stored, account);
        assert!(!log.contains(account), "an account is in the log");
    }
    assert_eq!(serving.stop().await, 0);
}
