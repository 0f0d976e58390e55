//! SIGTERM under load, again and again: what is under way is finished, the rest is handed back, and nothing is in doubt.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pugmark_sandbox::Latency;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::load::Load;
use super::{Campaign, oracle};
use crate::crash::serve;
use crate::harness::{PATIENCE, World, on_both_databases, sandbox};
use crate::program::Serving;

on_both_databases!(told_to_stop_under_load_it_hands_everything_back_each_time);

async fn told_to_stop_under_load_it_hands_everything_back_each_time(world: World) {
    let world = world
        .before(sandbox().latency(Latency::Fixed(Duration::from_millis(20))))
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    drop(Serving::start(command(&world, folder.path())).await);
    let program = world.other_program().await;
    let mut campaign = Campaign::begin("terminated", program.engine());
    let mut load = Load::new(campaign.seed);
    load.insert_many(&program, campaign.size(50, 500)).await;
    let mut lives = StdRng::seed_from_u64(campaign.seed ^ 1);
    let over = AtomicBool::new(false);
    let mut stops = 0;
    let mut held = 0;
    let stopping = async {
        while stops < campaign.size(4, 100) {
            let serving = Serving::start(command(&world, folder.path())).await;
            let calls = world.crm.journal().count_calls(None);
            let wanted = calls + lives.random_range(1..20);
            // In the middle of its work, not before it.
            let worked = world
                .crm
                .journal()
                .wait_until(|journal| journal.count_calls(None) >= wanted, PATIENCE)
                .await;
            assert!(worked, "it does not work: {}", serving.log());
            let log = serving.log();
            assert_eq!(serving.stop().await, 0, "{log}");
            stops += 1;
            held += program
                .count("vtiger_sync_queue WHERE status = 'PROCESSING' OR unknown_at IS NOT NULL")
                .await;
        }
        over.store(true, Ordering::SeqCst);
    };
    tokio::join!(stopping, load.write_until(&program, &over));
    assert_eq!(
        held, 0,
        "PUGMARK_SEED={}: a stopped process kept operations, or left calls in doubt",
        campaign.seed
    );

    campaign.inject("stops", stops);
    campaign.over();
    let serving = Serving::start(command(&world, folder.path())).await;
    campaign.recover(&program).await;
    let verdict = oracle::judge(&world, &program, &load).await;
    campaign.judge(verdict, &serving.log());
    assert_eq!(serving.stop().await, 0);
}

/// With time to finish what it does on a busy machine.
fn command(world: &World, folder: &std::path::Path) -> std::process::Command {
    let mut command = serve(world, folder);
    command
        .env("PUGMARK__VTIGER__CALL_TIMEOUT", "5s")
        .env("PUGMARK__QUEUE__LEASE", "20s")
        .env("PUGMARK__SERVER__SHUTDOWN_GRACE", "20s");
    command
}
