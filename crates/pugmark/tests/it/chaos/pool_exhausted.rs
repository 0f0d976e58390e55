//! Other programs take every connection that PostgreSQL has to give while Pugmark's own are cut: it gets none for a while, and goes
//! on by itself when there are some again.

mod postgres_programs {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use pugmark_queue::db::Engine;
    use sqlx::{Connection, PgConnection};

    use crate::chaos::cluster::{self, Cluster};
    use crate::chaos::load::Load;
    use crate::chaos::{Campaign, oracle, patient, report};
    use crate::crash::serve;
    use crate::harness::{World, Writer, eventually};
    use crate::program::Serving;

    /// The user of Pugmark and of those who take its connections. Nobody keeps one back for it.
    const USER: &str = "ordinary";

    #[tokio::test]
    async fn without_a_single_connection_it_waits_and_goes_on_by_itself() {
        let programs = match cluster::programs() {
            Ok(programs) => programs,
            Err(why) => return report::left_out("pool_exhausted", "postgres_programs", &why),
        };
        let mut campaign = Campaign::begin("pool_exhausted", Engine::Postgres);
        let cluster = Cluster::start(programs, &["max_connections=16"]).await;
        let made = cluster
            .run("postgres", &format!("CREATE ROLE {USER} LOGIN"))
            .await;
        assert!(made.is_some());
        let database = cluster.database(USER).await;
        let url = cluster.url_as(USER, &database);
        let world = World::sqlite().await;
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = patient(serve(&world, folder.path()));
        command
            .env("DATABASE_URL", &url)
            .env("PUGMARK__DATABASE__CONNECTIONS", "4");
        let serving = Serving::start(command).await;
        let program = Writer::on(&url).await;
        let mut load = Load::new(campaign.seed);
        load.insert_many(&program, 50).await;
        let over = AtomicBool::new(false);
        let (mut taken, mut droughts) = (0, 0);
        let wanted = campaign.size(2, 12);
        let harm = async {
            while droughts < wanted {
                let hogs = take_all(&cluster, &url).await;
                taken += hogs.len() as u64;
                tokio::time::sleep(campaign.size(Duration::from_secs(1), Duration::from_secs(4)))
                    .await;
                for hog in hogs {
                    let _ = hog.close().await;
                }
                droughts += 1;
                let calls = world.crm.journal().count_calls(None);
                // Some work gets done before the next one.
                eventually("work goes on", || async {
                    (world.crm.journal().count_calls(None) > calls).then_some(())
                })
                .await;
            }
            over.store(true, Ordering::SeqCst);
        };
        tokio::join!(harm, load.write_until(&program, &over));

        campaign.inject("droughts", droughts);
        campaign.inject("connections taken", taken);
        campaign.over();
        let program = Writer::on(&url).await;
        campaign.recover(&program).await;
        let verdict = oracle::judge(&world, &program, &load).await;
        campaign.judge(verdict, &serving.log());
        assert_eq!(serving.stop().await, 0);
    }

    /// Takes what connections there are and cuts those of everybody else, until nobody else has one.
    async fn take_all(cluster: &Cluster, url: &str) -> Vec<PgConnection> {
        let (mut hogs, mut ours) = (Vec::new(), Vec::new());
        loop {
            if let Ok(mut hog) = PgConnection::connect(url).await {
                let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
                    .fetch_one(&mut hog)
                    .await
                    .expect("nobody cuts it");
                ours.push(pid.to_string());
                hogs.push(hog);
                continue;
            }
            let sql = format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{USER}' AND pid NOT IN ({})",
                ours.join(", ")
            );
            if cluster.run("postgres", &sql).await == Some(0) {
                return hogs;
            }
        }
    }
}
