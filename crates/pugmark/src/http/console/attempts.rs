//! How often somebody tried to sign in: by account, and by network address.

use std::time::Duration;

use pugmark_queue::db::{Conn, Db, DbError, Ts};
use sha2::{Digest, Sha256};

use crate::people::throttle::{ACCOUNT, FORGOTTEN_AFTER, PEER, Patience};
use crate::store::console_sign_ins::{self, Count};
use crate::store::console_users::email_key;

/// What an attempt is counted by.
#[derive(Debug, Clone)]
pub(super) struct Subjects {
    /// The address as a digest: whatever was typed is not kept in clear, and a name that does not exist is counted like one that does.
    account: String,
    peer: String,
}

impl Subjects {
    pub(super) fn of(email: &str, peer: &str) -> Self {
        let account = Sha256::digest(email_key(email).as_bytes());
        Subjects {
            account: format!("account:{}", hex::encode(account)),
            peer: format!("peer:{peer}"),
        }
    }
}

/// Counts an attempt as failed before anything is computed, so that many at once are counted, too; one that succeeds is taken back.
/// Gives the seconds to wait when it comes too soon.
///
/// # Errors
/// Whatever the database says.
pub(super) async fn begin(db: &Db, subjects: &Subjects) -> Result<Option<u64>, DbError> {
    let subjects = subjects.clone();
    let write = db.write("count an attempt to sign in", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            // Always in this order, so that two never wait for each other.
            let account = console_sign_ins::hold(conn, &subjects.account, now).await?;
            let peer = console_sign_ins::hold(conn, &subjects.peer, now).await?;
            let until = account.wait_until.max(peer.wait_until);
            if until > now {
                return Ok(Some(until.since(now).as_secs() + 1));
            }
            let counted = [
                (&subjects.account, account, ACCOUNT),
                (&subjects.peer, peer, PEER),
            ];
            for (subject, count, patience) in counted {
                let count = failed(count, patience, now);
                console_sign_ins::put(conn, subject, &count).await?;
            }
            Ok::<_, DbError>(None)
        })
    });
    write.await
}

/// Forgets the failures of the account, and takes the attempt that succeeded from those of the address: whoever owns one account
/// must not be able to try others without end.
///
/// # Errors
/// Whatever the database says.
pub(super) async fn succeeded(conn: &mut Conn, subjects: &Subjects) -> Result<(), DbError> {
    let now = Ts::now();
    console_sign_ins::forget(conn, &subjects.account).await?;
    let mut peer = console_sign_ins::hold(conn, &subjects.peer, now).await?;
    peer.failures = peer.failures.saturating_sub(1).max(0);
    peer.wait_until = now;
    console_sign_ins::put(conn, &subjects.peer, &peer).await
}

/// Forgets the failures of an account whose person has proved themselves otherwise.
///
/// # Errors
/// Whatever the database says.
pub(super) async fn forget_account(conn: &mut Conn, subjects: &Subjects) -> Result<(), DbError> {
    console_sign_ins::forget(conn, &subjects.account).await
}

fn failed(before: Count, patience: Patience, now: Ts) -> Count {
    let forgotten = now.since(before.last_at) >= FORGOTTEN_AFTER;
    let failures = if forgotten { 0 } else { before.failures }.saturating_add(1);
    let wait: Duration = patience.wait(u32::try_from(failures).unwrap_or(0));
    Count {
        failures,
        last_at: now,
        wait_until: now.after(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_add_up_until_an_hour_has_passed_without_one() {
        let start = Ts::from_micros(1_800_000_000_000_000);
        let mut count = Count {
            failures: 0,
            last_at: start,
            wait_until: start,
        };
        for _ in 0..6 {
            count = failed(count, ACCOUNT, start);
        }
        assert_eq!(count.wait_until, start.after(ACCOUNT.first));
        let later = start.after(FORGOTTEN_AFTER);
        let count = failed(count, ACCOUNT, later);
        assert_eq!((count.failures, count.wait_until), (1, later));
    }

    #[test]
    fn an_address_is_counted_without_regard_to_case_and_is_not_kept() {
        let one = Subjects::of("Asha@Example.org ", "10.0.0.1");
        let other = Subjects::of("asha@example.org", "10.0.0.2");
        assert_eq!(one.account, other.account);
        assert!(!one.account.contains("asha"));
    }
}
