//! Programs that tests run: the first of a family on PATH.

use std::env;
use std::ffi::OsStr;
use std::path::Path;

use crate::service::Finding;

/// A family of programs any of which will do.
pub(crate) struct Family {
    /// Names under which distributions and vendors install it, the preferred one first.
    names: &'static [&'static str],
    /// What to call it when there is none.
    called: &'static str,
}

/// Redis, of which each test starts a server of its own.
pub(crate) const REDIS: Family = Family {
    names: &["redis-server"],
    called: "redis-server",
};

/// Browsers for the console, the open build first.
pub(crate) const CHROMIUM: Family = Family {
    names: &[
        "chromium",
        "chromium-browser",
        "google-chrome-stable",
        "google-chrome",
    ],
    called: "chromium or google-chrome",
};

/// PHP's command line, for the tests of the vTiger extension.
pub(crate) const PHP: Family = Family {
    names: &["php"],
    called: "php",
};

/// Node.js, for the tests that use a vendor's client.
pub(crate) const NODE: Family = Family {
    names: &["node", "nodejs"],
    called: "node",
};

/// The package manager of Node.js.
pub(crate) const NPM: Family = Family {
    names: &["npm"],
    called: "npm",
};

/// Looks through a PATH-like list of directories.
pub(crate) fn find(family: &Family, path: &OsStr) -> Finding {
    let candidates = family
        .names
        .iter()
        .flat_map(|name| env::split_paths(path).map(move |dir| dir.join(name)));
    match candidates.into_iter().find(|file| is_program(file)) {
        Some(program) => Finding::found(program.to_string_lossy(), program.display().to_string()),
        None => Finding::missing(format!("no {} on PATH", family.called)),
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn install(dir: &Path, name: &str, mode: u32) {
        let file = dir.join(name);
        fs::write(&file, "").expect("a writable directory");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("own file");
    }

    #[test]
    fn the_open_build_is_preferred_wherever_it_stands_on_path() {
        let (first, second) = (
            tempfile::tempdir().expect("dir"),
            tempfile::tempdir().expect("dir"),
        );
        install(first.path(), "google-chrome", 0o755);
        install(second.path(), "chromium", 0o755);
        let path = env::join_paths([first.path(), second.path()]).expect("plain names");
        let Finding::Found { value, .. } = find(&CHROMIUM, &path) else {
            panic!("both are installed");
        };
        assert_eq!(value, second.path().join("chromium").to_string_lossy());
    }

    #[test]
    fn a_file_that_cannot_be_run_is_no_browser() {
        let dir = tempfile::tempdir().expect("dir");
        install(dir.path(), "chromium", 0o644);
        assert!(matches!(
            find(&CHROMIUM, dir.path().as_os_str()),
            Finding::Missing { .. }
        ));
    }
}
