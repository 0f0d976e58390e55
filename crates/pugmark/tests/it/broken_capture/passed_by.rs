//! Statements that pass the triggers by, or seem to: what is captured is captured once, what is missed is found once.

use pugmark_queue::db::{Db, DbOptions};

use super::Known;
use crate::harness::{eventually, new_id};
use crate::microbima::{Who, child, payment};

#[tokio::test]
async fn what_is_rolled_back_is_not_captured_and_the_rest_is() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    let (kept, parent) = (new_id(), known.customer.clone());
    for sql in [
        "BEGIN".to_owned(),
        child(&new_id(), &parent, "Gone"),
        "ROLLBACK".to_owned(),
        "BEGIN".to_owned(),
        child(&kept, &parent, "Zuri"),
        "SAVEPOINT one".to_owned(),
        child(&new_id(), &parent, "Gone"),
        "ROLLBACK TO SAVEPOINT one".to_owned(),
        "COMMIT".to_owned(),
    ] {
        known.application.run(&sql).await;
    }
    let captured = known
        .administrator
        .list("SELECT row_key FROM pugmark.change_log WHERE table_name = 'dependants'")
        .await;
    assert_eq!(captured, [kept]);
    assert_eq!(known.find().await, 0);
}

#[tokio::test]
async fn each_row_of_a_copy_is_captured() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    let parent = known.customer.clone();
    let rows: String = (0..500)
        .map(|n| {
            format!(
                "{}\t{parent}\tChild {n}\tOtieno\tCHILD\t1\t2026-11-02 09:00:00\n",
                new_id()
            )
        })
        .collect();
    known
        .application
        .copy(
            "COPY public.dependants (\"id\", \"customerId\", \"firstName\", \"lastName\", \"relationship\", \
             \"createdByPartnerId\", \"updatedAt\") FROM STDIN",
            &rows,
        )
        .await;
    assert_eq!(
        known
            .administrator
            .count("pugmark.change_log WHERE table_name = 'dependants' AND event = 'INSERT'")
            .await,
        500
    );
    assert_eq!(known.find().await, 0);
}

#[tokio::test]
async fn what_a_replica_session_wrote_is_found() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    let (id, parent) = (new_id(), known.customer.clone());
    known
        .administrator
        .run("SET session_replication_role = replica")
        .await;
    known.administrator.run(&child(&id, &parent, "Zuri")).await;
    known
        .administrator
        .run("SET session_replication_role = origin")
        .await;
    assert_eq!(known.find().await, 1);
    assert_eq!(known.notes().await, [format!("dependant-added:{id}")]);
}

#[tokio::test]
async fn sessions_of_other_time_zones_write_the_same() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    let (id, parent) = (new_id(), known.customer.clone());
    known
        .application
        .run("SET TimeZone = 'Africa/Nairobi'; SET DateStyle = 'German'")
        .await;
    known.application.run(&child(&id, &parent, "Zuri")).await;
    known
        .application
        .run(&format!(
            "UPDATE public.dependants SET \"deletedAt\" = now() WHERE \"id\" = '{id}'"
        ))
        .await;
    known
        .application
        .run(&payment(&known.policy, "R1", "10.10"))
        .await;
    known
        .application
        .run("UPDATE public.policy_payments SET \"paymentStatus\" = 'DETACHED', \"detachedAt\" = now()")
        .await;
    assert_eq!(known.find().await, 0);
}

#[tokio::test]
async fn a_truncated_table_is_swept_at_once() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    let (id, parent) = (new_id(), known.customer.clone());
    known.application.run(&child(&id, &parent, "Zuri")).await;
    let running = known.microbima.start().await;
    known.wait_until_planned().await;
    let mut administrator = known.microbima.connect(Who::Administrator).await;
    assert_eq!(
        administrator
            .count("pugmark.captured_rows WHERE table_name = 'dependants'")
            .await,
        1
    );

    known.application.run("TRUNCATE public.dependants").await;

    let db = Db::open(
        &known.microbima.url(Who::Administrator),
        DbOptions::default(),
    )
    .await
    .expect("the store opens");
    eventually("the sweep of the emptied table", || async {
        let mut conn = db.read().await.expect("a connection");
        let (left,): (i64,) = pugmark_queue::on!(&mut conn, |c| sqlx::query_as(
            "SELECT (SELECT count(*) FROM captured_rows WHERE table_name = 'dependants') \
                  + (SELECT count(*) FROM change_log WHERE processed_at IS NULL)"
        )
        .fetch_one(c)
        .await)
        .expect("a count");
        (left == 0).then_some(())
    })
    .await;
    db.close().await;
    running.shutdown().await;
    assert_eq!(
        administrator
            .count("pugmark.change_log WHERE event = 'TRUNCATE'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_restored_backup_makes_no_event_twice() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    let (old, new, parent) = (new_id(), new_id(), known.customer.clone());
    known.application.run(&child(&old, &parent, "Zuri")).await;
    known
        .administrator
        .run("CREATE TABLE public.backup AS SELECT * FROM public.dependants")
        .await;
    known
        .application
        .run(&format!(
            "UPDATE public.dependants SET \"deletedAt\" = now() WHERE \"id\" = '{old}'"
        ))
        .await;
    known.application.run(&child(&new, &parent, "Baraka")).await;
    known.find().await;

    known
        .administrator
        .run(
            "BEGIN; SET LOCAL session_replication_role = replica; TRUNCATE public.dependants; \
              INSERT INTO public.dependants SELECT * FROM public.backup; COMMIT",
        )
        .await;
    assert_eq!(known.find().await, 2, "one is back, one is gone");
    assert_eq!(
        known.notes().await,
        {
            let mut notes = vec![
                format!("dependant-added:{old}"),
                format!("dependant-removed:{old}"),
                format!("dependant-added:{new}"),
            ];
            notes.sort();
            notes
        },
        "nobody is added or removed a second time"
    );
}

#[tokio::test]
async fn an_unknown_label_of_an_enum_is_read_as_text() {
    let Some(mut known) = Known::new().await else {
        return;
    };
    known
        .administrator
        .run("ALTER TYPE public.\"PolicyStatus\" ADD VALUE 'ACTIVE_GRACE'")
        .await;
    known
        .application
        .run(&format!(
            "UPDATE public.policies SET \"status\" = 'ACTIVE_GRACE' WHERE \"id\" = '{}'",
            known.policy
        ))
        .await;
    assert_eq!(known.find().await, 0);
    assert_eq!(known.notes().await.len(), 1);
}
