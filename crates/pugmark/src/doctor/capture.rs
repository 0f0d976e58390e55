//! Is every change noticed, and would Pugmark see every row?

use pugmark_queue::db::{Conn, Db, DbError, Engine};

use super::Findings;
use crate::capture::{attach, triggers};
use crate::config::Settings;
use crate::problem::Code;
use crate::store::{self, SliceMode, capture_errors, settings as stored};

pub(super) async fn check(settings: &Settings, db: &Db, findings: &mut Findings) {
    if db.engine() == Engine::Postgres
        && let Some(pooled) = attach::probe(&settings.database.url).await
    {
        findings.problem("connection to the store", pooled.what, pooled.fix);
        return;
    }
    if let Err(error) = look(db, findings).await {
        findings.problem(
            "capture",
            error.to_string(),
            "Check the rights of the database user",
        );
    }
}

async fn look(db: &Db, findings: &mut Findings) -> Result<(), DbError> {
    let mut conn = db.read().await?;
    match store::slice_mode(&mut conn).await? {
        SliceMode::Standalone => findings.ok("tables", "standalone: they are Pugmark's own"),
        SliceMode::Attached => {
            findings.ok("tables", "attached: they are MicroBima's own");
            check_attachment(&mut conn, findings).await?;
        }
    }
    if stored::capture_is_wanted(&mut conn).await? {
        check_triggers(&mut conn, findings).await?;
    } else {
        findings.problem(
            "capture",
            format!("{}: the database is not attached", Code::NotAttached),
            "Run `pugmark attach`; what was written meanwhile is found by the gap sweep",
        );
    }
    check_errors(&mut conn, findings).await
}

async fn check_attachment(conn: &mut Conn, findings: &mut Findings) -> Result<(), DbError> {
    let found = attach::check(conn).await?;
    for hindrance in found.hindrances {
        findings.problem(
            "MicroBima's database",
            format!("{}: {}", Code::CannotAttach, hindrance.what),
            hindrance.fix,
        );
    }
    for warning in found.warnings {
        findings.warning("MicroBima's database", warning.what, warning.fix);
    }
    Ok(())
}

async fn check_triggers(conn: &mut Conn, findings: &mut Findings) -> Result<(), DbError> {
    let missing = triggers::missing(conn).await?;
    if missing.is_empty() {
        findings.ok("capture", "every trigger is there and enabled");
    } else {
        findings.problem(
            "capture",
            format!("missing or disabled: {}", missing.join(", ")),
            "`pugmark migrate` installs them (attached: `pugmark attach`); what was written meanwhile is found by the gap sweep",
        );
    }
    Ok(())
}

async fn check_errors(conn: &mut Conn, findings: &mut Findings) -> Result<(), DbError> {
    for errors in capture_errors::open(conn).await? {
        findings.warning(
            "capture",
            format!(
                "{}: {} change(s) of {} could not be captured, the last at {} (SQLSTATE {}: {})",
                Code::NotCaptured,
                errors.errors,
                errors.table_name,
                errors.last.timestamp(),
                errors.sqlstate,
                errors.message
            ),
            "The gap sweep of a running Pugmark finds them; if more come, mend what the message names",
        );
    }
    Ok(())
}
