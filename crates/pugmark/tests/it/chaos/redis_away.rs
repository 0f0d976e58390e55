//! Redis is emptied, stopped and started again, and its connections are cut, while two processes share it: nothing in it is the
//! truth of anything, so nothing is lost, nothing done twice and no login refused, and in the end it is used again.

mod redis {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use pugmark::app::{self, Roles, Running};
    use pugmark::config::SealKey;
    use pugmark_queue::db::Engine;
    use pugmark_queue::testing::{Line, TestRedis};
    use pugmark_sandbox::{JournalKind, Latency, Outcome};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};
    use serde_json::Value;

    use crate::chaos::load::Load;
    use crate::chaos::{Campaign, oracle, report};
    use crate::harness::{TOKEN, World, eventually, sandbox};
    use crate::redis::settings;

    #[tokio::test]
    async fn emptied_and_stopped_it_costs_nothing_but_logins() {
        let Some(redis) = TestRedis::start().await else {
            return report::left_out("redis_away", "redis", "there is no redis-server on PATH");
        };
        // Several processes need PostgreSQL; without it one takes part.
        let (world, engine) = match World::postgres().await {
            Some(world) => (world, Engine::Postgres),
            None => (World::sqlite().await, Engine::Sqlite),
        };
        let mut campaign = Campaign::begin("redis_away", engine);
        let mut world = world
            .before(sandbox().latency(Latency::Fixed(Duration::from_millis(5))))
            .await;
        let line = Line::to(&redis.url()).await;
        world.settings.redis = Some(settings(&line.over(&redis.url())));
        world.settings.seal_key = Some(SealKey::of([7; 32]));
        let first = world.start().await;
        let second = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let started = app::start(world.settings.clone(), Roles::ALL).await;
                Some(started.expect("it starts"))
            }
        };
        let program = world.other_program().await;
        let mut rng = StdRng::seed_from_u64(campaign.seed ^ 1);
        let over = AtomicBool::new(false);
        let rounds = campaign.size(3, 40);
        let harm = async {
            for _ in 0..rounds {
                used(&first).await;
                redis.flush().await;
                world.crm.drop_all_sessions();
                tokio::time::sleep(Duration::from_millis(rng.random_range(50..400))).await;
                line.cut();
                tokio::time::sleep(Duration::from_millis(rng.random_range(50..400))).await;
                line.mend();
                used(&first).await;
                redis.stop();
                tokio::time::sleep(Duration::from_millis(rng.random_range(50..400))).await;
                redis.serve().await;
            }
            over.store(true, Ordering::SeqCst);
        };
        let mut load = Load::new(campaign.seed);
        tokio::join!(harm, load.write_until(&program, &over));

        campaign.inject("times emptied", rounds);
        campaign.inject("times cut off", rounds);
        campaign.inject("times stopped", rounds);
        campaign.over();
        used(&first).await;
        campaign.recover(&program).await;
        let mut verdict = oracle::judge(&world, &program, &load).await;
        for login in world.crm.journal().calls_of("login") {
            if let JournalKind::Call {
                outcome: Outcome::Refused(code),
                ..
            } = &login.kind
            {
                verdict
                    .out_of_order
                    .push(format!("a login at {} was refused: {code}", login.at));
            }
        }
        campaign.judge(verdict, "");
        if let Some(second) = second {
            second.shutdown().await;
        }
        first.shutdown().await;
    }

    /// Waits until this process uses it.
    async fn used(running: &Running) {
        let address = running.address.expect("the API runs");
        let client = reqwest::Client::new();
        eventually("Redis is used", || async {
            let status = client
                .get(format!("http://{address}/api/internal/status"))
                .bearer_auth(TOKEN)
                .send()
                .await
                .ok()?;
            let status: Value = status.json().await.ok()?;
            (status["data"]["redis"]["state"] == "up").then_some(())
        })
        .await;
    }
}
