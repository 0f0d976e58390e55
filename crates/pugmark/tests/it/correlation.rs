//! One request is found everywhere by its correlation id: in the answer, the operation, the attempt, the CRM's journal, and the
//! log.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use pugmark_sandbox::{Fault, FaultPlan, JournalKind};
use reqwest::Method;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use pugmark::telemetry::kept::KeptLines;

use crate::harness::{TOKEN, World, eventually, on_both_databases};
use crate::http::{Api, answer};

on_both_databases!(
    one_request_is_found_everywhere_by_its_id,
    every_request_merged_into_an_operation_finds_it_and_its_lines,
    kept_lines_are_found_by_level_and_time_and_old_ones_go,
    a_kept_line_has_the_form_of_the_onboarding_guide,
    no_secret_reaches_a_kept_line,
    lines_that_do_not_fit_are_counted_and_hold_nothing_up,
);

const LOGS: &str = "/api/internal/vtiger/logs";
const QUEUE: &str = "/api/internal/vtiger/queue";

/// What is written to standard error otherwise.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn lines(&self) -> Vec<Value> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes)
            .lines()
            .map(|line| serde_json::from_str(line).expect("every line is JSON"))
            .collect()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Captured;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

/// Logs of this test, as the program sets them up, with what is shown at `level`.
fn logging(level: &str) -> (Captured, tracing::subscriber::DefaultGuard) {
    let captured = Captured::default();
    let shown = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(captured.clone())
        .with_filter(EnvFilter::new(level));
    let subscriber = tracing_subscriber::registry()
        .with(KeptLines::layer())
        .with(shown);
    (captured, tracing::subscriber::set_default(subscriber))
}

fn customer(number: u32) -> Value {
    json!({
        "firstName": "Achieng",
        "lastName": "Otieno",
        "phoneNumber": "0712 345 678",
        "idType": "national",
        "idNumber": format!("{:08}", 10_000_000 + number),
        "gender": "female",
        "dateOfBirth": "1990-04-12",
    })
}

async fn register(api: &Api, correlation_id: &str, number: u32) -> String {
    let request = api
        .request(Method::POST, "/api/internal/customers")
        .header("x-correlation-id", correlation_id)
        .json(&customer(number));
    let registered = answer(request).await;
    assert_eq!(registered.header("x-correlation-id"), correlation_id);
    registered.data()["id"].as_str().expect("an id").to_owned()
}

async fn kept(api: &Api, query: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("kept lines", || async {
        let found = api.get(&format!("{LOGS}?{query}")).await;
        let lines = found.data()["items"].as_array().expect("a list").clone();
        wanted(&lines).then_some(lines)
    })
    .await
}

async fn one_request_is_found_everywhere_by_its_id(world: World) {
    let (captured, _guard) = logging("pugmark=debug,pugmark_queue=debug,attempt=info");
    let running = world.start().await;
    let api = Api::of(&running);
    world
        .crm
        .faults()
        .set(FaultPlan::new(1).nth("create", 1, Fault::Http(503)));
    let id = "a-request-of-today";
    let customer = register(&api, id, 1).await;
    world.wait_for_contact(&customer, |_| true).await;
    let program = world.other_program().await;
    program.wait_until_idle().await;

    let found = api.get(&format!("{QUEUE}?search={id}")).await;
    let operation = &found.data()["items"][0];
    assert_eq!(operation["correlationId"], id, "{}", found.text);
    let number = operation["id"].as_str().expect("an id");
    let shown = api.get(&format!("{QUEUE}/{number}")).await;
    let attempts = shown.data()["attemptList"].as_array().expect("a list");
    assert!(attempts.len() >= 2, "{}", shown.text);
    for attempt in attempts {
        assert_eq!(attempt["correlationId"], id, "{attempt}");
    }

    let calls = world.crm.journal().calls();
    let creates: Vec<_> = calls
        .iter()
        .filter_map(|entry| match &entry.kind {
            JournalKind::Call {
                operation,
                correlation_id,
                ..
            } if operation == "create" => Some(correlation_id.as_deref()),
            _ => None,
        })
        .collect();
    assert!(!creates.is_empty());
    assert!(creates.iter().all(|sent| *sent == Some(id)), "{creates:?}");

    let lines = captured.lines();
    let spans = |line: &Value, name: &str, field: &str| {
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        spans
            .into_iter()
            .find(|span| span["name"] == name)
            .map(|span| span[field].clone())
    };
    for (span, message) in [
        ("request", "request answered"),
        ("plan", "queued"),
        ("attempt", "CRM call"),
        ("attempt", "attempt ended"),
    ] {
        let carried = lines
            .iter()
            .filter(|line| line["fields"]["message"] == message)
            .any(|line| spans(line, span, "correlation_id") == Some(json!(id)));
        assert!(
            carried,
            "no line `{message}` in a span `{span}` with the id: {lines:#?}"
        );
    }
    for line in &lines {
        if line["fields"]["message"] == "CRM call" {
            let text = line.to_string();
            assert!(!text.contains("Otieno"), "no values: {text}");
            assert!(spans(line, "attempt", "operation").is_some(), "{text}");
        }
    }

    let kept = kept(&api, &format!("correlationId={id}"), |lines| {
        lines
            .iter()
            .any(|line| line["context"]["outcome"] == "done")
    })
    .await;
    assert!(kept.len() >= 2, "one line for each attempt: {kept:?}");
    assert!(
        kept.iter().all(|line| line["correlationId"] == id),
        "{kept:?}"
    );
    assert!(
        kept.iter()
            .all(|line| line["context"]["operation"] == number),
        "{kept:?}"
    );
    let outcomes: Vec<&str> = kept
        .iter()
        .filter_map(|line| line["context"]["outcome"].as_str())
        .collect();
    assert_eq!(
        outcomes.first(),
        Some(&"done"),
        "newest first: {outcomes:?}"
    );
    running.shutdown().await;
}

