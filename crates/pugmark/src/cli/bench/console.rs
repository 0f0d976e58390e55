//! How long the pages of the console take over a long history, and how large they are.

use std::time::{Duration, Instant};

use clap::Args;
use pugmark_queue::db::{DbError, Engine, Ts};
use uuid::Uuid;

use super::line::Line;
use super::plain::Plain;
use super::rounds::median;
use super::stores::Stores;
use super::world::{self, start_crm, throwaway_secret};
use crate::app::{self, Roles, Running};
use crate::cli::CliError;
use crate::people::Role;
use crate::people::token::Token;
use crate::store::console_sessions::{self, NewSession};
use crate::store::console_users::{self, NewUser};

/// Each page is loaded so often, after once that is not counted.
const ROUNDS: usize = 9;
/// The leader makes the figures of a million operations in less.
const PATIENCE: Duration = Duration::from_secs(600);

/// Pages, by what people call them.
const PAGES: [(&str, &str); 14] = [
    ("Home", "/"),
    ("Problems", "/problems"),
    ("Alerts", "/alerts"),
    ("Operations", "/operations"),
    ("Operations, dead", "/operations?q=status:dead"),
    ("Operations, waiting", "/operations?q=status:waiting"),
    ("Operations, retrying", "/operations?q=status:retrying"),
    (
        "Operations, one kind and code",
        "/operations?q=kind:note.create+code:PUG-2006",
    ),
    ("Operations, a word", "/operations?q=nowhere"),
    ("Operations, of one customer", "/operations?q=customer:4711"),
    (
        "Plan for all dead letters",
        "/operations/bulk?action=retry&q=status:dead",
    ),
    ("Logs", "/logs"),
    ("Audit", "/audit"),
    ("People", "/people"),
];

/// How much history there is.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct ConsoleArgs {
    /// Operations of the last 24 hours: 96 of 100 are done, and the others dead, tried again or waiting.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    history: u32,
}

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    args: ConsoleArgs,
) -> Result<Vec<Line>, CliError> {
    let url = stores.fresh(engine).await?;
    let crm = start_crm().await?;
    let settings = world::settings(&url, &crm, &throwaway_secret(), Duration::from_secs(1));
    // Nothing is delivered: what waits stays where it is.
    let roles = Roles {
        worker: false,
        scheduler: false,
        ..Roles::ALL
    };
    let running = app::start(settings.clone(), roles).await?;
    let mut program = Plain::open(&url).await?;
    plant(&mut program, engine, args.history).await?;
    running.shutdown().await;
    let roles = Roles {
        worker: false,
        ..Roles::ALL
    };
    let running = app::start(settings, roles).await?;
    let began = Instant::now();
    wait_for_figures(&mut program).await?;
    let mut lines = vec![Line::alone(
        format!("figures of {} operations", args.history),
        engine,
        "s",
        began.elapsed().as_secs_f64(),
        "made once, by the leader",
    )];
    let cookie = sign_in(&running).await?;
    for (name, path) in PAGES {
        lines.push(page(&running, engine, &cookie, (name, path)).await?);
    }
    running.shutdown().await;
    crm.shutdown().await;
    Ok(lines)
}

