//! What is asked all the time is answered from an index, however many rows there are.

use pugmark::store;
use pugmark::store::customers::search::{self, Sought};
use pugmark::store::links::SyncStatus;
use pugmark::store::page::{Place, Wanted};
use pugmark_queue::db::{Conn, Engine, RawConn};
use serde_json::Value;
use sqlx::AssertSqlSafe;

use crate::harness::{World, on_both_databases};

on_both_databases!(
    no_hot_query_reads_a_whole_table,
    no_question_about_one_customer_reads_a_whole_table,
    a_name_that_many_have_is_looked_for_page_by_page,
    a_page_of_the_weekly_summary_costs_the_same_wherever_it_is,
);

const ROWS: u32 = 20_000;

/// Customers with their links, payments, finished operations, planned changes: a history.
async fn history(world: &World) {
    store::migrate(world.store.db()).await.expect("migrated");
    let program = world.other_program().await;
    let (series, id, uuid, now, json) = match program.engine() {
        Engine::Sqlite => (
            format!(
                "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {ROWS})"
            ),
            "printf('00000000-0000-4000-8000-%012x', n)",
            "unhex(printf('%032x', n))",
            "1700000000000000 + n",
            "'{}'",
        ),
        Engine::Postgres => (
            format!("WITH g AS (SELECT n FROM generate_series(1, {ROWS}) AS n)"),
            "('00000000-0000-4000-8000-' || lpad(to_hex(n), 12, '0'))::uuid",
            "lpad(to_hex(n), 32, '0')::uuid",
            "(TIMESTAMP '2023-11-14' + n * INTERVAL '1 millisecond')",
            "'{}'",
        ),
    };
    let text = format!("CAST({id} AS TEXT)");
    let closed = match program.engine() {
        Engine::Sqlite => "CASE WHEN n % 10 = 0 THEN 'PENDING' ELSE 'RESOLVED' END",
        Engine::Postgres => {
            "CAST(CASE WHEN n % 10 = 0 THEN 'PENDING' ELSE 'RESOLVED' END AS \"RegistrationMissingStatus\")"
        }
    };
    for sql in [
        format!(
            "INSERT INTO customers (\"id\", \"firstName\", \"lastName\", \"phoneNumber\", \"idType\", \"idNumber\", \"createdAt\") \
             {series} SELECT {id}, 'A', 'B', '0712345678', 'PASSPORT', CAST(n AS TEXT), {now} FROM g"
        ),
        format!(
            "INSERT INTO policies (\"id\", \"productName\", \"premium\", \"frequency\", \"paymentCadence\", \"customerId\", \
             \"packageId\", \"createdAt\", \"updatedAt\") {series} SELECT {id}, 'Afya', 50, 'DAILY', 1, {id}, 1, {now}, {now} FROM g"
        ),
        format!(
            "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"paymentStatus\", \"createdAt\", \"updatedAt\") \
             {series} SELECT {id}, 'MPESA', 'R' || n, 50, {now}, 'COMPLETED', {now}, {now} FROM g"
        ),
        format!(
            "INSERT INTO payment_summaries (week, customer_id, run) {series} SELECT '2023-11-13', {text}, 1 FROM g"
        ),
        "UPDATE change_log SET processed_at = captured_at WHERE id % 10 <> 0".to_owned(),
        format!(
            "INSERT INTO crm_links (entity_type, entity_id, module, vtiger_id, sync_status, created_at, updated_at) \
             {series} SELECT 'CUSTOMER', {text}, 'Contacts', '12x' || n, 'SYNCED', {now}, {now} FROM g"
        ),
        format!(
            "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
             retry_count, max_retries, deferrals, next_attempt_at, payload, correlation_id, attempts, inherited_attempts, \
             first_queued_at, processed_at, created_at, updated_at) \
             {series} SELECT {uuid}, 'customer.create', 'CUSTOMER', {text}, 'CREATE', 'customer:' || {text}, 1, 0, 'COMPLETED', \
             2, 0, 3, 0, {now}, {json}, 'c', 1, 0, {now}, {now}, {now}, {now} FROM g"
        ),
        "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"perRegistrationRateCents\") \
         SELECT \"id\", \"id\", 1, 'A B', 0 FROM customers LIMIT 1"
            .to_owned(),
        "INSERT INTO agent_registrations (\"id\", \"baId\", \"customerId\", \"partnerId\") \
         SELECT \"id\", \"id\", \"id\", 1 FROM brand_ambassadors"
            .to_owned(),
        format!(
            "INSERT INTO missing_requirements (\"id\", \"registrationId\", \"customerId\", \"partnerId\", \"entityKind\", \
             \"fieldPath\", \"status\", \"createdAt\") \
             {series} SELECT {id}, r.\"id\", r.\"customerId\", 1, 'CHILD', 'gender', \
             {closed}, {now} FROM g, agent_registrations r"
        ),
        "UPDATE change_log SET processed_at = captured_at WHERE table_name <> 'customers'".to_owned(),
        format!(
            "INSERT INTO task_assignments (task_id, requirement_id, customer_id, assignee, assigned_at) \
             {series} SELECT {text}, {text}, {text}, '19x1', {now} FROM g"
        ),
        format!(
            "INSERT INTO lead_conversions (record_id, module, claim, noticed_by, state, id_type, id_number, correlation_id, \
             created_at, updated_at) \
             {series} SELECT '12x' || n, 'Contacts', 'none', 'poll', 'RESERVED', 'PASSPORT', CAST(n AS TEXT), 'c', {now}, {now} FROM g"
        ),
        format!(
            "INSERT INTO sync_jobs (job_id, vtiger_lead_id, status, requested_by, correlation_id, created_at, updated_at) \
             {series} SELECT {uuid}, '2x' || n, 'crm_updated', 'webhook', 'c', {now}, {now} FROM g"
        ),
        format!(
            "INSERT INTO webhook_keys (dedup_key, delivery_id, seen_at) {series} SELECT 'id:' || n, n, {now} FROM g"
        ),
        format!(
            "INSERT INTO lead_arrivals (lead, job_id, content) {series} SELECT '4x' || n, {uuid}, '' FROM g"
        ),
    ] {
        program.sql(sql).await;
    }
    if program.engine() == Engine::Postgres {
        program.sql("ANALYZE customers; ANALYZE change_log; ANALYZE crm_links; ANALYZE vtiger_sync_queue; ANALYZE missing_requirements").await;
        program.sql("ANALYZE customers; ANALYZE change_log; ANALYZE crm_links; ANALYZE vtiger_sync_queue; ANALYZE task_assignments").await;
        program.sql("ANALYZE customers; ANALYZE change_log; ANALYZE crm_links; ANALYZE vtiger_sync_queue; \
             ANALYZE policies; ANALYZE policy_payments; ANALYZE payment_summaries; ANALYZE lead_conversions; \
             ANALYZE sync_jobs; ANALYZE webhook_keys; ANALYZE lead_arrivals").await;
    }
}

