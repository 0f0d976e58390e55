//! Programs that are stopped or killed in the middle of a step, and two that work at once.

use pugmark_sandbox::{Fault, FaultPlan};

use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    a_job_stopped_anywhere_goes_on_where_it_was,
    two_programs_and_a_storm_make_everything_once,
);

/// Longer than anybody waits.
const LONG: Duration = Duration::from_secs(60);

async fn a_job_stopped_anywhere_goes_on_where_it_was(world: World) {
    let mut site = Site::of(world).await;
    site.world.settings.server.shutdown_grace = Duration::ZERO;
    let mut stops = Vec::new();
    for operation in [
        "customer.create",
        "payment_profile.create",
        "subscription.create",
        "revise",
    ] {
        stops.push((operation, Fault::HangAfterEffect));
        stops.push((operation, Fault::HangBeforeEffect(LONG)));
    }
    for (number, (operation, fault)) in stops.into_iter().enumerate() {
        let lead = site.lead(&format!("contact{number}@acmecorp.com"));
        let (faults, journal) = match operation {
            "revise" => (site.world.crm.faults(), site.world.crm.journal()),
            _ => (site.maxio.faults(), site.maxio.journal()),
        };
        faults.set(FaultPlan::new(1).nth(operation, 1, fault));
        let before = journal.faults().len();
        let (running, api) = site.start().await;
        let job = site.ready(&api, &lead).await;
        let struck = journal
            .wait_until(|journal| journal.faults().len() > before, PATIENCE)
            .await;
        assert!(struck, "{operation}");
        running.shutdown().await;
        site.maxio.faults().clear();
        site.world.crm.faults().clear();
        let (running, api) = site.start().await;
        site.until(&api, &job, "crm_updated").await;
        site.assert_set_up(&lead);
        running.shutdown().await;
    }
}

async fn two_programs_and_a_storm_make_everything_once(world: World) {
    let site = Site::of(world).await;
    let (running, api) = site.start().await;
    let second = match site.world.store.url().starts_with("sqlite") {
        true => None,
        false => Some(site.start().await),
    };
    let leads: Vec<String> = (0..6)
        .map(|number| site.lead(&format!("c{number}@acmecorp.com")))
        .collect();
    let storm = leads
        .iter()
        .flat_map(|lead| [lead, lead, lead])
        .enumerate()
        .map(|(number, lead)| {
            let api = match (&second, number % 2) {
                (Some((_, other)), 1) => other,
                _ => &api,
            };
            // Whitespace makes each a delivery of its own.
            let body = format!("{{\"id\":\"{lead}\"{}}}", " ".repeat(number));
            let site = &site;
            async move { site.said(api, &body).await }
        });
    let jobs = futures::future::join_all(storm).await;
    for job in &jobs {
        site.until(&api, job, "crm_updated").await;
    }
    for lead in &leads {
        site.assert_set_up(lead);
    }
    assert_eq!(site.maxio.customers().len(), leads.len());
    if let Some((second, _)) = second {
        second.shutdown().await;
    }
    running.shutdown().await;
}
