//! vTiger is away for a day. The day is simulated: everything that waits in the queue is made an hour older, 24 times, with an
//! attempt in between; the program's own clock goes on as it is. Nothing is given up, and all of it arrives when vTiger is back.

use std::time::Duration;

use pugmark_queue::db::Engine;

use super::load::Load;
use super::{Campaign, oracle};
use crate::harness::{World, Writer, eventually, on_both_databases};

on_both_databases!(after_a_day_without_vtiger_everything_arrives);

const HOURS: u64 = 24;
/// In which of these hours, besides the first, Pugmark is seen to knock: each time it waits twice as long, a minute at most.
const KNOCKS: &[u64] = &[8, 16];

async fn after_a_day_without_vtiger_everything_arrives(mut world: World) {
    // As the defaults have it.
    world.settings.queue.give_up_after = Duration::from_secs(72 * 3_600);
    world.settings.queue.max_retries = 3;
    world.settings.queue.backoff_max = Duration::from_secs(15 * 60);
    let running = world.start().await;
    let program = world.other_program().await;
    let mut campaign = Campaign::begin("down_for_a_day", program.engine());
    let mut load = Load::new(campaign.seed);
    load.insert_many(&program, campaign.size(20, 500)).await;
    campaign.recover(&program).await;

    world.crm.go_down().await;
    let knocks = campaign.size(&[][..], KNOCKS);
    for hour in 0..HOURS {
        for _ in 0..campaign.size(3, 40) {
            load.write(&program).await;
        }
        if hour == 0 || knocks.contains(&hour) {
            knocked(&program).await;
        }
        age_by_an_hour(&program).await;
    }
    let waiting = oracle::left(&program).await;
    campaign.inject("hours without vTiger", HOURS);
    campaign.inject(
        "operations waiting for it",
        u64::try_from(waiting).expect("a count"),
    );
    world.crm.come_back().await.expect("the port is still free");
    campaign.over();
    campaign.recover(&program).await;
    let verdict = oracle::judge(&world, &program, &load).await;
    campaign.judge(verdict, "");
    running.shutdown().await;
}

/// Waits for one more attempt that found nobody.
async fn knocked(program: &Writer) {
    let before = attempts(program).await;
    eventually("another attempt", || async {
        (attempts(program).await > before).then_some(())
    })
    .await;
}

async fn attempts(program: &Writer) -> i64 {
    program
        .count("vtiger_sync_attempts WHERE ended IS NOT NULL")
        .await
}

/// As if an hour had passed for everything that waits.
async fn age_by_an_hour(program: &Writer) {
    let columns = [
        "troubled_since",
        "next_attempt_at",
        "unknown_at",
        "first_queued_at",
        "created_at",
    ];
    let hour = match program.engine() {
        Engine::Sqlite => "3600000000",
        Engine::Postgres => "interval '1 hour'",
    };
    let set: Vec<String> = columns
        .iter()
        .map(|column| format!("{column} = {column} - {hour}"))
        .collect();
    let update = format!(
        "UPDATE vtiger_sync_queue SET {} WHERE status IN ('PENDING', 'FAILED') AND dead_at IS NULL",
        set.join(", ")
    );
    // It may meet a row that is just being claimed, and is undone.
    eventually("an hour", || async {
        program.try_sql(update.clone()).await.ok()
    })
    .await;
}
