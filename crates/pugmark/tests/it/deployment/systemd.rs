//! deploy/systemd.

use super::*;

const UNIT: &str = "deploy/systemd/pugmark.service";

/// The values of a directive, in their order.
fn directive(name: &str) -> Vec<String> {
    file(UNIT)
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
        .collect()
}

fn single(name: &str) -> String {
    let mut found = directive(name);
    assert_eq!(found.len(), 1, "{name}: {found:?}");
    found.remove(0)
}

fn variables() -> Variables {
    let mut all = env_file("deploy/systemd/pugmark.env.example");
    for value in all.values_mut().filter(|value| value.is_empty()) {
        *value = "ab".repeat(32);
    }
    let pairs = directive("Environment");
    all.extend(pairs.iter().map(|pair| {
        let (name, value) = pair.split_once('=').expect("NAME=value");
        (name.to_owned(), value.to_owned())
    }));
    all
}

#[tokio::test]
async fn the_unit_runs_a_command_that_there_is() {
    let start = single("ExecStart");
    let words: Vec<String> = start.split(' ').map(str::to_owned).collect();
    assert!(words[0].starts_with('/') && words[0].ends_with("/pugmark"));
    assert_is_a_command(UNIT, &words[1..]).await;
}

#[test]
fn the_unit_and_its_example_set_what_the_program_reads() {
    let settings = settings(UNIT, &variables());
    let folder = single("StateDirectory");
    let store = format!("sqlite:/var/lib/{folder}/");
    assert!(
        settings.database.url.starts_with(&store),
        "it may write there"
    );
    assert_eq!(single("WorkingDirectory"), format!("/var/lib/{folder}"));
}

#[test]
fn the_unit_gives_it_time_to_stop_and_does_not_repeat_a_wrong_configuration() {
    let grace = settings(UNIT, &variables()).server.shutdown_grace;
    assert!(seconds(&single("TimeoutStopSec")) > grace);
    assert_eq!(single("KillSignal"), "SIGTERM");
    assert_eq!(single("RestartPreventExitStatus"), "2");
    assert_eq!(single("Type"), "exec", "the program notifies nobody");
}

#[test]
fn the_unit_leaves_the_program_no_more_than_it_needs() {
    for (name, value) in [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
        ("UMask", "0077"),
    ] {
        assert_eq!(single(name), value, "{name}");
    }
}
