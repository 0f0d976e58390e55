//! Alerts: people are told by themselves when a flow fails too often, when something has failed for good, and when an outside system
//! is left alone; once, and once more when it is over.
//!
//! The process that leads looks ([`watch`]) and judges ([`judge`], pure). An alert and the messages about it are one commit, and each
//! way by which people are told ([`channel`]) sends what it has to send in its own time ([`sending`]): a mail server that is away
//! holds up nothing else, and what was not sent before a stop is sent after the restart. Whoever finds an outside system in trouble
//! says so in the store ([`trouble`]), so that it does not matter which process leads.

pub mod channel;
pub mod judge;
pub mod sending;
pub mod trouble;
pub mod watch;

use pugmark_queue::db::{Conn, DbError, Ts};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::schedule::leader::Term;
use crate::store::alerts::{self, NewMessage};
use channel::Channel;

/// Starts looking and sending, as work of the process that leads.
pub fn start(settings: &Settings, term: &Term, tasks: &mut JoinSet<()>) {
    let stopped: &CancellationToken = &term.stopped;
    let watch = watch::Watch::new(
        term.db.clone(),
        settings.alerts.clone(),
        settings.server.public_url.clone(),
    );
    tasks.spawn(watch.run(stopped.clone()));
    for channel in Channel::all(&settings.alerts) {
        let pace = sending::Pace::of(&settings.alerts);
        tasks.spawn(sending::run(
            term.db.clone(),
            channel,
            pace,
            stopped.clone(),
        ));
    }
}

/// Has every way say the same.
///
/// # Errors
/// Whatever the database says.
pub async fn post(
    conn: &mut Conn,
    channels: &[&'static str],
    alert: Option<i64>,
    phase: &'static str,
    (title, body): (&str, &str),
) -> Result<(), DbError> {
    let now = Ts::now();
    for channel in channels {
        let message = NewMessage {
            alert,
            phase,
            channel,
            title,
            body,
        };
        alerts::post(conn, &message, now).await?;
    }
    Ok(())
}

/// What a test says.
pub fn test_words(who: &str) -> (String, String) {
    (
        "Test: Pugmark tells you of alerts this way".to_owned(),
        format!("Nothing is the matter. {who} wanted to know whether alerts arrive."),
    )
}
