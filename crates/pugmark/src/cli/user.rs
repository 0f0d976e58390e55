//! `pugmark user`: accounts of the console, through the API of a running Pugmark.

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use comfy_table::Table;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::CliError;
use super::remote::{Remote, text};

const USERS: &str = "/api/internal/console/users";

/// Adds people to the console, changes what they may do, and lets them in again.
#[derive(Debug, Args)]
pub(super) struct UserArgs {
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
    /// Make an account and print a one-time link by which its person chooses a password.
    Add {
        /// E-mail address.
        email: String,
        /// viewer, customer_care, registration_admin or admin.
        #[arg(long)]
        role: String,
        /// As colleagues know them.
        #[arg(long)]
        name: String,
        /// Ask for a password, or read one line from standard input, instead of making a link.
        #[arg(long)]
        password: bool,
    },
    /// List every account.
    List,
    /// Change what somebody may do.
    Role {
        /// E-mail address or id.
        user: String,
        /// viewer, customer_care, registration_admin or admin.
        role: String,
    },
    /// Disable an account and sign its person out everywhere.
    Disable {
        /// E-mail address or id.
        user: String,
    },
    /// Enable an account again.
    Enable {
        /// E-mail address or id.
        user: String,
    },
    /// Print a one-time link by which somebody chooses a new password.
    Link {
        /// E-mail address or id.
        user: String,
    },
    /// End every session of somebody.
    SignOut {
        /// E-mail address or id.
        user: String,
    },
}

/// Runs the command.
///
/// # Errors
/// What the server said, or that there is none.
pub(super) async fn run(args: UserArgs) -> Result<ExitCode, CliError> {
    let server = args.remote.connect()?;
    let reason = args.reason.as_deref();
    let act = |user: &str, action: &str, body: Value| {
        server
            .request(Method::POST, &path_of(user, action))
            .json(&body)
    };
    let request = match &args.action {
        Action::Add {
            email,
            role,
            name,
            password,
        } => {
            let password = match password {
                true => Some(new_password()?),
                false => None,
            };
            let password = password.as_ref().map(ExposeSecret::expose_secret);
            let body = json!({ "email": email, "role": role, "name": name, "password": password, "reason": reason });
            server.request(Method::POST, USERS).json(&body)
        }
        Action::List => server.request(Method::GET, USERS),
        Action::Role { user, role } => act(user, "role", json!({ "role": role, "reason": reason })),
        Action::Disable { user } => act(user, "disable", json!({ "reason": reason })),
        Action::Enable { user } => act(user, "enable", json!({ "reason": reason })),
        Action::Link { user } => act(user, "link", json!({ "reason": reason })),
        Action::SignOut { user } => act(user, "sign-out", json!({ "reason": reason })),
    };
    let answer = server.send(request).await?;
    let data = &answer["data"];
    if args.json {
        println!("{answer}");
    } else if matches!(args.action, Action::List) {
        print_list(data);
    } else {
        println!("{}", text(&answer["message"]));
        if let Some(path) = data["link"].as_str() {
            let base = server.address();
            let whole = data["url"].as_str().map(str::to_owned);
            let address = whole.unwrap_or_else(|| format!("{base}{path}"));
            println!("One-time link, shown here once:\n{address}");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A password from the keyboard, unseen and twice, or from standard input when that is no terminal.
fn new_password() -> Result<SecretString, CliError> {
    let failed =
        |error: std::io::Error| CliError::Other(format!("no password can be read: {error}"));
    if std::io::stdin().is_terminal() {
        let terminal = console::Term::stderr();
        let ask = |question: &str| {
            eprint!("{question}: ");
            terminal.read_secure_line().map(SecretString::from)
        };
        let (once, again) = (
            ask("Password").map_err(failed)?,
            ask("The same again").map_err(failed)?,
        );
        if once.expose_secret() != again.expose_secret() {
            return Err(CliError::Other(
                "the password was typed differently the second time; nothing was changed"
                    .to_owned(),
            ));
        }
        return Ok(once);
    }
    let mut line = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut line)
        .map_err(failed)?;
    Ok(SecretString::from(
        line.trim_end_matches(['\r', '\n']).to_owned(),
    ))
}

/// The path of an action on one account; whatever stands in an address is made fit for one.
fn path_of(user: &str, action: &str) -> String {
    let encoded = || {
        let mut url = url::Url::parse("http://localhost").ok()?;
        url.path_segments_mut().ok()?.push(user);
        Some(url.path().to_owned())
    };
    format!("{USERS}{}/{action}", encoded().unwrap_or_default())
}

fn print_list(users: &Value) {
    let mut table = Table::new();
    table.load_style(UTF8_BORDERS_ONLY);
    table.set_header(["name", "e-mail", "role", "state", "last seen", "made by"]);
    for user in users.as_array().into_iter().flatten() {
        let state = match (&user["disabled"], &user["supabase"], &user["hasPassword"]) {
            (Value::Bool(true), _, _) => "disabled",
            (_, Value::Bool(true), _) => "active, by Supabase",
            (_, _, Value::Bool(true)) => "active",
            _ => "invited",
        };
        table.add_row([
            text(&user["name"]),
            text(&user["email"]),
            text(&user["role"]),
            state.to_owned(),
            text(&user["seenAt"]),
            text(&user["createdBy"]),
        ]);
    }
    println!("{table}");
}
