//! Every way in which a call can go wrong, at every step: one customer, one account, one subscription, and the lead is told.

use pugmark_sandbox::{Fault, FaultPlan};

use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    whatever_becomes_of_the_customers_creation,
    whatever_becomes_of_the_payment_profiles_creation,
    whatever_becomes_of_the_subscriptions_creation,
    whatever_becomes_of_questions,
    whatever_becomes_of_telling_the_lead,
    a_token_that_maxio_has_seen_without_an_effect_is_replaced,
);

/// How a write can end. Late ones arrive while Maxio may still be working on them.
fn every_way() -> Vec<Fault> {
    vec![
        Fault::Http(500),
        Fault::Http(503),
        Fault::RefuseConnection,
        Fault::TooMany {
            retry_after: Some(1),
        },
        Fault::HangBeforeEffect(Duration::from_secs(2)),
        Fault::CutBody {
            after_effect: false,
        },
        Fault::HttpAfterEffect(500),
        Fault::HttpAfterEffect(502),
        Fault::CutAfterEffect,
        Fault::CutBody { after_effect: true },
        Fault::HtmlAfterEffect,
        Fault::NullResultAfterEffect,
        Fault::HangAfterEffect,
        Fault::LateCommit {
            delay: Duration::from_millis(400),
        },
    ]
}

async fn struck(site: &Site, operation: &str, faults: Vec<Fault>) {
    let (running, api) = site.start().await;
    for (number, fault) in faults.into_iter().enumerate() {
        let lead = site.lead(&format!("contact{number}@acmecorp.com"));
        let before = site.maxio.journal().faults().len();
        site.maxio
            .faults()
            .set(FaultPlan::new(1).nth(operation, 1, fault.clone()));
        let job = site.ready(&api, &lead).await;
        let done = site.until(&api, &job, "crm_updated").await;
        let struck = site.maxio.journal().faults().len();
        assert!(struck > before, "{operation} {fault:?} did not strike");
        site.assert_set_up(&lead);
        assert_eq!(
            done.code, "",
            "{operation} {fault:?}: nothing is left of the trouble"
        );
    }
    running.shutdown().await;
}

async fn whatever_becomes_of_the_customers_creation(world: World) {
    struck(&Site::of(world).await, "customer.create", every_way()).await;
}

async fn whatever_becomes_of_the_payment_profiles_creation(world: World) {
    struck(
        &Site::of(world).await,
        "payment_profile.create",
        every_way(),
    )
    .await;
}

async fn whatever_becomes_of_the_subscriptions_creation(world: World) {
    // The harder case: Maxio takes a second subscription with the same reference.
    let maxio = |maxio: MaxioSandboxBuilder| maxio.unique_subscription_references(false);
    let site = Site::with(world, maxio, |crm| with_fields(crm, "Leads")).await;
    struck(&site, "subscription.create", every_way()).await;
}

async fn whatever_becomes_of_questions(world: World) {
    let site = Site::of(world).await;
    for operation in [
        "customer.lookup",
        "payment_profile.list",
        "subscription.lookup",
        "customer.subscriptions",
    ] {
        let ways = vec![
            Fault::Http(503),
            Fault::CutBody {
                after_effect: false,
            },
            Fault::HtmlAfterEffect,
            Fault::HangBeforeEffect(Duration::from_secs(2)),
        ];
        struck(&site, operation, ways).await;
    }
}

async fn whatever_becomes_of_telling_the_lead(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let ways = [
        ("revise", Fault::Http(503)),
        ("revise", Fault::HttpAfterEffect(502)),
        ("revise", Fault::CutBody { after_effect: true }),
        ("revise", Fault::HtmlAfterEffect),
        ("revise", Fault::SuccessFalseAfterEffect),
        ("revise", Fault::HangAfterEffect),
        ("retrieve", Fault::Http(503)),
        ("query", Fault::EmptyPage),
        ("query", Fault::Http(500)),
    ];
    for (number, (operation, fault)) in ways.into_iter().enumerate() {
        let lead = site.lead(&format!("contact{number}@acmecorp.com"));
        let before = site.world.crm.journal().faults().len();
        site.world
            .crm
            .faults()
            .set(FaultPlan::new(1).nth(operation, 1, fault.clone()));
        let job = site.ready(&api, &lead).await;
        site.until(&api, &job, "crm_updated").await;
        let struck = site.world.crm.journal().faults().len();
        assert!(struck > before, "{operation} {fault:?} did not strike");
        site.assert_set_up(&lead);
    }
    running.shutdown().await;
}

/// The first creation was seen by Maxio and came to nothing, and its answer was lost: the token is of no use any more.
async fn a_token_that_maxio_has_seen_without_an_effect_is_replaced(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    // Refused, but the answer does not arrive.
    site.maxio.decline_payments(true);
    site.maxio.faults().set(FaultPlan::new(1).nth(
        "subscription.create",
        1,
        Fault::HttpAfterEffect(502),
    ));
    let job = site.ready(&api, &lead).await;
    let journal = site.maxio.journal();
    let struck = journal
        .wait_until(|journal| !journal.faults().is_empty(), PATIENCE)
        .await;
    assert!(struck, "the answer was lost");
    site.maxio.decline_payments(false);
    site.until(&api, &job, "crm_updated").await;
    site.assert_set_up(&lead);
    running.shutdown().await;
}
