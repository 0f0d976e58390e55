//! Capture is broken on purpose: the writes go through, the errors are noted, the changes are found.

use super::Known;
use crate::harness::{eventually, new_id};
use crate::microbima::{NOW, Who, child};

/// With capture broken by these statements everything is written, and once it is mended everything is found.
async fn everything_is_written_and_found(broken: &str, mended: &str) -> Option<Known> {
    let mut known = Known::new().await?;
    known.administrator.run(broken).await;
    let written = known.write_everything().await;
    known.administrator.run(mended).await;
    let count = |what: &str| format!("{what} WHERE \"customerId\" = '{}'", written.customer);
    assert_eq!(
        known.application.count(&count("public.dependants")).await,
        1
    );
    assert_eq!(
        known
            .administrator
            .count("pugmark.change_log WHERE processed_at IS NULL")
            .await,
        0,
        "capture must have been broken, or the test shows nothing"
    );

    // The customer, the child that is left, the policy, the figures and the payment.
    assert_eq!(known.find().await, 5);
    let notes = known.notes().await;
    assert!(
        notes.contains(&format!("dependant-added:{}", written.children[0])),
        "{notes:?}"
    );
    assert_eq!(
        notes.len(),
        3,
        "the child, the policy, the payment: {notes:?}"
    );
    Some(known)
}

#[tokio::test]
async fn writes_go_through_without_the_log() {
    let Some(mut known) = everything_is_written_and_found(
        "ALTER TABLE pugmark.change_log RENAME TO away",
        "ALTER TABLE pugmark.away RENAME TO change_log",
    )
    .await
    else {
        return;
    };
    let errors = known
        .administrator
        .list("SELECT DISTINCT table_name || ' ' || event || ' ' || sqlstate FROM pugmark.capture_errors ORDER BY 1")
        .await;
    assert_eq!(
        errors,
        [
            "customers INSERT 42P01",
            "dependants DELETE 42P01",
            "dependants INSERT 42P01",
            "policies UPDATE 42P01",
            "policy_payments INSERT 42P01"
        ]
    );
}

#[tokio::test]
async fn writes_go_through_without_any_table_of_ours() {
    everything_is_written_and_found(
        "ALTER TABLE pugmark.change_log RENAME TO away; ALTER TABLE pugmark.capture_errors RENAME TO away_too",
        "ALTER TABLE pugmark.away RENAME TO change_log; ALTER TABLE pugmark.away_too RENAME TO capture_errors",
    )
    .await;
}

#[tokio::test]
async fn writes_go_through_when_every_right_is_revoked() {
    everything_is_written_and_found(
        "DO $$ BEGIN EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA pugmark FROM %I', \
           (SELECT tableowner FROM pg_tables WHERE schemaname = 'pugmark' LIMIT 1)); END $$",
        "DO $$ BEGIN EXECUTE format('GRANT ALL ON ALL TABLES IN SCHEMA pugmark TO %I', \
           (SELECT tableowner FROM pg_tables WHERE schemaname = 'pugmark' LIMIT 1)); END $$",
    )
    .await;
}

#[tokio::test]
async fn writes_go_through_when_triggers_are_disabled() {
    everything_is_written_and_found(
        "ALTER TABLE public.customers DISABLE TRIGGER USER; ALTER TABLE public.dependants DISABLE TRIGGER USER; \
         ALTER TABLE public.policies DISABLE TRIGGER USER; ALTER TABLE public.policy_payments DISABLE TRIGGER USER",
        "SELECT 1",
    )
    .await;
}

#[tokio::test]
async fn writes_go_through_when_a_column_was_renamed_that_capture_reads() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    known
        .administrator
        .run("ALTER TABLE public.dependants RENAME COLUMN \"relationship\" TO \"kinship\"")
        .await;
    let (id, parent) = (new_id(), known.customer.clone());
    let statement = child(&id, &parent, "Zuri").replace("relationship", "kinship");
    known.application.run(&statement).await;
    let errors = known
        .administrator
        .list("SELECT sqlstate || ' ' || row_key FROM pugmark.capture_errors")
        .await;
    assert_eq!(errors.len(), 1, "{errors:?}");
    let doctor = known.microbima.pugmark(&["doctor"]).await;
    for part in ["PUG-1206", "public.dependants has no column relationship"] {
        assert!(doctor.stdout.contains(part), "{part}: {}", doctor.stdout);
    }
}

