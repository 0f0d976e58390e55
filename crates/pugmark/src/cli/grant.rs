//! `pugmark grant`: who may do what, through the API of a running Pugmark.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use reqwest::Method;
use serde_json::{Value, json};

use super::CliError;
use super::remote::{Remote, text};

const GRANTS: &str = "/api/internal/vtiger/grants";

/// Gives and takes rights.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
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
    /// Give somebody a right.
    Add {
        /// E-mail address or id of the login.
        user: String,
        /// registration_admin (everything), customer_care or setup_admin (looking).
        right: String,
        /// Kept with it.
        #[arg(long)]
        reason: Option<String>,
    },
    /// Take a right away; it is gone with the next request.
    Remove {
        /// E-mail address or id of the login.
        user: String,
        /// Name of the right.
        right: String,
    },
    /// List every right that was given.
    List,
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: GrantArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let request = match &args.action {
        Action::Add {
            user,
            right,
            reason,
        } => {
            let body = json!({ "user": user, "right": right, "reason": reason });
            server.request(Method::POST, GRANTS).json(&body)
        }
        Action::Remove { user, right } => server.request(Method::DELETE, &path_of(user, right)),
        Action::List => server.request(Method::GET, GRANTS),
    };
    let answer = server.send(request).await?;
    if args.json {
        println!("{answer}");
    } else if matches!(args.action, Action::List) {
        print_list(&answer["data"]);
    } else {
        let data = &answer["data"];
        println!(
            "{}: {} {}",
            text(&answer["message"]),
            text(&data["userId"]),
            text(&data["right"])
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The path of one grant; whatever stands in an address is made fit for one.
fn path_of(user: &str, right: &str) -> String {
    let encoded = |text: &str| {
        let mut url = url::Url::parse("http://localhost").ok()?;
        url.path_segments_mut().ok()?.push(text);
        Some(url.path().to_owned())
    };
    let [user, right] = [user, right].map(|text| encoded(text).unwrap_or_default());
    format!("{GRANTS}{user}{right}")
}

fn print_list(grants: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["user", "right", "granted by", "at", "reason"]);
    for grant in grants.as_array().into_iter().flatten() {
        table.add_row(
            ["userId", "right", "grantedBy", "grantedAt", "reason"].map(|name| text(&grant[name])),
        );
    }
    println!("{table}");
}
