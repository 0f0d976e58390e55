//! RabbitMQ goes away and comes back, and its queues are deleted under the consumers: its messages are hints, so nothing is lost
//! and nothing done twice, and in the end every queue is there again with somebody who takes its messages.

mod rabbitmq {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use pugmark::app::{self, Roles};
    use pugmark::broker;
    use pugmark::flows::insurance::plan::KINDS;
    use pugmark_queue::broker::look;
    use pugmark_queue::db::Engine;
    use pugmark_queue::testing::{Line, TestBroker};
    use pugmark_sandbox::Latency;
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{RngExt, SeedableRng};

    use crate::chaos::load::Load;
    use crate::chaos::{Campaign, oracle, report};
    use crate::harness::{World, eventually, sandbox};
    use crate::rabbitmq::settings;

    #[tokio::test]
    async fn without_its_broker_everything_flows_and_with_it_everything_is_made_again() {
        let Some(corner) = TestBroker::new(&KINDS) else {
            return report::left_out("broker_away", "rabbitmq", "no RabbitMQ was named");
        };
        // Several processes need PostgreSQL; without it one takes part.
        let (world, engine) = match World::postgres().await {
            Some(world) => (world, Engine::Postgres),
            None => (World::sqlite().await, Engine::Sqlite),
        };
        let mut campaign = Campaign::begin("broker_away", engine);
        let mut world = world
            .before(sandbox().latency(Latency::Fixed(Duration::from_millis(5))))
            .await;
        let line = Line::to(corner.url()).await;
        world.settings.rabbitmq = Some(settings(&corner, &line.over(corner.url())));
        let first = world.start().await;
        let second = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => {
                let roles = Roles {
                    api: false,
                    ..Roles::ALL
                };
                let second = app::start(world.settings.clone(), roles).await;
                Some(second.expect("it starts"))
            }
        };
        let program = world.other_program().await;
        let mut rng = StdRng::seed_from_u64(campaign.seed ^ 1);
        let over = AtomicBool::new(false);
        let rounds = campaign.size(3, 40);
        let mut deleted = 0;
        let harm = async {
            for _ in 0..rounds {
                served(&world).await;
                line.cut();
                tokio::time::sleep(Duration::from_millis(rng.random_range(50..1_000))).await;
                line.mend();
                served(&world).await;
                let kind = KINDS.choose(&mut rng).expect("there are kinds");
                corner.delete(kind).await;
                deleted += 1;
            }
            over.store(true, Ordering::SeqCst);
        };
        let mut load = Load::new(campaign.seed);
        tokio::join!(harm, load.write_until(&program, &over));

        campaign.inject("times without the broker", rounds);
        campaign.inject("queues deleted", deleted);
        campaign.over();
        served(&world).await;
        campaign.recover(&program).await;
        let verdict = oracle::judge(&world, &program, &load).await;
        campaign.judge(verdict, "");
        if let Some(second) = second {
            second.shutdown().await;
        }
        first.shutdown().await;
    }

    /// Waits until every queue is there and somebody takes its messages.
    async fn served(world: &World) {
        let options = broker::options(world.settings.rabbitmq.as_ref().expect("configured"));
        eventually("all queues and their workers", || async {
            let found = look(&options).await.ok()?;
            let served = found.queues.iter().all(|queue| queue.consumers > 0);
            (found.missing.is_empty() && served).then_some(())
        })
        .await;
    }
}
