//! The screen of problems: what failed, grouped; and what people say of it.

use pugmark::people::Role;
use pugmark::store::problems;
use pugmark_queue::db::Engine;

use super::Browser;
use super::planted::{api_alone, literal, note, plant_dead, update};
use crate::harness::{World, on_both_databases};

on_both_databases!(
    failures_are_grouped_by_cause_and_flow_with_what_happens_next,
    what_is_said_of_a_problem_is_kept_audited_and_seen_by_all,
    a_resolved_problem_comes_back_with_the_next_failure,
    problems_are_counted_along_their_index_however_many_failed,
);

async fn failures_are_grouped_by_cause_and_flow_with_what_happens_next(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let none = person.get("/problems").await;
    assert!(none.text.contains("No problem"), "{}", none.text);
    for customer in ["c1", "c1", "c2"] {
        let number = program.count("vtiger_sync_queue").await;
        let operation = note(customer, u32::try_from(number).expect("few"));
        plant_dead(&running, &program, operation, "PUG-2006", "no last name").await;
    }
    let retried = plant_dead(&running, &program, update("c3"), "PUG-2001", "nobody there").await;
    let later = match program.engine() {
        Engine::Sqlite => "CAST((unixepoch('subsec') + 600) * 1000000 AS INTEGER)",
        Engine::Postgres => "now() + INTERVAL '10 minutes'",
    };
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET dead_at = NULL, head = 1, next_attempt_at = {later} WHERE id = {}",
            literal(&program, retried)
        ))
        .await;
    let page = person.get("/problems").await.text;
    let notes = page
        .split("<article")
        .find(|part| part.contains("PUG-2006"))
        .expect("a problem");
    assert!(
        notes.contains("note.create") && notes.contains("3 operations"),
        "{notes}"
    );
    assert!(notes.contains("2 customers"), "{notes}");
    assert!(
        notes.contains("Nothing by itself: they wait for a person."),
        "{notes}"
    );
    assert!(
        notes.contains("no last name") && notes.contains("mandatory field"),
        "{notes}"
    );
    assert!(
        notes.contains("q=status%3Adead+kind%3Anote.create+code%3APUG-2006"),
        "{notes}"
    );
    let away = page
        .split("<article")
        .find(|part| part.contains("PUG-2001"))
        .expect("a problem");
    assert!(
        away.contains("Tries again by itself, the next one in"),
        "{away}"
    );
    running.shutdown().await;
}

async fn what_is_said_of_a_problem_is_kept_audited_and_seen_by_all(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    plant_dead(&running, &program, note("c1", 1), "PUG-2006", "x").await;
    let say = |act: &'static str, reason: &'static str| {
        vec![
            ("kind", "note.create"),
            ("code", "PUG-2006"),
            ("act", act),
            ("span", "1d"),
            ("reason", reason),
        ]
    };
    let page = person
        .post_and_follow("/problems/mark", &say("acknowledge", ""))
        .await;
    assert!(page.text.contains(">Acknowledged</span>"), "{}", page.text);
    for hidden in ["snooze", "resolve"] {
        assert_eq!(
            person
                .post("/problems/mark", &say(hidden, " "))
                .await
                .status,
            422
        );
    }
    let page = person
        .post_and_follow("/problems/mark", &say("snooze", "until Monday"))
        .await;
    assert!(
        page.text
            .contains("Nothing needs you. 1 is snoozed or resolved"),
        "{}",
        page.text
    );
    let all = viewer.get("/problems?show=all").await.text;
    assert!(
        all.contains(">Snoozed</span>") && all.contains("until Monday"),
        "{all}"
    );
    assert!(all.contains("comes back in"), "{all}");
    assert!(
        !all.contains("/problems/mark"),
        "what is refused is not offered"
    );
    let page = person
        .post_and_follow("/problems/mark", &say("reopen", ""))
        .await;
    assert!(page.text.contains(">Open</span>"), "{}", page.text);
    let said = program
        .column("SELECT action FROM audit_log WHERE subject = 'note.create PUG-2006' ORDER BY id")
        .await;
    assert_eq!(
        said,
        ["problem.acknowledge", "problem.snooze", "problem.reopen"]
    );
    let audit = person.get("/audit?action=problem&q=monday").await;
    assert!(
        audit.text.contains("problem.snooze") && !audit.text.contains("problem.reopen"),
        "{}",
        audit.text
    );
    running.shutdown().await;
}

