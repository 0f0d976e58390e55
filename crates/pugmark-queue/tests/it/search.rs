//! Searching the queue: what is found, and how little is looked at for it.

use futures::FutureExt;
use pugmark_queue::db::{Conn, DbError, Engine, RawConn};
use pugmark_queue::testing::search_queries;
use pugmark_queue::*;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::harness::*;

conformance!(
    each_standing_finds_its_own,
    records_requests_and_words_find_what_concerns_them,
    a_rare_word_is_looked_for_bit_by_bit,
    an_edit_replaces_what_an_event_carries_and_keeps_what_was_there,
);

async fn found(t: &Harness, search: Search) -> Vec<OperationId> {
    let sought = t.queue.search(&search, None, 50).await.unwrap();
    assert!(!sought.cut_short && sought.next.is_none());
    sought.operations.into_iter().map(|row| row.id).collect()
}

fn standing(standing: Standing) -> Search {
    Search {
        standing: Some(standing),
        ..Search::default()
    }
}

async fn each_standing_finds_its_own(t: Harness) {
    let dead = t.enqueue(event("dead")).await.id();
    let claimed = t.claim_one().await;
    t.kill(&claimed).await;
    let done = t.enqueue(event("done")).await.id();
    let claimed = t.claim_one().await;
    t.complete(&claimed.lease).await.unwrap();
    let discarded = t.enqueue(event("discarded")).await.id();
    t.queue.discard(discarded, "ann", "x").await.unwrap();
    let running = t.enqueue(event("running")).await.id();
    t.claim_one().await;
    let waiting = t.enqueue(event("waiting")).await.id();
    for (wanted, ids) in [
        (Standing::Dead, vec![dead]),
        (Standing::Done, vec![discarded, done]),
        (Standing::Discarded, vec![discarded]),
        (Standing::Running, vec![running]),
        (Standing::Waiting, vec![waiting]),
        (Standing::Retrying, vec![]),
        (Standing::Blocked, vec![]),
    ] {
        assert_eq!(found(&t, standing(wanted)).await, ids, "{wanted:?}");
    }
    let all = found(&t, Search::default()).await;
    assert_eq!(
        all,
        [waiting, running, discarded, done, dead],
        "the newest first"
    );
    let size = t.queue.dead_size(&Search::default(), 10).await.unwrap();
    assert_eq!(
        (size.operations, size.more, size.newest),
        (1, false, Some(dead))
    );
    let ids = t
        .queue
        .dead_ids(&Search::default(), None, waiting, 10)
        .await
        .unwrap();
    assert_eq!(ids, [dead]);
    let behind = t
        .queue
        .dead_ids(&Search::default(), Some(dead), waiting, 10)
        .await
        .unwrap();
    assert!(behind.is_empty());
    let older = t
        .queue
        .dead_ids(&Search::default(), None, OperationId(uuid::Uuid::nil()), 10)
        .await
        .unwrap();
    assert!(
        older.is_empty(),
        "what died later than the plan is left alone"
    );
}

async fn records_requests_and_words_find_what_concerns_them(t: Harness) {
    let one = NewOperation {
        correlation_id: "Request_1".to_owned(),
        ..state("1", json!(1))
    };
    let first = t.enqueue(one.clone()).await.id();
    let merged = NewOperation {
        correlation_id: "Request_2".to_owned(),
        ..one.clone()
    };
    assert_eq!(t.enqueue(merged).await, Enqueued::Coalesced { into: first });
    let other = t.enqueue(event("2")).await.id();
    let word = |word: &str| Search {
        words: vec![word.to_owned()],
        ..Search::default()
    };
    for request in ["Request_1", "Request_2"] {
        let search = Search {
            correlation_id: Some(request.to_owned()),
            ..Search::default()
        };
        assert_eq!(found(&t, search).await, [first]);
        assert_eq!(found(&t, word(&request.to_lowercase())).await, [first]);
    }
    assert!(
        found(&t, word("Request%")).await.is_empty(),
        "a sign stands for itself"
    );
    assert_eq!(found(&t, word(&other.to_string())).await, [other]);
    let record = Search {
        record: Some((one.entity_type.clone(), one.entity_id.clone())),
        ..Search::default()
    };
    assert_eq!(found(&t, record.clone()).await, [first]);
    let lane = Search {
        lane: Some(t.get(other).await.lane),
        ..record
    };
    assert_eq!(
        found(&t, lane).await,
        [other, first],
        "and what waits in its lane"
    );
    let row = t.get(first).await;
    assert_eq!(t.queue.head_of(&row.lane).await.unwrap(), Some(first));
    let later = db::Ts::now().after(60 * SECOND);
    let ages = [(Some(later), None, 2), (None, Some(later), 0)];
    for (before, since, count) in ages {
        let search = Search {
            before,
            since,
            ..Search::default()
        };
        assert_eq!(found(&t, search).await.len(), count);
    }
}

