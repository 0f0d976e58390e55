//! Does some process do what is done by the clock, and whose clock is it?

use pugmark_queue::db::{Db, DbError, Engine, Ts};

use super::{CLOCK_TOLERANCE, Findings};
use crate::problem::Code;
use crate::store::leader_lease::{self, Standing};

pub(super) async fn check(db: &Db, findings: &mut Findings) {
    let standing = async { leader_lease::standing(&mut db.read().await?).await };
    let standing: Result<Standing, DbError> = standing.await;
    let standing = match standing {
        Ok(standing) => standing,
        Err(error) => {
            return findings.problem("leader", error.to_string(), "Run `pugmark migrate`");
        }
    };
    check_leader(&standing, findings);
    if db.engine() == Engine::Postgres {
        check_clock(&standing, Ts::now(), findings);
    }
}

fn check_leader(standing: &Standing, findings: &mut Findings) {
    let Some(since) = standing.vacant_since() else {
        let holder = standing.holder.as_deref().unwrap_or_default();
        return findings.ok(
            "leader",
            format!("what is done by the clock is done by {holder}"),
        );
    };
    match (standing.epoch, &standing.holder) {
        (0, _) => findings.ok(
            "leader",
            "nothing was done by the clock yet; `pugmark serve` with the role scheduler does it",
        ),
        (_, None) => findings.ok(
            "leader",
            format!("nobody does what is done by the clock since {}, when it was handed back", since.timestamp()),
        ),
        (_, Some(holder)) => findings.warning(
            "leader",
            format!(
                "{}: nobody does what is done by the clock since {}, when {holder} fell silent",
                Code::NoLeader,
                since.timestamp()
            ),
            "Start `pugmark serve` with the role scheduler (or all); several may have it, one leads",
        ),
    }
}

/// Leases are judged by the database's clock; what is shown to people and what is due by the calendar, by this host's.
fn check_clock(standing: &Standing, here: Ts, findings: &mut Findings) {
    let apart = here.since(standing.now).max(standing.now.since(here));
    if apart > CLOCK_TOLERANCE {
        findings.warning(
            "database clock",
            format!(
                "this machine and the database are {} seconds apart",
                apart.as_secs()
            ),
            "Let both follow a time server; leases go by the database's clock, the calendar by this machine's",
        );
    } else {
        findings.ok("database clock", format!("{} ms apart", apart.as_millis()));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Mark;
    use super::*;

    fn standing(epoch: i64, holder: Option<&str>, expires_in: i64) -> Standing {
        let now = Ts::from_micros(1_700_000_000_000_000);
        Standing {
            epoch,
            holder: holder.map(str::to_owned),
            taken_at: None,
            expires_at: Ts::from_micros(now.as_micros() + expires_in),
            now,
        }
    }

    fn mark(of: &Standing) -> (Mark, String) {
        let mut findings = Findings::default();
        check_leader(of, &mut findings);
        let finding = findings.0.pop().expect("a finding");
        (finding.mark, finding.said)
    }

    #[test]
    fn a_leader_that_fell_silent_is_worth_a_word_one_that_handed_back_is_not() {
        assert_eq!(mark(&standing(0, None, 0)).0, Mark::Ok);
        let (is, said) = mark(&standing(3, Some("host/1/a"), 1));
        assert_eq!((is, said.contains("host/1/a")), (Mark::Ok, true));
        assert_eq!(mark(&standing(3, None, -1)).0, Mark::Ok);
        let (is, said) = mark(&standing(3, Some("host/1/a"), -1));
        assert_eq!((is, said.starts_with("PUG-6401")), (Mark::Warning, true));
    }

    #[test]
    fn clocks_that_are_apart_are_told_of_in_both_directions() {
        for seconds in [0, 60] {
            let standing = standing(1, None, 0);
            let apart = Duration::from_secs(seconds);
            for here in [standing.now.after(apart), standing.now.before(apart)] {
                let mut findings = Findings::default();
                check_clock(&standing, here, &mut findings);
                assert_eq!(findings.0[0].mark == Mark::Warning, seconds > 0);
            }
        }
    }
}
