//! `pugmark reconcile` through the real binary.

use serde_json::Value;

use super::Disorder;
use crate::harness::{TOKEN, World, on_both_databases};
use crate::http::Api;
use crate::program::{Ended, pugmark, run};

on_both_databases!(the_command_reports_repairs_and_ends_with_what_is_left);

async fn reconcile(api: &Api, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pugmark(folder.path(), &[&["reconcile"], arguments].concat());
    command
        .env("PUGMARK_SERVER", api.address())
        .env("APP_SECRET_TOKEN", TOKEN);
    run(command).await
}

async fn the_command_reports_repairs_and_ends_with_what_is_left(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let never = reconcile(&api, &["--show"]).await;
    assert_eq!(never.code, 1, "{never:?}");
    let fine = reconcile(&api, &[]).await;
    assert_eq!(fine.code, 0, "{fine:?}");
    assert!(fine.stdout.contains("Both sides are in step."), "{fine:?}");

    let disorder = Disorder::make(&world, &program).await;
    let report = reconcile(&api, &[]).await;
    assert_eq!(report.code, 4, "{report:?}");
    for part in [
        "customers without a contact",
        &disorder.missing,
        "\"Somebody\" in vTiger, \"Edited\" in MicroBima",
        &disorder.twin,
        "Nothing was changed",
    ] {
        assert!(report.stdout.contains(part), "{part}: {}", report.stdout);
    }

    let fixed = reconcile(&api, &["--fix", "--recreate", "--json"]).await;
    assert_eq!(fixed.code, 4, "duplicate and extra are left: {fixed:?}");
    let fixed: Value = serde_json::from_str(&fixed.stdout).expect("JSON");
    assert_eq!(fixed["data"]["left"], 2, "{fixed}");
    assert_eq!(fixed["data"]["repairsDone"], 4, "{fixed}");
    assert!(fixed["data"]["examples"].is_array());

    for contact in [&disorder.twin, &disorder.extra] {
        assert!(world.crm.remove(contact));
    }
    let end = reconcile(&api, &["--fix"]).await;
    assert_eq!(end.code, 0, "{end:?}");
    running.shutdown().await;
}
