//! Writers, planning and sweeps at the same time.

use pugmark::capture::gap::Sweeper;
use pugmark::config::Mode;
use pugmark_queue::db::{Db, DbOptions, Engine};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::family::{Family, now};
use super::{all_notes, plan_only, start_without_sweeps, sweep, switch_off, wait_until_planned};
use crate::harness::{Session, World, new_id, on_both_databases, seed};

on_both_databases!(
    what_is_captured_is_never_healed_however_sweeps_and_writes_meet,
    what_was_lost_is_healed_once_by_however_many_sweeps,
);

/// One change that a program makes, on rows of its own.
fn statement(
    rng: &mut StdRng,
    engine: Engine,
    family: &Family,
    ids: &mut Vec<String>,
    receipts: &mut Vec<String>,
) -> String {
    let known = |rng: &mut StdRng, list: &[String]| list[rng.random_range(0..list.len())].clone();
    match rng.random_range(0..8) {
        0 => {
            ids.push(new_id());
            family.dependant(&ids[ids.len() - 1])
        }
        1 if !ids.is_empty() => {
            let now = now(engine);
            format!(
                "UPDATE dependants SET \"deletedAt\" = {now} WHERE \"id\" = '{}'",
                known(rng, ids)
            )
        }
        2 if !ids.is_empty() => format!(
            "DELETE FROM dependants WHERE \"id\" = '{}'",
            known(rng, ids)
        ),
        3 => {
            let status = ["ACTIVE", "SUSPENDED", "PENDING_ACTIVATION"][rng.random_range(0..3)];
            format!(
                "UPDATE policies SET \"status\" = '{status}' WHERE \"id\" = '{}'",
                family.policy
            )
        }
        4 if !receipts.is_empty() => {
            let status =
                ["COMPLETED", "DETACHED", "COMPLETED_PENDING_RECEIPT"][rng.random_range(0..3)];
            format!(
                "UPDATE policy_payments SET \"paymentStatus\" = '{status}' WHERE \"transactionReference\" = '{}'",
                known(rng, receipts)
            )
        }
        5 if !receipts.is_empty() => format!(
            "DELETE FROM policy_payments WHERE \"transactionReference\" = '{}'",
            known(rng, receipts)
        ),
        _ => {
            receipts.push(new_id()[..18].to_owned());
            let status = ["COMPLETED", "PENDING_STK_CALLBACK"][rng.random_range(0..2)];
            let cents: u32 = rng.random_range(1..100_000);
            let amount = format!("{}.{:02}", cents / 100, cents % 100);
            family.payment(engine, &receipts[receipts.len() - 1], &amount, status)
        }
    }
}

async fn what_is_captured_is_never_healed_however_sweeps_and_writes_meet(mut world: World) {
    plan_only(&mut world);
    world.settings.capture.batch = 7;
    let running = start_without_sweeps(&world).await;
    let program = world.other_program().await;
    let mut families = Vec::new();
    for _ in 0..3 {
        families.push(Family::insert(&program).await);
    }
    wait_until_planned(&program).await;
    sweep(&running, &program).await;

    let (engine, seed) = (program.engine(), seed());
    let writers = families.iter().enumerate().map(|(number, family)| {
        let world = &world;
        async move {
            let mut rng = StdRng::seed_from_u64(seed.wrapping_add(number as u64));
            let mut session = Session::open(world).await;
            if engine == Engine::Sqlite {
                session.run("PRAGMA busy_timeout = 30000").await;
            }
            let (mut ids, mut receipts) = (Vec::new(), Vec::new());
            for _ in 0..60 {
                // Several statements in a transaction, some of them taken back.
                let statements = rng.random_range(1..4);
                let (begin, end) = match (engine, rng.random_range(0..6)) {
                    (Engine::Sqlite, 0) => ("BEGIN IMMEDIATE", "ROLLBACK"),
                    (Engine::Sqlite, _) => ("BEGIN IMMEDIATE", "COMMIT"),
                    (Engine::Postgres, 0) => ("BEGIN", "ROLLBACK"),
                    (Engine::Postgres, _) => ("BEGIN", "COMMIT"),
                };
                session.run(begin).await;
                for _ in 0..statements {
                    session
                        .run(&statement(
                            &mut rng,
                            engine,
                            family,
                            &mut ids,
                            &mut receipts,
                        ))
                        .await;
                    tokio::task::yield_now().await;
                }
                session.run(end).await;
            }
        }
    });
    let writing = futures::future::join_all(writers);
    let sweeping = async {
        loop {
            pugmark::capture::gap::sweep(world.store.db())
                .await
                .expect("a sweep");
        }
    };
    tokio::select! {
        _ = writing => {}
        () = sweeping => {}
    }
    wait_until_planned(&program).await;
    pugmark::capture::gap::sweep(&running.db)
        .await
        .expect("a sweep");

    assert_eq!(program.count("change_log WHERE healed").await, 0);
    assert!(program.count("change_log").await > 100, "the writers wrote");
    running.shutdown().await;
}

async fn what_was_lost_is_healed_once_by_however_many_sweeps(mut world: World) {
    plan_only(&mut world);
    let running = start_without_sweeps(&world).await;
    let program = world.other_program().await;
    let family = Family::insert(&program).await;
    wait_until_planned(&program).await;
    sweep(&running, &program).await;
    running.shutdown().await;
    for table in ["dependants", "policy_payments"] {
        switch_off(&program, table).await;
    }
    let lost: Vec<String> = (0..2_000).map(|_| family.dependant(&new_id())).collect();
    program.sql(lost.join(";")).await;
    program
        .sql(family.payment(program.engine(), "LOST", "10.50", "COMPLETED"))
        .await;

    let mut sweepers = Vec::new();
    for _ in 0..4 {
        let db = Db::open(world.store.url(), DbOptions::default())
            .await
            .expect("the store opens");
        sweepers.push(Sweeper::new(db, Mode::Live, &all_notes()));
    }
    let swept = futures::future::join_all(sweepers.iter().map(Sweeper::sweep)).await;

    let healed: usize = swept
        .into_iter()
        .map(|swept| swept.expect("a sweep").healed)
        .sum();
    assert_eq!(healed, 2_002, "the dependants, the figures and the payment");
    assert_eq!(program.count("change_log WHERE healed").await, 2_002);
    let sums = program
        .one("SELECT CAST(payments || ' ' || cents AS TEXT) FROM captured_payments")
        .await;
    assert_eq!(sums.as_deref(), Some("1 1050"));
}
