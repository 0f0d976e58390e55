//! The server programs of an installed PostgreSQL, and the account they may run under.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::failure::Failure;

/// The programs a cluster is made, run and stopped with.
const NEEDED: &[&str] = &["initdb", "postgres", "pg_ctl"];
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";

/// The directory that holds all needed programs, if PostgreSQL's server is installed.
pub(crate) fn directory() -> Option<PathBuf> {
    let from_path = env::var_os("PATH").unwrap_or_default();
    first_complete(
        pg_config_directory()
            .into_iter()
            .chain(newest_first(Path::new(DEBIAN_VERSIONS)))
            .chain(env::split_paths(&from_path)),
    )
}

/// `pg_config` also comes with the client library alone, so its answer is only a candidate.
fn pg_config_directory() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| PathBuf::from(text.trim()))
}

fn first_complete(mut candidates: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    candidates.find(|directory| NEEDED.iter().all(|name| directory.join(name).is_file()))
}

/// The program directories below `<root>/<version>/bin`, the highest version first.
fn newest_first(root: &Path) -> Vec<PathBuf> {
    let names = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name());
    let mut versions: Vec<u32> = names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions
        .iter()
        .map(|version| root.join(version.to_string()).join("bin"))
        .collect()
}

/// A user other than root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The account to become: `None` for an ordinary user, because only root is refused by PostgreSQL.
pub(crate) fn account_to_become() -> Result<Option<Account>, Failure> {
    if id(&["-u"]) != Some(0) {
        return Ok(None);
    }
    let accounts = ["postgres", "nobody"].into_iter().filter_map(account);
    let account = accounts.into_iter().find(|account| account.uid != 0);
    account.map(Some).ok_or_else(|| {
        Failure::new("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")
    })
}

fn account(name: &str) -> Option<Account> {
    Some(Account {
        uid: id(&["-u", name])?,
        gid: id(&["-g", name])?,
    })
}

fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(directory: &Path, names: &[&str]) {
        fs::create_dir_all(directory).expect("a new directory");
        for name in names {
            fs::write(directory.join(name), "").expect("a new file");
        }
    }

    #[test]
    fn the_newest_version_is_taken_by_number_not_by_spelling() {
        let root = tempfile::tempdir().expect("dir");
        install(&root.path().join("9/bin"), NEEDED);
        install(&root.path().join("15/bin"), NEEDED);
        install(&root.path().join("common"), &[]);
        let found = first_complete(newest_first(root.path()).into_iter());
        assert_eq!(found, Some(root.path().join("15/bin")));
    }

    #[test]
    fn a_directory_with_only_client_programs_is_passed_over() {
        let root = tempfile::tempdir().expect("dir");
        install(&root.path().join("16/bin"), &["psql", "pg_config"]);
        install(&root.path().join("15/bin"), NEEDED);
        let found = first_complete(newest_first(root.path()).into_iter());
        assert_eq!(found, Some(root.path().join("15/bin")));
    }

    #[test]
    fn a_machine_without_postgres_has_no_directory() {
        assert_eq!(
            newest_first(Path::new("/no/such/directory")),
            Vec::<PathBuf>::new()
        );
    }

    #[test]
    fn an_unknown_user_is_no_account() {
        assert_eq!(account("surely-no-user-of-this-name"), None);
        assert_eq!(account("root").map(|account| account.uid), Some(0));
    }
}
