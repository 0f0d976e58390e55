//! `pugmark mapping`: which value goes to which field of the CRM, seen and changed through the API of a running Pugmark.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use reqwest::{Method, RequestBuilder};
use serde_json::{Map, Value, json};

use super::CliError;
use super::remote::{Remote, Server, text};

const MAPPINGS: &str = "/api/internal/vtiger/field-mappings";

/// Shows and changes which value of MicroBima goes to which field of the CRM.
#[derive(Debug, Args)]
pub(super) struct MappingArgs {
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
    /// List the mappings, the field each one means in this CRM, and whether it works.
    List,
    /// List the sources that a mapping can carry.
    Sources,
    /// Add a mapping, when it can work.
    Add {
        #[command(flatten)]
        what: What,
        #[command(flatten)]
        change: Change,
    },
    /// Remove a mapping: its field keeps what it holds and is not written any more.
    Remove {
        /// Number of the mapping, as `list` shows it.
        id: i64,
        #[command(flatten)]
        change: Change,
    },
    /// Show for real customers what their contacts hold now and what would be sent. Writes nothing.
    DryRun {
        /// The source of a mapping to try; without one the mappings are tried as they are.
        #[arg(requires = "field")]
        source: Option<String>,
        /// Its field.
        field: Option<String>,
        /// TEXT, NUMBER, DATE or BOOLEAN.
        #[arg(long = "type", default_value = "TEXT")]
        kind: String,
        /// How many customers: those delivered last.
        #[arg(long, default_value_t = 5)]
        customers: u32,
        /// These customers.
        #[arg(long = "customer", value_name = "ID", conflicts_with = "customers")]
        ids: Vec<String>,
    },
    /// Bring the linked contacts up to date with the mapping, bit by bit and behind everything else.
    Apply {
        /// Only show how far it is.
        #[arg(long)]
        progress: bool,
        /// Queue nothing more.
        #[arg(long, conflicts_with = "progress")]
        stop: bool,
    },
}

/// A mapping.
#[derive(Debug, Args)]
struct What {
    /// The source, by the names of `sources`.
    source: String,
    /// API name or label of the field in vTiger.
    field: String,
    /// TEXT, NUMBER, DATE or BOOLEAN.
    #[arg(long = "type", default_value = "TEXT")]
    kind: String,
    /// to_crm, from_crm or both.
    #[arg(long)]
    direction: Option<String>,
}

impl What {
    fn body(&self) -> Value {
        json!({
            "microbimaField": self.source,
            "vtigerFieldName": self.field,
            "fieldType": self.kind,
            "direction": self.direction,
        })
    }
}

/// What goes with every change.
#[derive(Debug, Args)]
struct Change {
    /// Store it although vTiger cannot be asked now.
    #[arg(long)]
    unchecked: bool,
    /// Kept in the audit log.
    #[arg(long)]
    reason: Option<String>,
}

