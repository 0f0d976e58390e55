//! Logs: to standard error, as text for people or JSON for machines, and what is worth keeping into the store. Figures of what flows,
//! and the alerts that are made of them.

pub mod alerts;
mod fields;
pub mod figures;
pub mod kept;

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use kept::KeptLines;

/// Starts logging. `RUST_LOG` sets the filter of what is shown (default `info`, or `default` when given), `PUGMARK_LOG=json`
/// the form.
pub fn init(default: &str) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("{default},sqlx=warn")));
    let shown = if std::env::var("PUGMARK_LOG").is_ok_and(|form| form == "json") {
        tracing_subscriber::fmt::layer()
            .json()
            .with_writer(std::io::stderr)
            .with_filter(filter)
            .boxed()
    } else {
        let colours = std::io::stderr().is_terminal();
        tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(colours)
            .with_target(false)
            .with_filter(filter)
            .boxed()
    };
    let started = tracing_subscriber::registry()
        .with(KeptLines::layer())
        .with(shown)
        .try_init();
    // Only a second call fails, and then the first one's settings stay.
    drop(started);
}