async fn every_request_merged_into_an_operation_finds_it_and_its_lines(mut world: World) {
    let (_captured, _guard) = logging("error");
    world.settings.capture.settle = std::time::Duration::from_millis(500);
    let running = world.start().await;
    let api = Api::of(&running);
    let customer = register(&api, "the-first", 1).await;
    let request = api
        .request(
            Method::PATCH,
            &format!("/api/internal/customers/{customer}"),
        )
        .header("x-correlation-id", "the-second")
        .json(&json!({ "lastName": "Odhiambo" }));
    assert_eq!(answer(request).await.status, 200);
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Odhiambo")
        .await;
    for id in ["the-first", "the-second"] {
        let found = api.get(&format!("{QUEUE}?search={id}")).await;
        assert_eq!(
            found.data()["items"].as_array().map(Vec::len),
            Some(1),
            "{}",
            found.text
        );
        let lines = kept(&api, &format!("correlationId={id}"), |lines| {
            !lines.is_empty()
        })
        .await;
        assert_eq!(lines[0]["message"], "attempt ended", "{lines:?}");
    }
    running.shutdown().await;
}

async fn a_kept_line_has_the_form_of_the_onboarding_guide(world: World) {
    let (_captured, _guard) = logging("off");
    let running = world.start().await;
    let api = Api::of(&running);
    let span = tracing::error_span!("job", correlation_id = "a-lead", job_id = "0198");
    span.in_scope(|| tracing::warn!(api_call = "maxio_create_customer", iban = "IE12", "refused"));
    let lines = kept(&api, "correlationId=a-lead", |lines| !lines.is_empty()).await;
    let line = &lines[0];
    assert!(
        line["logId"].is_string() && line["timestamp"].is_string(),
        "{line}"
    );
    assert_eq!(
        (&line["level"], &line["message"]),
        (&json!("warn"), &json!("refused"))
    );
    assert_eq!(
        line["context"],
        json!({ "job_id": "0198", "api_call": "maxio_create_customer", "iban": "***" })
    );
    let program = world.other_program().await;
    let stored = "SELECT level || ' ' || message FROM application_logs WHERE timestamp IS NOT NULL AND log_id > 0 \
                  AND CAST(context AS TEXT) LIKE '%maxio_create_customer%'";
    assert_eq!(program.one(stored).await.as_deref(), Some("warn refused"));
    running.shutdown().await;
}

