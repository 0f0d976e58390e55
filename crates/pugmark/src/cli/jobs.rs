//! `pugmark jobs`: looks at the onboarding jobs of a running Pugmark and acts on them, through its API.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use reqwest::Method;
use serde_json::{Value, json};

use super::CliError;
use super::remote::{Remote, text};

/// Looks at leads on their way into Maxio, has failed ones tried again or cancels them.
#[derive(Debug, Args)]
pub(super) struct JobsArgs {
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
    /// List jobs, newest first.
    List {
        /// pending, processing, maxio_created, crm_updated or failed.
        #[arg(long)]
        status: Option<String>,
        /// Only jobs of this lead, for example 2x345.
        #[arg(long)]
        lead: Option<String>,
        /// Most entries.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Continue after the page that named this cursor.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show one job: its steps, what is wrong and what to do.
    Show {
        /// Id of the job.
        id: String,
    },
    /// Set a lead up whose webhook never came.
    Start {
        /// Id of the lead in vTiger, for example 2x345.
        lead: String,
        /// Kept in the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Have a failed or cancelled job tried again; it goes on where it stopped.
    Retry {
        /// Id of the job.
        id: String,
        /// Kept in the audit log.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Cancel a job: no further step is begun.
    Cancel {
        /// Id of the job.
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
pub(super) async fn run(args: JobsArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let request = |method: Method, path: String| {
        server.request(method, &format!("/api/internal/onboarding/jobs{path}"))
    };
    let post = |path: String, body: Value| request(Method::POST, path).json(&body);
    let request = match &args.action {
        Action::List {
            status,
            lead,
            limit,
            cursor,
        } => {
            let mut query: Vec<(&str, String)> = vec![("limit", limit.to_string())];
            query.extend(status.clone().map(|status| ("status", status)));
            query.extend(lead.clone().map(|lead| ("lead", lead)));
            query.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
            request(Method::GET, String::new()).query(&query)
        }
        Action::Show { id } => request(Method::GET, format!("/{id}")),
        Action::Start { lead, reason } => {
            post(String::new(), json!({ "leadId": lead, "reason": reason }))
        }
        Action::Retry { id, reason } => post(format!("/{id}/retry"), json!({ "reason": reason })),
        Action::Cancel { id, reason } => post(format!("/{id}/cancel"), json!({ "reason": reason })),
    };
    let answer = server.send(request).await?;
    let data = &answer["data"];
    if args.json {
        println!("{answer}");
    } else if data["items"].is_array() {
        print_list(data);
    } else {
        print_detail(data);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_list(page: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header([
        "job",
        "lead",
        "status",
        "step",
        "customer",
        "subscription",
        "what is in the way",
    ]);
    for job in page["items"].as_array().into_iter().flatten() {
        let status = match job["cancelled"].as_bool() {
            Some(true) => "cancelled".to_owned(),
            _ => text(&job["status"]),
        };
        table.add_row([
            text(&job["jobId"]),
            text(&job["vtigerLeadId"]),
            status,
            text(&job["step"]),
            text(&job["maxioCustomerId"]),
            text(&job["maxioSubscriptionId"]),
            text(&job["errorMessage"]),
        ]);
    }
    println!("{table}");
    if let Value::String(cursor) = &page["pagination"]["nextCursor"] {
        println!("More: --cursor {cursor}");
    }
}

fn print_detail(job: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    for (name, value) in job.as_object().into_iter().flatten() {
        if !value.is_null() && !matches!(name.as_str(), "steps" | "faults" | "whatToDo") {
            table.add_row([name.clone(), text(value)]);
        }
    }
    println!("{table}");
    for step in job["steps"].as_array().into_iter().flatten() {
        let (begun, finished) = (text(&step["begunAt"]), text(&step["finishedAt"]));
        let how = match (step["finished"].as_bool(), begun.is_empty()) {
            (Some(true), _) => format!("finished {finished}"),
            (_, false) => format!("begun {begun}"),
            (_, true) => "to do".to_owned(),
        };
        println!("{:<16}{how}", text(&step["step"]));
    }
    for (field, what) in job["faults"].as_object().into_iter().flatten() {
        println!("{field}: {}", text(what));
    }
    println!("{}", text(&job["whatToDo"]));
}
