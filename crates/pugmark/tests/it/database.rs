//! PostgreSQL at size: limits, a pooler in between, and a schema that moves on under a program that runs.

mod postgres {
    use std::time::Duration;

    use pugmark::app::{self, Roles};
    use pugmark::store;
    use pugmark_queue::db::{Conn, Pooler};
    use pugmark_queue::on;

    use crate::harness::World;
    use crate::pooler;
    use crate::program::{configured, run};

    async fn shown(conn: &mut Conn, name: &str) -> String {
        on!(conn, |c| sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(c)
            .await)
        .expect("a setting")
    }

    #[tokio::test]
    async fn the_limits_of_the_settings_are_those_of_the_sessions() {
        let Some(mut world) = World::postgres().await else {
            return;
        };
        world.settings.database.statement_timeout = Duration::from_secs(17);
        world.settings.database.lock_timeout = Duration::from_secs(16);
        let running = world.start().await;
        let mut conn = running.db.read().await.expect("a connection");
        assert_eq!(shown(&mut conn, "statement_timeout").await, "17s");
        assert_eq!(shown(&mut conn, "lock_timeout").await, "16s");
        drop(conn);
        running.shutdown().await;
    }

    #[tokio::test]
    async fn through_a_pooler_in_transaction_mode_everything_is_delivered() {
        for like_pgbouncer in [true, false] {
            let Some(mut world) = World::postgres().await else {
                return;
            };
            let direct = world.store.url().to_owned();
            let database = &mut world.settings.database;
            if like_pgbouncer {
                // It shows itself by what it refuses.
                database.url = pooler::start_like_pgbouncer(&direct).await;
            } else {
                database.url = pooler::start(&direct).await;
                database.pooler = Pooler::Transaction;
            }
            let refused = app::start(world.settings.clone(), Roles::ALL).await;
            let error = refused.err().expect("it cannot be migrated").to_string();
            assert!(
                error.contains("PUG-6701") && error.contains("direct_url"),
                "{error}"
            );

            world.settings.database.direct_url = Some(direct);
            let running = world.start().await;
            assert!(running.db.is_pooled());
            let program = world.other_program().await;
            let mut customers = Vec::new();
            for number in 0..20 {
                customers.push(program.insert_customer(&format!("Were {number}")).await);
            }
            program.set(&customers[0], "lastName", "'Otieno'").await;
            program.wait_until_idle().await;
            for customer in &customers {
                assert!(world.contact_of(customer).is_some(), "{customer}");
            }
            running.shutdown().await;
        }
    }

    #[tokio::test]
    async fn doctor_warns_of_a_pooler_and_counts_connections() {
        let Some(world) = World::postgres().await else {
            return;
        };
        store::migrate(world.store.db()).await.expect("migrated");
        let folder = tempfile::tempdir().expect("a folder");
        let told = run(configured(&world, folder.path(), &["doctor"])).await;
        assert!(told.stdout.contains("reached without a pooler"), "{told:?}");
        assert!(told.stdout.contains("PostgreSQL's connections"), "{told:?}");

        let mut command = configured(&world, folder.path(), &["doctor"]);
        command.env(
            "DATABASE_URL",
            pooler::start_like_pgbouncer(world.store.url()).await,
        );
        let told = run(command).await;
        assert!(
            told.stdout.contains("PUG-6701") && told.stdout.contains("DATABASE_DIRECT_URL"),
            "{told:?}"
        );
    }

    #[tokio::test]
    async fn a_program_that_runs_survives_columns_tables_and_indexes_of_a_newer_one() {
        let Some(world) = World::postgres().await else {
            return;
        };
        let running = world.start().await;
        let program = world.other_program().await;
        let before = program.insert_customer("Before").await;
        program.wait_until_idle().await;
        let tables = "SELECT string_agg('pugmark.' || table_name, ',') FROM information_schema.tables \
                      WHERE table_schema = 'pugmark' AND table_name <> '_sqlx_migrations'";
        let tables = program.one(tables).await.expect("tables");
        for table in tables.split(',') {
            program
                .sql(format!(
                    "ALTER TABLE {table} ADD COLUMN of_a_newer_program INTEGER NOT NULL DEFAULT 7"
                ))
                .await;
        }
        program
            .sql("CREATE TABLE pugmark.of_a_newer_program (id BIGINT PRIMARY KEY)")
            .await;
        program
            .sql("INSERT INTO pugmark._sqlx_migrations (version, description, success, checksum, execution_time) \
                  VALUES (999999, 'newer', true, '\\x00', 1)")
            .await;

        let after = program.insert_customer("After").await;
        program.set(&before, "lastName", "'Changed'").await;
        program.wait_until_idle().await;

        assert!(world.contact_of(&after).is_some());
        let contact = world.contact_of(&before).expect("one contact");
        assert_eq!(contact.value("lastname"), "Changed");
        let dead = program
            .count("vtiger_sync_queue WHERE dead_at IS NOT NULL OR retry_count > 0")
            .await;
        assert_eq!(dead, 0, "nothing stumbled over a prepared statement");
        running.shutdown().await;
        let refused = app::start(world.settings.clone(), Roles::ALL).await;
        let error = refused.err().expect("it is too old").to_string();
        assert!(
            error.contains("PUG-1102"),
            "an old program is not started anew: {error}"
        );
    }
}
