//! Leads taken in together while something goes wrong, or somebody else does the same.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use pugmark::http::webhooks::lead_status::Effect;
use pugmark::store;
use pugmark_queue::QueueError;
use pugmark_queue::db::{Db, DbError, DbOptions, Engine};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::{Busy, Sent, Taking, leads};
use crate::harness::{Session, World, eventually, on_both_databases, seed};

on_both_databases!(
    leads_that_wait_together_are_one_member_of_a_commit,
    a_delivery_that_the_database_refuses_harms_no_other,
    a_caller_who_went_away_does_not_take_the_delivery_back,
    processes_that_take_in_the_same_leads_make_one_job_for_each,
    when_no_transaction_can_begin_everybody_is_told_and_the_next_one_is_taken,
);

async fn leads_that_wait_together_are_one_member_of_a_commit(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let store = world.other_program().await;
    // What the many lead to is stored 64 at a time, and somebody looks whether that was all.
    for (many, members) in [(1, 1..=1), (10, 1..=1), (100, 1..=6), (300, 2..=12)] {
        let sent: Vec<Sent> = (0..many)
            .map(|number| Sent::lead(&format!("2x{many}{number:03}")))
            .collect();
        let before = world.store.db().metrics().members;
        let effects = taking.together(&sent).await;
        for effect in effects {
            assert!(effect.expect("taken in").is_news);
        }
        // One of them kept the store busy.
        let more = world.store.db().metrics().members - before - 1;
        assert!(members.contains(&more), "{many} leads: {more} members");
    }
    let whole = "sync_jobs j JOIN vtiger_sync_queue q ON q.id = j.operation_id \
                 JOIN webhook_deliveries d ON d.operation_id = q.id JOIN webhook_keys k ON k.delivery_id = d.id";
    assert_eq!(store.count(whole).await, 411);
}

async fn a_delivery_that_the_database_refuses_harms_no_other(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let store = world.other_program().await;
    let poison = match store.engine() {
        Engine::Sqlite => {
            "CREATE TRIGGER poison BEFORE INSERT ON webhook_deliveries WHEN NEW.record_id = '2x13' \
             BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
        }
        Engine::Postgres => {
            "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.record_id = '2x13' THEN \
             RAISE EXCEPTION 'poisoned'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER poison BEFORE INSERT ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION poison()"
        }
    };
    store.sql(poison).await;
    let effects = taking.together(&leads(15)).await;
    for (number, effect) in effects.iter().enumerate() {
        assert_eq!(effect.is_err(), number == 13, "lead {number}: {effect:?}");
    }
    assert_eq!(
        store.count("sync_jobs").await,
        14,
        "nothing of the bad one is kept"
    );
    assert_eq!(store.count("vtiger_sync_queue").await, 14);
    assert_eq!(store.count("webhook_deliveries").await, 14);
    store
        .sql(match store.engine() {
            Engine::Sqlite => "DROP TRIGGER poison",
            Engine::Postgres => "DROP TRIGGER poison ON webhook_deliveries",
        })
        .await;
    let again = taking.together(&leads(15)).await;
    let news: Vec<bool> = again
        .into_iter()
        .map(|effect| effect.expect("taken in").is_news)
        .collect();
    assert_eq!(
        news.iter().position(|news| *news),
        Some(13),
        "sent again, it has its job"
    );
    assert_eq!(store.count("sync_jobs").await, 15);
}

async fn a_caller_who_went_away_does_not_take_the_delivery_back(world: World) {
    let taking = Taking::of(world.store.db()).await;
    let store = world.other_program().await;
    let busy = Busy::keep(world.store.db()).await;
    let mut waiting = taking.handed_over(&leads(10)).await;
    let last = waiting.pop().expect("ten of them");
    // Also the first one, at whose call the others go along.
    drop(waiting);
    busy.end().await;
    assert!(last.await.expect("taken in").is_news);
    let jobs = eventually("ten jobs", || async {
        let jobs = store.count("sync_jobs").await;
        (jobs == 10).then_some(jobs)
    });
    jobs.await;
}

