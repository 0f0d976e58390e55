//! The command line, through the real binary: what it says, what it changes, how it ends.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use pugmark::store;
use pugmark_queue::db::Engine;
use serde_json::{Value, json};

use crate::harness::{TOKEN, World, eventually, on_both_databases};
use crate::http::{Answer, Api};
use crate::program::{Ended, Serving, as_ordinary_user, configured, is_root, pugmark, run};

on_both_databases!(
    a_store_of_a_newer_program_is_left_as_it_is,
    migrate_can_be_repeated,
    the_queue_commands_act_on_a_running_server,
    a_port_that_is_taken_is_named,
    serving_ends_with_0_when_it_is_told_to_stop,
);

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn assert_ended(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    for part in parts {
        assert!(ended.stderr.contains(part), "{part}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
}

#[tokio::test]
async fn help_says_what_each_command_is_for() {
    let folder = folder();
    let all = run(pugmark(folder.path(), &["--help"])).await;
    assert_eq!(all.code, 0);
    let commands = [
        "serve", "demo", "migrate", "doctor", "queue", "jobs", "mapping", "summary", "openapi",
        "config",
    ];
    for command in commands {
        assert!(all.stdout.contains(command), "{command}");
        let help = run(pugmark(folder.path(), &[command, "--help"])).await;
        assert_eq!(help.code, 0, "{help:?}");
        assert!(help.stdout.contains("Usage: pugmark"), "{}", help.stdout);
        let about = help.stdout.lines().next().unwrap_or_default();
        assert!(about.len() > 30, "{command} says what it does: {about:?}");
        for line in help
            .stdout
            .lines()
            .filter(|line| line.trim_start().starts_with("--"))
        {
            assert!(
                line.trim().contains(' ') || help.stdout.contains(line),
                "{line}"
            );
        }
    }
    for action in ["list", "show", "dead", "retry", "discard"] {
        let help = run(pugmark(folder.path(), &["queue", action, "--help"])).await;
        assert!(
            help.stdout.contains("--server") && help.stdout.contains("PUGMARK_SERVER"),
            "{}",
            help.stdout
        );
    }
    let mut command = pugmark(folder.path(), &["queue", "list", "--help"]);
    command.env("APP_SECRET_TOKEN", "hidden");
    assert!(
        !run(command).await.stdout.contains("hidden"),
        "the token is not shown"
    );
    assert_eq!(run(pugmark(folder.path(), &["--version"])).await.code, 0);
    let none = run(pugmark(folder.path(), &[])).await;
    assert_eq!(none.code, 2);
}

#[tokio::test]
async fn the_settings_and_the_description_of_the_api_can_be_printed() {
    let folder = folder();
    let config = run(pugmark(folder.path(), &["config"])).await;
    assert_eq!(
        (config.code, config.stdout.as_str()),
        (0, pugmark::config::DEFAULTS)
    );
    let openapi = run(pugmark(folder.path(), &["openapi"])).await;
    assert_eq!(openapi.code, 0);
    let printed: Value = serde_json::from_str(&openapi.stdout).expect("JSON");
    assert_eq!(
        printed,
        serde_json::to_value(pugmark::http::openapi()).expect("JSON")
    );
}

#[tokio::test]
async fn a_wrong_configuration_ends_with_2_and_every_problem() {
    let folder = folder();
    for command in ["serve", "migrate"] {
        let mut command = pugmark(folder.path(), &[command]);
        command
            .env("PORT", "abc")
            .env("VTIGER_URL", "http://crm.example.org")
            .env("DATABASE_URL", "oracle://u:hidden@host/db");
        let ended = run(command).await;
        assert_ended(
            &ended,
            2,
            &[
                "PUG-1001",
                "5 problem(s)",
                "PORT",
                "VTIGER_URL",
                "VTIGER_USERNAME",
                "VTIGER_ACCESS_KEY",
                "DATABASE_URL",
            ],
        );
        assert!(!ended.stderr.contains("hidden"), "{}", ended.stderr);
    }
    std::fs::write(folder.path().join("pugmark.toml"), "[server]\nprot = 1").expect("written");
    let ended = run(pugmark(folder.path(), &["migrate"])).await;
    assert_ended(&ended, 2, &["server.prot", "pugmark.toml sets it"]);
    let ended = run(pugmark(
        folder.path(),
        &["migrate", "--config", "other.toml"],
    ))
    .await;
    assert_ended(&ended, 2, &["other.toml"]);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("it is there")
        .collect();
    assert_eq!(left.len(), 1, "no store was made: {left:?}");
    let roles = run(pugmark(folder.path(), &["serve", "--roles", "kitchen"])).await;
    assert_ended(&roles, 2, &["`kitchen` is no role"]);
}

async fn with_store(folder: &Path, command: &str, url: &str) -> Ended {
    let mut command = pugmark(folder, &[command]);
    command.env("DATABASE_URL", url).env("PORT", "0");
    run(command).await
}

#[tokio::test]
async fn a_store_that_cannot_be_opened_ends_with_3_and_says_why() {
    let folder = folder();
    std::fs::create_dir(folder.path().join("directory.db")).expect("made");
    std::fs::write(
        folder.path().join("garbage.db"),
        "not a database, but long enough to look like one".repeat(100),
    )
    .expect("written");
    std::fs::write(folder.path().join("file"), "").expect("written");
    for command in ["serve", "migrate"] {
        for (url, parts) in [
            ("sqlite:directory.db", ["PUG-1101", "directory.db"]),
            ("sqlite:garbage.db", ["PUG-1101", "garbage.db"]),
            ("sqlite:file/below/store.db", ["PUG-1101", "file/below"]),
            (
                "postgres://u:hidden@127.0.0.1:1/db",
                ["PUG-1101", "u@127.0.0.1:1/db"],
            ),
            (
                "postgres://u:hidden@no-such-host.invalid/db",
                ["PUG-1101", "no-such-host.invalid"],
            ),
        ] {
            let ended = with_store(folder.path(), command, url).await;
            assert_ended(&ended, 3, &parts);
            assert!(!ended.stderr.contains("hidden"), "{}", ended.stderr);
        }
    }
    let garbage = std::fs::read(folder.path().join("garbage.db")).expect("it stays");
    assert!(garbage.starts_with(b"not a database"));
    let memory = with_store(folder.path(), "serve", "sqlite::memory:").await;
    assert_ended(&memory, 2, &["forgets everything"]);
    if let Ok(server) = std::env::var(pugmark_queue::testing::POSTGRES_URL) {
        let base = server
            .rsplit_once('/')
            .expect("a database in the address")
            .0;
        let ended = with_store(
            folder.path(),
            "serve",
            &format!("{base}/no_such_database_here"),
        )
        .await;
        assert_ended(&ended, 3, &["PUG-1101", "no_such_database_here"]);
    }
}

/// The binary where a user without rights can run it.
fn for_everybody(folder: &Path) {
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, open).expect("ours");
}

#[tokio::test]
async fn a_store_that_may_only_be_read_is_not_half_served() {
    let folder = folder();
    for_everybody(folder.path());
    let made = with_store(folder.path(), "migrate", "sqlite:store.db").await;
    assert_eq!(made.code, 0, "{made:?}");
    let store = folder.path().join("store.db");
    let before = std::fs::read(&store).expect("made");
    let mode = |path: &Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("ours");
    };
    for name in ["store.db", "store.db.lock"] {
        mode(&folder.path().join(name), 0o444);
    }
    mode(folder.path(), 0o555);
    for command in ["serve", "migrate"] {
        let mut command = pugmark(folder.path(), &[command]);
        command
            .env("DATABASE_URL", "sqlite:store.db")
            .env("PORT", "0");
        as_ordinary_user(&mut command, folder.path());
        let ended = run(command).await;
        assert_ended(&ended, 3, &["PUG-11"]);
        assert!(ended.stderr.contains("PUG-1105"), "{}", ended.stderr);
    }
    mode(folder.path(), 0o755);
    assert_eq!(std::fs::read(&store).expect("it stays"), before);
}

