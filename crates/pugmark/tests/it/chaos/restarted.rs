//! PostgreSQL's connections are terminated twice a second, and the server is restarted and crashed again and again: what was
//! answered is there, and arrives once.

mod postgres_programs {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use pugmark_queue::db::Engine;
    use pugmark_sandbox::Latency;
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use crate::chaos::cluster::{self, Cluster};
    use crate::chaos::load::Load;
    use crate::chaos::{Campaign, oracle, patient, report};
    use crate::crash::serve;
    use crate::harness::{World, Writer, sandbox};
    use crate::program::Serving;

    /// Between two blows.
    const PAUSE: Duration = Duration::from_millis(500);
    /// Every so manieth blow restarts the server.
    const RESTART: u64 = 6;

    #[tokio::test]
    async fn connections_that_break_and_a_server_that_comes_back_lose_nothing() {
        let programs = match cluster::programs() {
            Ok(programs) => programs,
            Err(why) => return report::left_out("restarted", "postgres_programs", &why),
        };
        let mut campaign = Campaign::begin("restarted", Engine::Postgres);
        let mut cluster = Cluster::start(programs, &["max_connections=40"]).await;
        let database = cluster.database("pugmark").await;
        let url = cluster.url(&database);
        let world = World::sqlite().await;
        let world = world
            .before(sandbox().latency(Latency::Fixed(Duration::from_millis(10))))
            .await;
        let folder = tempfile::tempdir().expect("a folder");
        let process = || {
            let mut command = patient(serve(&world, folder.path()));
            command
                .env("DATABASE_URL", &url)
                .env("PUGMARK__DATABASE__CONNECTIONS", "4");
            command
        };
        let processes = [
            Serving::start(process()).await,
            Serving::start(process()).await,
        ];
        let program = Writer::on(&url).await;
        let mut load = Load::new(campaign.seed);
        load.insert_many(&program, campaign.size(30, 500)).await;
        let mut rng = StdRng::seed_from_u64(campaign.seed ^ 1);
        let over = AtomicBool::new(false);
        let (mut terminated, mut restarts) = (0, 0);
        let blows = campaign.size(7, 120);
        let harm = async {
            for blow in 1..=blows {
                tokio::time::sleep(PAUSE).await;
                if blow % RESTART == 0 {
                    let signal = match rng.random_bool(0.5) {
                        true => "INT",
                        false => "QUIT",
                    };
                    cluster.restart(signal).await;
                    restarts += 1;
                } else {
                    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                               WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
                    terminated += cluster.run("postgres", sql).await.unwrap_or(0);
                }
            }
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(harm, load.write_until(&program, &over));

        campaign.inject("connections terminated", terminated);
        campaign.inject("restarts and crashes of the server", restarts);
        campaign.over();
        // The connections of this handle are dead too.
        let program = Writer::on(&url).await;
        campaign.recover(&program).await;
        let verdict = oracle::judge(&world, &program, &load).await;
        let log = format!("{}\n{}", processes[0].log(), processes[1].log());
        campaign.judge(verdict, &log);
        for process in processes {
            assert_eq!(process.stop().await, 0);
        }
    }
}