/// The statements of the store that run again and again, with parameters for PostgreSQL's EXECUTE.
fn hot(engine: Engine) -> Vec<(&'static str, String, &'static str)> {
    let id = "'00000000-0000-4000-8000-000000000100'";
    let customers = store::customers::hot_queries(engine);
    let parameters = [
        id,
        "NULL, NULL, NULL, NULL, 51",
        "NULL, NULL, '00000000-0000-4000-8000-000000000100', '1699920005000000', 51",
    ];
    let mut all: Vec<_> = customers
        .into_iter()
        .zip(parameters)
        .map(|((name, sql), parameters)| (name, sql, parameters))
        .collect();
    for (name, sql) in store::change_log::hot_queries(engine) {
        all.push((name, sql, if sql_takes_a_limit(name) { "500" } else { "" }));
    }
    let requirements = store::missing_requirements::hot_queries(engine);
    let parameters = [
        "NULL, NULL, NULL, NULL, 51",
        "NULL, 'PENDING', NULL, NULL, 51",
    ];
    for ((name, sql), parameters) in requirements.into_iter().zip(parameters) {
        all.push((name, sql, parameters));
    }
    let parameters = [
        id,
        "'00000000-0000-4000-8000-000000000100', '2023-11-13', '2023-11-20'",
    ];
    let payments = store::payments::hot_queries(engine);
    for ((name, sql), parameters) in payments.into_iter().zip(parameters) {
        all.push((name, sql, parameters));
    }
    all.push((
        "shown week",
        store::payment_summaries::SHOWN_WEEK.to_owned(),
        "",
    ));
    all.push((
        "link",
        store::links::GET.to_owned(),
        "'CUSTOMER', '00000000-0000-4000-8000-000000000100'",
    ));
    all.push((
        "linked records behind a place",
        store::crm_cursors::LINKED_BEHIND.to_owned(),
        "'CUSTOMER', '00000000-0000-4000-8000-000000000100', 100",
    ));
    all.push((
        "links of a page",
        store::crm_cursors::linked_sql(engine),
        "'Contacts', 'CUSTOMER', '[\"12x100\", \"12x101\"]'",
    ));
    all.push((
        "standing",
        store::standing::of_sql(engine),
        "'00000000-0000-4000-8000-000000000100'",
    ));
    all.push((
        "least checked",
        store::standing::LEAST_CHECKED.to_owned(),
        "100",
    ));
    all.push(("backfill hold", store::backfill::HOLD.to_owned(), id));
    all.push((
        "creation has begun",
        store::backfill::CREATION_HAS_BEGUN.to_owned(),
        id,
    ));
    for (name, sql, parameters) in [
        (
            "link of a record",
            store::links::OF_RECORD,
            "'Contacts', '12x100'",
        ),
        (
            "open conversion",
            store::lead_conversions::IS_OPEN,
            "'12x100'",
        ),
        (
            "reserved document",
            store::lead_conversions::RESERVED,
            "'PASSPORT', '100'",
        ),
    ] {
        all.push((name, sql.to_owned(), parameters));
    }
    let assignments = [
        (
            "tasks of a requirement",
            store::task_assignments::OF_REQUIREMENT,
        ),
        (
            "requirements with tasks",
            store::task_assignments::OF_CUSTOMER,
        ),
    ];
    all.push((
        "leads with two jobs",
        store::sync_jobs::leads_with_two_sql(engine),
        "'[\"2x100\", \"2x101\"]'",
    ));
    all.push((
        "taken keys",
        store::webhook_deliveries::taken_keys_sql(engine),
        "'[\"id:100\", \"id:101\"]'",
    ));
    // SQLite walks the table in its own order, up to the limit.
    if engine == Engine::Postgres {
        all.push((
            "leads that wait",
            store::lead_arrivals::waiting_sql(engine).to_owned(),
            "64",
        ));
        all.push((
            "leads that should not wait",
            store::lead_arrivals::known_now_sql(),
            "'[\"4x100\", \"4x101\"]'",
        ));
    }
    all.extend(assignments.map(|(name, sql)| (name, sql.to_owned(), id)));
    all
}