async fn a_store_of_a_newer_program_is_left_as_it_is(world: World) {
    store::migrate(world.store.db()).await.expect("migrated");
    let program = world.other_program().await;
    program
        .sql(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             SELECT 9999, 'of tomorrow', success, checksum, 1 FROM _sqlx_migrations LIMIT 1",
        )
        .await;
    let trigger = match program.engine() {
        Engine::Sqlite => "DROP TRIGGER pugmark_customers_insert",
        Engine::Postgres => "DROP TRIGGER pugmark_capture_customers ON public.customers",
    };
    program.sql(trigger).await;
    let folder = folder();
    for command in ["serve", "migrate"] {
        let ended = run(configured(&world, folder.path(), &[command])).await;
        assert_ended(&ended, 3, &["PUG-1102", "9999"]);
    }
    let doctor = run(configured(&world, folder.path(), &["doctor"])).await;
    assert_eq!(doctor.code, 1);
    assert!(doctor.stdout.contains("PUG-1102"), "{}", doctor.stdout);

    program.insert_customer("Were").await;
    assert_eq!(
        program.count("change_log").await,
        0,
        "nobody put the trigger back"
    );
    assert_eq!(
        program.count("_sqlx_migrations WHERE version = 9999").await,
        1
    );
}

async fn migrate_can_be_repeated(world: World) {
    let folder = folder();
    for _ in 0..2 {
        let ended = run(configured(&world, folder.path(), &["migrate"])).await;
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(
            ended.stdout.contains("capture is installed"),
            "{}",
            ended.stdout
        );
    }
    let program = world.other_program().await;
    program.insert_customer("Were").await;
    assert_eq!(program.count("change_log").await, 1);
}

