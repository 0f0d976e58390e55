//! `pugmark onboarding`: links to the form of new clients, through the API of a running Pugmark.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::CliError;
use super::remote::{Remote, text};

const LINKS: &str = "/api/internal/onboarding/links";
const FORMS: &str = "/api/onboarding/submissions";

/// Makes and revokes links to the onboarding form.
#[derive(Debug, Args)]
pub(super) struct OnboardingArgs {
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
    /// Make a link for a client, and print it.
    Link {
        /// Id of the lead or contact, like 10x42.
        client: String,
        /// How long it works, like 14d or 48h; onboarding.form.link_for unless given.
        #[arg(long, value_name = "TIME")]
        valid_for: Option<String>,
    },
    /// Revoke every link of a client; what was typed is kept.
    Revoke {
        /// Id of the lead or contact, like 10x42.
        client: String,
    },
    /// Show what became of a form.
    Show {
        /// Its tracking number.
        tracking_id: Uuid,
    },
    /// Have a form written again that failed or was saved in part.
    Retry {
        /// Its tracking number.
        tracking_id: Uuid,
    },
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: OnboardingArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let request = match &args.action {
        Action::Link { client, valid_for } => {
            let body = json!({ "clientId": client, "validFor": valid_for });
            server.request(Method::POST, LINKS).json(&body)
        }
        Action::Revoke { client } => {
            let usable = client.bytes().all(|byte| byte.is_ascii_alphanumeric());
            if client.is_empty() || !usable {
                let what = format!("`{client}` is no id of a lead or contact; ids look like 10x42");
                return Err(CliError::Other(what));
            }
            server.request(Method::DELETE, &format!("{LINKS}/{client}"))
        }
        Action::Show { tracking_id } => {
            server.request(Method::GET, &format!("{FORMS}/{tracking_id}"))
        }
        Action::Retry { tracking_id } => {
            server.request(Method::POST, &format!("{FORMS}/{tracking_id}/retry"))
        }
    };
    let answer = server.send(request).await?;
    if args.json {
        println!("{answer}");
        return Ok(ExitCode::SUCCESS);
    }
    match args.action {
        Action::Link { .. } => print_link(&answer["data"]),
        Action::Revoke { .. } => println!("{}", text(&answer["message"])),
        Action::Show { .. } | Action::Retry { .. } => print_form(&answer),
    }
    Ok(ExitCode::SUCCESS)
}

fn print_link(link: &Value) {
    match link["url"].as_str() {
        Some(url) => println!("{url}"),
        None => {
            println!("{}", text(&link["path"]));
            eprintln!(
                "PUGMARK_PUBLIC_URL is not set, so this is the path alone; put your server's address before it"
            );
        }
    }
    eprintln!("works until {}", text(&link["expiresAt"]));
}

fn print_form(form: &Value) {
    for (what, name) in [
        ("form", "trackingId"),
        ("client", "clientId"),
        ("status", "status"),
        ("record", "recordId"),
        ("sent", "createdAt"),
        ("ended", "endedAt"),
        ("reason", "reason"),
        ("code", "reasonCode"),
    ] {
        let said = text(&form[name]);
        if !said.is_empty() {
            println!("{what:<8} {said}");
        }
    }
    for (title, name) in [("not saved", "notSaved"), ("changed", "changed")] {
        for (field, why) in form[name].as_object().into_iter().flatten() {
            println!("{title}: {field}: {}", text(why));
        }
    }
}
