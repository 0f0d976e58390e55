//! What detaching takes away, and what it leaves.

use super::{OURS, assert_refused, everything};
use crate::harness::new_id;
use crate::microbima::{Microbima, Who, customer};

#[tokio::test]
async fn purging_leaves_the_database_as_if_pugmark_had_never_been_there() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    let mut administrator = microbima.connect(Who::Administrator).await;
    let before = everything(&mut administrator).await;
    microbima.attach().await;
    microbima
        .connect(Who::Application)
        .await
        .run(&customer(&new_id(), "Kamau"))
        .await;

    let unsure = microbima.pugmark(&["detach", "--purge"]).await;
    assert_refused(&unsure, "--yes", &["Nothing was changed"]);
    assert_eq!(administrator.count(OURS).await, 14);
    let shown = microbima.pugmark(&["detach", "--purge", "--dry-run"]).await;
    assert!(
        shown.stdout.contains("DROP SCHEMA pugmark CASCADE"),
        "{shown:?}"
    );
    assert_eq!(administrator.count(OURS).await, 14);
    let gone = microbima.pugmark(&["detach", "--purge", "--yes"]).await;

    assert_eq!(gone.code, 0, "{gone:?}");
    assert_eq!(everything(&mut administrator).await, before);
    for arguments in [
        &["detach", "--dry-run"][..],
        &["detach", "--purge", "--dry-run"],
    ] {
        let again = microbima.pugmark(arguments).await;
        assert_eq!((again.code, again.stdout.as_str()), (0, ""), "{again:?}");
    }
}

#[tokio::test]
async fn detaching_removes_every_trigger_and_keeps_what_is_known() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    let mut administrator = microbima.connect(Who::Administrator).await;
    let mut application = microbima.connect(Who::Application).await;
    let known = new_id();
    application.run(&customer(&known, "Kamau")).await;
    let running = microbima.start().await;
    microbima.world.wait_for_contact(&known, |_| true).await;
    running.shutdown().await;

    let gone = microbima.pugmark(&["detach"]).await;

    assert_eq!(gone.code, 0, "{gone:?}");
    assert_eq!(administrator.count(OURS).await, 0);
    assert_eq!(
        administrator
            .count("pg_proc WHERE pronamespace = 'pugmark'::regnamespace")
            .await,
        0
    );
    assert_eq!(administrator.count("pugmark.crm_links").await, 1);
    let again = microbima.pugmark(&["detach"]).await;
    assert!(again.stdout.contains("nothing was to do"), "{again:?}");

    // Nobody watches again unasked.
    for command in ["serve", "migrate", "sweep"] {
        let refused = microbima.pugmark(&[command]).await;
        assert_refused(&refused, "PUG-1203", &["pugmark attach"]);
    }
    assert_eq!(administrator.count(OURS).await, 0);

    // What was missed meanwhile is found after attaching again; what is known is not made a second time.
    let missed = new_id();
    application.run(&customer(&missed, "Otieno")).await;
    microbima.attach().await;
    let running = microbima.start().await;
    microbima.world.wait_for_contact(&missed, |_| true).await;
    assert_eq!(microbima.world.calls("create"), 2);
    running.shutdown().await;
}

#[tokio::test]
async fn detaching_works_when_tables_are_missing() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    let mut administrator = microbima.connect(Who::Administrator).await;
    administrator
        .run("DROP TABLE public.policy_payments; DROP TABLE public.customers CASCADE; DROP TABLE pugmark.change_log")
        .await;

    let gone = microbima.pugmark(&["detach"]).await;

    assert_eq!(gone.code, 0, "{gone:?}");
    assert_eq!(administrator.count(OURS).await, 0);
}

#[tokio::test]
async fn nobody_detaches_under_a_serving_pugmark() {
    let Some(microbima) = Microbima::new().await else {
        return;
    };
    microbima.attach().await;
    let running = microbima.start().await;
    let refused = microbima.pugmark(&["detach"]).await;
    assert_refused(&refused, "PUG-1205", &["pugmark serve"]);
    running.shutdown().await;

    let gone = microbima.pugmark(&["detach"]).await;
    assert_eq!(gone.code, 0, "{gone:?}");
}
