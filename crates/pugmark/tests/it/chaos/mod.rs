//! The chaos suite: campaigns that do the worst to Pugmark while customers are written, and an oracle that reads what vTiger's
//! look-alike noted of every effect and says what was lost, what was done twice and what came out of order.
//!
//! Each campaign is a file with a test per database. In the normal tests it is a short dose; `cargo xtask chaos` runs it in full
//! and prints a table. Whatever a campaign leaves to chance follows from its seed: `PUGMARK_SEED` replays it.

pub(crate) mod catalogue;
mod cluster;
mod load;
mod oracle;
mod proof;
mod report;

mod between_steps;
mod broker_away;
mod disk_full;
mod down_for_a_day;
mod killed;
mod login_race;
mod pool_exhausted;
mod redis_away;
mod restarted;
mod spoiled_answers;
mod terminated;
mod throttled;
mod timeout_after_commit;

use std::process::Command;
use std::time::{Duration, Instant};

use pugmark_queue::db::Engine;

use crate::harness::Writer;
use oracle::Verdict;
use report::Report;

/// Says how much of a campaign is run: `full`, or the short dose of the normal tests.
const SIZE: &str = "PUGMARK_CHAOS";
/// So long may work stand still before it is said to have ended: a busy machine may take long for a step, not for ever.
const STANDSTILL: Duration = Duration::from_secs(90);

/// The program with leases that outlast a machine on which everything takes seconds: a call begins only if its timeout fits into
/// what is left of the lease.
fn patient(mut command: Command) -> Command {
    command
        .env("PUGMARK__VTIGER__CALL_TIMEOUT", "1500ms")
        .env("PUGMARK__QUEUE__LEASE", "6s");
    command
}

/// A campaign on its way.
pub(crate) struct Campaign {
    pub(crate) seed: u64,
    report: Report,
    full: bool,
    over: Option<Instant>,
}

impl Campaign {
    /// Begins the campaign of this name; prints its seed.
    pub(crate) fn begin(name: &'static str, engine: Engine) -> Self {
        Self::begin_part(name, "", engine)
    }

    /// Begins a part of a campaign, which has a line of its own in the table.
    pub(crate) fn begin_part(name: &'static str, part: &'static str, engine: Engine) -> Self {
        let known = catalogue::CAMPAIGNS.iter().any(|entry| entry.name == name);
        assert!(known, "{name} does not stand in the catalogue");
        let full = std::env::var(SIZE).is_ok_and(|size| size == "full");
        let seed = crate::harness::seed();
        let database = match engine {
            Engine::Sqlite => "sqlite",
            Engine::Postgres => "postgres",
        };
        Self {
            seed,
            report: Report::new(name, part, database, seed, full),
            full,
            over: None,
        }
    }

    /// A number that depends on the size.
    pub(crate) fn size<T>(&self, short: T, full: T) -> T {
        if self.full { full } else { short }
    }

    /// Notes what was done to Pugmark, for the table. A campaign that did nothing shows nothing: it fails.
    pub(crate) fn inject(&mut self, what: &str, times: u64) {
        assert!(
            times > 0,
            "PUGMARK_SEED={}: {what}: nothing was done, so nothing is shown",
            self.seed
        );
        self.report.injected.push((what.to_owned(), times));
    }

    /// From here on nothing more is done to Pugmark: the time to recover begins.
    pub(crate) fn over(&mut self) {
        self.over = Some(Instant::now());
    }

    /// Waits until nothing is left to do. What stands still is left to the oracle to report.
    pub(crate) async fn recover(&mut self, program: &Writer) {
        let over = *self.over.get_or_insert_with(Instant::now);
        let mut last = (oracle::left(program).await, Instant::now());
        while last.0 > 0 && last.1.elapsed() < STANDSTILL {
            tokio::time::sleep(Duration::from_millis(25)).await;
            let left = oracle::left(program).await;
            if left < last.0 {
                last = (left, Instant::now());
            }
        }
        self.report.recovered = Some(over.elapsed());
    }

    /// Writes the line of the table and fails when anything was found.
    pub(super) fn judge(mut self, verdict: Verdict, log: &str) {
        self.report.take(&verdict);
        self.report.publish();
        let found = verdict.findings();
        assert!(
            found.is_empty(),
            "PUGMARK_SEED={}: {found:#?}\n{log}",
            self.seed
        );
        assert!(
            self.report.injected.iter().any(|(_, times)| *times > 0),
            "nothing was done to it"
        );
    }
}

/// That the list and the suite are the same: a campaign that is listed and not run would be a lie in the table.
#[test]
fn every_campaign_of_the_catalogue_has_a_file() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/chaos");
    for entry in catalogue::CAMPAIGNS {
        let file = folder.join(format!("{}.rs", entry.name));
        let text =
            std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("{} has no file", entry.name));
        let begins = format!("\"{}\"", entry.name);
        assert!(
            text.contains("Campaign::begin") && text.contains(&begins),
            "{} does not begin its campaign",
            entry.name
        );
        assert!(!entry.purpose.is_empty(), "{} says nothing", entry.name);
        assert!(!entry.on.is_empty(), "{} runs nowhere", entry.name);
    }
}
