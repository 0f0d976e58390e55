//! `pugmark backfill`: the first sync of a base that is there on both sides, through the API of a running Pugmark.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use super::remote::{Remote, Server, text};
use super::{CliError, stop_signal};

const PATH: &str = "/api/internal/vtiger/backfill";
/// How often it is asked how far the run is.
const LOOK: Duration = Duration::from_millis(250);
/// The exit code when customers are left for a person to decide about, or operations have failed.
const LEFT: u8 = 4;

/// First sync of a base that is there on both sides, through a running Pugmark: finds each customer's contact, links it and brings it
/// up to date, and creates the contacts that are missing.
///
/// Reads first, says what it found, what it will cost and how long that takes, and asks before anything is linked. Where it is not
/// certain which contact is a customer's, nothing is done: such customers are listed, and no contact is created for them until the
/// right one carries the customer's id in its reference field, or --release has decided. Best begun before anything was sent: start
/// `pugmark serve` with VTIGER_ENABLED=false, run this, start it again without.
#[derive(Debug, Args)]
pub(super) struct BackfillArgs {
    #[command(flatten)]
    remote: Remote,
    /// Read, match and estimate; link and create nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before linking and creating.
    #[arg(long, short, conflicts_with = "dry_run")]
    yes: bool,
    /// Keys by which contacts are matched, in order.
    #[arg(long, value_name = "KEY", value_delimiter = ',', default_values = ["reference", "id", "email"])]
    match_by: Vec<String>,
    /// Make new contacts in vTiger's bulk mode, through Pugmark's vTiger extension: 12 to 17 times as fast as one by one. vTiger then runs no
    /// workflows for them and writes no history, which is right for people who were customers before, and for nothing else. Without
    /// it the extension's upsert is used all the same where it is installed: half the cost, with workflows and history.
    #[arg(long)]
    bulk: bool,
    /// Only show how far the latest first sync is, and what it has found.
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "bulk"])]
    show: bool,
    /// Stop the one that is under way. What is linked stays linked.
    #[arg(long, conflicts_with_all = ["dry_run", "yes", "show"])]
    stop: bool,
    /// Give this customer, whose contact is not certain, one of its own.
    #[arg(long, value_name = "CUSTOMER", conflicts_with_all = ["dry_run", "yes", "show", "stop"])]
    release: Option<String>,
    /// How many examples are shown.
    #[arg(long, value_name = "N", default_value_t = 10)]
    examples: u32,
    /// Print the API's last answer as JSON, with the examples.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: BackfillArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let mut answer = match (&args.release, args.stop, args.show) {
        (Some(customer), _, _) => {
            let path = format!("{PATH}/release");
            let body = json!({ "customerId": customer });
            server
                .send(server.request(Method::POST, &path).json(&body))
                .await?
        }
        (None, true, _) => server.send(server.request(Method::DELETE, PATH)).await?,
        (None, _, true) => server.send(server.request(Method::GET, PATH)).await?,
        _ => sync(&server, &args).await?,
    };
    let examples = examples(&server, &args, &answer["data"]).await?;
    if args.json {
        answer["data"]["examples"] = json!(examples);
        println!("{answer}");
    } else {
        print(&answer["data"], &examples);
    }
    let number = |name: &str| answer["data"][name].as_i64().unwrap_or_default();
    Ok(
        match (
            &answer["data"]["state"],
            number("ambiguous") + number("failed"),
        ) {
            (state, _) if state == "failed" => ExitCode::FAILURE,
            (_, 0) => ExitCode::SUCCESS,
            _ => ExitCode::from(LEFT),
        },
    )
}

async fn sync(server: &Server<'_>, args: &BackfillArgs) -> Result<Value, CliError> {
    let body = json!({ "dryRun": args.dry_run, "confirmed": args.yes, "matchBy": args.match_by, "bulk": args.bulk });
    let begun = server.request(Method::POST, PATH).json(&body);
    let answer = server.send(begun).await?;
    let answer = watch(server, answer).await?;
    if answer["data"]["state"] != "ready" {
        return Ok(answer);
    }
    let examples = examples(server, args, &answer["data"]).await?;
    print(&answer["data"], &examples);
    if !confirmed()? {
        eprintln!("Nothing was linked.");
        return server.send(server.request(Method::DELETE, PATH)).await;
    }
    let path = format!("{PATH}/confirm");
    let answer = server.send(server.request(Method::POST, &path)).await?;
    watch(server, answer).await
}