fn sql_takes_a_limit(name: &str) -> bool {
    name == "waiting changes"
}

async fn no_hot_query_reads_a_whole_table(world: World) {
    history(&world).await;
    let mut conn = world.store.db().read().await.expect("a connection");
    for (name, sql, parameters) in hot(conn.engine()) {
        match conn.engine() {
            Engine::Sqlite => on_sqlite(&mut conn, name, &sql).await,
            Engine::Postgres => on_postgres(&mut conn, name, &sql, parameters).await,
        }
    }
}

/// These sort what they found, which is one customer's or what was looked for, and nothing else.
async fn no_question_about_one_customer_reads_a_whole_table(world: World) {
    history(&world).await;
    let mut conn = world.store.db().read().await.expect("a connection");
    let engine = conn.engine();
    let id = "'00000000-0000-4000-8000-000000000100'";
    let latest = match engine {
        Engine::Sqlite => "4000000000000000",
        Engine::Postgres => "'2099-01-01'",
    };
    let mut asked: Vec<(String, String, String)> = vec![
        (
            "operations of a lane".to_owned(),
            store::journey::operations_sql(engine),
            "'[\"customer:00000000-0000-4000-8000-000000000100\"]', 'ffffffff-ffff-ffff-ffff-ffffffffffff', 26".to_owned(),
        ),
        (
            "deliveries of a record".to_owned(),
            store::journey::DELIVERIES.to_owned(),
            format!("'12x100', {latest}, 1, 26"),
        ),
        (
            "changes of a customer".to_owned(),
            store::change_log::of_customer_sql(engine),
            format!("{id}, {id}, {latest}, 1, 26"),
        ),
        (
            "acts on a customer".to_owned(),
            store::audit::of_customer_sql(engine),
            format!("'[]', 'customer 1', {latest}, 1, 26"),
        ),
    ];
    for status in ["PENDING", "SYNCING", "SYNCED", "FAILED"] {
        let status = SyncStatus::parse(status).expect("a status");
        for sql in store::customers::badges::candidates_sql(engine, status) {
            asked.push((format!("candidates: {sql}"), sql, id.to_owned()));
        }
    }
    for (name, sql, parameters) in store::customers::search::hot_searches(engine) {
        asked.push((name.to_owned(), sql, parameters));
    }
    for (name, sql, parameters) in asked {
        match engine {
            Engine::Sqlite => {
                let plan = sqlite_plan(&mut conn, &sql).await;
                let large = [
                    "customers",
                    "vtiger_sync_queue",
                    "crm_links",
                    "change_log",
                    "audit_log",
                    "webhook_deliveries",
                ];
                for line in &plan {
                    let scans = line
                        .strip_prefix("SCAN ")
                        .and_then(|rest| rest.split(' ').next());
                    let aliases = ["c", "x", "g", "q", "l"];
                    assert!(
                        !scans.is_some_and(|table| large.contains(&table) || aliases.contains(&table)),
                        "{name}: {line}\n{plan:#?}"
                    );
                }
            }
            Engine::Postgres => {
                let plan = postgres_plan(&mut conn, &name, &sql, &parameters).await;
                let mut scans = Vec::new();
                scanned(&plan[0]["Plan"], &mut scans);
                // `c` is joined to what was found, which PostgreSQL may do by reading a table of this size.
                let whole = scans.iter().any(|(alias, kind)| {
                    kind == "Seq Scan"
                        && ["x", "g", "vtiger_sync_queue", "crm_links"].contains(&alias.as_str())
                });
                assert!(!whole, "{name}: {plan:#}");
            }
        }
    }
}