#[tokio::test]
async fn writes_do_not_wait_for_a_locked_log() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    let mut locking = known.microbima.connect(Who::Administrator).await;
    locking
        .run(
            "BEGIN; LOCK TABLE pugmark.change_log, pugmark.capture_errors IN ACCESS EXCLUSIVE MODE",
        )
        .await;
    // If each row waited for its own turn, these would outlast the statement's time.
    known.application.run("SET statement_timeout = '20s'").await;
    let customer = known.customer.clone();
    known
        .application
        .run(&format!(
            "INSERT INTO public.dependants (\"customerId\", \"firstName\", \"lastName\", \"relationship\", \"createdByPartnerId\", \
             \"updatedAt\") SELECT '{customer}', 'Child ' || n, 'Otieno', 'CHILD', 1, {NOW} FROM generate_series(1, 1000) n"
        ))
        .await;
    locking.run("ROLLBACK").await;

    assert_eq!(known.find().await, 1000);
    // The next transaction is captured again.
    known
        .application
        .run(&child(&new_id(), &customer, "Zuri"))
        .await;
    assert_eq!(
        known
            .administrator
            .count("pugmark.change_log WHERE NOT healed AND table_name = 'dependants'")
            .await,
        1
    );
}

#[tokio::test]
async fn errors_are_noted_up_to_a_number_and_shown_together() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    known
        .administrator
        .run("ALTER TABLE pugmark.change_log ADD CONSTRAINT odd CHECK (table_name <> 'dependants')")
        .await;
    let customer = known.customer.clone();
    known
        .application
        .run(&format!(
            "INSERT INTO public.dependants (\"customerId\", \"firstName\", \"lastName\", \"relationship\", \"createdByPartnerId\", \
             \"updatedAt\") SELECT '{customer}', 'Child ' || n, 'Otieno', 'CHILD', 1, {NOW} FROM generate_series(1, 1200) n"
        ))
        .await;
    assert_eq!(
        known.administrator.count("pugmark.capture_errors").await,
        1000
    );

    known
        .administrator
        .run("ALTER TABLE pugmark.change_log DROP CONSTRAINT odd")
        .await;

    let mut settings = known.microbima.world.settings.clone();
    settings.database.url = known.microbima.url(Who::Pugmark);
    let running = pugmark::app::start(settings.clone(), "api".parse().expect("a role"))
        .await
        .expect("Pugmark starts");
    let address = running.address.expect("an address");
    let status = || async move {
        let answer = reqwest::Client::new()
            .get(format!("http://{address}/api/internal/status"))
            .bearer_auth(crate::harness::TOKEN)
            .send()
            .await
            .expect("an answer");
        let told: serde_json::Value = answer.json().await.expect("JSON");
        told["data"].clone()
    };
    let told = status().await;
    assert_eq!(
        (&told["tables"], &told["fine"]),
        (&"attached".into(), &false.into()),
        "{told}"
    );
    let errors = told["notCaptured"].as_array().expect("a list");
    assert_eq!(errors.len(), 1, "{told}");
    assert_eq!(
        (&errors[0]["errorCode"], &errors[0]["changes"]),
        (&"PUG-1206".into(), &1000.into())
    );

    // Who sweeps finds what was lost, and then it is told no longer.
    let sweeping = pugmark::app::start(settings, "worker,scheduler".parse().expect("roles"))
        .await
        .expect("Pugmark starts");
    eventually("a status without errors", || async {
        (status().await["notCaptured"] == serde_json::json!([])).then_some(())
    })
    .await;
    sweeping.shutdown().await;
    running.shutdown().await;
    assert_eq!(
        known
            .administrator
            .count("pugmark.change_log WHERE healed AND table_name = 'dependants'")
            .await,
        1200
    );
}
