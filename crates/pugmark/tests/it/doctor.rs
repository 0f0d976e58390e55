//! `pugmark doctor`, through the real binary: it finds what is wrong, says what to do, and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use pugmark::store;
use pugmark_sandbox::{
    Clock, CustomField, CustomFieldKind, ManualClock, NewUser, UserSpec, VtigerSandbox,
    VtigerSandboxBuilder,
};
use serde_json::Value;

use crate::harness::{World, on_both_databases, sandbox};
use crate::program::{Ended, configured, pugmark, run};

on_both_databases!(
    a_good_installation_has_nothing_but_ok,
    a_store_that_is_not_migrated_or_not_watched_is_found,
);

/// What was found, by what was looked at: the mark and the words.
struct Findings(BTreeMap<String, (String, String)>);

impl Findings {
    fn of(ended: &Ended) -> Self {
        let list: Vec<Value> = serde_json::from_str(&ended.stdout).expect("JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = list.iter().map(|finding| {
            let words = format!("{} -> {}", text(&finding["said"]), text(&finding["fix"]));
            if finding["mark"] != "ok" {
                assert!(
                    finding["fix"].is_string(),
                    "every trouble has its fix: {finding}"
                );
            }
            (text(&finding["what"]), (text(&finding["mark"]), words))
        });
        Findings(found.collect())
    }

    fn assert(&self, what: &str, mark: &str, parts: &[&str]) {
        let (found, words) = self
            .0
            .get(what)
            .unwrap_or_else(|| panic!("nothing about {what}: {:?}", self.0));
        assert_eq!(found, mark, "{what}: {words}");
        for part in parts {
            assert!(words.contains(part), "{what}: {part}: {words}");
        }
    }

    fn troubles(&self) -> Vec<&str> {
        let trouble = self.0.iter().filter(|(_, (mark, _))| mark != "ok");
        trouble.map(|(what, _)| what.as_str()).collect()
    }
}

async fn doctor(world: &World, change: impl FnOnce(&mut Command)) -> (i32, Findings) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(world, folder.path(), &["doctor", "--json"]);
    change(&mut command);
    let ended = run(command).await;
    assert!(
        !ended.stdout.contains(world.crm.access_key()),
        "{}",
        ended.stdout
    );
    (ended.code, Findings::of(&ended))
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("it is there")
}