async fn kept_lines_are_found_by_level_and_time_and_old_ones_go(world: World) {
    let (_captured, _guard) = logging("off");
    let running = world.start().await;
    let api = Api::of(&running);
    tracing::info!("not worth keeping");
    let span = tracing::error_span!("work", correlation_id = "by-hand", number = 7);
    span.in_scope(|| {
        tracing::warn!(colour = "blue", "worth keeping");
        tracing::error!(error = %"broken", "worse");
    });
    let lines = kept(&api, "correlationId=by-hand", |lines| lines.len() == 2).await;
    assert_eq!(
        (&lines[0]["message"], &lines[1]["message"]),
        (&json!("worse"), &json!("worth keeping"))
    );
    assert_eq!(
        lines[1]["context"],
        json!({ "number": 7, "colour": "blue" })
    );
    assert_eq!(lines[0]["level"], "error");
    for (query, expected) in [
        ("correlationId=by-hand&level=error", 1),
        ("correlationId=by-hand&level=info", 2),
        ("correlationId=by-hand&since=2020-01-01T00:00:00Z", 2),
        ("correlationId=by-hand&until=2020-01-01T00:00:00Z", 0),
        ("correlationId=by-hand&since=2999-01-01T00:00:00Z", 0),
        ("correlationId=nobody", 0),
    ] {
        let found = api.get(&format!("{LOGS}?{query}")).await;
        let found = found.data()["items"].as_array().map(Vec::len);
        assert_eq!(found, Some(expected), "{query}");
    }
    let first = api
        .get(&format!("{LOGS}?correlationId=by-hand&limit=1"))
        .await;
    let cursor = first.data()["pagination"]["nextCursor"]
        .as_str()
        .expect("more follow");
    let second = api
        .get(&format!(
            "{LOGS}?correlationId=by-hand&limit=1&cursor={cursor}"
        ))
        .await;
    assert_eq!(second.data()["items"][0]["message"], "worth keeping");
    assert_eq!(second.data()["pagination"]["hasNextPage"], false);
    for (query, field) in [
        ("level=loud", "level"),
        ("since=yesterday", "since"),
        ("colour=blue", "colour"),
    ] {
        let refused = api.get(&format!("{LOGS}?{query}")).await;
        assert!([400, 422].contains(&refused.status), "{}", refused.text);
        assert_eq!(refused.wrong_fields(), [field]);
    }

    let db = world.store.db().clone();
    let gone = db
        .write("prune", |conn| {
            Box::pin(async move {
                let later = pugmark_queue::db::Ts::now().after(std::time::Duration::from_secs(60));
                pugmark::store::application_logs::prune(conn, later, 1).await
            })
        })
        .await
        .expect("old lines go");
    assert_eq!(gone, 1, "bit by bit");
    running.shutdown().await;
}

async fn no_secret_reaches_a_kept_line(mut world: World) {
    let (_captured, _guard) = logging("off");
    world.crm_settings().access_key = "canary-of-the-access-key".to_owned().into();
    let running = world.start().await;
    let api = Api::of(&running);
    // A refused login, a dead letter, and everything that may be written about them.
    register(&api, "with-a-wrong-key", 1).await;
    kept(&api, "correlationId=with-a-wrong-key", |lines| {
        !lines.is_empty()
    })
    .await;
    tracing::error_span!(
        "work",
        access_key = "canary-by-name",
        correlation_id = "careless"
    )
    .in_scope(|| {
        tracing::error!(
            password = "canary-by-name",
            newPassword = "canary-by-name",
            authorization = "Bearer canary-by-name",
            said = %format!("the key is canary-of-the-access-key, the token {TOKEN}"),
            "refused: canary-of-the-access-key"
        );
    });
    kept(&api, "correlationId=careless", |lines| !lines.is_empty()).await;
    let program = world.other_program().await;
    let all = "application_logs WHERE message || CAST(context AS TEXT) LIKE";
    for secret in ["canary", TOKEN] {
        assert_eq!(
            program.count(&format!("{all} '%{secret}%'")).await,
            0,
            "{secret}"
        );
    }
    assert_eq!(program.count(&format!("{all} '%***%'")).await, 1);
    let everything = api.get(LOGS).await.text;
    assert!(!everything.contains("canary"), "{everything}");
    running.shutdown().await;
}

async fn lines_that_do_not_fit_are_counted_and_hold_nothing_up(world: World) {
    let (_captured, _guard) = logging("off");
    let running = world.start().await;
    let api = Api::of(&running);
    // Nobody takes lines out while this loop runs: the test's thread is the program's.
    for number in 0..6_000 {
        tracing::warn!(number, correlation_id = "a-flood", "much too much");
    }
    let program = world.other_program().await;
    let told = eventually("the number of lost lines", || async {
        program
            .one("SELECT message FROM application_logs WHERE message LIKE '%could not be kept%'")
            .await
    })
    .await;
    let lost: i64 = told.split(' ').next().unwrap().parse().expect("a number");
    assert!(lost > 0, "{told}");
    eventually("all the others", || async {
        let stored = program
            .count("application_logs WHERE correlation_id = 'a-flood'")
            .await;
        (stored + lost == 6_000).then_some(())
    })
    .await;
    assert_eq!(api.get("/health").await.status, 200);
    running.shutdown().await;
}
