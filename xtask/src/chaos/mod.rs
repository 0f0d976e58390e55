//! `cargo xtask chaos`: runs the campaigns of the chaos suite in full, one after the other, and prints what they found.

#[path = "../../../crates/pugmark/tests/it/chaos/catalogue.rs"]
mod catalogue;
mod table;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use catalogue::{CAMPAIGNS, Entry};
use clap::Args;
use table::Line;

use crate::cargo::{cargo, exit_code_of, report};
use crate::failure::{Context, Failure};
use crate::search::find_all;
use crate::service::Findings;

/// What the campaigns are told.
const SIZE: &str = "PUGMARK_CHAOS";
const SEED: &str = "PUGMARK_SEED";
const REPORTS: &str = "PUGMARK_CHAOS_REPORTS";

const EXAMPLES: &str = "\
Each campaign does one kind of harm to the real program while customers are written, and lets it recover by itself. Then an
oracle reads the journal of vTiger's look-alike: what was lost, done twice, out of order, called beyond the budget, or left
over. All of these must be 0. The last column says how long it took from the end of the harm until nothing was left to do.

Services are found as by `cargo xtask test`; those that a campaign stops or restarts it starts itself. What is missing here is
left out, with the reason.

Examples:
  cargo xtask chaos --list                                     what there is
  cargo xtask chaos                                            all campaigns in full
  cargo xtask chaos --campaign killed,terminated               two of them
  cargo xtask chaos --campaign killed --on sqlite --seed 42    once more what was left to chance
  cargo xtask chaos --short                                    the dose of the normal tests";

/// What is run.
#[derive(Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Chaos {
    /// Campaigns to run, by name; all without this.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    campaign: Vec<String>,
    /// The database to run on; all that a campaign knows without this.
    #[arg(long, value_name = "DATABASE", value_parser = ["sqlite", "postgres"])]
    on: Option<String>,
    /// Replays what a campaign left to chance; a new seed for each without this.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// The short dose of the normal tests instead of the full size.
    #[arg(long)]
    short: bool,
    /// Names the campaigns and says what each does; runs nothing.
    #[arg(long)]
    list: bool,
}

/// Runs the campaigns; fails when one of them found something or could not be judged.
pub(crate) fn run(chaos: &Chaos) -> ExitCode {
    match all(chaos) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => report(&failure),
    }
}

fn all(chaos: &Chaos) -> Result<bool, Failure> {
    let chosen = chosen(&chaos.campaign)?;
    if chaos.list {
        for entry in chosen {
            println!(
                "{:<22} {}\n{:22} on {}",
                entry.name,
                entry.purpose,
                "",
                entry.on.join(", ")
            );
        }
        return Ok(true);
    }
    // Holds the throwaway cluster, if one was started.
    let search = find_all()?;
    let build = exit_code_of(cargo().args(["test", "-p", "pugmark", "--test", "it", "--no-run"]))?;
    if build != 0 {
        return Err(Failure::new("the campaigns do not build: see above"));
    }
    let folder = Reports::create()?;
    let mut lines = Vec::new();
    for entry in chosen {
        for database in entry.on.iter().copied() {
            if chaos
                .on
                .as_deref()
                .is_none_or(|on| database.starts_with(on))
            {
                lines.extend(one(chaos, entry, database, &search.findings, &folder.0)?);
            }
        }
    }
    println!("\n{}", table::render(&lines));
    let bad: Vec<&Line> = lines.iter().filter(|line| !line.passed()).collect();
    for line in &bad {
        println!("failed: {}", line.replay());
    }
    Ok(bad.is_empty())
}

fn chosen(names: &[String]) -> Result<Vec<&'static Entry>, Failure> {
    let unknown = |name: &&String| !CAMPAIGNS.iter().any(|entry| entry.name == **name);
    if let Some(name) = names.iter().find(unknown) {
        return Err(Failure::new(format!(
            "there is no campaign `{name}`; `cargo xtask chaos --list` names them all"
        )));
    }
    let wanted = |entry: &&Entry| names.is_empty() || names.iter().any(|name| name == entry.name);
    Ok(CAMPAIGNS.iter().filter(wanted).collect())
}

