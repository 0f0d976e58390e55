//! The gap sweep: whatever no trigger saw is found, once, and what was captured is left alone.

mod family;
mod payments;
mod rows;
mod together;

use std::collections::BTreeSet;

use pugmark::app::{self, Roles, Running};
use pugmark::capture::gap::{Sweep, Sweeper};
use pugmark::config::{Mode, NOTABLE};
use pugmark::store;
use pugmark_queue::db::Engine;

use crate::harness::{World, Writer, eventually};

/// Everything is told as a note, and nothing is delivered: what is planned stays in the queue to be counted.
fn plan_only(world: &mut World) {
    world.settings.crm = None;
    world.settings.insurance.notes.significant = all_notes();
}

fn all_notes() -> BTreeSet<String> {
    NOTABLE.map(str::to_owned).into()
}

/// Plans and answers, and sweeps only when the test does.
async fn start_without_sweeps(world: &World) -> Running {
    app::start(
        world.settings.clone(),
        Roles {
            scheduler: false,
            ..Roles::ALL
        },
    )
    .await
    .expect("Pugmark starts")
}

/// Sweeps once, as a live Pugmark does that tells everything, and waits until what was found is planned.
async fn sweep(running: &Running, program: &Writer) -> Sweep {
    let swept = Sweeper::new(running.db.clone(), Mode::Live, &all_notes())
        .sweep()
        .await
        .expect("a sweep");
    wait_until_planned(program).await;
    swept
}

async fn wait_until_planned(program: &Writer) {
    eventually("the end of planning", || async {
        (program.count("change_log WHERE processed_at IS NULL").await == 0).then_some(())
    })
    .await;
}

/// Switches every trigger of a table off, as a careless restore does.
async fn switch_off(program: &Writer, table: &str) {
    match program.engine() {
        Engine::Sqlite => {
            for event in ["insert", "update", "delete"] {
                program
                    .sql(format!("DROP TRIGGER IF EXISTS pugmark_{table}_{event}"))
                    .await;
            }
        }
        Engine::Postgres => {
            program
                .sql(format!("ALTER TABLE {table} DISABLE TRIGGER USER"))
                .await
        }
    }
}

/// Puts every trigger back.
async fn switch_on(world: &World) {
    store::migrate(world.store.db()).await.expect("installed");
}

/// What waits in the queue of these kinds: kind, operation and the record it concerns.
async fn planned(program: &Writer, kinds: &[&str]) -> Vec<String> {
    let kinds: Vec<String> = kinds.iter().map(|kind| format!("'{kind}'")).collect();
    let aggregate = match program.engine() {
        Engine::Sqlite => "json_group_array(line)",
        Engine::Postgres => "CAST(COALESCE(json_agg(line), '[]') AS TEXT)",
    };
    let all = program
        .one(format!(
            "SELECT {aggregate} FROM (SELECT kind || ' ' || operation || ' ' || entity_id AS line FROM vtiger_sync_queue \
             WHERE kind IN ({}) ORDER BY 1) q",
            kinds.join(", ")
        ))
        .await
        .expect("a list");
    serde_json::from_str(&all).expect("JSON")
}
