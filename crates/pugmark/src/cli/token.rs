//! `pugmark token`: tokens with which programs call the API, through the API of a running Pugmark.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use reqwest::Method;
use serde_json::{Value, json};

use super::CliError;
use super::remote::{Remote, text};

const TOKENS: &str = "/api/internal/tokens";

/// Makes, lists and revokes tokens with which programs call the API.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    #[command(flatten)]
    remote: Remote,
    /// Print the API's answer as JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Kept in the audit log.
    #[arg(long, global = true)]
    reason: Option<String>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a token and print it, once.
    Add {
        /// What the program is called.
        name: String,
        /// registration_admin (everything), customer_care or setup_admin (looking).
        #[arg(long)]
        right: String,
        /// How many days it works; without it, until it is revoked.
        #[arg(long)]
        days: Option<u32>,
    },
    /// List every token, without what would let anybody in.
    List,
    /// Revoke a token: it works no more from the next request on.
    Revoke {
        /// Name or id.
        named: String,
    },
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: TokenArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let reason = args.reason.as_deref();
    let request = match &args.action {
        Action::Add { name, right, days } => server
            .request(Method::POST, TOKENS)
            .json(&json!({ "name": name, "right": right, "days": days, "reason": reason })),
        Action::List => server.request(Method::GET, TOKENS),
        Action::Revoke { named } => server
            .request(Method::POST, &path_of(named))
            .json(&json!({ "reason": reason })),
    };
    let answer = server.send(request).await?;
    let data = &answer["data"];
    if args.json {
        println!("{answer}");
    } else if matches!(args.action, Action::List) {
        print_list(data);
    } else {
        println!("{}", text(&answer["message"]));
        if let Some(token) = data["token"].as_str() {
            println!("Shown here once; send it as `Authorization: Bearer <token>`:\n{token}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The path at which a token is revoked; whatever stands in a name is made fit for one.
fn path_of(token: &str) -> String {
    let encoded = || {
        let mut url = url::Url::parse("http://localhost").ok()?;
        url.path_segments_mut().ok()?.push(token);
        Some(url.path().to_owned())
    };
    format!("{TOKENS}{}/revoke", encoded().unwrap_or_default())
}

fn print_list(tokens: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["name", "right", "made by", "last used", "works until"]);
    for token in tokens.as_array().into_iter().flatten() {
        let until = match (&token["revokedAt"], &token["expiresAt"]) {
            (Value::String(at), _) => format!("revoked {at}"),
            (_, Value::String(at)) => at.clone(),
            _ => "it is revoked".to_owned(),
        };
        table.add_row([
            text(&token["name"]),
            text(&token["right"]),
            text(&token["createdBy"]),
            text(&token["seenAt"]),
            until,
        ]);
    }
    println!("{table}");
}
