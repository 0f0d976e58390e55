//! A storm of 429: every second call is refused, with and without a wish for a pause. The wish is obeyed by all workers, and
//! nothing is lost or given up for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pugmark_sandbox::{Fault, FaultPlan, JournalKind, Match, Occurrence};

use super::load::Load;
use super::oracle::Verdict;
use super::{Campaign, oracle};
use crate::harness::{PATIENCE, World, on_both_databases};

on_both_databases!(a_storm_of_refusals_is_waited_out_and_every_wish_for_a_pause_obeyed);

const WORKERS: usize = 4;
/// Seconds that each refusal with a wish asks for.
const WISH: u32 = 1;
/// A refusal stops what has not begun. Attempts that were under way in other workers make their calls: a read, a write, and one of
/// each once more.
const UNDER_WAY: usize = (WORKERS - 1) * 4;

async fn a_storm_of_refusals_is_waited_out_and_every_wish_for_a_pause_obeyed(mut world: World) {
    world.crm_settings().sessions = WORKERS;
    world.crm_settings().longest_execution = Duration::from_millis(100);
    let running = world.start().await;
    let program = world.other_program().await;
    let mut campaign = Campaign::begin("throttled", program.engine());
    let with_wish = Fault::TooMany {
        retry_after: Some(WISH),
    };
    let without = Fault::TooMany { retry_after: None };
    let plan = FaultPlan::new(campaign.seed)
        .rule(Match::any(Occurrence::Rate(0.45)), with_wish)
        .rule(Match::any(Occurrence::Rate(0.02)), without);
    world.crm.faults().set(plan);
    let mut load = Load::new(campaign.seed);
    load.insert_many(&program, 40).await;
    for _ in 0..campaign.size(20, 200) {
        load.write(&program).await;
    }
    let refusals = campaign.size(4, 60);
    let stormed = world
        .crm
        .journal()
        .wait_until(
            |journal| journal.faults().len() >= refusals,
            campaign.size(PATIENCE, PATIENCE * 5),
        )
        .await;
    assert!(stormed, "the storm did not come about");
    campaign.inject("refusals", world.crm.faults().injected());
    world.crm.faults().clear();
    campaign.over();
    campaign.recover(&program).await;

    let mut verdict = oracle::judge(&world, &program, &load).await;
    obeyed(&world, &mut verdict);
    campaign.judge(verdict, "");
    running.shutdown().await;
}

/// After a refusal with a wish, no call begins before the pause is over but those of attempts that were under way.
fn obeyed(world: &World, verdict: &mut Verdict) {
    let begun: Vec<Timestamp> = world
        .crm
        .journal()
        .calls()
        .iter()
        .filter_map(|entry| match &entry.kind {
            JournalKind::Call { duration, .. } => {
                let took = SignedDuration::try_from(*duration).expect("a short time");
                Some(entry.at - took)
            }
            _ => None,
        })
        .collect();
    let wishes: Vec<Timestamp> = world
        .crm
        .journal()
        .faults()
        .iter()
        .filter(|entry| {
            matches!(
                &entry.kind,
                JournalKind::FaultInjected {
                    fault: Fault::TooMany {
                        retry_after: Some(_)
                    },
                    ..
                }
            )
        })
        .map(|entry| entry.at)
        .collect();
    for refused in wishes {
        let until = refused + SignedDuration::from_secs(i64::from(WISH));
        let within = begun
            .iter()
            .filter(|begun| **begun > refused && **begun < until)
            .count();
        if within > UNDER_WAY {
            verdict.beyond_budget.push(format!(
                "{within} calls began within the pause asked for at {refused}"
            ));
        }
    }
}