#[tokio::test]
async fn one_sqlite_file_is_served_by_one_process() {
    let world = World::sqlite().await;
    let folder = folder();
    let serving = Serving::start(configured(&world, folder.path(), &["serve"])).await;
    for command in ["serve", "migrate"] {
        let second = run(configured(&world, folder.path(), &[command])).await;
        assert_ended(&second, 3, &["PUG-1103", "already serves"]);
    }
    let api = Api::at(serving.address);
    assert_eq!(
        api.get("/api/internal/customers").await.status,
        200,
        "the first is not disturbed"
    );
    assert_eq!(serving.stop().await, 0);
    let after = Serving::start(configured(&world, folder.path(), &["serve"])).await;
    assert_eq!(after.stop().await, 0, "the file is free again");
}

async fn a_port_that_is_taken_is_named(world: World) {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let folder = folder();
    let mut command = configured(&world, folder.path(), &["serve"]);
    command.env("PORT", &port);
    let ended = run(command).await;
    assert_ended(&ended, 2, &["PUG-1001", &port, "PORT sets another one"]);
}

async fn serving_ends_with_0_when_it_is_told_to_stop(world: World) {
    let folder = folder();
    let serving = Serving::start(configured(&world, folder.path(), &["serve"])).await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Were").await;
    world.wait_for_contact(&customer, |_| true).await;
    let log = serving.log();
    for secret in [world.crm.access_key(), TOKEN] {
        assert!(!log.contains(secret), "{log}");
    }
    assert_eq!(serving.stop().await, 0);
    assert_eq!(
        program
            .count("vtiger_sync_queue WHERE status = 'PROCESSING'")
            .await,
        0
    );
}

fn queue(server: &str, token: &str, arguments: &[&str]) -> Command {
    let mut all = vec!["queue"];
    all.extend(arguments);
    let mut command = pugmark(&std::env::temp_dir(), &all);
    command
        .env("PUGMARK_SERVER", server)
        .env("APP_SECRET_TOKEN", token)
        // A proxy for the internet is not asked about this machine.
        .env("HTTP_PROXY", "http://127.0.0.1:1");
    command
}

async fn the_queue_commands_act_on_a_running_server(mut world: World) {
    world.crm.set_unique("Contacts", "email", true);
    world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Other"), ("email", "taken@example.co.ke")],
        )
        .expect("a person makes a contact");
    world.crm_settings().sessions = 1;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let customer = program.insert_customer("Were").await;
    program
        .set(&customer, "email", "'taken@example.co.ke'")
        .await;
    let dead: Answer = eventually("a dead letter", || async {
        let list = api.get("/api/internal/vtiger/queue?dead=true").await;
        (list.data()["items"].as_array().map(Vec::len) == Some(1)).then_some(list)
    })
    .await;
    let id = dead.data()["items"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let server = api.address().to_owned();

    let list = run(queue(&server, TOKEN, &["list", "--dead"])).await;
    assert_eq!(list.code, 0, "{list:?}");
    for part in [id.as_str(), "DEAD", "customer.create", &customer] {
        assert!(list.stdout.contains(part), "{part}: {}", list.stdout);
    }
    let json = run(queue(
        server.trim_start_matches("http://"),
        TOKEN,
        &["list", "--json"],
    ))
    .await;
    let answer: Value = serde_json::from_str(&json.stdout).expect("JSON");
    assert_eq!(answer["data"]["items"][0]["id"], json!(id));
    let show = run(queue(&format!("{server}/"), TOKEN, &["show", &id])).await;
    assert_eq!(show.code, 0, "{show:?}");
    for part in ["attempt 1", "PUG-2006", "create"] {
        assert!(show.stdout.contains(part), "{part}: {}", show.stdout);
    }
    assert!(!show.stdout.contains(world.crm.access_key()));
    let retry = run(queue(
        &server,
        TOKEN,
        &["retry", &id, "--reason", "once more"],
    ))
    .await;
    assert_eq!(retry.code, 0, "{retry:?}");
    eventually("the second death", || async {
        let read = api.get(&format!("/api/internal/vtiger/queue/{id}")).await;
        (read.data()["dead"] == true).then_some(())
    })
    .await;
    let bare = run(queue(&server, TOKEN, &["discard", &id])).await;
    assert_ended(&bare, 2, &["--reason"]);
    let discard = run(queue(
        &server,
        TOKEN,
        &["discard", &id, "--reason", "a double"],
    ))
    .await;
    assert_eq!(discard.code, 0, "{discard:?}");
    let again = run(queue(&server, TOKEN, &["retry", &id])).await;
    assert_ended(&again, 1, &["is finished", "CONFLICT"]);
    let wrong = run(queue(&server, TOKEN, &["list", "--status", "BLUE"])).await;
    assert_ended(&wrong, 1, &["status must be one of"]);
    let token = run(queue(&server, "wrong", &["list"])).await;
    assert_ended(&token, 1, &["UNAUTHORIZED"]);
    let unknown = run(queue(&server, TOKEN, &["show", "1"])).await;
    assert_ended(&unknown, 1, &["must be a UUID"]);
    running.shutdown().await;

    let gone = run(queue(&server, TOKEN, &["list"])).await;
    assert_ended(&gone, 1, &["no Pugmark answers at", "PUGMARK_SERVER"]);
    let nonsense = run(queue("not an address", TOKEN, &["list"])).await;
    assert_ended(&nonsense, 1, &["is not the address of a server"]);
    let other = run(queue(&world.crm.url(), TOKEN, &["list"])).await;
    assert_ended(&other, 1, &["is no Pugmark"]);
}

