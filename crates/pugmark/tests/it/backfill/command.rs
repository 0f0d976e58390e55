//! `pugmark backfill` through the real binary.

use serde_json::Value;

use super::Base;
use crate::harness::{TOKEN, World, on_both_databases};
use crate::http::Api;
use crate::program::{Ended, pugmark, run};

on_both_databases!(the_command_asks_before_it_links_and_tells_what_it_did);

async fn backfill(api: &Api, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pugmark(folder.path(), &[&["backfill"], arguments].concat());
    command
        .env("PUGMARK_SERVER", api.address())
        .env("APP_SECRET_TOKEN", TOKEN);
    run(command).await
}

async fn the_command_asks_before_it_links_and_tells_what_it_did(mut world: World) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let base = Base::make(&world, &program).await;

    let tried = backfill(&api, &["--dry-run"]).await;
    assert_eq!(tried.code, 4, "one is ambiguous: {tried:?}");
    for part in [
        "3 customer(s) matched",
        &base.ambiguous,
        "\"Old Name\" gives way to \"Document\"",
        "4 call(s)",
    ] {
        assert!(tried.stdout.contains(part), "{part}: {}", tried.stdout);
    }
    let asked = backfill(&api, &[]).await;
    assert!(asked.stderr.contains("--yes confirms"), "{asked:?}");
    assert!(asked.stderr.contains("Nothing was linked"), "{asked:?}");
    assert_eq!(
        program.count("crm_links WHERE vtiger_id IS NOT NULL").await,
        0
    );

    let done = backfill(&api, &["--yes", "--json"]).await;
    assert_eq!(done.code, 4, "{done:?}");
    let done: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(done["data"]["done"], 4, "{done}");
    assert_eq!(
        program.count("crm_links WHERE vtiger_id IS NOT NULL").await,
        3
    );
    running.shutdown().await;
}
