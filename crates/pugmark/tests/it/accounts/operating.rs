//! `pugmark doctor` and `pugmark grant`, through the real binary.

use std::process::Command;

use serde_json::Value;

use super::{Staffed, USERS};
use crate::harness::{TOKEN, World, on_both_databases};
use crate::http::Api;
use crate::program::{configured, pugmark, run};

on_both_databases!(
    doctor_says_what_accounts_lack,
    rights_are_given_listed_and_taken_from_the_command_line,
);

/// What was found, by what was looked at: the mark and the words.
async fn doctor(
    staffed: &Staffed,
    change: impl FnOnce(&mut Command),
) -> Vec<(String, String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(&staffed.world, folder.path(), &["doctor", "--json"]);
    command
        .env("SUPABASE_URL", staffed.logins.url())
        .env("SUPABASE_SERVICE_ROLE_KEY", staffed.logins.secret_key());
    change(&mut command);
    let ended = run(command).await;
    for secret in [
        staffed.logins.secret_key(),
        staffed.logins.anon_key(),
        staffed.world.crm.access_key(),
    ] {
        assert!(!ended.stdout.contains(secret), "{}", ended.stdout);
    }
    let list: Vec<Value> = serde_json::from_str(&ended.stdout).expect("JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|found| {
            let words = format!("{} -> {}", text(&found["said"]), text(&found["fix"]));
            (text(&found["what"]), text(&found["mark"]), words)
        })
        .collect()
}

#[track_caller]
fn assert_found(found: &[(String, String, String)], what: &str, mark: &str, part: &str) {
    let hit = found.iter().find(|(name, _, _)| name == what);
    let (_, marked, words) = hit.unwrap_or_else(|| panic!("nothing about {what}: {found:?}"));
    assert_eq!(marked, mark, "{what}: {words}");
    assert!(words.contains(part), "{what}: {words}");
}

async fn doctor_says_what_accounts_lack(world: World) {
    let staffed = Staffed::of(world).await;
    pugmark::store::migrate(staffed.world.store.db())
        .await
        .expect("migrated");
    let found = doctor(&staffed, |_| {}).await;
    assert_found(&found, "Supabase", "ok", "answers");
    assert_found(&found, "PUGMARK_SEAL_KEY", "warning", "openssl rand");
    assert_found(&found, "users.role", "warning", "H5");
    assert_found(&found, "extension", "ok", "not installed");
    assert_found(&found, "make users", "warning", "PUG-4001");
    assert_found(&found, "make users", "warning", "vtiger_ws_fieldtype");
    assert_found(&found, "set passwords", "warning", "PUG-4002");
    assert_found(&found, "enable users", "warning", "PUG-4003");
    assert_found(&found, "disable users", "ok", "web service");
    let passwords = staffed.world.crm.journal().entries();
    let set = passwords
        .iter()
        .any(|entry| format!("{:?}", entry.kind).contains("PasswordSet"));
    assert!(!set, "asking changes nobody's password");

    staffed.world.crm.install_extension();
    let found = doctor(&staffed, |command| {
        command
            .env("PUGMARK_SEAL_KEY", "07".repeat(32))
            .env("PUGMARK__USERS__ROLE", "H5");
    })
    .await;
    for (what, part) in [
        ("PUGMARK_SEAL_KEY", "is set"),
        ("users.role", "H5"),
        ("extension", "version 1.0.0"),
        ("make users", "extension"),
        ("set passwords", "extension"),
        ("enable users", "extension"),
        ("disable users", "extension"),
    ] {
        assert_found(&found, what, "ok", part);
    }
    let found = doctor(&staffed, |command| {
        command.env("SUPABASE_SERVICE_ROLE_KEY", staffed.logins.anon_key());
    })
    .await;
    assert_found(&found, "Supabase", "problem", "PUG-4010");
    staffed.logins.go_down().await;
    let found = doctor(&staffed, |_| {}).await;
    assert_found(&found, "Supabase", "problem", "PUG-4009");
}

async fn rights_are_given_listed_and_taken_from_the_command_line(world: World) {
    let staffed = Staffed::extended(world).await;
    let seed = pugmark_sandbox::UserSeed::new("boss+1@example.co.ke");
    let boss = staffed.logins.seed_user(seed).expect("a login");
    let token = staffed.logins.access_token_for(&boss).expect("a token");
    let (running, api) = staffed.start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let grant = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["grant"].iter().chain(arguments).copied().collect();
        let mut command = pugmark(folder.path(), &arguments);
        command
            .env("PUGMARK_SERVER", api.address())
            .env("APP_SECRET_TOKEN", TOKEN);
        run(command)
    };
    let as_boss = |api: &Api| {
        let request = api.bare(reqwest::Method::GET, USERS).bearer_auth(&token);
        crate::http::answer(request)
    };
    assert_eq!(as_boss(&api).await.status, 403);
    let reason = ["--reason", "she runs the office"];
    let added = grant(&[
        "add",
        "boss+1@example.co.ke",
        "registration_admin",
        reason[0],
        reason[1],
    ]);
    let added = added.await;
    assert_eq!(added.code, 0, "{}", added.stderr);
    assert!(added.stdout.contains(&boss), "{}", added.stdout);
    assert_eq!(as_boss(&api).await.status, 200);
    let listed = grant(&["list"]).await;
    for part in [boss.as_str(), "registration_admin", "she runs the office"] {
        assert!(listed.stdout.contains(part), "{part}: {}", listed.stdout);
    }
    let wrong = grant(&["add", &boss, "root"]).await;
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.stderr.contains("registration_admin"),
        "{}",
        wrong.stderr
    );
    let removed = grant(&["remove", "boss+1@example.co.ke", "registration_admin"]).await;
    assert_eq!(removed.code, 0, "{}", removed.stderr);
    assert_eq!(as_boss(&api).await.status, 403);
    running.shutdown().await;
}
