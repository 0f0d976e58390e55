//! One create in ten is done and never answered: the timeout says nothing about whether it was done, and it is not done again.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan, Match, Occurrence};

use super::load::Load;
use super::{Campaign, oracle};
use crate::harness::{World, on_both_databases};

on_both_databases!(creates_that_are_done_and_never_answered_are_not_done_again);

async fn creates_that_are_done_and_never_answered_are_not_done_again(mut world: World) {
    world.crm_settings().call_timeout = Duration::from_millis(400);
    world.crm_settings().longest_execution = Duration::from_millis(100);
    world.crm_settings().sessions = 16;
    let running = world.start().await;
    let program = world.other_program().await;
    let mut campaign = Campaign::begin("timeout_after_commit", program.engine());
    let some = Match::operation("create", Occurrence::Rate(0.1));
    world
        .crm
        .faults()
        .set(FaultPlan::new(campaign.seed).rule(some, Fault::HangAfterEffect));
    let mut load = Load::new(campaign.seed);
    load.insert_many(&program, campaign.size(300, 20_000)).await;
    campaign.over();
    campaign.recover(&program).await;

    campaign.inject("timeouts after the commit", world.crm.faults().injected());
    let verdict = oracle::judge(&world, &program, &load).await;
    campaign.judge(verdict, "");
    running.shutdown().await;
}
