//! SIGKILL at random moments, also while it starts: whatever was written arrives once, in its order.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pugmark_queue::db::Engine;
use pugmark_sandbox::{Fault, FaultPlan, Latency, Match, Occurrence};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::load::Load;
use super::{Campaign, oracle, patient};
use crate::crash::{run_for, serve, work_for};
use crate::harness::{World, Writer, on_both_databases, sandbox};
use crate::program::Serving;

on_both_databases!(killed_at_random_moments_it_loses_nothing_and_does_nothing_twice);

/// No more kills than this many times the number asked for, should none of them strike an attempt.
const AT_MOST: u64 = 10;

async fn killed_at_random_moments_it_loses_nothing_and_does_nothing_twice(world: World) {
    let program_engine = world.other_program().await.engine();
    let mut campaign = Campaign::begin("killed", program_engine);
    let world = world
        .before(sandbox().latency(Latency::Fixed(Duration::from_millis(15))))
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let before = Instant::now();
    drop(Serving::start(process(&world, folder.path())).await);
    let started_in = before.elapsed();
    let program = world.other_program().await;

    let late = Match::operations(&["create", "revise"], Occurrence::Rate(0.02));
    let delay = Duration::from_millis(350);
    world
        .crm
        .faults()
        .set(FaultPlan::new(campaign.seed).rule(late, Fault::LateCommit { delay }));
    // SQLite serves one process; on PostgreSQL others work while one dies.
    let processes = match program_engine {
        Engine::Sqlite => 1,
        Engine::Postgres => campaign.size(2, 4),
    };
    let kills = campaign.size(6, 200);
    let killed = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    let killing = async {
        let slots = (0..processes).map(|slot| {
            let (world, folder, program) = (&world, folder.path(), &program);
            let (killed, seed) = (&killed, campaign.seed ^ (slot + 1));
            async move {
                let mut rng = StdRng::seed_from_u64(seed);
                while !enough(program, killed, kills).await {
                    one(world, folder, started_in, &mut rng).await;
                    killed.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        futures::future::join_all(slots).await;
        over.store(true, Ordering::SeqCst);
    };
    let mut load = Load::new(campaign.seed);
    tokio::join!(killing, load.write_until(&program, &over));

    campaign.inject("kills", killed.into_inner());
    campaign.inject("attempts cut short", cut_short(&program).await);
    world.crm.faults().clear();
    campaign.over();
    let serving = Serving::start(process(&world, folder.path())).await;
    campaign.recover(&program).await;
    let verdict = oracle::judge(&world, &program, &load).await;
    campaign.judge(verdict, &serving.log());
    assert_eq!(serving.stop().await, 0);
}

/// A process with four workers and few connections, since several share a server.
fn process(world: &World, folder: &Path) -> Command {
    let mut command = patient(serve(world, folder));
    command
        .env("PUGMARK__DATABASE__CONNECTIONS", "3")
        .env("PUGMARK__VTIGER__SESSIONS", "4");
    command
}

/// Starts a process and kills it: one in four while it starts, the others while they work.
async fn one(world: &World, folder: &Path, started_in: Duration, rng: &mut StdRng) {
    if rng.random_bool(0.25) {
        let life = rng.random_range(Duration::from_millis(1)..started_in);
        run_for(process(world, folder), life).await;
        return;
    }
    let life = Duration::from_millis(rng.random_range(10..800));
    work_for(process(world, folder), life).await;
}

/// A kill that strikes nothing shows nothing: on a slow machine some more are needed.
async fn enough(program: &Writer, killed: &AtomicU64, wanted: u64) -> bool {
    let killed = killed.load(Ordering::SeqCst);
    killed >= wanted && (cut_short(program).await > 0 || killed >= wanted * AT_MOST)
}

async fn cut_short(program: &Writer) -> u64 {
    let cut = program
        .count("vtiger_sync_attempts WHERE ended = 'EXPIRED' OR ended IS NULL")
        .await;
    u64::try_from(cut).expect("a count")
}