/// All of the 20,000 have the same name, so the list is walked; a second word that nobody has is found along its index.
async fn a_name_that_many_have_is_looked_for_page_by_page(world: World) {
    history(&world).await;
    let mut conn = world.store.db().read().await.expect("a connection");
    let mut wanted = Wanted {
        after: None,
        limit: 50,
    };
    for (typed, found, cut_short) in [
        ("a", 50, false),
        ("a b", 50, false),
        ("a zuri", 0, false),
        ("00000000-0000-4000-8000-000000000100", 1, false),
        // Nothing but a walk answers this, and it ends after as many as are looked at for one page.
        ("é", 0, true),
    ] {
        let sought = Sought::typed(typed);
        let page = search::find(&mut conn, &sought, None, &wanted).await;
        let page = page.expect("the store answers");
        assert_eq!(page.customers.len(), found, "{typed}");
        assert_eq!(
            (page.cut_short, page.next.is_some()),
            (cut_short, found == 50 || cut_short),
            "{typed}"
        );
    }
    // Where it ended, the next page goes on, and comes to the end.
    let sought = Sought::typed("é");
    let page = search::find(&mut conn, &sought, None, &wanted).await;
    let (place, id) = page.expect("the store answers").next.expect("a place");
    let place = Place::parse(&place, conn.engine()).expect("a place of this list");
    wanted.after = Some((place, id));
    let page = search::find(&mut conn, &sought, None, &wanted).await;
    let page = page.expect("the store answers");
    assert!(page.next.is_none() && !page.cut_short);
}

/// Every scan of a plan: alias and kind.
fn scanned(node: &Value, scans: &mut Vec<(String, String)>) {
    let text = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
    if !text("Alias").is_empty() {
        scans.push((text("Alias"), text("Node Type")));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        scanned(child, scans);
    }
}

/// SQLite looks each customer's payments up. PostgreSQL may read the tables of payments as a whole for a page, where it finds
/// that cheaper or MicroBima has no index; the page itself it takes from the primary key.
async fn a_page_of_the_weekly_summary_costs_the_same_wherever_it_is(world: World) {
    history(&world).await;
    let mut conn = world.store.db().read().await.expect("a connection");
    let further = store::payments::page_sql(conn.engine(), true);
    match conn.engine() {
        Engine::Sqlite => {
            for sql in [store::payments::page_sql(Engine::Sqlite, false), further] {
                let plan = sqlite_plan(&mut conn, &sql).await.join("\n");
                for table in [
                    "p USING INDEX policies_customer",
                    "y USING INDEX policy_payments_policy",
                    "s USING PRIMARY KEY",
                ] {
                    assert!(plan.contains(&format!("SEARCH {table}")), "{table}: {plan}");
                }
                assert!(
                    plan.contains("c USING INDEX sqlite_autoindex_customers_1"),
                    "{plan}"
                );
            }
        }
        Engine::Postgres => {
            let parameters = "'2023-11-13', '2023-11-20', NULL, NULL, '2023-11-13', \
                              '00000000-0000-4000-8000-000000000100', 500";
            let plan = postgres_plan(&mut conn, "page", &further, parameters).await;
            let text = plan.to_string();
            assert!(text.contains("\"customers_pkey\""), "{plan:#}");
            let scan = node_of(&plan[0]["Plan"], "customers").expect("a scan of customers");
            assert_ne!(scan["Node Type"], "Seq Scan", "{plan:#}");
            assert!(
                scan["Actual Rows"].as_f64().expect("a number") <= 500.0,
                "{scan:#}"
            );
        }
    }
}