async fn a_good_installation_has_nothing_but_ok(world: World) {
    store::migrate(world.store.db()).await.expect("migrated");
    let before = world.store.path().map(|path| bytes(&path));
    let (code, findings) = doctor(&world, |_| {}).await;
    assert_eq!(findings.troubles(), Vec::<&str>::new(), "{:?}", findings.0);
    assert_eq!(code, 0);
    for what in [
        "settings",
        "store",
        "capture",
        "connection",
        "clock",
        "login",
        "rights",
        "modules",
        "Contacts",
        "field",
        "tasks",
    ] {
        findings.assert(what, "ok", &[]);
    }
    assert_eq!(
        world.store.path().map(|path| bytes(&path)),
        before,
        "nothing is written"
    );
    assert_eq!(world.crm.records("Contacts").len(), 0);
    let journal = world.crm.journal();
    for write in ["create", "revise", "update", "delete"] {
        assert_eq!(journal.count_calls(Some(write)), 0, "{write}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let text = run(configured(&world, folder.path(), &["doctor"])).await;
    assert!(
        text.stdout.contains("0 problem(s), 0 warning(s)"),
        "{}",
        text.stdout
    );
    assert_eq!(text.code, 0);
}

async fn a_store_that_is_not_migrated_or_not_watched_is_found(world: World) {
    let (code, findings) = doctor(&world, |_| {}).await;
    assert_eq!(code, 1);
    findings.assert("store", "problem", &["pugmark migrate"]);
    store::migrate(world.store.db()).await.expect("migrated");
    let program = world.other_program().await;
    program
        .sql(match program.engine() {
            pugmark_queue::db::Engine::Sqlite => "DROP TRIGGER pugmark_customers_update",
            pugmark_queue::db::Engine::Postgres => {
                "ALTER TABLE customers DISABLE TRIGGER pugmark_capture_customers"
            }
        })
        .await;
    let (code, findings) = doctor(&world, |_| {}).await;
    assert_eq!(code, 1);
    findings.assert("capture", "problem", &["customers", "pugmark migrate"]);
}

async fn migrated(crm: VtigerSandboxBuilder) -> World {
    let world = World::over(pugmark_queue::testing::TestDb::sqlite().await, crm).await;
    store::migrate(world.store.db()).await.expect("migrated");
    world
}

#[tokio::test]
async fn a_wrong_key_and_an_unknown_user_are_told_apart() {
    let world = migrated(sandbox()).await;
    let (code, findings) = doctor(&world, |command| {
        command.env("VTIGER_ACCESS_KEY", "wrong");
    })
    .await;
    assert_eq!(code, 1);
    findings.assert("connection", "ok", &[]);
    findings.assert("login", "problem", &["PUG-2002", "access key"]);
    let (code, findings) = doctor(&world, |command| {
        command.env("VTIGER_USERNAME", "nobody");
    })
    .await;
    assert_eq!(code, 1);
    findings.assert("connection", "problem", &["VTIGER_USERNAME"]);
}

#[tokio::test]
async fn a_crm_that_is_away_is_a_problem_with_the_connection() {
    let world = migrated(sandbox()).await;
    world.crm.go_down().await;
    let (code, findings) = doctor(&world, |_| {}).await;
    assert_eq!(code, 1);
    findings.assert("connection", "problem", &["PUG-2001", "firewall"]);
    findings.assert("store", "ok", &[]);
}

#[tokio::test]
async fn missing_fields_are_named_with_what_to_make() {
    let world = migrated(VtigerSandbox::builder().seed(1)).await;
    let (code, findings) = doctor(&world, |_| {}).await;
    assert_eq!(code, 1, "without the reference field no contact is made");
    findings.assert(
        "field id",
        "problem",
        &["PUG-3006", "cf_microbima_customer_id", "36 characters"],
    );
    for column in [
        "middleName",
        "gender",
        "idType",
        "idNumber",
        "status",
        "link",
    ] {
        findings.assert(
            &format!("field {column}"),
            "warning",
            &["cf_", "Make a text field"],
        );
    }
    let with_one = VtigerSandbox::builder()
        .seed(1)
        .custom_field(CustomField::new(
            "Contacts",
            "MicroBima Customer ID",
            CustomFieldKind::Text,
        ));
    let (code, findings) = doctor(&migrated(with_one).await, |_| {}).await;
    assert_eq!(
        code,
        0,
        "what is only not sent is a warning: {:?}",
        findings.troubles()
    );
}

#[tokio::test]
async fn a_user_who_is_no_administrator_is_a_warning() {
    let world = migrated(sandbox().user(UserSpec::standard("clerk", "KeyOfTheClerk"))).await;
    let (_, findings) = doctor(&world, |_| {}).await;
    findings.assert("login", "ok", &["clerk"]);
    findings.assert("rights", "warning", &["administrator"]);
}

#[tokio::test]
async fn clocks_that_are_apart_are_told() {
    let clock = ManualClock::new(jiff::Timestamp::now() + Duration::from_secs(3_600));
    let world = migrated(sandbox().clock(Clock::Manual(clock))).await;
    let (code, findings) = doctor(&world, |_| {}).await;
    assert_eq!(code, 0, "{:?}", findings.0);
    findings.assert("clock", "warning", &["seconds apart", "time server"]);
}

#[tokio::test]
async fn sending_that_is_switched_off_is_told() {
    let world = migrated(sandbox()).await;
    let (code, findings) = doctor(&world, |command| {
        command
            .env("VTIGER_ENABLED", "false")
            .env("PUGMARK_MODE", "shadow")
            .env_remove("APP_SECRET_TOKEN");
    })
    .await;
    assert_eq!(code, 0);
    assert_eq!(
        findings.troubles(),
        ["APP_SECRET_TOKEN", "PUGMARK_MODE", "VTIGER_ENABLED"]
    );
}

#[tokio::test]
async fn without_anything_it_says_what_is_to_be_set_and_makes_no_store() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = run(pugmark(folder.path(), &["doctor"])).await;
    assert_eq!(ended.code, 1);
    for part in [
        "VTIGER_URL",
        "VTIGER_USERNAME",
        "does not exist yet",
        "APP_SECRET_TOKEN",
    ] {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    assert_eq!(
        std::fs::read_dir(folder.path())
            .expect("it is there")
            .count(),
        0
    );
}

#[tokio::test]
async fn every_problem_of_the_settings_is_a_finding_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pugmark(folder.path(), &["doctor", "--json"]);
    command
        .env("PORT", "abc")
        .env("VTIGER_URL", "ftp://crm.example.org")
        .env("DATABASE_URL", "mysql://u:hidden@host/db");
    let ended = run(command).await;
    assert_eq!(ended.code, 1);
    let findings = Findings::of(&ended);
    assert_eq!(
        findings.troubles(),
        [
            "DATABASE_URL",
            "PORT",
            "VTIGER_ACCESS_KEY",
            "VTIGER_URL",
            "VTIGER_USERNAME"
        ]
    );
    assert!(!ended.stdout.contains("hidden"));
}

#[tokio::test]
async fn a_store_in_a_folder_that_may_not_be_written_is_looked_at_all_the_same() {
    let world = migrated(sandbox()).await;
    let path = world.store.path().expect("SQLite");
    let folder = path.parent().expect("a folder");
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .expect("it is there")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        names
    };
    let before = names(folder);
    let (code, _) = doctor(&world, |_| {}).await;
    assert_eq!(code, 0);
    assert_eq!(names(folder), before, "no file is left behind");
}