impl Change {
    fn on(&self, request: RequestBuilder) -> RequestBuilder {
        let request = match self.unchecked {
            true => request.query(&[("unchecked", "true")]),
            false => request,
        };
        match &self.reason {
            Some(reason) => request.query(&[("reason", reason)]),
            None => request,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: MappingArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let answer = server.send(request(&server, &args.action)).await?;
    let data = &answer["data"];
    match args.action {
        _ if args.json => println!("{answer}"),
        Action::List => print_mappings(data["items"].as_array()),
        Action::Sources => print_sources(data),
        Action::Add { .. } => print_mappings(Some(&vec![data.clone()])),
        Action::Remove { .. } => println!("removed: {}", one_line(data)),
        Action::DryRun { .. } => print_dry_run(data),
        Action::Apply { .. } => print_progress(data),
    }
    Ok(ExitCode::SUCCESS)
}

fn request(server: &Server<'_>, action: &Action) -> RequestBuilder {
    let at = |method, path: &str| server.request(method, &format!("{MAPPINGS}{path}"));
    match action {
        Action::List => at(Method::GET, ""),
        Action::Sources => at(Method::GET, "/sources"),
        Action::Add { what, change } => change.on(at(Method::POST, "").json(&what.body())),
        Action::Remove { id, change } => change.on(at(Method::DELETE, &format!("/{id}"))),
        Action::DryRun {
            source,
            field,
            kind,
            customers,
            ids,
        } => {
            let mut body = Map::new();
            if let (Some(source), Some(field)) = (source, field) {
                let mapping = json!({ "microbimaField": source, "vtigerFieldName": field, "fieldType": kind });
                body.insert("mappings".to_owned(), json!([mapping]));
            }
            let whom = match ids.as_slice() {
                [] => json!(customers),
                ids => json!(ids),
            };
            body.insert("customers".to_owned(), whom);
            at(Method::POST, "/dry-run").json(&body)
        }
        Action::Apply { progress, stop } => match (progress, stop) {
            (true, _) => at(Method::GET, "/apply"),
            (_, true) => at(Method::DELETE, "/apply"),
            _ => at(Method::POST, "/apply"),
        },
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(header);
    table
}

fn print_mappings(mappings: Option<&Vec<Value>>) {
    let mut table = table(&[
        "no.",
        "source",
        "field",
        "type",
        "way",
        "means here",
        "works",
    ]);
    for mapping in mappings.into_iter().flatten() {
        let field = &mapping["resolvesTo"];
        let means = match field.is_null() {
            true => String::new(),
            false => format!("{} ({})", text(&field["apiName"]), text(&field["label"])),
        };
        let works = match (&mapping["isActive"], &mapping["usable"]) {
            (Value::Bool(false), _) => "switched off".to_owned(),
            (_, Value::Bool(true)) => "yes".to_owned(),
            (_, Value::Bool(false)) => format!("no: {}", text(&mapping["why"])),
            _ => text(&mapping["why"]),
        };
        table.add_row([
            text(&mapping["id"]),
            text(&mapping["microbimaField"]),
            text(&mapping["vtigerFieldName"]),
            text(&mapping["fieldType"]),
            text(&mapping["direction"]),
            means,
            works,
        ]);
    }
    println!("{table}");
}

fn print_sources(sources: &Value) {
    let mut table = table(&["source", "what it is", "kind", "a change is delivered"]);
    for source in sources.as_array().into_iter().flatten() {
        let when = match source["deliveredWhenChanged"].as_bool() {
            Some(true) => "by itself",
            _ => "with the customer's next delivery",
        };
        table.add_row([
            text(&source["name"]),
            text(&source["meaning"]),
            text(&source["kind"]),
            when.to_owned(),
        ]);
    }
    println!("{table}");
}

fn print_dry_run(data: &Value) {
    for item in data["items"].as_array().into_iter().flatten() {
        let contact = match &item["vtigerContactId"] {
            Value::String(id) => format!("contact {id}"),
            _ => "no contact yet".to_owned(),
        };
        println!("customer {} ({contact})", text(&item["customerId"]));
        if let Value::String(problem) = &item["problem"] {
            println!("  {problem}");
            continue;
        }
        let mut table = table(&["source", "field", "holds now", "would be sent", "changes"]);
        for field in item["fields"].as_array().into_iter().flatten() {
            let sent = match &field["wouldSend"] {
                Value::Null => "(nothing)".to_owned(),
                value => text(value),
            };
            let changes = match field["changes"].as_bool() {
                Some(true) => "yes",
                _ => "",
            };
            table.add_row([
                text(&field["microbimaField"]),
                format!(
                    "{} ({})",
                    text(&field["label"]),
                    text(&field["vtigerField"])
                ),
                text(&field["now"]),
                sent,
                changes.to_owned(),
            ]);
        }
        println!("{table}");
        for warning in item["warnings"].as_array().into_iter().flatten() {
            println!("  {}", text(warning));
        }
    }
    println!(
        "{} customer(s), {} contact(s) would change, {} warning(s); nothing was written",
        text(&data["customers"]),
        text(&data["wouldChange"]),
        text(&data["warnings"]),
    );
}

fn print_progress(data: &Value) {
    println!(
        "{}: {} of {} contact(s) queued, {} done, {} wait, {} failed for good",
        text(&data["state"]),
        text(&data["queued"]),
        text(&data["contacts"]),
        text(&data["done"]),
        text(&data["waiting"]),
        text(&data["dead"]),
    );
}

fn one_line(mapping: &Value) -> String {
    format!(
        "{} -> {}",
        text(&mapping["microbimaField"]),
        text(&mapping["vtigerFieldName"])
    )
}