/// Loads a page again and again.
async fn page(
    running: &Running,
    engine: Engine,
    cookie: &str,
    (name, path): (&str, &str),
) -> Result<Line, CliError> {
    let other = |what: String| CliError::Other(format!("{path}: {what}"));
    let address = running
        .address
        .ok_or_else(|| other("there is no API".to_owned()))?;
    let client = reqwest::Client::builder().no_proxy().build();
    let client = client.map_err(|error| other(error.to_string()))?;
    let (mut times, mut bytes) = (Vec::new(), 0);
    for round in 0..=ROUNDS {
        let began = Instant::now();
        let asked = client
            .get(format!("http://{address}{path}"))
            .header("cookie", cookie);
        let answer = asked
            .send()
            .await
            .map_err(|error| other(error.to_string()))?;
        if !answer.status().is_success() {
            return Err(other(format!("answered {}", answer.status())));
        }
        let text = answer
            .bytes()
            .await
            .map_err(|error| other(error.to_string()))?;
        bytes = text.len();
        if round > 0 {
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    Ok(Line::alone(
        name,
        engine,
        "ms",
        median(&mut times),
        format!("{:.1} kB", bytes as f64 / 1e3),
    ))
}

async fn sign_in(running: &Running) -> Result<String, CliError> {
    let token = Token::random();
    let digest = token.digest();
    let write = running.db.write("an account for a benchmark", move |conn| {
        Box::pin(async move {
            let (now, user_id) = (Ts::now(), Uuid::now_v7());
            let user = NewUser {
                user_id,
                name: "Benchmark".to_owned(),
                email: "bench@example.org".to_owned(),
                role: Role::Admin.as_str(),
                password_hash: None,
                login_id: None,
                created_by: "pugmark bench".to_owned(),
            };
            console_users::insert(conn, &user, now).await?;
            let session = NewSession {
                digest,
                user_id,
                opened_with: "password",
                user_agent: "pugmark bench".to_owned(),
                peer: "127.0.0.1".to_owned(),
                expires_at: now.after(Duration::from_secs(3_600)),
            };
            console_sessions::insert(conn, &session, now).await?;
            Ok::<_, DbError>(())
        })
    });
    write.await?;
    Ok(format!("pugmark={}", token.reveal()))
}

/// Until every attempt is in the figures.
async fn wait_for_figures(program: &mut Plain) -> Result<(), CliError> {
    let began = Instant::now();
    loop {
        let left = program
            .number(
                "SELECT (SELECT count(*) FROM vtiger_sync_attempts WHERE ended = 'COMPLETED') \
                 - (SELECT COALESCE(CAST(sum(done) AS BIGINT), 0) FROM flow_minutes)",
            )
            .await?;
        if left <= 0 {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(CliError::Other(format!("{left} attempts are in no figure")));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

/// A day's history, written by hand: by the program itself it would take as long as a day's work does.
async fn plant(program: &mut Plain, engine: Engine, history: u32) -> Result<(), CliError> {
    let micros = Ts::now().as_micros();
    // The oldest is 23 hours and a half old.
    let step = 84_600_000_000 / i64::from(history);
    let at = format!("({micros} - ({history} - n) * {step})");
    let (series, id, attempt, time, later) = match engine {
        Engine::Sqlite => (
            format!(
                "WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {history})"
            ),
            format!("unhex(printf('%012x7%03x8%015x', {at} / 1000, n % 4096, n))"),
            "unhex(printf('%032x', n))".to_owned(),
            at.clone(),
            format!("({micros} + 86400000000)"),
        ),
        Engine::Postgres => (
            format!(
                "WITH g AS (SELECT CAST(n AS BIGINT) AS n FROM generate_series(1, {history}) AS n)"
            ),
            format!(
                "CAST(lpad(to_hex({at} / 1000), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' || lpad(to_hex(n), 15, '0') AS UUID)"
            ),
            "CAST(lpad(to_hex(n), 32, '0') AS UUID)".to_owned(),
            format!("(TIMESTAMPTZ 'epoch' + {at} * INTERVAL '1 microsecond')"),
            "(now() + INTERVAL '1 day')".to_owned(),
        ),
    };
    let kind = "CASE n % 5 WHEN 0 THEN 'customer.create' WHEN 1 THEN 'note.create' WHEN 2 THEN 'contact.apply' \
                WHEN 3 THEN 'task.create' ELSE 'customer.update' END";
    let status = "CASE WHEN n % 100 < 96 THEN 'COMPLETED' WHEN n % 100 < 98 THEN 'FAILED' ELSE 'PENDING' END";
    let code = "CASE WHEN n % 100 IN (96, 97) THEN CASE n % 3 WHEN 0 THEN 'PUG-2006' WHEN 1 THEN 'PUG-2001' ELSE 'PUG-3005' END END";
    for sql in [
        format!(
            "INSERT INTO vtiger_sync_queue (id, kind, entity_type, entity_id, operation, lane, lane_seq, head, status, priority, \
             retry_count, max_retries, deferrals, next_attempt_at, payload, error_code, error_message, correlation_id, dead_at, \
             attempts, inherited_attempts, first_queued_at, processed_at, created_at, updated_at) \
             {series} SELECT {id}, {kind}, 'CUSTOMER', CAST(n AS TEXT), 'UPDATE', 'customer:' || n, 1, \
             CASE WHEN n % 100 >= 97 THEN 1 ELSE 0 END, {status}, 2, 0, 3, 0, {later}, '{{}}', {code}, \
             CASE WHEN n % 100 IN (96, 97) THEN 'the record is refused as it is' END, 'c' || n, \
             CASE WHEN n % 100 = 96 THEN {time} END, 1, 0, {time}, CASE WHEN n % 100 < 96 THEN {time} END, {time}, {time} FROM g"
        ),
        format!(
            "INSERT INTO vtiger_sync_attempts (id, operation_id, owner, started_at, finished_at, duration_us, ended, crm_calls, \
             classification) {series} SELECT {attempt}, {id}, 'bench', {time}, {time}, 40000, \
             CASE WHEN n % 100 < 96 THEN 'COMPLETED' ELSE 'RELEASED' END, 1, COALESCE({code}, 'done') FROM g WHERE n % 100 < 98"
        ),
        format!(
            "INSERT INTO crm_links (entity_type, entity_id, module, vtiger_id, sync_status, created_at, updated_at) \
             {series} SELECT 'CUSTOMER', CAST(n AS TEXT), 'Contacts', '12x' || n, 'SYNCED', {time}, {time} FROM g WHERE n % 100 = 0"
        ),
        format!(
            "INSERT INTO application_logs (timestamp, level, target, message, context, correlation_id) \
             {series} SELECT {time}, 'info', 'bench', 'attempt ended', '{{}}', 'c' || n FROM g WHERE n % 10 = 0"
        ),
    ] {
        program.sql(sql).await?;
    }
    if engine == Engine::Postgres {
        program.sql("ANALYZE").await?;
    }
    Ok(())
}
