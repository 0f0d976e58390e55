//! What attaching does, and that it does it once.

use super::{OURS, everything};
use crate::harness::{World, new_id, on_both_databases};
use crate::microbima::{Microbima, Who, child, customer};
use crate::program::{configured, run};

#[tokio::test]
async fn attaching_watches_every_table_and_makes_none_of_microbimas() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    let before = everything(&mut administrator).await;

    microbima.attach().await;

    assert_eq!(
        administrator.count(OURS).await,
        14,
        "two on each of seven tables"
    );
    let after = everything(&mut administrator).await;
    let new: Vec<&String> = after
        .iter()
        .filter(|thing| !before.contains(thing) && !thing.contains("pugmark"))
        .collect();
    assert_eq!(
        new,
        Vec::<&String>::new(),
        "nothing outside of schema pugmark"
    );
    assert!(
        before.iter().all(|thing| after.contains(thing)),
        "nothing is gone"
    );
    let mut application = microbima.connect(Who::Application).await;
    application.run(&customer(&new_id(), "Kamau")).await;
    assert_eq!(administrator.count("pugmark.change_log").await, 1);
}

#[tokio::test]
async fn an_index_that_the_figures_lack_is_told_until_it_is_there() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let column = "policy_payments.policyId";
    let told = microbima.pugmark(&["attach"]).await;
    assert!(told.stdout.contains(column), "{told:?}");

    microbima
        .connect(Who::Administrator)
        .await
        .run(r#"CREATE INDEX ON public.policy_payments ("policyId", "paymentStatus")"#)
        .await;
    let told = microbima.pugmark(&["attach"]).await;
    assert_eq!(told.code, 0, "{told:?}");
    assert!(!told.stdout.contains(column), "{told:?}");
}

#[tokio::test]
async fn a_dry_run_shows_the_exact_sql_and_changes_nothing() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    let before = everything(&mut administrator).await;

    let shown = microbima.pugmark(&["attach", "--dry-run"]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    assert_eq!(everything(&mut administrator).await, before);

    // What was shown is all there is to it: run by somebody else, it leaves nothing to do.
    microbima
        .connect(Who::Pugmark)
        .await
        .run(&shown.stdout)
        .await;
    let by_hand = everything(&mut administrator).await;
    let again = microbima.pugmark(&["attach", "--dry-run"]).await;
    assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{again:?}");
    let attached = microbima.pugmark(&["attach"]).await;
    assert!(
        attached.stdout.contains("nothing was to do"),
        "{attached:?}"
    );
    assert_eq!(everything(&mut administrator).await, by_hand);
    microbima.start().await.shutdown().await;
}

#[tokio::test]
async fn attaching_twice_changes_nothing() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    let mut administrator = microbima.connect(Who::Administrator).await;
    let before = everything(&mut administrator).await;

    let again = microbima.pugmark(&["attach"]).await;

    assert_eq!(again.code, 0, "{again:?}");
    assert!(again.stdout.contains("nothing was to do"), "{again:?}");
    assert_eq!(everything(&mut administrator).await, before);
}

#[tokio::test]
async fn a_disabled_trigger_is_named_by_doctor_and_attaching_enables_it_without_owning_the_table() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    let mut administrator = microbima.connect(Who::Administrator).await;
    administrator
        .run(
            "ALTER TABLE public.dependants DISABLE TRIGGER USER; DROP TRIGGER pugmark_truncate_policies ON public.policies; \
             ALTER TABLE public.customers ENABLE REPLICA TRIGGER pugmark_capture_customers",
        )
        .await;

    let doctor = microbima.pugmark(&["doctor"]).await;
    for name in [
        "pugmark_capture_dependants",
        "pugmark_truncate_dependants",
        "pugmark_truncate_policies",
        "pugmark_capture_customers",
    ] {
        assert!(doctor.stdout.contains(name), "{name}: {}", doctor.stdout);
    }
    microbima.attach().await;
    assert_eq!(administrator.count(OURS).await, 14);
    let doctor = microbima.pugmark(&["doctor"]).await;
    assert!(
        doctor.stdout.contains("every trigger is there"),
        "{}",
        doctor.stdout
    );
}

#[tokio::test]
async fn our_tables_hide_nothing_although_new_tables_of_microbima_do() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    let mut administrator = microbima.connect(Who::Administrator).await;
    administrator
        .run("CREATE TABLE public.newcomers (id INT)")
        .await;
    assert_eq!(
        administrator
            .count("pg_class WHERE relname = 'newcomers' AND relrowsecurity")
            .await,
        1,
        "MicroBima's event trigger must work, or the test shows nothing"
    );
    assert_eq!(
        administrator
            .count("pg_class WHERE relnamespace = 'pugmark'::regnamespace AND relkind = 'r' AND relrowsecurity")
            .await,
        0
    );

    administrator
        .run("ALTER TABLE pugmark.crm_links ENABLE ROW LEVEL SECURITY; ALTER TABLE pugmark.crm_links FORCE ROW LEVEL SECURITY")
        .await;
    administrator
        .run(&format!(
            "ALTER ROLE {} NOBYPASSRLS",
            microbima.role(Who::Pugmark)
        ))
        .await;
    let doctor = microbima.pugmark(&["doctor"]).await;
    assert!(
        doctor
            .stdout
            .contains("hides the rows of pugmark.crm_links"),
        "{}",
        doctor.stdout
    );
}

#[tokio::test]
async fn a_long_transaction_of_microbima_is_not_held_up_and_tables_are_watched_after_it() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut long = microbima.connect(Who::Application).await;
    let mut other = microbima.connect(Who::Application).await;
    let family = new_id();
    long.run("BEGIN").await;
    long.run(&customer(&family, "Kamau")).await;

    let attaching = microbima.pugmark(&["attach"]);
    let writing = async {
        // Whoever writes meanwhile waits for a moment at most, behind an attempt that gives up.
        for _ in 0..5 {
            other.run("SET lock_timeout = '5s'").await;
            other.run(&customer(&new_id(), "Otieno")).await;
        }
        long.run("COMMIT").await;
    };
    let (attached, ()) = tokio::join!(attaching, writing);

    assert_eq!(attached.code, 0, "{attached:?}");
    let mut administrator = microbima.connect(Who::Administrator).await;
    assert_eq!(administrator.count(OURS).await, 14);
    other.run(&child(&new_id(), &family, "Zuri")).await;
    assert_eq!(
        administrator
            .count("pugmark.change_log WHERE table_name = 'dependants'")
            .await,
        1
    );
}

on_both_databases!(a_standalone_store_has_nothing_to_attach);

async fn a_standalone_store_has_nothing_to_attach(world: World) {
    world.start().await.shutdown().await;
    let folder = tempfile::tempdir().expect("a folder");
    for command in ["attach", "detach"] {
        let ended = run(configured(&world, folder.path(), &[command])).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.stdout.contains("by themselves"), "{ended:?}");
    }
    let doctor = run(configured(&world, folder.path(), &["doctor"])).await;
    assert!(doctor.stdout.contains("standalone"), "{}", doctor.stdout);
    let program = world.other_program().await;
    let customer = program.insert_customer("Kamau").await;
    assert_eq!(
        program
            .count(&format!("change_log WHERE row_key = '{customer}'"))
            .await,
        1,
        "capture is as it was"
    );
}