/// A disk of its own that is really full. Only an administrator may mount one; elsewhere SQLite's own limit stands for it
/// (`a_full_store_is_507_and_nothing_is_half_written`).
#[tokio::test]
async fn a_disk_that_is_really_full_refuses_writes_and_works_again_when_it_is_not() {
    /// Bytes: several times what the tables need before the first row is written.
    const DISK: usize = 8 << 20;
    let world = World::sqlite().await;
    let folder = folder();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).expect("made");
    let mounted = is_root(folder.path())
        && Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK}"), "tmpfs"])
            .arg(&disk)
            .status()
            .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("left out: no disk may be mounted here");
        return;
    }
    let _unmount = Mounted(disk.clone());
    let mut command = configured(&world, folder.path(), &["serve"]);
    command
        .env("DATABASE_URL", "sqlite:disk/store.db")
        .env("VTIGER_ENABLED", "false");
    let serving = Serving::start(command).await;
    let api = Api::at(serving.address);
    let body = |number: u32| {
        json!({
            "firstName": "A".repeat(50), "lastName": "B".repeat(50), "phoneNumber": "0712345678", "idType": "national",
            "idNumber": number.to_string(),
        })
    };
    assert_eq!(
        api.post("/api/internal/customers", &body(10_000))
            .await
            .status,
        201
    );
    let ballast = disk.join("ballast");
    let mut size = DISK;
    while size > 0 && std::fs::write(&ballast, vec![0_u8; size]).is_err() {
        size -= 64 << 10;
    }
    let mut made = 1;
    let mut full = None;
    for number in 10_001..12_000 {
        let answer = api.post("/api/internal/customers", &body(number)).await;
        if answer.status != 201 {
            full = Some(answer);
            break;
        }
        made += 1;
    }
    full.expect("the disk is full in the end").assert_error(
        507,
        "STORE_FULL",
        "/api/internal/customers",
    );
    std::fs::remove_file(&ballast).expect("ours");
    let after = eventually("room", || async {
        let answer = api.post("/api/internal/customers", &body(20_000)).await;
        (answer.status == 201).then_some(answer)
    })
    .await;
    assert_eq!(after.status, 201);
    assert_eq!(serving.stop().await, 0);

    let url = format!("sqlite:{}", disk.join("store.db").display());
    let db = pugmark_queue::db::Db::open(&url, Default::default())
        .await
        .expect("it opens");
    let mut conn = db.read().await.expect("a connection");
    let counted: (i64, i64) = pugmark_queue::on!(&mut conn, |c| sqlx::query_as(
        "SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM change_log)"
    )
    .fetch_one(c)
    .await)
    .expect("counted");
    assert_eq!(
        counted,
        (made + 1, made + 1),
        "every answer was true, and every row was captured"
    );
    drop(conn);
    db.close().await;
}

struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
