//! Several processes, each the real binary, on one PostgreSQL and one Redis.

mod postgres {
    use std::path::Path;
    use std::process::Command;
    use std::time::Duration;

    use jiff::{SignedDuration, Timestamp};
    use pugmark_queue::testing::TestRedis;
    use pugmark_sandbox::{
        CloudQuota, CustomField, CustomFieldKind, Edition, Fault, FaultPlan, Journal, JournalKind,
        Latency, Match, Occurrence, Outcome, VtigerSandbox,
    };

    use crate::harness::{PATIENCE, World, eventually, sandbox};
    use crate::program::{Serving, configured, run};

    fn process(world: &World, redis: &TestRedis, folder: &Path) -> Command {
        let mut command = configured(world, folder, &["serve"]);
        command
            .env("REDIS_URL", redis.url())
            .env("PUGMARK_SEAL_KEY", "ab".repeat(32))
            .env("PUGMARK__REDIS__TIMEOUT", "2s")
            .env("PUGMARK__DATABASE__CONNECTIONS", "4")
            .env("PUGMARK__VTIGER__CALL_TIMEOUT", "5s")
            .env("PUGMARK__QUEUE__LEASE", "30s")
            .env("PUGMARK__VTIGER__POLL__ENABLED", "false")
            .env("PUGMARK__RECONCILE__VERIFY", "false");
        command
    }

    /// Makes the tables before any process runs: work can wait for all of them, and they do not make them at the same moment.
    async fn migrate(world: &World, folder: &Path) {
        let ended = run(configured(world, folder, &["migrate"])).await;
        assert_eq!(ended.code, 0, "{}", ended.stderr);
    }

    /// When a call began.
    fn begun(journal: &Journal) -> Vec<Timestamp> {
        journal
            .calls()
            .iter()
            .filter_map(|entry| match &entry.kind {
                JournalKind::Call { duration, .. } => {
                    Some(entry.at - SignedDuration::try_from(*duration).expect("a short time"))
                }
                _ => None,
            })
            .collect()
    }

    async fn contacts(world: &World, number: u64) {
        let came = world
            .crm
            .journal()
            .wait_until(
                |journal| journal.count_created("Contacts") >= number,
                PATIENCE,
            )
            .await;
        assert!(came, "not all contacts came");
    }

    #[tokio::test]
    async fn processes_log_in_one_at_a_time_and_one_that_starts_uses_the_sessions_that_are_there() {
        let (Some(world), Some(redis)) = (World::postgres().await, TestRedis::start().await) else {
            return;
        };
        let slow = Latency::Fixed(Duration::from_millis(20));
        let world = world.before(sandbox().latency(slow)).await;
        let folder = tempfile::tempdir().expect("a folder");
        let command = || process(&world, &redis, folder.path());
        migrate(&world, folder.path()).await;
        let program = world.other_program().await;
        for number in 0..60 {
            program.insert_customer(&format!("Otieno {number}")).await;
        }
        // They begin at the same moment, with all sessions still to be made.
        let (first, second, third) = tokio::join!(
            Serving::start(command()),
            Serving::start(command()),
            Serving::start(command())
        );
        contacts(&world, 60).await;
        let journal = world.crm.journal();
        let refused: Vec<_> = journal
            .calls_of("login")
            .into_iter()
            .filter(|call| {
                matches!(
                    &call.kind,
                    JournalKind::Call {
                        outcome: Outcome::Refused(_),
                        ..
                    }
                )
            })
            .collect();
        assert!(refused.is_empty(), "{refused:#?}");

        for serving in [first, second, third] {
            assert_eq!(serving.stop().await, 0);
        }
        let logins = world.calls("login");
        assert!(logins > 0);
        let again = Serving::start(command()).await;
        for number in 0..20 {
            program.insert_customer(&format!("Wanjiru {number}")).await;
        }
        contacts(&world, 80).await;
        assert_eq!(world.calls("login"), logins, "{}", again.log());
        assert!(!again.log().contains("is not used"));
        assert_eq!(again.stop().await, 0);
    }

