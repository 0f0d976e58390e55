//! compose.yaml and .env.example.

use super::*;

fn compose() -> Yaml {
    documents("compose.yaml").remove(0)
}

/// As `docker compose` fills in what is set in no `.env`: `${NAME:-default}`, and something for `${NAME:?message}`.
fn filled_in(text: &str) -> String {
    let mut parts = text.split("${");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("it is closed");
        match variable.split_once(":-") {
            Some((_, default)) => filled.push_str(default),
            None => filled.push_str(&"ab".repeat(32)),
        }
        filled.push_str(rest);
    }
    filled
}

fn variables(service: &str) -> Variables {
    map_of(&compose()["services"][service]["environment"])
        .into_iter()
        .map(|(name, value)| (name, filled_in(&value)))
        .collect()
}

fn pugmark_settings() -> Settings {
    settings("compose.yaml", &variables("pugmark"))
}

#[test]
fn every_service_of_the_issue_is_there() {
    let compose = compose();
    for service in ["postgres", "rabbitmq", "redis", "pugmark", "sandbox"] {
        let found = &compose["services"][service];
        assert!(!found.is_badvalue(), "{service}");
        assert_eq!(found["restart"].as_str(), Some("unless-stopped"));
    }
}

#[test]
fn pugmark_gets_settings_that_it_accepts() {
    let settings = pugmark_settings();
    assert!(settings.database.url.starts_with("postgres://"));
    assert!(settings.rabbitmq.is_some() && settings.seal_key.is_some());
    let redis = settings.redis.expect("processes share it");
    assert_eq!(redis.url.to_string(), "redis://redis:6379/0");
    assert!(settings.server.token.is_some());
    let ports = words(&compose()["services"]["pugmark"]["ports"]);
    assert_eq!(ports, ["127.0.0.1:3000:3000"], "for this machine alone");
}

#[tokio::test]
async fn pugmark_finds_the_look_alike_that_lives_in_its_network() {
    let compose = compose();
    let sandbox = &compose["services"]["sandbox"];
    assert_eq!(sandbox["network_mode"].as_str(), Some("service:pugmark"));
    let command = words(&sandbox["command"]);
    assert_is_a_command("sandbox", &command).await;
    let crm = pugmark_settings().crm.expect("a CRM");
    let port = command.last().expect("a port");
    assert_eq!(crm.url, format!("http://127.0.0.1:{port}"));
    for name in ["VTIGER_USERNAME", "VTIGER_ACCESS_KEY"] {
        let both = [variables("pugmark"), variables("sandbox")];
        assert_eq!(both[0][name], both[1][name]);
    }
}

#[tokio::test]
async fn pugmark_waits_for_its_database_and_is_given_time_to_stop() {
    let compose = compose();
    let pugmark = &compose["services"]["pugmark"];
    assert_is_a_command("pugmark", &words(&pugmark["command"])).await;
    let condition = &pugmark["depends_on"]["postgres"]["condition"];
    assert_eq!(condition.as_str(), Some("service_healthy"));
    let grace = seconds(&text(&pugmark["stop_grace_period"]));
    assert!(grace > pugmark_settings().server.shutdown_grace);
}

#[test]
fn the_example_of_secrets_names_what_is_asked_for_and_holds_none() {
    let example = env_file(".env.example");
    let source = file("compose.yaml");
    let asked = source.split("${").skip(1).map(|rest| {
        let end = rest.find([':', '}']).expect("it is closed");
        &rest[..end]
    });
    for name in asked {
        assert!(example.contains_key(name), "{name}");
        assert!(
            name.starts_with("VTIGER_U") || example[name].is_empty(),
            "{name} is to be chosen by who runs it"
        );
    }
    assert!(file(".gitignore").lines().any(|line| line == "/.env"));
}

#[test]
fn every_volume_that_is_used_is_declared() {
    let compose = compose();
    let services = compose["services"].as_hash().expect("services");
    for (service, definition) in services {
        for volume in words(&definition["volumes"]) {
            let name = volume.split(':').next().unwrap_or_default();
            let declared = compose["volumes"].as_hash().expect("volumes");
            assert!(
                declared.contains_key(&Yaml::String(name.to_owned())),
                "{service:?}: {volume}"
            );
        }
    }
}