#[tokio::test]
async fn who_would_get_tasks_is_told_and_whom_vtiger_does_not_have() {
    let world = migrated(sandbox()).await;
    world.crm.add_role("H7", "Customer care");
    let amina = NewUser::new("amina", "H7").named("Amina", "Otieno");
    let amina = world.crm.add_user(&amina).expect("a user");
    let (code, findings) = doctor(&world, |command| {
        command
            .env("PUGMARK__TASKS__ROLE", "H7")
            .env("PUGMARK__TASKS__ASSIGN", "round_robin");
    })
    .await;
    assert_eq!(code, 0);
    let name = format!("Amina Otieno ({amina})");
    findings.assert("tasks", "ok", &["turns", &name]);

    let (code, findings) = doctor(&world, |command| {
        command
            .env("PUGMARK__TASKS__ROLE", "H9")
            .env("PUGMARK__TASKS__CLOSED_STATUS", "Gone");
    })
    .await;
    assert_eq!(code, 0, "tasks are made all the same");
    findings.assert("task assignees", "warning", &["owner of new records"]);
    findings.assert("tasks.closed_status", "warning", &["Gone", "Completed"]);
    findings.assert("tasks", "ok", &["19x1"]);

    let (_, findings) = doctor(&world, |command| {
        command.env("PUGMARK__TASKS__ENABLED", "false");
    })
    .await;
    findings.assert("tasks", "ok", &["switched off"]);
}

#[tokio::test]
async fn users_that_cannot_be_seen_are_a_problem_once_they_are_chosen() {
    let world = migrated(sandbox().user(UserSpec::standard("clerk", "KeyOfTheClerk"))).await;
    let (code, findings) = doctor(&world, |command| {
        command.env("PUGMARK__TASKS__ROLE", "H5");
    })
    .await;
    assert_eq!(code, 1);
    findings.assert("tasks", "problem", &["PUG-3401", "administrator"]);
}

#[tokio::test]
async fn questions_of_the_onboarding_form_without_a_field_are_listed_where_the_form_is_used() {
    let world = World::sqlite().await;
    let (_, found) = doctor(&world, |_| {}).await;
    found.assert("onboarding form", "ok", &["not in use"]);
    let (_, found) = doctor(&world, |command| {
        command.env("PUGMARK_PUBLIC_URL", "https://sync.example.org");
    })
    .await;
    found.assert("onboarding form", "warning", &["PUG-6305", "openssl rand"]);
    let (_, found) = doctor(&world, |command| {
        command
            .env("PUGMARK_PUBLIC_URL", "https://sync.example.org")
            .env("PUGMARK_SEAL_KEY", "07".repeat(32));
    })
    .await;
    let missing = ["PUG-6306", "sickLeavePolicy", "iban"];
    found.assert("onboarding form in Leads", "warning", &missing);
    found.assert("onboarding form in Contacts", "warning", &missing);
}
