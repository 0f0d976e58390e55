//! The files for deployment name nothing that the program does not have: settings, commands, ports, paths.

mod compose;
mod dockerfile;
mod kubernetes;
mod systemd;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use pugmark::config::{self, Environment, Settings};
use yaml_rust2::{Yaml, YamlLoader};

use crate::program::{pugmark, run};

type Variables = BTreeMap<String, String>;

/// Variables that the program reads beside its settings.
const BESIDE: [&str; 1] = ["PUGMARK_LOG"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn file(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents(path: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(&file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a list of texts holds.
fn words(list: &Yaml) -> Vec<String> {
    let words = list.as_vec().into_iter().flatten().map(text);
    words.collect()
}

/// A text, or a number as it is written.
fn text(value: &Yaml) -> String {
    match value {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        other => panic!("{other:?} is no text"),
    }
}

fn map_of(map: &Yaml) -> Variables {
    let pairs = map.as_hash().into_iter().flatten();
    pairs
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// `NAME=value` lines; those that are commented out count as well.
fn env_file(path: &str) -> Variables {
    file(path)
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .filter(|(name, _)| {
            name.chars()
                .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The settings that a process with these variables has. Every variable must be one that means something.
fn settings(whose: &str, variables: &Variables) -> Settings {
    for name in variables.keys() {
        assert!(
            config::reads_variable(name) || BESIDE.contains(&name.as_str()),
            "{whose}: {name} sets nothing"
        );
    }
    let environment: Environment = variables.clone().into_iter().collect();
    config::load(None, &environment).unwrap_or_else(|error| panic!("{whose}: {error}"))
}

/// The program has this command with these options.
async fn assert_is_a_command(whose: &str, arguments: &[String]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all: Vec<&str> = arguments.iter().map(String::as_str).collect();
    all.push("--help");
    let ended = run(pugmark(folder.path(), &all)).await;
    assert_eq!(ended.code, 0, "{whose}: {arguments:?}: {ended:?}");
    assert!(
        ended.stdout.contains(&format!("pugmark {}", arguments[0])),
        "{whose}: {arguments:?}: {}",
        ended.stdout
    );
}

/// Seconds as systemd and compose write them: `40` or `40s`.
fn seconds(text: &str) -> Duration {
    let number = text.trim_end_matches('s');
    Duration::from_secs(number.parse().unwrap_or_else(|_| panic!("`{text}`")))
}
