//! `pugmark health`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::CliError;
use super::remote::{base_address, client, text};
use crate::config::Settings;

/// Asks the Pugmark on this machine whether it is ready: exit code 0, or 1 with the reason.
///
/// For supervisors that can run a program but send no request, as a container's health check. Address and port are
/// those of the settings (PUGMARK_HEALTH, otherwise HOST and PORT), so `serve` and `health` need the same ones.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Ask only whether the process runs, not whether it can do its work.
    #[arg(long)]
    live: bool,
    /// Ask this address instead.
    #[arg(long, env = "PUGMARK_SERVER", value_name = "ADDRESS")]
    server: Option<String>,
    /// Seconds to wait for the answer.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

/// Asks once.
///
/// # Errors
/// Settings that cannot be read, or nobody who answers.
pub(super) async fn run(
    args: HealthArgs,
    settings: impl FnOnce() -> Result<Settings, CliError>,
) -> Result<ExitCode, CliError> {
    let server = match args.server {
        Some(server) => server,
        None => {
            let server = settings()?.server;
            reachable(server.health.unwrap_or(server.address)).to_string()
        }
    };
    let base = base_address(&server)?;
    let path = if args.live {
        "/health/live"
    } else {
        "/health/ready"
    };
    let response = client(&base)?
        .get(format!("{base}{path}"))
        .timeout(Duration::from_secs(args.timeout))
        .send()
        .await
        .map_err(|error| {
            CliError::Other(format!(
                "no Pugmark answers at {base} ({})",
                error.without_url()
            ))
        })?;
    let fine = response.status().is_success();
    let answer: Value = response
        .json()
        .await
        .map_err(|_| CliError::Other(format!("{base} answers, but is no Pugmark")))?;
    println!("{}", words(&answer));
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Who listens on every address is asked on loopback.
fn reachable(listening: SocketAddr) -> SocketAddr {
    let ip = match listening.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listening.port())
}

/// `ok (store: ok, crm: paused)`
fn words(answer: &Value) -> String {
    let parts: Vec<String> = answer
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| *key != "status")
        .map(|(key, value)| format!("{key}: {}", text(value)))
        .collect();
    let status = text(&answer["status"]);
    if parts.is_empty() {
        status
    } else {
        format!("{status} ({})", parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn who_listens_everywhere_is_asked_on_loopback() {
        let asked = |address: &str| reachable(address.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:3000"), "127.0.0.1:3000");
        assert_eq!(asked("[::]:3000"), "[::1]:3000");
        assert_eq!(asked("10.1.2.3:3000"), "10.1.2.3:3000");
    }

    #[test]
    fn the_answer_is_one_line_for_people() {
        let answer = json!({ "status": "ok", "store": "ok", "crm": "paused" });
        assert_eq!(words(&answer), "ok (store: ok, crm: paused)");
        assert_eq!(words(&json!({ "status": "starting" })), "starting");
    }
}