async fn processes_that_take_in_the_same_leads_make_one_job_for_each(world: World) {
    let first = Taking::of(world.store.db()).await;
    // SQLite serves one process; there the other is a handle that must not get into the way either.
    let other = Db::open(world.store.url(), DbOptions::default()).await;
    let processes = [first, Taking::over(other.expect("the store opens again"))];
    let store = world.other_program().await;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut sent: Vec<Sent> = leads(80);
    for (number, sent) in sent.iter_mut().enumerate().take(40) {
        sent.id = Some(format!("message {number}"));
    }
    let racing = processes.iter().map(|process| {
        let mut order: Vec<usize> = (0..sent.len()).collect();
        order.shuffle(&mut random);
        let sent = &sent;
        async move {
            let taking = order.iter().map(async |at| {
                let arrived = sent[*at].arrived(&process.means);
                (*at, process.together.take_in(&process.means, arrived).await)
            });
            join_all(taking).await
        }
    });
    let racing: Vec<_> = racing.collect();
    let mut jobs: BTreeMap<usize, Vec<Effect>> = BTreeMap::new();
    for (at, effect) in join_all(racing).await.into_iter().flatten() {
        let effect =
            effect.unwrap_or_else(|error| panic!("PUGMARK_SEED={seed} lead {at}: {error}"));
        jobs.entry(at).or_default().push(effect);
    }
    for process in &processes {
        process.together.stored().await;
    }
    for (at, told) in jobs {
        assert_eq!(told.len(), processes.len());
        assert!(
            told.iter().all(|effect| effect.job == told[0].job),
            "lead {at}: {told:?}"
        );
        let news = told.iter().filter(|effect| effect.is_news).count();
        assert_eq!(news, 1, "PUGMARK_SEED={seed}: lead {at} is news once");
    }
    for what in [
        "sync_jobs",
        "vtiger_sync_queue",
        "queue_idempotency_keys",
        "webhook_deliveries WHERE duplicates = 1",
    ] {
        assert_eq!(store.count(what).await, 80, "{what}: PUGMARK_SEED={seed}");
    }
}

async fn when_no_transaction_can_begin_everybody_is_told_and_the_next_one_is_taken(world: World) {
    store::migrate(world.store.db()).await.expect("migrated");
    let store = world.other_program().await;
    let options = DbOptions {
        lock_timeout: Duration::from_millis(200),
        ..DbOptions::default()
    };
    let db = Db::open(world.store.url(), options).await;
    let taking = Taking::over(db.expect("the store opens again"));
    match store.engine() {
        Engine::Sqlite => {
            let mut session = Session::open(&world).await;
            session.run("BEGIN IMMEDIATE").await;
            for effect in taken_at_once(&taking, &leads(20)).await {
                let refused = matches!(effect, Err(QueueError::Db(DbError::Locked)));
                assert!(refused, "{effect:?}");
            }
            session.run("ROLLBACK").await;
        }
        // A server that nobody can connect to any more is what `Closed` stands for here.
        Engine::Postgres => {
            taking.means.db.clone().close().await;
            for effect in taken_at_once(&taking, &leads(20)).await {
                let refused = matches!(effect, Err(QueueError::Db(DbError::Closed)));
                assert!(refused, "{effect:?}");
            }
        }
    }
    assert_eq!(store.count("sync_jobs").await, 0);
    let taking = match store.engine() {
        Engine::Sqlite => taking,
        Engine::Postgres => Taking::over(world.store.db().clone()),
    };
    for effect in taken_at_once(&taking, &leads(20)).await {
        assert!(effect.expect("taken in").is_news);
    }
}

async fn taken_at_once(taking: &Taking, sent: &[Sent]) -> Vec<Result<Effect, QueueError>> {
    let taken = sent.iter().map(|sent| {
        let arrived = sent.arrived(&taking.means);
        taking.together.take_in(&taking.means, arrived)
    });
    join_all(taken).await
}