/// One campaign on one database: a line, or several where it has parts.
fn one(
    chaos: &Chaos,
    entry: &Entry,
    database: &'static str,
    findings: &Findings,
    folder: &Path,
) -> Result<Vec<Line>, Failure> {
    let tests = format!("chaos::{}::{database}::", entry.name);
    let seed = chaos.seed.unwrap_or_else(random);
    let mut line = Line::new(entry.name, database, seed);
    if findings.left_out().contains(&format!("{database}::")) {
        line.left_out = Some(format!("{database} was not found"));
        return Ok(vec![line]);
    }
    let folder = folder.join(format!("{}.{database}", entry.name));
    fs::create_dir(&folder).context(format!("cannot make {}", folder.display()))?;
    println!(
        "\n{} on {database}: {}\n  seed {seed}",
        entry.name, entry.purpose
    );
    let began = Instant::now();
    let code = exit_code_of(
        cargo()
            .args(["test", "-q", "-p", "pugmark", "--test", "it", "--"])
            .args([tests.as_str(), "--nocapture", "--test-threads", "1"])
            .envs(findings.environment())
            .env(SIZE, if chaos.short { "short" } else { "full" })
            .env(SEED, seed.to_string())
            .env(REPORTS, &folder),
    )?;
    line.passed = code == 0;
    line.took = began.elapsed();
    let said = written(&folder)?;
    if said.is_empty() {
        return Ok(vec![line]);
    }
    Ok(said.into_iter().map(|said| line.with(said)).collect())
}

/// What a campaign wrote into its folder.
fn written(folder: &Path) -> Result<Vec<BTreeMap<String, String>>, Failure> {
    let said = || format!("cannot read {}", folder.display());
    let mut files = Vec::new();
    for file in fs::read_dir(folder).context(said())? {
        files.push(file.context(said())?.path());
    }
    files.sort();
    let texts = files
        .iter()
        .map(|file| fs::read_to_string(file).map(|text| read(&text)));
    texts.collect::<Result<_, _>>().context(said())
}

/// Lines of `key=value`.
fn read(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// A number nobody chose: the hasher's keys come from the system's source of chance.
fn random() -> u64 {
    std::collections::hash_map::RandomState::new()
        .build_hasher()
        .finish()
}

/// Where the campaigns write their lines; removed when dropped.
struct Reports(PathBuf);

impl Reports {
    fn create() -> Result<Self, Failure> {
        let path = env::temp_dir().join(format!("pugmark-chaos-{:016x}", random()));
        fs::create_dir(&path).context(format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        // Nothing depends on it, and the system empties the folder in any case.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaign_that_does_not_exist_is_named_with_the_way_to_the_list() {
        let Err(failure) = chosen(&["flooded".to_owned()]) else {
            panic!("nobody floods it");
        };
        let text = failure.to_string();
        assert!(
            text.contains("flooded") && text.contains("--list"),
            "{text}"
        );
    }

    #[test]
    fn without_a_choice_all_campaigns_run_and_each_name_is_there_once() {
        let all = chosen(&[]).expect("all");
        assert_eq!(all.len(), CAMPAIGNS.len());
        let names: std::collections::BTreeSet<_> = all.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), all.len());
    }

    #[test]
    fn chosen_campaigns_run_in_the_order_of_the_list() {
        let names = [CAMPAIGNS[1].name.to_owned(), CAMPAIGNS[0].name.to_owned()];
        let chosen = chosen(&names).expect("both exist");
        assert_eq!(chosen[0].name, CAMPAIGNS[0].name);
    }

    #[test]
    fn what_a_campaign_wrote_is_read_by_key() {
        let said = read("lost=0\ninjected=3 kills, 1 cut = short\n");
        assert_eq!(said["lost"], "0");
        assert_eq!(said["injected"], "3 kills, 1 cut = short");
    }
}