/// The node of a plan that reads this table.
fn node_of<'a>(node: &'a Value, table: &str) -> Option<&'a Value> {
    if node["Relation Name"] == table {
        return Some(node);
    }
    let children = node["Plans"].as_array();
    children
        .into_iter()
        .flatten()
        .find_map(|child| node_of(child, table))
}

pub(crate) async fn sqlite_plan(conn: &mut Conn, sql: &str) -> Vec<String> {
    let RawConn::Sqlite(raw) = conn.raw() else {
        panic!("SQLite only")
    };
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let rows: Vec<(i64, i64, i64, String)> = sqlx::query_as(explain)
        .fetch_all(&mut **raw)
        .await
        .expect("a plan");
    assert!(!rows.is_empty());
    rows.into_iter().map(|row| row.3).collect()
}

/// SQLite plans by the indexes alone, as in an installation that was never analysed.
async fn on_sqlite(conn: &mut Conn, name: &str, sql: &str) {
    let plan = sqlite_plan(conn, sql).await;
    for line in &plan {
        assert!(!line.contains("USE TEMP B-TREE"), "{name} sorts: {plan:#?}");
        // Walking an index in the order that is asked for, up to the limit, is no reading of the whole table.
        let walks = line.starts_with("SCAN c USING INDEX customers_newest")
            || line.starts_with("SCAN m USING INDEX missing_requirements_newest")
            || line.starts_with("SCAN change_log USING INDEX change_log_waiting")
            || line.starts_with("SCAN change_log USING COVERING INDEX change_log_waiting")
            // The list of parameters.
            || line.starts_with("SCAN json_each")
            || line.starts_with("SCAN r VIRTUAL TABLE")
            || line == "SCAN CONSTANT ROW";
        assert!(
            !line.starts_with("SCAN") || walks,
            "{name}: {line}\n{plan:#?}"
        );
    }
    if name == "further page" {
        let seeks = plan
            .iter()
            .any(|line| line.starts_with("SEARCH c USING INDEX customers_newest"));
        assert!(seeks, "{name} starts where the last one ended: {plan:#?}");
    }
}

/// PostgreSQL runs it with a plan that does not know the parameters, as the driver does after a while, and counts the rows
/// that it looked at, taken or not.
async fn on_postgres(conn: &mut Conn, name: &str, sql: &str, parameters: &str) {
    let plan = postgres_plan(conn, name, sql, parameters).await;
    let mut visited = 0.0;
    look_at(&plan[0]["Plan"], name, &mut visited);
    assert!(
        visited < 2_500.0,
        "{name} looked at {visited} rows: {plan:#}"
    );
}

/// How many rows PostgreSQL looked at, taken or not, none of them by reading a whole table.
pub(crate) async fn visited(conn: &mut Conn, name: &str, sql: &str, parameters: &str) -> f64 {
    let plan = postgres_plan(conn, name, sql, parameters).await;
    let mut visited = 0.0;
    look_at(&plan[0]["Plan"], name, &mut visited);
    visited
}

async fn postgres_plan(conn: &mut Conn, name: &str, sql: &str, parameters: &str) -> Value {
    use sqlx::{Executor, Row};
    let RawConn::Postgres(raw) = conn.raw() else {
        panic!("PostgreSQL only")
    };
    let execute = match parameters {
        "" => "EXECUTE hot".to_owned(),
        parameters => format!("EXECUTE hot({parameters})"),
    };
    let script = format!(
        "BEGIN; SET LOCAL plan_cache_mode = force_generic_plan; PREPARE hot AS {sql}; \
         EXPLAIN (ANALYZE, FORMAT JSON) {execute}; DEALLOCATE hot; ROLLBACK"
    );
    let rows = (&mut **raw)
        .fetch_all(sqlx::raw_sql(AssertSqlSafe(script)))
        .await
        .expect(name);
    rows[0].get(0)
}

fn look_at(node: &Value, name: &str, visited: &mut f64) {
    let number = |key: &str| node[key].as_f64().unwrap_or_default();
    let kind = node["Node Type"].as_str().unwrap_or_default();
    assert_ne!(kind, "Seq Scan", "{name}: {node:#}");
    if kind.contains("Scan") {
        *visited +=
            (number("Actual Rows") + number("Rows Removed by Filter")) * number("Actual Loops");
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        look_at(child, name, visited);
    }
}
