//! `pugmark queue`: looks at the queue of a running Pugmark and acts on it, through its API.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use reqwest::Method;
use serde_json::{Value, json};

use super::CliError;
use super::remote::{Remote, Server, text};

/// Looks at the queue of a running Pugmark, retries or discards operations.
#[derive(Debug, Args)]
pub(super) struct QueueArgs {
    #[command(flatten)]
    remote: Remote,
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
    /// Show what failed for good, by kind and code.
    Dead,
    /// Try operations again at once.
    Retry {
        #[command(flatten)]
        which: Which,
        /// Kept in the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Give operations up: they are not attempted again.
    Discard {
        #[command(flatten)]
        which: Which,
        /// Why; kept in the audit log.
        #[arg(long)]
        reason: String,
    },
}

/// Which operations are meant: some by their ids, or dead letters by what they have in common.
#[derive(Debug, Args)]
struct Which {
    /// Ids of operations.
    #[arg(required_unless_present_any = ["kind", "code", "entity", "all"])]
    ids: Vec<String>,
    /// Dead letters of this kind, for example note.create.
    #[arg(long, conflicts_with = "ids")]
    kind: Option<String>,
    /// Dead letters with this code, for example PUG-2006.
    #[arg(long, conflicts_with = "ids")]
    code: Option<String>,
    /// Dead letters on this record, for example CUSTOMER:ID, or CUSTOMER for all of them.
    #[arg(long, conflicts_with = "ids", value_name = "TYPE[:ID]")]
    entity: Option<String>,
    /// Every dead letter.
    #[arg(long, conflicts_with = "ids")]
    all: bool,
    /// At most so many in one request; the command goes on until none is left.
    #[arg(long, default_value_t = 100)]
    batch: u32,
}

impl Which {
    /// The one operation that is meant, when it is one by its id.
    fn one(&self) -> Option<&str> {
        match self.ids.as_slice() {
            [id] => Some(id),
            _ => None,
        }
    }

    fn body(&self, reason: Option<&str>, after: &Value) -> Value {
        let (entity_type, entity_id) = match self.entity.as_deref().map(|it| it.split_once(':')) {
            Some(Some((kind, id))) => (Some(kind), Some(id)),
            Some(None) => (self.entity.as_deref(), None),
            None => (None, None),
        };
        json!({
            "ids": Some(&self.ids).filter(|ids| !ids.is_empty()),
            "kind": self.kind,
            "errorCode": self.code,
            "entityType": entity_type.map(str::to_uppercase),
            "entityId": entity_id,
            "all": self.all,
            "limit": self.batch,
            "after": after,
            "reason": reason,
        })
    }
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: QueueArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let request = |method: Method, path: String| {
        server.request(method, &format!("/api/internal/vtiger/queue{path}"))
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
            server
                .send(request(Method::GET, String::new()).query(&query))
                .await?
        }
        Action::Show { id } => server.send(request(Method::GET, format!("/{id}"))).await?,
        Action::Dead => {
            server
                .send(request(Method::GET, "/dead-letters".to_owned()))
                .await?
        }
        Action::Retry { which, reason } => match which.one() {
            Some(id) => server.send(act(id, "retry", reason.as_deref())).await?,
            None => many(&server, "retry", which, reason.as_deref()).await?,
        },
        Action::Discard { which, reason } => match which.one() {
            Some(id) => server.send(act(id, "discard", Some(reason))).await?,
            None => many(&server, "discard", which, Some(reason)).await?,
        },
    };
    let data = &answer["data"];
    if args.json {
        println!("{answer}");
    } else if data["items"].is_array() {
        print_list(data);
    } else if data["groups"].is_array() {
        print_groups(data);
    } else if data["skipped"].is_array() {
        print_done(data);
    } else {
        print_detail(data);
    }
    Ok(ExitCode::SUCCESS)
}

/// Goes on, request by request, until everything that is meant was dealt with. Gives one answer for all of it.
async fn many(
    server: &Server<'_>,
    verb: &str,
    which: &Which,
    reason: Option<&str>,
) -> Result<Value, CliError> {
    let path = format!("/api/internal/vtiger/queue/{verb}");
    let mut after = Value::Null;
    let (mut done, mut skipped) = (0, Vec::new());
    loop {
        let body = which.body(reason, &after);
        let answer = server
            .send(server.request(Method::POST, &path).json(&body))
            .await?;
        let data = &answer["data"];
        done += data["done"].as_u64().unwrap_or_default();
        skipped.extend(data["skipped"].as_array().cloned().unwrap_or_default());
        after = data["next"].clone();
        if after.is_null() {
            return Ok(json!({ "data": { "done": done, "skipped": skipped } }));
        }
    }
}

fn print_done(data: &Value) {
    println!("{} operation(s)", text(&data["done"]));
    for left in data["skipped"].as_array().into_iter().flatten() {
        println!(
            "left as it is: {}: {}",
            text(&left["id"]),
            text(&left["why"])
        );
    }
}

fn print_groups(data: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["kind", "code", "operations", "first", "last", "for example"]);
    for group in data["groups"].as_array().into_iter().flatten() {
        table.add_row([
            text(&group["kind"]),
            text(&group["errorCode"]),
            text(&group["operations"]),
            text(&group["first"]),
            text(&group["last"]),
            shortened(&text(&group["example"])),
        ]);
    }
    println!("{table}");
    println!("{} in all", text(&data["total"]));
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

fn shortened(text: &str) -> String {
    const MOST: usize = 80;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST - 1).chain(['…']).collect()
}
