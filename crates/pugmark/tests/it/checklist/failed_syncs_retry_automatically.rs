use pugmark_sandbox::{Fault, FaultPlan, Match, Occurrence};

use crate::harness::{World, on_both_databases};

on_both_databases!(failed_syncs_retry_automatically);

async fn failed_syncs_retry_automatically(world: World) {
    let refused = Match::operations(&["create"], Occurrence::First(2));
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).rule(refused, Fault::Http(503)));
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(
        world.crm.journal().faults().len(),
        2,
        "it failed before it worked"
    );
    assert_eq!(
        program.link(&customer, "sync_status").await.as_deref(),
        Some("SYNCED")
    );
    running.shutdown().await;
}
