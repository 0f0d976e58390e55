//! The weekly summary by the clock, at any instant: which weeks are summed up, that all of them are, and each once.

use std::sync::Arc;

use jiff::Timestamp;
use pugmark::app::{self, Roles, Running};
use pugmark::config;
use pugmark::flows::insurance::summary_run::{Progress, Request, Summaries};
use pugmark::schedule::summary::look;
use pugmark_queue::db::Engine;

use super::NewPayment;
use crate::harness::{World, Writer, eventually, new_id, on_both_databases};

on_both_databases!(
    a_fresh_installation_starts_with_the_current_week,
    every_week_missed_in_a_downtime_is_made_up_for,
    of_too_many_missed_weeks_the_newest_are_made_up_for,
    a_week_that_somebody_summed_up_before_it_was_over_is_summed_up_again,
    what_is_switched_off_sums_nothing_up,
    a_run_that_broke_off_goes_on_where_it_ended,
    two_processes_that_look_at_once_plan_everybody_once,
    a_page_that_was_planned_elsewhere_is_not_planned_twice,
    however_many_schedulers_there_are_every_week_is_summed_up_once,
);

/// A store with a planner and no worker: operations stay where they are.
struct Scene {
    running: Running,
    program: Writer,
    insurance: config::Insurance,
}

impl Scene {
    async fn new(world: &World) -> Self {
        let no_roles = Roles {
            api: false,
            worker: false,
            scheduler: false,
        };
        let running = app::start(world.settings.clone(), no_roles)
            .await
            .expect("Pugmark starts");
        Scene {
            running,
            program: world.other_program().await,
            insurance: config::Insurance::default(),
        }
    }

    /// A planner of its own, as another process has.
    fn summaries(&self) -> Summaries {
        Summaries::new(
            self.running.db.clone(),
            self.running.queue.clone(),
            Arc::new(self.insurance.clone()),
        )
    }

    async fn look(&self, now: &str) {
        look(&self.summaries(), at(now)).await.expect("a look");
    }

    /// The weeks that the clock has summed up, oldest first.
    async fn weeks(&self) -> Vec<String> {
        let mut weeks = Vec::new();
        let runs = "payment_summary_runs WHERE scheduled";
        for offset in 0..self.program.count(runs).await {
            let sql = format!(
                "SELECT CAST(week AS TEXT) FROM {runs} ORDER BY id LIMIT 1 OFFSET {offset}"
            );
            weeks.push(self.program.one(sql).await.expect("a week"));
        }
        weeks
    }

    async fn planned(&self, of: &str) -> i64 {
        let sql =
            format!("vtiger_sync_queue WHERE kind = 'payment.summary' AND entity_id LIKE '{of}'");
        self.program.count(&sql).await
    }

    async fn member(&self, days: &[&str]) -> String {
        let (customer, policy) = self.program.member("Otieno").await;
        for day in days {
            let (reference, at) = (new_id(), format!("{day}T08:00:00"));
            self.program
                .pay(NewPayment::paid(&policy, &reference, "50", &at))
                .await;
        }
        customer
    }

    /// So many customers, each with one payment in the week of 16 November 2026.
    async fn crowd(&self, customers: u32) {
        let (series, id, now) = match self.program.engine() {
            Engine::Sqlite => (
                format!(
                    "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {customers})"
                ),
                "printf('00000000-0000-4000-8000-%012x', n)",
                "1763366400000000",
            ),
            Engine::Postgres => (
                format!("WITH g AS (SELECT n FROM generate_series(1, {customers}) AS n)"),
                "('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid",
                "TIMESTAMP '2026-11-17 08:00:00'",
            ),
        };
        let paid = self.program.time("2026-11-17T08:00:00");
        for sql in [
            format!(
                "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"idType\", \"idNumber\", \
                 \"createdAt\", \"updatedAt\") {series} SELECT {id}, 'A', 'B', '0712345678', 'PASSPORT', CAST(n AS TEXT), \
                 {now}, {now} FROM g"
            ),
            format!(
                "INSERT INTO policies (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \"customerId\", \
                 \"packageId\", \"createdAt\", \"updatedAt\") {series} SELECT {id}, 'Afya', 50, 'DAILY', 1, {id}, 1, {now}, {now} FROM g"
            ),
            format!(
                "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
                 \"expectedPaymentDate\", \"paymentStatus\", \"createdAt\", \"updatedAt\") \
                 {series} SELECT {id}, 'MPESA', 'R' || n, 50, {paid}, 'COMPLETED', {now}, {now} FROM g"
            ),
        ] {
            self.program.sql(sql).await;
        }
    }

    async fn distinct(&self) -> i64 {
        self.program
            .count("(SELECT DISTINCT entity_id FROM vtiger_sync_queue WHERE kind = 'payment.summary') s")
            .await
    }

    async fn end(self) {
        self.running.shutdown().await;
    }
}

fn at(now: &str) -> Timestamp {
    now.parse().expect("a time")
}

