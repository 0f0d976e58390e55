//! The whole way of a lead, with something going wrong at each of its calls.

use std::time::Duration;

use maxio::{Class, Client};
use pugmark_sandbox::{Fault, FaultPlan, JournalKind, MaxioSandbox};

use super::safe_order::Carrier;
use super::{PATIENCE, builder, client, settings};

const WRITES: [&str; 2] = ["customer.create", "subscription.create"];
const READS: [&str; 2] = ["customer.lookup", "subscription.lookup"];

/// A site on which two subscriptions may have the same reference: nothing but the order protects.
async fn careless_site() -> MaxioSandbox {
    builder()
        .unique_subscription_references(false)
        .start()
        .await
        .unwrap()
}

/// Whoever carries a lead through gets one customer, one subscription and one account, and they are the ones that exist.
async fn carried(sandbox: &MaxioSandbox, client: &Client) -> Vec<Class> {
    let journal = sandbox.journal();
    // A late effect is the only thing that anybody has to wait for.
    let settled = || async {
        let done = journal.wait_until(late_effects_done, PATIENCE).await;
        assert!(done, "the late effect never came");
    };
    let mut carrier = Carrier::new(client);
    let (customer, subscription) = carrier.carry(settled).await;
    let ids = |all: Vec<serde_json::Value>| -> Vec<String> {
        all.iter().map(|one| one["id"].to_string()).collect()
    };
    assert_eq!(ids(sandbox.customers()), [customer.id.as_str()]);
    assert_eq!(ids(sandbox.subscriptions()), [subscription.id.as_str()]);
    assert_eq!(sandbox.payment_profiles().len(), 1);
    assert_eq!(journal.count_created("customers"), 1);
    assert_eq!(journal.count_created("subscriptions"), 1);
    assert_eq!(journal.count_created("payment_profiles"), 1);
    assert_eq!(sandbox.faults().injected(), 1);
    carrier.met
}

/// Whether every call that was struck by a late commit has come to its end.
fn late_effects_done(journal: &pugmark_sandbox::Journal) -> bool {
    let late = journal.faults().into_iter().filter_map(|entry| {
        let fault = match &entry.kind {
            JournalKind::FaultInjected { fault, .. } => fault.clone(),
            _ => return None,
        };
        matches!(fault, Fault::LateCommit { .. }).then_some(entry.request_no)
    });
    late.into_iter().all(|request| {
        journal.entries().iter().any(|entry| {
            entry.request_no == request && matches!(entry.kind, JournalKind::Created { .. })
        })
    })
}

async fn struck(operation: &str, fault: Fault) -> Vec<Class> {
    let sandbox = careless_site().await;
    sandbox
        .faults()
        .set(FaultPlan::new(0).nth(operation, 1, fault));
    carried(&sandbox, &client(&sandbox)).await
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_or_spoiled_is_unknown_and_made_once() {
    for operation in WRITES {
        for fault in [
            Fault::RefuseConnection,
            Fault::Http(500),
            Fault::Http(502),
            Fault::HttpAfterEffect(500),
            Fault::HttpAfterEffect(504),
            Fault::CutAfterEffect,
            Fault::CutBody { after_effect: true },
            Fault::CutBody {
                after_effect: false,
            },
            Fault::HtmlAfterEffect,
            Fault::NullResultAfterEffect,
            Fault::LateCommit {
                delay: Duration::from_millis(30),
            },
        ] {
            let met = struck(operation, fault.clone()).await;
            assert_eq!(met, [Class::Unknown], "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_write_that_hangs_is_unknown_and_made_once() {
    for operation in WRITES {
        for fault in [Fault::HangAfterEffect, Fault::HangBeforeEffect(PATIENCE)] {
            let sandbox = careless_site().await;
            let plan = FaultPlan::new(0).nth(operation, 1, fault.clone());
            sandbox.faults().set(plan);
            let mut settings = settings(&sandbox);
            settings.call_timeout = Duration::from_secs(2);
            let met = carried(&sandbox, &Client::new(settings).unwrap()).await;
            assert_eq!(met, [Class::Unknown], "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_throttled_write_was_not_made() {
    for operation in WRITES {
        for fault in [
            Fault::Http(429),
            Fault::TooMany {
                retry_after: Some(1),
            },
        ] {
            let met = struck(operation, fault.clone()).await;
            assert_eq!(met, [Class::Throttled], "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_write_is_done_all_the_same() {
    for operation in WRITES {
        let slow = Fault::Slow(Duration::from_millis(20));
        assert_eq!(struck(operation, slow).await, [], "{operation}");
    }
}

#[tokio::test]
async fn a_read_that_fails_is_unavailable_and_proves_no_absence() {
    for operation in READS {
        for fault in [
            Fault::Http(500),
            Fault::HttpAfterEffect(504),
            Fault::HtmlAfterEffect,
            Fault::NullResultAfterEffect,
        ] {
            let met = struck(operation, fault.clone()).await;
            assert_eq!(met, [Class::Unavailable], "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn a_read_without_connection_is_repeated_unseen() {
    for operation in READS {
        for fault in [
            Fault::RefuseConnection,
            Fault::CutAfterEffect,
            Fault::CutBody { after_effect: true },
        ] {
            let met = struck(operation, fault.clone()).await;
            assert_eq!(met, [], "{operation} {fault:?}");
        }
    }
}

#[tokio::test]
async fn the_same_attempt_sent_again_is_a_duplicate_that_a_look_up_resolves() {
    let sandbox = careless_site().await;
    let client = client(&sandbox);
    let customer = client.create_customer(&super::orla()).await.unwrap();
    let key = maxio::CustomerKey::Id(customer.id);
    let mut new = maxio::NewSubscription::new(key, super::PRODUCT);
    new.reference = Some(super::REFERENCE.to_owned());
    new.payment = super::bank().into();
    let plan = FaultPlan::new(0).nth("subscription.create", 1, Fault::CutAfterEffect);
    sandbox.faults().set(plan);
    let lost = client.create_subscription(&new, Some("token")).await;
    assert_eq!(lost.unwrap_err().class(), Class::Unknown);
    let again = client.create_subscription(&new, Some("token")).await;
    assert_eq!(again.unwrap_err(), maxio::Error::Duplicate);
    let found = client.subscription_by_reference(super::REFERENCE).await;
    assert!(found.unwrap().is_some());
    assert_eq!(sandbox.subscriptions().len(), 1);
}

#[tokio::test]
async fn a_site_that_is_away_is_unavailable_and_nothing_is_lost() {
    let sandbox = careless_site().await;
    let client = client(&sandbox);
    sandbox.go_down().await;
    let error = client.create_customer(&super::orla()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{error:?}");
    assert_eq!(client.site().await.unwrap_err().class(), Class::Unavailable);
    sandbox.come_back().await.unwrap();
    client.create_customer(&super::orla()).await.unwrap();
    assert_eq!(sandbox.customers().len(), 1);
}