    #[tokio::test]
    async fn a_pause_that_one_process_is_asked_for_is_kept_by_the_other() {
        const WISH: u32 = 8;
        /// What is under way when the wish is heard may still make calls, also on a slow machine.
        const GRACE: SignedDuration = SignedDuration::from_secs(4);
        let (Some(world), Some(redis)) = (World::postgres().await, TestRedis::start().await) else {
            return;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let command = || process(&world, &redis, folder.path());
        migrate(&world, folder.path()).await;
        let (first, second) = tokio::join!(Serving::start(command()), Serving::start(command()));
        let program = world.other_program().await;
        let once = Match::operations(&["create"], Occurrence::Nth(10));
        let fault = Fault::TooMany {
            retry_after: Some(WISH),
        };
        world.crm.faults().set(FaultPlan::new(1).rule(once, fault));
        let mut written = 0;
        let asked = eventually("the wish", || {
            written += 1;
            let (program, world, name) = (&program, &world, format!("Otieno {written}"));
            async move {
                program.insert_customer(&name).await;
                Some(world.crm.journal().faults().first()?.at)
            }
        })
        .await;
        let over = asked + SignedDuration::from_secs(i64::from(WISH));
        // More and more comes meanwhile, for either of them.
        while Timestamp::now() < over {
            written += 1;
            program.insert_customer(&format!("Otieno {written}")).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        contacts(&world, written).await;
        let within: Vec<Timestamp> = begun(&world.crm.journal())
            .into_iter()
            .filter(|call| *call > asked + GRACE && *call < over)
            .collect();
        assert!(within.is_empty(), "asked at {asked}, called at {within:?}");
        for serving in [first, second] {
            assert_eq!(serving.stop().await, 0);
        }
    }

    #[tokio::test]
    async fn the_call_limit_of_vtiger_cloud_is_kept_by_all_processes_together() {
        const LIMIT: u32 = 40;
        let (Some(world), Some(redis)) = (World::postgres().await, TestRedis::start().await) else {
            return;
        };
        let cloud = VtigerSandbox::builder()
            .seed(1)
            .edition(Edition::Cloud)
            .latency(Latency::Fixed(Duration::from_millis(300)))
            .cloud_quota(CloudQuota {
                per_minute: LIMIT,
                per_day: 10_000,
            })
            .custom_field(
                CustomField::new("Contacts", "MicroBima Customer ID", CustomFieldKind::Text)
                    .named("cf_contacts_microbimacustomerid"),
            );
        let world = world.before(cloud).await;
        let folder = tempfile::tempdir().expect("a folder");
        let command = || {
            let mut command = process(&world, &redis, folder.path());
            command
                .env_remove("VTIGER_URL")
                .env(
                    "VTIGER_API_URL",
                    format!("{}/restapi/v1/vtiger/default", world.crm.url()),
                )
                .env("PUGMARK__VTIGER__SESSIONS", "16");
            command
        };
        migrate(&world, folder.path()).await;
        let program = world.other_program().await;
        for number in 0..150 {
            program.insert_customer(&format!("Kamau {number}")).await;
        }
        let serving = tokio::join!(
            Serving::start(command()),
            Serving::start(command()),
            Serving::start(command()),
            Serving::start(command())
        );
        let journal = world.crm.journal();
        let enough = journal
            .wait_until(|journal| journal.count_calls(None) >= 25, PATIENCE * 2)
            .await;
        assert!(enough, "the first calls were not made: {}", serving.0.log());
        // Long enough for what 64 workers could still do.
        journal.wait_until(|_| false, Duration::from_secs(3)).await;
        let refused: Vec<_> = journal
            .calls()
            .into_iter()
            .filter(|call| matches!(call.kind, JournalKind::Call { http: 429, .. }))
            .collect();
        assert!(refused.is_empty(), "{} calls too many", refused.len());
    }
}
