//! 64 workers whose sessions all end at once, again and again. vTiger keeps one challenge per user, so logins that overlap void
//! each other: they take turns, and no login is refused.

use pugmark_sandbox::{JournalKind, Outcome};

use super::load::Load;
use super::{Campaign, oracle};
use crate::harness::{PATIENCE, World, on_both_databases};

on_both_databases!(workers_that_all_lost_their_session_log_in_one_after_the_other);

const WORKERS: usize = 64;

async fn workers_that_all_lost_their_session_log_in_one_after_the_other(mut world: World) {
    world.crm_settings().sessions = WORKERS;
    let running = world.start().await;
    let program = world.other_program().await;
    let mut campaign = Campaign::begin("login_race", program.engine());
    let mut load = Load::new(campaign.seed);
    let rounds = campaign.size(2, 20);
    let journal = world.crm.journal();
    for _ in 0..rounds {
        // Enough for every worker to be busy when the sessions end.
        load.insert_many(&program, WORKERS * 2).await;
        let creates = journal.count_calls(Some("create"));
        let enough = creates + WORKERS as u64 / 2;
        let busy = journal
            .wait_until(
                |journal| journal.count_calls(Some("create")) >= enough,
                PATIENCE,
            )
            .await;
        assert!(busy, "it does not work");
        world.crm.drop_all_sessions();
    }
    campaign.inject("times all sessions ended", rounds);
    campaign.over();
    campaign.recover(&program).await;

    let mut verdict = oracle::judge(&world, &program, &load).await;
    let logins = journal.calls_of("login");
    campaign.inject("logins", logins.len() as u64);
    for login in logins {
        if let JournalKind::Call {
            outcome: Outcome::Refused(code),
            ..
        } = &login.kind
        {
            verdict
                .out_of_order
                .push(format!("a login at {} was refused: {code}", login.at));
        }
    }
    campaign.judge(verdict, "");
    running.shutdown().await;
}