async fn a_resolved_problem_comes_back_with_the_next_failure(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    plant_dead(&running, &program, note("c1", 1), "PUG-2006", "x").await;
    let fields = [
        ("kind", "note.create"),
        ("code", "PUG-2006"),
        ("act", "resolve"),
        ("reason", "mended"),
    ];
    let page = person.post_and_follow("/problems/mark", &fields).await;
    assert!(page.text.contains("Nothing needs you"), "{}", page.text);
    plant_dead(&running, &program, note("c2", 1), "PUG-2006", "x").await;
    let page = person.get("/problems").await;
    assert!(page.text.contains(">Came back</span>"), "{}", page.text);
    running.shutdown().await;
}

async fn problems_are_counted_along_their_index_however_many_failed(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let (series, id, now) = match program.engine() {
        Engine::Sqlite => (
            "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 20000)",
            "unhex(printf('%032x', n))",
            "1700000000000000 + n",
        ),
        Engine::Postgres => (
            "WITH g AS (SELECT n FROM generate_series(1, 20000) AS n)",
            "lpad(to_hex(n), 32, '0')::uuid",
            "(TIMESTAMPTZ '2023-11-14' + n * INTERVAL '1 millisecond')",
        ),
    };
    program
        .sql(format!(
            "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
             retry_count, max_retries, deferrals, next_attempt_at, payload, correlation_id, attempts, inherited_attempts, \
             first_queued_at, dead_at, error_code, error_message, created_at, updated_at) \
             {series} SELECT {id}, 'note.create', 'NOTE', CAST(n AS TEXT), 'CREATE', 'customer:' || n, 1, 0, 'FAILED', \
             2, 0, 3, 0, {now}, '{{}}', 'c', 1, 0, {now}, {now}, CASE WHEN n % 2 = 0 THEN 'PUG-2006' ELSE 'PUG-3004' END, 'x', \
             {now}, {now} FROM g"
        ))
        .await;
    if program.engine() == Engine::Postgres {
        program.sql("ANALYZE vtiger_sync_queue").await;
    }
    let mut conn = running.db.read().await.expect("a connection");
    let groups = problems::groups(&mut conn).await.expect("groups");
    let counts: Vec<_> = groups
        .iter()
        .map(|group| (group.error_code.as_str(), group.operations))
        .collect();
    assert_eq!(counts, [("PUG-2006", 10_000), ("PUG-3004", 10_000)]);
    for (name, sql, parameters, most) in [
        (
            "next code",
            problems::NEXT_CODE,
            "'note.create', 'PUG-2006'",
            10.0,
        ),
        ("next kind", problems::NEXT_KIND, "''", 10.0),
        (
            "measure",
            problems::MEASURE,
            "'note.create', 'PUG-2006', 10",
            100.0,
        ),
        (
            "look",
            problems::LOOK,
            "'note.create', 'PUG-2006', 50",
            200.0,
        ),
        (
            "example",
            problems::EXAMPLE,
            "'note.create', 'PUG-2006'",
            10.0,
        ),
    ] {
        match conn.engine() {
            Engine::Sqlite => {
                for line in crate::query_plans::sqlite_plan(&mut conn, sql).await {
                    let touches = line.contains(" q")
                        || line.contains(" q ")
                        || line.contains("vtiger_sync_queue");
                    assert!(
                        !touches || line.contains("queue_problems"),
                        "{name}: {line}"
                    );
                    assert!(
                        !line.starts_with("SCAN vtiger_sync_queue"),
                        "{name}: {line}"
                    );
                }
            }
            Engine::Postgres => {
                let visited = crate::query_plans::visited(&mut conn, name, sql, parameters).await;
                assert!(visited < most, "{name} looked at {visited} rows");
            }
        }
    }
    drop(conn);
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let page = person.get("/problems").await.text;
    assert!(
        page.contains("10,000 operations") && page.contains("at least 1,000 customers"),
        "{page}"
    );
    running.shutdown().await;
}