const WEDNESDAY: &str = "2026-11-18T09:00:00Z";
/// Eight o'clock in Nairobi on the Monday after that.
const MONDAY: &str = "2026-11-23T05:00:00Z";

async fn a_fresh_installation_starts_with_the_current_week(world: World) {
    let scene = Scene::new(&world).await;
    let customer = scene.member(&["2026-11-10", "2026-11-17"]).await;
    scene.look(WEDNESDAY).await;
    scene.look("2026-11-23T04:59:59Z").await;
    assert_eq!(
        scene.weeks().await,
        Vec::<String>::new(),
        "history is not summed up"
    );
    for now in [MONDAY, "2026-11-23T05:00:15Z", "2026-11-29T20:00:00Z"] {
        scene.look(now).await;
    }
    assert_eq!(scene.weeks().await, ["2026-11-16"]);
    assert_eq!(scene.planned(&format!("{customer}/2026-11-16")).await, 1);
    assert_eq!(scene.planned("%").await, 1);
    scene.end().await;
}

async fn every_week_missed_in_a_downtime_is_made_up_for(world: World) {
    let scene = Scene::new(&world).await;
    let days = ["2026-11-17", "2026-11-24", "2026-12-08"];
    let customer = scene.member(&days).await;
    scene.look(WEDNESDAY).await;
    scene.look(MONDAY).await;
    // Nothing ran for more than three weeks.
    scene.look("2026-12-16T12:00:00Z").await;
    assert_eq!(
        scene.weeks().await,
        ["2026-11-16", "2026-11-23", "2026-11-30", "2026-12-07"]
    );
    for week in ["2026-11-16", "2026-11-23", "2026-12-07"] {
        assert_eq!(
            scene.planned(&format!("{customer}/{week}")).await,
            1,
            "{week}"
        );
    }
    // In the week without payments the fields go back to zero.
    assert_eq!(scene.planned(&format!("{customer}/2026-11-30")).await, 1);
    scene.look("2026-12-16T12:00:15Z").await;
    assert_eq!(scene.planned("%").await, 4);
    scene.end().await;
}

async fn of_too_many_missed_weeks_the_newest_are_made_up_for(world: World) {
    let mut scene = Scene::new(&world).await;
    scene.insurance.summary.catch_up = 3;
    scene.look(WEDNESDAY).await;
    scene.look("2027-02-17T12:00:00Z").await;
    assert_eq!(
        scene.weeks().await,
        ["2027-01-25", "2027-02-01", "2027-02-08"]
    );
    scene.look("2027-02-17T13:00:00Z").await;
    assert_eq!(
        scene.weeks().await.len(),
        3,
        "what was left out stays left out"
    );
    scene.end().await;
}

async fn a_week_that_somebody_summed_up_before_it_was_over_is_summed_up_again(world: World) {
    let scene = Scene::new(&world).await;
    let customer = scene.member(&["2026-11-17"]).await;
    let later = scene.member(&["2026-11-21"]).await;
    scene.look(WEDNESDAY).await;
    let request = Request {
        week: "2026-11-18".parse().expect("a week"),
        customer: Some(customer.clone()),
        again: false,
        requested_by: "test".to_owned(),
        correlation_id: "by-hand".to_owned(),
    };
    let summaries = scene.summaries();
    let run = summaries.begin(&request).await.expect("a run");
    assert_eq!(
        summaries.plan_page(run).await.expect("a page"),
        Progress::Planned
    );
    assert_eq!(scene.planned("%").await, 1, "for this one alone");
    scene.look(MONDAY).await;
    assert_eq!(scene.planned(&format!("{customer}/2026-11-16")).await, 2);
    assert_eq!(scene.planned(&format!("{later}/2026-11-16")).await, 1);
    scene.end().await;
}

async fn what_is_switched_off_sums_nothing_up(world: World) {
    let mut scene = Scene::new(&world).await;
    scene.insurance.summary.enabled = false;
    scene.member(&["2026-11-17"]).await;
    scene.look(WEDNESDAY).await;
    scene.look("2026-12-16T12:00:00Z").await;
    assert_eq!(scene.weeks().await, Vec::<String>::new());
    // Switched on, it starts with the week in which that was.
    scene.insurance.summary.enabled = true;
    scene.look("2026-12-16T12:00:15Z").await;
    scene.look("2026-12-21T05:00:00Z").await;
    assert_eq!(scene.weeks().await, ["2026-12-14"]);
    scene.end().await;
}

async fn a_run_that_broke_off_goes_on_where_it_ended(world: World) {
    let scene = Scene::new(&world).await;
    scene.crowd(1_100).await;
    let summaries = scene.summaries();
    let week = "2026-11-16".parse().expect("a week");
    let run = summaries
        .begin_scheduled(week)
        .await
        .expect("stored")
        .expect("the first");
    assert_eq!(
        summaries.plan_page(run).await.expect("a page"),
        Progress::More
    );
    drop(summaries);
    let first = scene.planned("%").await;
    assert!(
        first > 0 && first < 1_100,
        "broken off in the middle: {first}"
    );
    // Another process, later.
    scene.look(MONDAY).await;
    assert_eq!(scene.planned("%").await, 1_100);
    assert_eq!(scene.distinct().await, 1_100);
    let counted = format!(
        "payment_summary_runs WHERE id = {run} AND planned = 1100 AND known = 0 AND planned_at IS NOT NULL"
    );
    assert_eq!(scene.program.count(&counted).await, 1);
    scene.end().await;
}

