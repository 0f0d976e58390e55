//! The real program is killed at any moment while MicroBima writes everything it can and vTiger misbehaves: no contact, no
//! note, no task and no figure is lost or there twice, and what happened to a customer is told in the order in which it did.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pugmark_sandbox::{CustomField, CustomFieldKind, Fault, FaultPlan, Latency, Match, Occurrence};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::crash::{KILLS, kill_once, serve};
use crate::generator::Generator;
use crate::harness::{World, on_both_databases, sandbox, seed};
use crate::program::Serving;

on_both_databases!(killed_at_any_moment_it_loses_nothing_and_makes_nothing_twice_of_any_kind);

async fn killed_at_any_moment_it_loses_nothing_and_makes_nothing_twice_of_any_kind(world: World) {
    let seed = seed();
    let mut rng = StdRng::seed_from_u64(seed);
    let money = CustomFieldKind::Decimal {
        digits: 10,
        scale: 2,
    };
    let crm = sandbox()
        .custom_field(CustomField::new(
            "Contacts",
            "Payment Count",
            CustomFieldKind::Integer,
        ))
        .custom_field(CustomField::new("Contacts", "Payment Total", money))
        .custom_field(CustomField::new(
            "Contacts",
            "Last Payment Date",
            CustomFieldKind::Date,
        ))
        .latency(Latency::Fixed(Duration::from_millis(10)));
    let world = world.before(crm).await;
    let folder = tempfile::tempdir().expect("a folder");
    // The tables are there before another program writes into them.
    drop(Serving::start(serve(&world, folder.path())).await);

    let writes = Match::operations(&["create", "revise"], Occurrence::Rate(0.04));
    let late = Fault::LateCommit {
        delay: Duration::from_millis(350),
    };
    world
        .crm
        .faults()
        .set(FaultPlan::typical(seed, 0.12).rule(writes, late));
    let program = world.other_program().await;
    let mut generator = Generator::new(&program, seed ^ 1).await;
    let over = AtomicBool::new(false);
    let killing = async {
        for number in 0..KILLS {
            kill_once(&world, folder.path(), number, &mut rng).await;
        }
        over.store(true, Ordering::SeqCst);
    };
    let mut pauses = StdRng::seed_from_u64(seed ^ 2);
    let telling = async {
        while !over.load(Ordering::SeqCst) {
            generator.tell().await;
            tokio::time::sleep(Duration::from_millis(pauses.random_range(20..120))).await;
        }
    };
    tokio::join!(killing, telling);

    world.crm.faults().clear();
    let taken_over = program
        .count("vtiger_sync_attempts WHERE ended = 'EXPIRED' OR ended IS NULL")
        .await;
    assert!(
        taken_over > 0,
        "no kill struck an attempt, or the test shows nothing"
    );
    let serving = Serving::start(serve(&world, folder.path())).await;
    program.wait_until_idle().await;

    let withdrawn: Vec<String> = generator.expected.withdrawn.iter().cloned().collect();
    let wrong = world.out_of_step(&program, &withdrawn).await;
    assert!(
        wrong.is_empty(),
        "PUGMARK_SEED={seed}: {wrong:#?}\n{}",
        serving.log()
    );
    world.assert_notes(&generator, seed);
    world.assert_tasks(&generator, seed);
    world.assert_figures(&generator, seed);
    let dead = program
        .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
        .await;
    assert_eq!(dead, 0, "PUGMARK_SEED={seed}");
    eprintln!(
        "{KILLS} kills, {} members, {} notes, {} tasks, {taken_over} attempts cut short, {} faults",
        generator.members.len(),
        world.crm.records("ModComments").len(),
        world.crm.records("Calendar").len(),
        world.crm.journal().faults().len(),
    );
    assert_eq!(serving.stop().await, 0);
}
