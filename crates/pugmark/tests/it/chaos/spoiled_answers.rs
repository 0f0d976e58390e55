//! Answers that hide a finished write, or say that nothing was done when it was: what was asked for is done once.

use std::time::Duration;

use pugmark_sandbox::{Fault, FaultPlan, Match, Occurrence};

use super::load::Load;
use super::{Campaign, oracle};
use crate::harness::{World, on_both_databases};

on_both_databases!(whatever_stands_in_an_answer_each_write_is_done_once);

/// Of all calls, the share that each fault strikes.
const SHARE: f64 = 0.02;

async fn whatever_stands_in_an_answer_each_write_is_done_once(mut world: World) {
    world.crm_settings().call_timeout = Duration::from_millis(800);
    world.crm_settings().longest_execution = Duration::from_millis(100);
    world.crm_settings().sessions = 8;
    let running = world.start().await;
    let program = world.other_program().await;
    let mut campaign = Campaign::begin("spoiled_answers", program.engine());
    let faults = [
        Fault::HttpAfterEffect(502),
        Fault::CutBody { after_effect: true },
        Fault::CutBody {
            after_effect: false,
        },
        Fault::HtmlAfterEffect,
        Fault::SuccessFalseAfterEffect,
        Fault::NullResultAfterEffect,
    ];
    let plan = faults
        .into_iter()
        .fold(FaultPlan::new(campaign.seed), |plan, fault| {
            plan.rule(Match::any(Occurrence::Rate(SHARE)), fault)
        });
    world.crm.faults().set(plan);
    let mut load = Load::new(campaign.seed);
    load.insert_many(&program, campaign.size(100, 2_000)).await;
    for _ in 0..campaign.size(150, 4_000) {
        load.write(&program).await;
    }
    campaign.over();
    campaign.recover(&program).await;

    campaign.inject("spoiled answers", world.crm.faults().injected());
    let verdict = oracle::judge(&world, &program, &load).await;
    campaign.judge(verdict, "");
    running.shutdown().await;
}
