//! `pugmark reconcile`: compares both sides as a whole, through the API of a running Pugmark.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use super::remote::{Remote, Server, text};
use super::{CliError, stop_signal};

const PATH: &str = "/api/internal/vtiger/reconcile";
/// How often it is asked how far the run is.
const LOOK: Duration = Duration::from_millis(250);
/// The exit code when something is out of step and was not repaired.
const OUT_OF_STEP: u8 = 4;

/// What each kind of finding is, in the order in which they are shown.
const KINDS: [(&str, &str); 7] = [
    ("missing", "customers without a contact"),
    ("gone", "linked contacts that are gone from vTiger"),
    ("unlinked", "contacts of a customer that are not linked"),
    ("different", "contacts that hold other values"),
    ("duplicate", "second contacts under one reference"),
    ("extra", "contacts with a reference of no customer"),
    ("unreadable", "customers whose row cannot be read"),
];

/// Compares every customer with its contact and every contact with its customer, through a running Pugmark.
///
/// Reads only, unless --fix is given. Exits with 0 when everything is in step or was repaired, with 4 when something is left out
/// of step. The comparison itself is done by the server: when this command or the server is stopped, it goes on where it was.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    #[command(flatten)]
    remote: Remote,
    /// Repair what is out of step: missing contacts are looked for and created, MicroBima's own fields put back, edits in vTiger of
    /// fields that may be edited there merged. Duplicates and contacts of no customer are only reported.
    #[arg(long)]
    fix: bool,
    /// Also create contacts again that are gone from vTiger. Without it they are reported: somebody may have deleted them on
    /// purpose, or the CRM user may not see them any more.
    #[arg(long, requires = "fix")]
    recreate: bool,
    /// Begin, and do not wait for the end.
    #[arg(long)]
    no_wait: bool,
    /// Only show what the latest comparison has found.
    #[arg(long, conflicts_with_all = ["fix", "no_wait"])]
    show: bool,
    /// Stop the comparison that is under way.
    #[arg(long, conflicts_with_all = ["fix", "no_wait", "show"])]
    stop: bool,
    /// How many examples of each kind are shown.
    #[arg(long, value_name = "N", default_value_t = 5)]
    examples: u32,
    /// Print the API's last answer as JSON, with the examples.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: ReconcileArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let mut answer = if args.stop {
        server.send(server.request(Method::DELETE, PATH)).await?
    } else if args.show {
        server.send(server.request(Method::GET, PATH)).await?
    } else {
        let body = json!({ "fix": args.fix, "recreate": args.recreate });
        server
            .send(server.request(Method::POST, PATH).json(&body))
            .await?
    };
    if !(args.stop || args.show || args.no_wait) {
        answer = watch(&server, answer).await?;
    }
    let examples = examples(&server, &args, &answer["data"]).await?;
    if args.json {
        answer["data"]["examples"] = json!(examples);
        println!("{answer}");
    } else {
        print(&answer["data"], &examples);
    }
    let left = answer["data"]["left"].as_i64().unwrap_or_default();
    let failed = answer["data"]["state"] == "failed";
    Ok(match (left, failed) {
        (0, false) => ExitCode::SUCCESS,
        (0, true) => ExitCode::FAILURE,
        _ => ExitCode::from(OUT_OF_STEP),
    })
}

/// Shows how far the run is until it is done, or the person has seen enough.
async fn watch(server: &Server<'_>, mut answer: Value) -> Result<Value, CliError> {
    let bar = bar();
    let mut stop = std::pin::pin!(stop_signal());
    loop {
        let run = &answer["data"];
        let number = |name: &str| run[name].as_u64().unwrap_or_default();
        bar.set_length(number("contactsTotal") + number("customersTotal"));
        bar.set_position(number("contacts") + number("customers"));
        let said = match text(&run["trouble"]) {
            trouble if !trouble.is_empty() => format!("waits: {trouble}"),
            _ if run["state"] == "repairing" => {
                format!("{} repairs wait", number("repairsWaiting"))
            }
            _ => String::new(),
        };
        bar.set_message(said);
        if run["state"] != "running" && run["state"] != "repairing" {
            bar.finish_and_clear();
            return Ok(answer);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stop => {
                bar.abandon();
                eprintln!("It goes on in the server; `pugmark reconcile --show` tells how far it is, `--stop` ends it.");
                return Ok(answer);
            }
        }
        answer = server.send(server.request(Method::GET, PATH)).await?;
    }
}

fn bar() -> ProgressBar {
    // A template that cannot be read would be a defect of this file; the bar then shows its default.
    let style = ProgressStyle::with_template("compared {bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// The first findings of each kind.
async fn examples(
    server: &Server<'_>,
    args: &ReconcileArgs,
    run: &Value,
) -> Result<Vec<Value>, CliError> {
    let mut examples = Vec::new();
    for (kind, _) in KINDS {
        if run["found"][kind].is_null() || args.examples == 0 {
            continue;
        }
        let page = server
            .request(Method::GET, &format!("{PATH}/findings"))
            .query(&[("kind", kind), ("limit", &args.examples.to_string())]);
        let page = server.send(page).await?;
        examples.extend(
            page["data"]["items"]
                .as_array()
                .cloned()
                .unwrap_or_default(),
        );
    }
    Ok(examples)
}

fn print(run: &Value, examples: &[Value]) {
    println!(
        "{}: {} contact(s) looked at ({} none of ours), {} customer(s) compared, {} equal, {} under way; {} call(s)",
        text(&run["state"]),
        run["contacts"],
        run["strangers"],
        run["customers"],
        run["equal"],
        run["underWay"],
        run["calls"],
    );
    if let Value::String(trouble) = &run["trouble"] {
        println!("{trouble}");
    }
    let found = run["found"].as_object();
    if found.is_none_or(serde_json::Map::is_empty) {
        if run["state"] == "finished" {
            println!("Both sides are in step.");
        }
        return;
    }
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["out of step", "what", "found", "repaired"]);
    for (kind, what) in KINDS {
        let count = &run["found"][kind];
        if !count.is_null() {
            let numbers = [text(&count["found"]), text(&count["repaired"])];
            let [found, repaired] = numbers;
            table.add_row([kind.to_owned(), what.to_owned(), found, repaired]);
        }
    }
    println!("{table}");
    for example in examples {
        println!("{}", line(example));
        for field in example["detail"]["fields"].as_array().into_iter().flatten() {
            println!(
                "    {} ({}): {:?} in vTiger, {:?} in MicroBima",
                text(&field["label"]),
                text(&field["field"]),
                text(&field["theirs"]),
                text(&field["ours"]),
            );
        }
    }
    if run["fix"] == false {
        println!("Nothing was changed; --fix repairs what there is a rule for.");
    }
    if run["repairsFailed"] != 0 {
        println!("Repairs that failed for good: pugmark queue list --dead");
    }
}

fn line(example: &Value) -> String {
    let mut line = format!("  {}:", text(&example["kind"]));
    for (name, value) in [
        ("customer", &example["customerId"]),
        ("contact", &example["vtigerContactId"]),
        ("beside contact", &example["detail"]["keeps"]),
    ] {
        if let Value::String(value) = value {
            line.push_str(&format!(" {name} {value}"));
        }
    }
    if let Value::String(reason) = &example["detail"]["reason"] {
        line.push_str(&format!(" {reason}"));
    }
    if example["repaired"] == true {
        line.push_str(" (repaired)");
    }
    line
}
