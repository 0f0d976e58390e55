//! `pugmark summary`: sums up a week of payments by hand, through the API of a running Pugmark.

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

const PATH: &str = "/api/internal/vtiger/payment-summaries";
/// How often it is asked how far a run is.
const LOOK: Duration = Duration::from_millis(250);

/// Sums up a week of payments, Monday to Sunday, through a running Pugmark; without --week, lists the weeks that were.
///
/// A week that was summed up before is not summed up twice: only customers without a summary of it get one. With --again
/// everybody's is looked at again, and what has changed is revised.
#[derive(Debug, Args)]
pub(super) struct SummaryArgs {
    #[command(flatten)]
    remote: Remote,
    /// Any day of the week, for example 2026-11-16.
    #[arg(long, value_name = "DAY")]
    week: Option<String>,
    /// Only this customer.
    #[arg(long, value_name = "ID", requires = "week")]
    customer: Option<String>,
    /// Also customers whose summary of this week was made before.
    #[arg(long, requires = "week")]
    again: bool,
    /// Say whom it would concern, and do nothing.
    #[arg(long, requires = "week")]
    dry_run: bool,
    /// Do not wait until everything is delivered.
    #[arg(long, requires = "week")]
    no_wait: bool,
    /// Print the API's last answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: SummaryArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let Some(week) = &args.week else {
        let answer = server.send(server.request(Method::GET, PATH)).await?;
        show(&args, &answer, print_list);
        return Ok(ExitCode::SUCCESS);
    };
    let body = json!({
        "week": week,
        "customerId": args.customer,
        "again": args.again,
        "dryRun": args.dry_run,
    });
    let asked = server.request(Method::POST, PATH).json(&body);
    let mut answer = server.send(asked).await?;
    eprintln!("{}", text(&answer["message"]));
    if !args.dry_run && !args.no_wait {
        answer = watch(&server, answer).await?;
    }
    show(&args, &answer, print_end);
    let failed = answer["data"]["failed"].as_i64().unwrap_or_default();
    Ok(if failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn show(args: &SummaryArgs, answer: &Value, print: impl Fn(&Value)) {
    if args.json {
        println!("{answer}");
    } else {
        print(&answer["data"]);
    }
}

/// Shows how far the run is until it is done, or the person has seen enough.
async fn watch(server: &Server<'_>, mut answer: Value) -> Result<Value, CliError> {
    let path = format!("{PATH}/{}", answer["data"]["id"]);
    let bar = bar();
    let mut stop = std::pin::pin!(stop_signal());
    loop {
        let run = &answer["data"];
        let number = |name: &str| run[name].as_u64().unwrap_or_default();
        bar.set_length(number("planned"));
        bar.set_position(number("done"));
        bar.set_message(match number("failed") {
            0 => String::new(),
            failed => format!("{failed} failed"),
        });
        if run["allPlanned"] == true && number("waiting") == 0 {
            bar.finish_and_clear();
            return Ok(answer);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stop => {
                bar.abandon();
                eprintln!("The rest is delivered all the same.");
                return Ok(answer);
            }
        }
        answer = server.send(server.request(Method::GET, &path)).await?;
    }
}

fn bar() -> ProgressBar {
    // A template that cannot be read would be a defect of this file; the bar then shows its default.
    let style = ProgressStyle::with_template("delivered {bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn print_end(run: &Value) {
    if run["done"].is_null() {
        // A dry run has said it all.
        return;
    }
    println!(
        "{} done, {} waiting, {} failed",
        run["done"], run["waiting"], run["failed"]
    );
    if run["failed"] != 0 {
        println!("See them with: pugmark queue list --dead --kind payment.summary");
    }
}

fn print_list(page: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header([
        "run", "week", "for", "by", "planned", "done", "waiting", "failed",
    ]);
    for run in page["items"].as_array().into_iter().flatten() {
        let whom = match &run["customerId"] {
            Value::String(customer) => customer.clone(),
            _ => "all".to_owned(),
        };
        table.add_row([
            text(&run["id"]),
            format!("{} to {}", text(&run["week"]), text(&run["until"])),
            whom,
            text(&run["requestedBy"]),
            text(&run["planned"]),
            text(&run["done"]),
            text(&run["waiting"]),
            text(&run["failed"]),
        ]);
    }
    println!("{table}");
}