async fn two_processes_that_look_at_once_plan_everybody_once(world: World) {
    let scene = Scene::new(&world).await;
    scene.crowd(1_100).await;
    scene.look(WEDNESDAY).await;
    // On PostgreSQL with connections of their own.
    let other = match scene.program.engine() {
        Engine::Sqlite => None,
        Engine::Postgres => Some(Scene::new(&world).await),
    };
    let (one, two) = (
        scene.summaries(),
        other.as_ref().unwrap_or(&scene).summaries(),
    );
    let (first, second) = tokio::join!(look(&one, at(MONDAY)), look(&two, at(MONDAY)));
    first.expect("a look");
    second.expect("a look");
    scene.look(MONDAY).await;
    assert_eq!(scene.weeks().await, ["2026-11-16"]);
    assert_eq!(scene.planned("%").await, 1_100);
    assert_eq!(scene.distinct().await, 1_100);
    let counted =
        "payment_summary_runs WHERE planned = 1100 AND known = 0 AND planned_at IS NOT NULL";
    assert_eq!(scene.program.count(counted).await, 1);
    if let Some(other) = other {
        other.end().await;
    }
    scene.end().await;
}

async fn a_page_that_was_planned_elsewhere_is_not_planned_twice(world: World) {
    let scene = Scene::new(&world).await;
    let customer = scene.member(&["2026-11-17"]).await;
    let week = "2026-11-16".parse().expect("a week");
    let (one, two) = (scene.summaries(), scene.summaries());
    let run = one
        .begin_scheduled(week)
        .await
        .expect("stored")
        .expect("the first");
    assert_eq!(two.begin_scheduled(week).await.expect("asked"), None);
    let (first, second) = tokio::join!(one.plan_page(run), two.plan_page(run));
    let mut ended = [first.expect("a page"), second.expect("a page")];
    ended.sort_by_key(|progress| *progress != Progress::Planned);
    assert_eq!(ended[0], Progress::Planned);
    assert_ne!(ended[1], Progress::More);
    assert_eq!(scene.planned(&format!("{customer}/%")).await, 1);
    scene.end().await;
}

async fn however_many_schedulers_there_are_every_week_is_summed_up_once(world: World) {
    let scene = Scene::new(&world).await;
    let now = Timestamp::now();
    let ago = |days: i64| now - jiff::SignedDuration::from_hours(24 * days);
    // The week of that day and the next one are over and due, whatever day it is today.
    look(&scene.summaries(), ago(20)).await.expect("a look");
    let day = ago(17).strftime("%Y-%m-%d").to_string();
    scene.member(&[&day]).await;
    let engine = scene.program.engine();
    let program = world.other_program().await;
    scene.end().await;
    let scheduler = Roles {
        api: false,
        worker: false,
        scheduler: true,
    };
    let start = || async {
        app::start(world.settings.clone(), scheduler)
            .await
            .expect("it starts")
    };
    let swept = || async {
        program
            .one("SELECT CAST(value AS TEXT) FROM settings WHERE name = 'retry_sweep'")
            .await
    };
    let one = start().await;
    eventually("the first one leads", || async {
        let held = program.count("leader_lease WHERE holder IS NOT NULL").await;
        (held == 1).then_some(())
    })
    .await;
    // One after the other on SQLite, which serves one process.
    let two = match engine {
        Engine::Sqlite => None,
        Engine::Postgres => Some(start().await),
    };
    let runs = "payment_summary_runs WHERE scheduled";
    eventually("the weeks are summed up", || async {
        let (all, open) = (runs, format!("{runs} AND planned_at IS NULL"));
        (program.count(all).await >= 2 && program.count(open).await == 0).then_some(())
    })
    .await;
    let before = swept().await;
    one.shutdown().await;
    let two = match two {
        Some(two) => two,
        None => start().await,
    };
    eventually("the other one leads", || async {
        (swept().await != before).then_some(())
    })
    .await;
    two.shutdown().await;
    let weeks = "(SELECT DISTINCT week FROM payment_summary_runs WHERE scheduled) w";
    assert_eq!(program.count(runs).await, program.count(weeks).await);
    let summaries = "vtiger_sync_queue WHERE kind = 'payment.summary'";
    let records =
        "(SELECT DISTINCT entity_id FROM vtiger_sync_queue WHERE kind = 'payment.summary') s";
    let planned = program.count(summaries).await;
    assert!(planned > 0);
    assert_eq!(planned, program.count(records).await);
}
