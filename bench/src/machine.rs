//! What a run was made on, for the report.

use std::path::Path;

use sqlx::{Connection, PgConnection};

use crate::failure::Failure;
use crate::report::Machine;
use crate::services::Services;

/// This machine and the versions of everything.
pub(crate) async fn here(services: &Services, bench: &Path) -> Result<Machine, Failure> {
    let mut connection = PgConnection::connect(&services.postgres("postgres")).await?;
    let date = sqlx::query_scalar("SELECT current_date::text")
        .fetch_one(&mut connection)
        .await?;
    Ok(Machine {
        date,
        processor: processor(),
        services: services.versions().await?,
        peers: peers(bench)?,
    })
}

fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, model)| model.trim());
    let build = if cfg!(debug_assertions) {
        ", **debug build**"
    } else {
        ""
    };
    format!("{cores} core(s) of {model}{build}")
}

/// `BullMQ 6.7.0, ...`: the versions that are installed.
fn peers(bench: &Path) -> Result<String, Failure> {
    let mut all = vec![format!(
        "apalis-postgres {}",
        locked(
            &std::fs::read_to_string(bench.join("Cargo.lock"))?,
            "apalis-postgres"
        )
    )];
    let manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(bench.join("node/package.json"))?)?;
    for name in ["pg-boss", "graphile-worker", "bullmq", "node"] {
        let version = manifest["dependencies"][name].as_str().unwrap_or("?");
        all.push(format!("{name} {version}"));
    }
    Ok(all.join(", "))
}

fn locked(lock: &str, package: &str) -> String {
    let wanted = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != wanted).skip(1);
    let version = lines
        .next()
        .and_then(|line| line.strip_prefix("version = \""));
    version
        .map_or("?", |version| version.trim_end_matches('"'))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_package_is_the_line_after_its_name() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1\"\n\n[[package]]\nname = \"ab\"\nversion = \"2.0.1\"\n";
        assert_eq!(locked(lock, "ab"), "2.0.1");
        assert_eq!(locked(lock, "b"), "?");
    }

    #[test]
    fn every_peer_has_a_version() {
        let peers = peers(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the manifests are there");
        assert!(!peers.contains('?'), "{peers}");
    }
}
