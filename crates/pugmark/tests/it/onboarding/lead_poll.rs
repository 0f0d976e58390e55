//! Asking vTiger for leads that are ready.

use std::sync::Arc;
use std::time::Duration;

use pugmark::app::Running;
use pugmark::config::CrmEdition;
use pugmark::crm::Crm;
use pugmark::schedule::lead_poll::{LeadPollError, LeadPoller, Look};
use pugmark_sandbox::{
    CustomField, CustomFieldKind, Edition, Fault, FaultPlan, VtigerSandbox, VtigerSandboxBuilder,
};

use super::intake::job_id;
use super::sending::*;
use crate::harness::{World, Writer, eventually, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    a_lead_without_a_webhook_gets_a_job_once,
    leads_that_have_a_job_or_an_id_of_maxio_are_left,
    many_leads_are_found_page_by_page_and_a_failure_loses_none,
    leads_of_vtiger_cloud_are_found_in_their_module,
    contacts_are_found_where_there_are_no_leads,
    a_status_field_that_is_not_there_is_named,
    it_runs_by_itself_where_maxio_is_configured,
);

const READY: &str = "Ready for Finance Setup";

fn with_ids(module: &str, crm: VtigerSandboxBuilder) -> VtigerSandboxBuilder {
    ["Maxio Customer ID", "Maxio Subscription ID"]
        .iter()
        .fold(crm.seed(1), |crm, label| {
            crm.custom_field(CustomField::new(module, label, CustomFieldKind::Text))
        })
}

async fn with_leads(world: World) -> World {
    let mut world = world
        .before(with_ids("Leads", VtigerSandbox::builder()))
        .await;
    receiving(&mut world);
    world.settings.onboarding.write.customer_id = "Maxio Customer ID".to_owned();
    world.settings.onboarding.write.subscription_id = "Maxio Subscription ID".to_owned();
    world
}

fn poller(world: &World, running: &Running) -> LeadPoller {
    let mut crm = world.settings.crm.clone().expect("a CRM");
    crm.enabled = true;
    let crm = Arc::new(Crm::new(crm).expect("a usable address"));
    let settings = Arc::new(world.settings.onboarding.clone());
    LeadPoller::new(running.db.clone(), running.queue.clone(), crm, settings)
}

fn ready_lead(world: &World, more: &[(&str, &str)]) -> String {
    let fields = [&[("lastname", "Doe"), ("leadstatus", READY)], more].concat();
    let id = world.crm.insert_as_ui("Leads", &fields);
    id.expect("a lead")
}

async fn jobs_of(program: &Writer, lead: &str) -> i64 {
    program
        .count(&format!("sync_jobs WHERE vtiger_lead_id = '{lead}'"))
        .await
}

async fn look(poller: &LeadPoller) -> Look {
    poller.look().await.expect("vTiger answers")
}