/// Asks at the terminal; without one nobody can say yes.
fn confirmed() -> Result<bool, CliError> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        eprintln!("Nobody is there to ask: --yes confirms.");
        return Ok(false);
    }
    let failed = |error: std::io::Error| CliError::Other(error.to_string());
    eprint!("Link and create? [y/N] ");
    std::io::stderr().flush().map_err(failed)?;
    let mut line = String::new();
    input.lock().read_line(&mut line).map_err(failed)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}

/// Shows how far the run is until it needs a word, is done, or the person has seen enough.
async fn watch(server: &Server<'_>, mut answer: Value) -> Result<Value, CliError> {
    let bar = bar();
    let mut stop = std::pin::pin!(stop_signal());
    loop {
        let run = &answer["data"];
        let number = |name: &str| run[name].as_u64().unwrap_or_default();
        let (what, done, all) = match run["phase"].as_str().unwrap_or_default() {
            "contacts" => (
                "reading contacts",
                number("contacts"),
                number("contactsTotal"),
            ),
            "matching" => (
                "matching customers",
                number("customers"),
                number("customersTotal"),
            ),
            _ => {
                let all = number("waiting") + number("delivered") + number("failed");
                ("delivering", number("delivered") + number("failed"), all)
            }
        };
        bar.set_prefix(what);
        bar.set_length(all);
        bar.set_position(done);
        bar.set_message(text(&run["trouble"]));
        let waits_for_good = run["state"] == "delivering" && run["sending"] == false;
        if waits_for_good || (run["state"] != "running" && run["state"] != "delivering") {
            bar.finish_and_clear();
            return Ok(answer);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stop => {
                bar.abandon();
                eprintln!("It goes on in the server; `pugmark backfill --show` tells how far it is, `--stop` ends it.");
                return Ok(answer);
            }
        }
        answer = server.send(server.request(Method::GET, PATH)).await?;
    }
}

fn bar() -> ProgressBar {
    // A template that cannot be read would be a defect of this file; the bar then shows its default.
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

/// The first ambiguous customers, and the first whose contacts are changed.
async fn examples(
    server: &Server<'_>,
    args: &BackfillArgs,
    run: &Value,
) -> Result<Vec<Value>, CliError> {
    let mut examples = Vec::new();
    for (outcome, count) in [("ambiguous", "ambiguous"), ("matched", "changing")] {
        if run[count] == 0 || args.examples == 0 {
            continue;
        }
        let page = server
            .request(Method::GET, &format!("{PATH}/matches"))
            .query(&[("outcome", outcome), ("limit", &args.examples.to_string())]);
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
        "{}: {} contact(s) read; {} customer(s) matched ({} to be brought up to date), {} to be decided by a person, {} without a contact",
        text(&run["state"]),
        run["contacts"],
        run["matched"],
        run["changing"],
        run["ambiguous"],
        run["fresh"],
    );
    if let Value::String(trouble) = &run["trouble"] {
        println!("{trouble}");
    }
    for example in examples {
        let customer = text(&example["customerId"]);
        match example["outcome"].as_str() {
            Some("ambiguous") => println!(
                "  customer {customer}: {} ({})",
                text(&example["why"]),
                list(&example["contacts"])
            ),
            _ => println!(
                "  customer {customer} is contact {} by {}",
                text(&example["vtigerContactId"]),
                text(&example["matchedBy"])
            ),
        }
        for field in example["overwrites"].as_array().into_iter().flatten() {
            println!(
                "    {} ({}): {:?} gives way to {:?}",
                text(&field["label"]),
                text(&field["field"]),
                text(&field["theirs"]),
                text(&field["ours"]),
            );
        }
    }
    match run["state"].as_str() {
        Some("ready") => println!(
            "Linking and creating will take about {} call(s) and {} second(s).",
            run["estimatedCalls"], run["estimatedSeconds"]
        ),
        Some("finished") if run["dryRun"] == true => println!(
            "Nothing was linked. It would take about {} call(s) and {} second(s).",
            run["estimatedCalls"], run["estimatedSeconds"]
        ),
        _ if run["dryRun"] == true => {}
        _ => {
            println!(
                "{} linked or queued, {} delivered, {} waiting, {} failed",
                run["done"], run["delivered"], run["waiting"], run["failed"]
            );
            if run["sending"] == false {
                println!("Sending is switched off (VTIGER_ENABLED=false): what is queued waits.");
            }
        }
    }
}

fn list(contacts: &Value) -> String {
    let contacts = contacts.as_array().into_iter().flatten().map(text);
    contacts.collect::<Vec<_>>().join(", ")
}
