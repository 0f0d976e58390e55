//! Dockerfile and .dockerignore.

use super::*;

/// The arguments of each instruction of this name, lines that go on joined.
fn instructions(name: &str) -> Vec<String> {
    let lines = file("Dockerfile").replace("\\\n", " ");
    lines
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
        .map(|rest| rest.trim().to_owned())
        .collect()
}

fn manifest() -> String {
    file("Cargo.toml")
}

/// The words of `["a", "b"]` at the end of an instruction.
fn exec_form(instruction: &str) -> Vec<String> {
    let list = &instruction[instruction.find('[').expect("the form without a shell")..];
    words(&YamlLoader::load_from_str(list).expect("a list")[0])
}

fn environment() -> Variables {
    let all = instructions("ENV").join(" ");
    all.split_whitespace()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_image_is_built_by_the_compiler_that_the_workspace_asks_for() {
    let line = manifest();
    let wanted = line
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \""))
        .and_then(|rest| rest.strip_suffix('"'))
        .expect("a rust-version");
    let from = instructions("FROM");
    assert!(from[0].starts_with(&format!("rust:{wanted}-")), "{from:?}");
    let release = |image: &str| image.contains("bookworm");
    assert!(from.iter().all(|image| release(image)), "one C library");
}

#[test]
fn the_image_holds_a_package_and_a_profile_that_there_are() {
    let build = instructions("RUN").join(" ");
    assert!(build.contains("--locked"), "{build}");
    assert!(build.contains("--package pugmark "), "{build}");
    assert!(build.contains("--profile dist "), "{build}");
    assert!(build.contains("target/dist/pugmark"), "{build}");
    assert!(manifest().contains("[profile.dist]"));
    assert!(file("crates/pugmark/Cargo.toml").contains("name = \"pugmark\""));
}

#[test]
fn the_image_listens_where_it_says_and_not_as_root() {
    let server = settings("Dockerfile", &environment()).server;
    let health = server.health.expect("an address for health");
    assert!(server.address.ip().is_unspecified() && health.ip().is_unspecified());
    assert_eq!(
        instructions("EXPOSE"),
        [format!("{} {}", server.address.port(), health.port())]
    );
    let user = instructions("USER").pop().expect("a user");
    let number = user.split(':').next().and_then(|uid| uid.parse().ok());
    assert!(number.is_some_and(|uid: u32| uid > 0), "{user}");
}

#[tokio::test]
async fn the_image_runs_and_checks_itself_by_commands_that_there_are() {
    let entry = exec_form(&instructions("ENTRYPOINT")[0]);
    assert_eq!(entry, ["pugmark"]);
    assert_is_a_command("CMD", &exec_form(&instructions("CMD")[0])).await;
    let check = exec_form(&instructions("HEALTHCHECK")[0]);
    assert_eq!(check[0], "pugmark", "it needs no shell");
    assert_is_a_command("HEALTHCHECK", &check[1..]).await;
}

#[test]
fn what_the_build_needs_is_not_kept_from_it() {
    let ignored = file(".dockerignore");
    let ignored: Vec<&str> = ignored
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect();
    let manifest = manifest();
    let members = manifest
        .lines()
        .find(|line| line.starts_with("members"))
        .expect("members");
    let needed = members.split('"').skip(1).step_by(2);
    for path in needed.chain(["fixtures", "vtiger-module", "Cargo.lock"]) {
        let first = path.split('/').next().unwrap_or(path);
        assert!(root().join(path).exists(), "{path}");
        assert!(!ignored.contains(&path), "{path}");
        assert!(!ignored.contains(&first), "{path}");
    }
    for secret in [".env", ".git"] {
        assert!(ignored.contains(&secret), "{secret} stays out of the image");
    }
}
