//! "User enable syncs to VTiger"

use crate::accounts::{Staffed, USERS, new_user, text};
use crate::harness::{World, eventually, on_both_databases};

on_both_databases!(user_enable_syncs_to_vtiger);

async fn user_enable_syncs_to_vtiger(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, api) = staffed.start().await;
    let made = api.post(USERS, &new_user("amina@example.co.ke")).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let crm = text(made.data(), "vtigerUserId");
    let program = staffed.program().await;
    // As the Manage Agents page does it: Pugmark is not asked, it notices.
    for (active, status) in [("FALSE", "Inactive"), ("TRUE", "Active")] {
        let sql = format!("UPDATE brand_ambassadors SET \"isActive\" = {active}");
        program.sql(sql).await;
        eventually("the status in vTiger", || async {
            (staffed.world.crm.user(crm)?.status == status).then_some(())
        })
        .await;
    }
    running.shutdown().await;
}