const FINISHED: u32 = 45_000;

async fn history(t: &Harness) {
    let (series, id, now) = match t.queue.db().engine() {
        Engine::Sqlite => (
            format!(
                "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {FINISHED})"
            ),
            "unhex(printf('%032x', n))",
            "1700000000000000 + n",
        ),
        Engine::Postgres => (
            format!("WITH g AS (SELECT n FROM generate_series(1, {FINISHED}) AS n)"),
            "lpad(to_hex(n), 32, '0')::uuid",
            "(TIMESTAMPTZ '2023-11-14' + n * INTERVAL '1 millisecond')",
        ),
    };
    let sql = format!(
        "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
         retry_count, max_retries, deferrals, next_attempt_at, payload, correlation_id, attempts, inherited_attempts, \
         first_queued_at, processed_at, created_at, updated_at) {series} SELECT {id}, 'note.create', 'NOTE', CAST(n AS text), \
         'CREATE', 'done:' || n, 1, 0, 'COMPLETED', 2, 0, 5, 0, {now}, '{{}}', 'c', 1, 0, {now}, {now}, {now}, {now} FROM g"
    );
    let filled = t.queue.db().write("fill", move |conn| {
        async move {
            on!(conn, |c| sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(c)
                .await
                .map(drop))?;
            Ok::<_, DbError>(())
        }
        .boxed()
    });
    filled.await.unwrap();
}

async fn a_rare_word_is_looked_for_bit_by_bit(t: Harness) {
    history(&t).await;
    let search = Search {
        words: vec!["done:7".to_owned()],
        kind: Some("note.create".to_owned()),
        ..Search::default()
    };
    let nowhere = Search {
        words: vec!["not to be found".to_owned()],
        ..search.clone()
    };
    let mut pages = 0;
    let mut cursor = None;
    loop {
        let page = t.queue.search(&nowhere, cursor, 50).await.unwrap();
        assert!(page.operations.is_empty());
        assert_eq!(page.cut_short, page.next.is_some());
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, 3, "45,000 operations, 20,000 at a time");
    let (mut ids, mut cursor) = (std::collections::BTreeSet::new(), None);
    loop {
        let page = t.queue.search(&search, cursor, 50).await.unwrap();
        for row in page.operations {
            assert!(
                row.lane.starts_with("done:7") && ids.insert(row.id),
                "each once"
            );
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(ids.len(), 1 + 10 + 100 + 1000, "none is left out");

    let mut conn = t.queue.db().read().await.unwrap();
    let dead = standing(Standing::Dead);
    let waiting = standing(Standing::Waiting);
    for search in [Search::default(), search, nowhere, dead, waiting] {
        for sql in search_queries(t.queue.db().engine(), &search) {
            match conn.engine() {
                Engine::Sqlite => sqlite_sorts_nothing(&mut conn, &sql).await,
                Engine::Postgres => assert!(sql.contains("ORDER BY id DESC"), "{sql}"),
            }
        }
    }
}

/// It goes along an index in the order that is asked for, so that it can stop.
async fn sqlite_sorts_nothing(conn: &mut Conn, sql: &str) {
    let RawConn::Sqlite(raw) = conn.raw() else {
        panic!("SQLite only")
    };
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut **raw)
            .await
            .unwrap();
    for (_, _, _, line) in rows {
        assert!(!line.contains("TEMP B-TREE"), "{sql}: {line}");
        let queue = line.contains("vtiger_sync_queue");
        assert!(!queue || line.contains("INDEX"), "{sql}: {line}");
    }
}

async fn an_edit_replaces_what_an_event_carries_and_keeps_what_was_there(t: Harness) {
    let id = t.enqueue(event("1")).await.id();
    let claimed = t.claim_one().await;
    let before = claimed.payload.clone();
    t.kill(&claimed).await;
    let edit = |id: OperationId| {
        let queue = t.queue.clone();
        t.queue.db().write("edit", move |conn| {
            async move {
                queue
                    .retry_edited_in(conn, id, "ann", "misspelt", json!({ "text": "new" }))
                    .await
            }
            .boxed()
        })
    };
    assert_eq!(edit(id).await.unwrap(), id);
    let human = t.get(id).await.human_action.unwrap().0;
    assert_eq!(
        (&human["action"], &human["before"]),
        (&json!("edit"), &before)
    );
    let claimed = t.claim_one().await;
    assert_eq!(claimed.payload, json!({ "text": "new" }));
    assert!(matches!(edit(id).await, Err(QueueError::Running(_))));
    t.complete(&claimed.lease).await.unwrap();
    assert!(matches!(edit(id).await, Err(QueueError::Finished(_))));
    let merging = t.enqueue(state("2", json!(1))).await.id();
    assert!(matches!(edit(merging).await, Err(QueueError::Invalid(_))));
    assert_eq!(
        t.get(merging).await.payload,
        json!(1),
        "nothing was changed"
    );
}
