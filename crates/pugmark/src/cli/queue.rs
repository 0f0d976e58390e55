//! `pugmark queue`: looks at the queue of a running Pugmark and acts on it, through its API.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::CliError;

/// The server itself gives a request up after this time.
const PATIENCE: Duration = Duration::from_secs(65);

/// Looks at the queue of a running Pugmark, retries or discards operations.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    /// Address of the running Pugmark.
    #[arg(
        long,
        env = "PUGMARK_SERVER",
        default_value = "http://127.0.0.1:3000",
        global = true
    )]
    server: String,
    /// Its API token.
    #[arg(long, env = "APP_SECRET_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// Print the API's answer as JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List operations, newest first.
    List {
        /// PENDING, PROCESSING, COMPLETED or FAILED.
        #[arg(long)]
        status: Option<String>,
        /// Only dead letters: those that wait for a person.
        #[arg(long)]
        dead: bool,
        /// Only this kind, for example customer.create.
        #[arg(long)]
        kind: Option<String>,
        /// Part of the record's id, a correlation id or the error.
        #[arg(long)]
        search: Option<String>,
        /// Most entries.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Continue after the page that named this cursor.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show one operation with its attempts.
    Show {
        /// Id of the operation.
        id: String,
    },
    /// Try an operation again at once.
    Retry {
        /// Id of the operation.
        id: String,
        /// Kept in the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give an operation up: it is not attempted again.
    Discard {
        /// Id of the operation.
        id: String,
        /// Why; kept in the audit log.
        #[arg(long)]
        reason: String,
    },
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: QueueArgs) -> Result<ExitCode, CliError> {
    let base = base_address(&args.server)?;
    let client = client(&base)?;
    let request = |method: Method, path: String| {
        client.request(method, format!("{base}/api/internal/vtiger/queue{path}"))
    };
    let act = |id: &str, verb: &str, reason: Option<&str>| {
        request(Method::POST, format!("/{id}/{verb}")).json(&json!({ "reason": reason }))
    };
    let answer = match &args.action {
        Action::List {
            status,
            dead,
            kind,
            search,
            limit,
            cursor,
        } => {
            let mut query: Vec<(&str, String)> = vec![("limit", limit.to_string())];
            query.extend(status.clone().map(|status| ("status", status)));
            query.extend(kind.clone().map(|kind| ("kind", kind)));
            query.extend(search.clone().map(|search| ("search", search)));
            query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
            query.extend(dead.then(|| ("dead", "true".to_owned())));
            send(&args, request(Method::GET, String::new()).query(&query)).await?
        }
        Action::Show { id } => send(&args, request(Method::GET, format!("/{id}"))).await?,
        Action::Retry { id, reason } => send(&args, act(id, "retry", reason.as_deref())).await?,
        Action::Discard { id, reason } => send(&args, act(id, "discard", Some(reason))).await?,
    };
    if args.json {
        println!("{answer}");
    } else if matches!(args.action, Action::List { .. }) {
        print_list(&answer["data"]);
    } else {
        print_detail(&answer["data"]);
    }
    Ok(ExitCode::SUCCESS)
}

/// The address with a scheme and without a slash at its end.
fn base_address(server: &str) -> Result<String, CliError> {
    let server = server.trim().trim_end_matches('/');
    let address = match server.contains("://") {
        true => server.to_owned(),
        false => format!("http://{server}"),
    };
    match url::Url::parse(&address) {
        Ok(parsed) if parsed.has_host() && parsed.scheme().starts_with("http") => Ok(address),
        _ => Err(CliError::Other(format!(
            "`{server}` is not the address of a server; --server (PUGMARK_SERVER) is written like http://127.0.0.1:3000"
        ))),
    }
}

/// A proxy that is configured for the internet knows nothing of what runs on this machine.
fn client(base: &str) -> Result<reqwest::Client, CliError> {
    let loopback = url::Url::parse(base)
        .ok()
        .is_some_and(|url| match url.host() {
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            Some(url::Host::Domain(domain)) => domain == "localhost",
            None => false,
        });
    let builder = reqwest::Client::builder().timeout(PATIENCE);
    let builder = if loopback {
        builder.no_proxy()
    } else {
        builder
    };
    builder
        .build()
        .map_err(|error| CliError::Other(error.to_string()))
}

async fn send(args: &QueueArgs, request: RequestBuilder) -> Result<Value, CliError> {
    let request = match &args.token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let response = request.send().await.map_err(|error| {
        CliError::Other(format!(
            "no Pugmark answers at {} ({}). Start `pugmark serve`, or name its address with --server or PUGMARK_SERVER",
            args.server,
            error.without_url()
        ))
    })?;
    let status = response.status();
    let body: Value = response.json().await.map_err(|_| {
        CliError::Other(format!(
            "{} answers, but is no Pugmark (HTTP {status})",
            args.server
        ))
    })?;
    if status.is_success() {
        return Ok(body);
    }
    let error = &body["error"];
    let mut message = format!("{} ({})", text(&error["message"]), text(&error["code"]));
    for (field, what) in error["details"].as_object().into_iter().flatten() {
        message.push_str(&format!("\n  {field} {}", text(what)));
    }
    Err(CliError::Other(message))
}

fn print_list(page: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header([
        "id",
        "kind",
        "record",
        "status",
        "tries",
        "next attempt",
        "what is in the way",
    ]);
    for item in page["items"].as_array().into_iter().flatten() {
        let status = if item["dead"].as_bool() == Some(true) {
            "DEAD".to_owned()
        } else {
            text(&item["status"])
        };
        let trouble = match (&item["blockedBy"], &item["takenOverBy"]) {
            (Value::String(by), _) => format!("blocked by {by}"),
            (_, Value::String(newer)) => format!("taken over by {newer}"),
            _ => text(&item["errorMessage"]),
        };
        table.add_row([
            text(&item["id"]),
            text(&item["kind"]),
            text(&item["entityId"]),
            status,
            text(&item["attempts"]),
            text(&item["nextAttemptAt"]),
            shortened(&trouble),
        ]);
    }
    println!("{table}");
    if let Value::String(cursor) = &page["pagination"]["nextCursor"] {
        println!("More: --cursor {cursor}");
    }
}

fn print_detail(detail: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    for (name, value) in detail.as_object().into_iter().flatten() {
        if !value.is_null() && !matches!(name.as_str(), "attemptList" | "current") {
            table.add_row([name.clone(), text(value)]);
        }
    }
    println!("{table}");
    for (number, attempt) in detail["attemptList"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        println!(
            "attempt {}: {}  {} ms  {} call(s)  {}",
            number + 1,
            text(&attempt["startedAt"]),
            text(&attempt["durationMilliseconds"]),
            text(&attempt["crmCalls"]),
            text(&attempt["classification"]),
        );
        for (asked, answered) in calls(&attempt["request"]).zip(calls(&attempt["answer"])) {
            println!("  {asked}\n  -> {answered}");
        }
    }
}

fn calls(list: &Value) -> impl Iterator<Item = String> {
    list.as_array()
        .cloned()
        .unwrap_or_default()
        .into_iter()
        .map(|call| call.to_string())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}
