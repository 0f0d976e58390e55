//! What is in the way is told, and nothing is changed.

use pugmark::app;
use pugmark_queue::testing::TestDb;

use super::{assert_refused, everything};
use crate::harness::{World, new_id, sandbox};
use crate::microbima::{Microbima, Who, customer};
use crate::pooler;
use crate::program::{configured, run};

#[tokio::test]
async fn nothing_is_served_before_it_is_attached() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    let before = everything(&mut administrator).await;
    for command in ["serve", "migrate", "sweep"] {
        let refused = microbima.pugmark(&[command]).await;
        assert_refused(&refused, "PUG-1203", &["pugmark attach --dry-run"]);
    }
    let started = app::start(microbima.world.settings.clone(), app::Roles::ALL).await;
    assert!(started.is_err());
    assert_eq!(everything(&mut administrator).await, before);
}

#[tokio::test]
async fn everything_that_is_in_the_way_is_told_at_once_and_nothing_is_changed() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    let (role, owner) = (microbima.role(Who::Pugmark), microbima.owner());
    administrator
        .run(&format!(
            "ALTER ROLE {role} NOBYPASSRLS; \
             REVOKE TRIGGER ON public.dependants FROM {role}; REVOKE SELECT ON public.policies FROM {role}; \
             ALTER TABLE public.missing_requirements DROP COLUMN \"fieldPath\"; \
             ALTER TABLE public.customers RENAME COLUMN \"isTestUser\" TO \"testUser\"; \
             DROP TABLE public.beneficiaries; \
             ALTER ROLE {role} SET session_replication_role = replica; \
             DO $$ BEGIN EXECUTE format('REVOKE CREATE ON DATABASE %I FROM {role}', current_database()); END $$"
        ))
        .await;
    let before = everything(&mut administrator).await;

    let refused = microbima.pugmark(&["attach"]).await;

    assert_refused(
        &refused,
        "PUG-1202",
        &[
            &format!("row level security hides the rows of public.customers from role {role}"),
            &format!("ALTER ROLE {role} BYPASSRLS, or connect as the owner {owner}"),
            &format!("role {role} may not create a trigger on public.dependants"),
            &format!("GRANT TRIGGER ON public.dependants TO {role}"),
            &format!("GRANT SELECT ON public.policies TO {role}"),
            "public.missing_requirements has no column fieldPath",
            "public.customers has no column isTestUser",
            "there is no table public.beneficiaries",
            "session_replication_role is replica",
            &format!("role {role} may not create a schema"),
        ],
    );
    assert_eq!(everything(&mut administrator).await, before);
    let dry = microbima.pugmark(&["attach", "--dry-run"]).await;
    assert_refused(&dry, "PUG-1202", &["public.beneficiaries"]);
    assert_eq!(dry.stdout, "");
}

#[tokio::test]
async fn a_role_that_sees_no_rows_is_refused_although_no_query_of_it_fails() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    let mut application = microbima.connect(Who::Application).await;
    application.run(&customer(&new_id(), "Kamau")).await;
    let role = microbima.role(Who::Pugmark);
    administrator
        .run(&format!("ALTER ROLE {role} NOBYPASSRLS"))
        .await;
    let mut blind = microbima.connect(Who::Pugmark).await;
    assert_eq!(
        blind.count("public.customers").await,
        0,
        "or the test shows nothing"
    );

    let refused = microbima.pugmark(&["attach"]).await;
    assert_refused(
        &refused,
        "PUG-1202",
        &["hides the rows of public.customers"],
    );

    // The owner sees everything, until row level security is forced on it, too.
    let (role, owner) = (microbima.role(Who::Pugmark), microbima.owner());
    administrator.run(&format!("GRANT {owner} TO {role}")).await;
    assert_eq!(microbima.pugmark(&["attach", "--dry-run"]).await.code, 0);
    administrator
        .run("ALTER TABLE public.policies FORCE ROW LEVEL SECURITY")
        .await;
    let refused = microbima.pugmark(&["attach"]).await;
    assert_refused(&refused, "PUG-1202", &["public.policies"]);
    assert!(
        !refused.stderr.contains("public.customers"),
        "{}",
        refused.stderr
    );
}

#[tokio::test]
async fn a_role_that_became_blind_takes_nobody_for_deleted() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    let mut administrator = microbima.connect(Who::Administrator).await;
    let mut application = microbima.connect(Who::Application).await;
    let id = new_id();
    application.run(&customer(&id, "Kamau")).await;
    let running = microbima.start().await;
    microbima.world.wait_for_contact(&id, |_| true).await;
    running.shutdown().await;
    let role = microbima.role(Who::Pugmark);
    administrator
        .run(&format!("ALTER ROLE {role} NOBYPASSRLS"))
        .await;

    let swept = microbima.pugmark(&["sweep"]).await;

    assert_refused(&swept, "row-level security", &[]);
    assert_eq!(
        administrator
            .count("pugmark.change_log WHERE event = 'DELETE'")
            .await,
        0
    );
    let doctor = microbima.pugmark(&["doctor"]).await;
    assert!(
        doctor.stdout.contains("hides the rows of public.customers"),
        "{}",
        doctor.stdout
    );
}

#[tokio::test]
async fn a_schema_of_somebody_else_is_left_alone() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    administrator
        .run("CREATE SCHEMA pugmark; CREATE TABLE pugmark.mine (id INT); \
              CREATE FUNCTION pugmark.capture_mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
        .await;
    let before = everything(&mut administrator).await;

    let refused = microbima.pugmark(&["attach"]).await;
    assert_refused(&refused, "PUG-1202", &["schema pugmark belongs to role"]);
    let refused = microbima.pugmark(&["detach", "--purge", "--yes"]).await;
    assert_refused(
        &refused,
        "PUG-1202",
        &["pugmark.capture_mine()", "schema pugmark"],
    );
    assert_eq!(everything(&mut administrator).await, before);
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_refused() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    let before = everything(&mut administrator).await;

    let by_port = microbima
        .pugmark_at(
            "postgres://someone:secret-word@127.0.0.1:6543/postgres",
            &["attach"],
        )
        .await;
    assert_refused(&by_port, "PUG-1202", &["port 6543", "direct connection"]);
    assert!(!by_port.stderr.contains("secret-word"));

    let pooled = pooler::start(&microbima.url(Who::Administrator)).await;
    for arguments in [&["attach"][..], &["attach", "--dry-run"], &["detach"]] {
        let refused = microbima.pugmark_at(&pooled, arguments).await;
        assert_refused(
            &refused,
            "PUG-1202",
            &["pooler in transaction mode", "direct connection"],
        );
    }
    assert_eq!(everything(&mut administrator).await, before);
    let doctor = microbima.pugmark_at(&pooled, &["doctor"]).await;
    assert_eq!(doctor.code, 1, "{doctor:?}");
}

#[tokio::test]
async fn a_database_without_tables_is_told_from_microbimas() {
    let Some(store) = TestDb::postgres().await else {
        return;
    };
    let world = World::over(store, sandbox()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run(configured(&world, folder.path(), &["attach"])).await;
    assert_refused(
        &ended,
        "public.customers",
        &["DATABASE_URL", "pugmark serve"],
    );
}