async fn a_lead_without_a_webhook_gets_a_job_once(world: World) {
    let world = with_leads(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let ready = ready_lead(&world, &[]);
    let other = [("lastname", "Roe"), ("leadstatus", "Contacted")];
    let other = world.crm.insert_as_ui("Leads", &other).expect("a lead");
    let poller = poller(&world, &running);
    assert_eq!(
        look(&poller).await,
        Look {
            ready: 1,
            started: 1
        }
    );
    assert_eq!(
        look(&poller).await,
        Look {
            ready: 1,
            started: 0
        }
    );
    assert_eq!(jobs_of(&program, &ready).await, 1);
    assert_eq!(jobs_of(&program, &other).await, 0);
    let by = "sync_jobs j JOIN vtiger_sync_queue q ON q.id = j.operation_id \
              WHERE j.requested_by = 'poll' AND q.kind = 'maxio.onboard' AND j.sealed_data IS NULL";
    assert_eq!(program.count(by).await, 1);
    // The webhook comes late.
    let late = answer(signed(&Api::of(&running), &lead(&ready))).await;
    job_id(&late);
    assert_eq!(jobs_of(&program, &ready).await, 1);
    running.shutdown().await;
}

async fn leads_that_have_a_job_or_an_id_of_maxio_are_left(world: World) {
    let world = with_leads(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let field = |number: usize| format!("cf_{}", 853 + 2 * number);
    for number in 0..2 {
        ready_lead(&world, &[(field(number).as_str(), "771")]);
    }
    for (status, code) in [
        ("failed", "'PUG-6101'"),
        ("failed", "'CANCELLED'"),
        ("crm_updated", "NULL"),
    ] {
        let id = ready_lead(&world, &[]);
        job_id(&answer(signed(&api, &lead(&id))).await);
        program
            .sql(format!(
                "UPDATE sync_jobs SET status = '{status}', error_code = {code} WHERE vtiger_lead_id = '{id}'"
            ))
            .await;
    }
    let poller = poller(&world, &running);
    assert_eq!(
        look(&poller).await,
        Look {
            ready: 3,
            started: 0
        }
    );
    assert_eq!(program.count("sync_jobs").await, 3);
    assert_eq!(program.count("sync_jobs WHERE reruns > 0").await, 0);
    running.shutdown().await;
}

async fn many_leads_are_found_page_by_page_and_a_failure_loses_none(world: World) {
    let world = with_leads(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    for _ in 0..230 {
        ready_lead(&world, &[]);
    }
    let poller = poller(&world, &running);
    let faults = FaultPlan::new(1).nth("query", 2, Fault::Http(500));
    world.crm.faults().set(faults);
    assert!(poller.look().await.is_err());
    assert_eq!(
        program.count("sync_jobs").await,
        100,
        "the page before the failure is committed"
    );
    world.crm.faults().set(FaultPlan::new(1));
    assert_eq!(
        look(&poller).await,
        Look {
            ready: 230,
            started: 130
        }
    );
    running.shutdown().await;
}

/// The same store before a vTiger Cloud.
async fn before_cloud(world: World, leads: bool) -> World {
    let module = if leads { "Leads" } else { "Contacts" };
    let crm = VtigerSandbox::builder()
        .edition(Edition::Cloud)
        .cloud_leads(leads);
    let crm = with_ids(module, crm).custom_field(CustomField::new(
        module,
        "Finance Status",
        CustomFieldKind::Text,
    ));
    let mut world = world.before(crm).await;
    receiving(&mut world);
    let url = format!("{}/restapi/v1/vtiger/default", world.crm.url());
    let crm = world.crm_settings();
    crm.edition = CrmEdition::Cloud;
    crm.url = url;
    world.settings.onboarding.status_field = Some("Finance Status".to_owned());
    world
}

async fn is_found(world: World, leads: bool) {
    let world = before_cloud(world, leads).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let module = if leads { "Leads" } else { "Contacts" };
    let poller = poller(&world, &running);
    let id = world
        .crm
        .insert_as_ui(module, &[("lastname", "Doe")])
        .expect("a record");
    assert_eq!(look(&poller).await, Look::default());
    let field = world.crm.record(&id).expect("it is there");
    let field = field
        .fields
        .keys()
        .find(|name| name.starts_with("cf_") && name.contains("financestatus"))
        .expect("the field")
        .clone();
    assert!(world.crm.edit(&id, &[(field.as_str(), READY)]));
    assert_eq!(
        look(&poller).await,
        Look {
            ready: 1,
            started: 1
        }
    );
    assert_eq!(jobs_of(&program, &id).await, 1);
    running.shutdown().await;
}

async fn leads_of_vtiger_cloud_are_found_in_their_module(world: World) {
    is_found(world, true).await;
}

async fn contacts_are_found_where_there_are_no_leads(world: World) {
    is_found(world, false).await;
}

async fn a_status_field_that_is_not_there_is_named(world: World) {
    let mut world = with_leads(world).await;
    world.settings.onboarding.status_field = Some("Finance Stage".to_owned());
    let running = world.start().await;
    let error = poller(&world, &running).look().await.expect_err("no field");
    assert!(matches!(error, LeadPollError::NoStatus { .. }));
    assert!(
        error
            .to_string()
            .contains("Leads has no field Finance Stage"),
        "{error}"
    );
    running.shutdown().await;
}

async fn it_runs_by_itself_where_maxio_is_configured(world: World) {
    let mut world = with_leads(world).await;
    world.crm_settings().enabled = true;
    world.settings.onboarding.poll = Some(Duration::from_secs(1));
    let ready = ready_lead(&world, &[]);
    let program = world.other_program().await;
    let running = world.start().await;
    running.shutdown().await;
    assert_eq!(
        jobs_of(&program, &ready).await,
        0,
        "nothing is asked without Maxio"
    );
    let mut maxio = super::jobs_api::maxio();
    // Nobody is there: what becomes of the job is not the question.
    maxio.url = "http://127.0.0.1:9".parse().expect("an address");
    world.settings.maxio = Some(maxio);
    let running = world.start().await;
    eventually("a job", || async {
        (jobs_of(&program, &ready).await == 1).then_some(())
    })
    .await;
    running.shutdown().await;
}
