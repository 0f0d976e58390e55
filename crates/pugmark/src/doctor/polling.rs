//! Is vTiger asked what changed, and does a person have to decide about something?

use pugmark_queue::db::{Db, DbError, Ts};

use super::Findings;
use crate::config::{Mode, Settings};
use crate::crm::CONTACTS;
use crate::store::{conflicts, crm_cursors};

/// So many intervals without a poll are too many.
const LATE: u32 = 20;

pub(super) async fn check(settings: &Settings, db: &Db, findings: &mut Findings) {
    if let Err(error) = look(settings, db, findings).await {
        let fix = "`pugmark migrate` brings the store up to date";
        findings.problem("changes in vTiger", error.to_string(), fix);
    }
}

async fn look(settings: &Settings, db: &Db, findings: &mut Findings) -> Result<(), DbError> {
    let mut conn = db.read().await?;
    let open = conflicts::open(&mut conn).await?;
    if open > 0 {
        findings.warning(
            "conflicts",
            format!("{open} field(s) wait for a decision"),
            "GET /api/internal/vtiger/conflicts shows them",
        );
    }
    let Some(crm) = settings
        .crm
        .as_ref()
        .filter(|_| settings.mode == Mode::Live)
    else {
        return Ok(());
    };
    if !crm.poll.enabled {
        findings.warning(
            "changes in vTiger",
            "vtiger.poll.enabled is false: only webhooks tell of changes, and one that is lost is not made up for",
            "Leave polling on, if need be with a longer interval",
        );
        return Ok(());
    }
    let Some(cursor) = crm_cursors::get(&mut conn, CONTACTS).await? else {
        findings.ok(
            "changes in vTiger",
            "not asked for yet; `pugmark serve` does it",
        );
        return Ok(());
    };
    let last = cursor.polled_at;
    let late = last.is_none_or(|at| Ts::now().since(at) > crm.poll.interval * LATE);
    match (cursor.trouble, last) {
        (Some((code, said)), _) => findings.warning(
            "changes in vTiger",
            format!("{code}: {said}"),
            "It is tried again by itself; nothing is missed",
        ),
        (None, Some(at)) if !late => {
            findings.ok("changes in vTiger", format!("read at {}", at.timestamp()));
        }
        (None, last) => {
            let since = last.map_or("never".to_owned(), |at| at.timestamp().to_string());
            findings.warning(
                "changes in vTiger",
                format!("last read: {since}"),
                "Start `pugmark serve` with the role scheduler",
            );
        }
    }
    Ok(())
}
