//! `pugmark summary` through the real binary.

use super::NewPayment;
use crate::harness::{TOKEN, World, on_both_databases};
use crate::http::Api;
use crate::program::{Ended, pugmark, run};

on_both_databases!(a_week_is_summed_up_from_the_command_line);

async fn summary(server: &str, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let mut all = vec!["summary"];
    all.extend(arguments);
    let mut command = pugmark(folder.path(), &all);
    command
        .env("PUGMARK_SERVER", server)
        .env("APP_SECRET_TOKEN", TOKEN);
    run(command).await
}

async fn a_week_is_summed_up_from_the_command_line(mut world: World) {
    world.settings.insurance.summary.enabled = false;
    let running = world.start().await;
    let server = Api::of(&running).address().to_owned();
    let program = world.other_program().await;
    let (_, policy) = program.member("Otieno").await;
    program
        .pay(NewPayment::paid(
            &policy,
            "SGL31HA2Q1",
            "50",
            "2026-06-17T08:00:00",
        ))
        .await;
    program.wait_until_idle().await;

    let dry = summary(&server, &["--week", "2026-06-17", "--dry-run"]).await;
    assert_eq!(dry.code, 0, "{dry:?}");
    assert!(
        dry.stderr.contains(
            "Nothing was done. The week 15 Jun 2026 to 21 Jun 2026: 1 summary would be planned"
        ),
        "{dry:?}"
    );
    let done = summary(&server, &["--week", "2026-06-17"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(done.stderr.contains("1 summary planned"), "{done:?}");
    assert!(
        done.stdout.contains("1 done, 0 waiting, 0 failed"),
        "{done:?}"
    );
    assert_eq!(
        world.crm.records("ModComments").len(),
        1,
        "it waited until all was delivered"
    );

    let twice = summary(&server, &["--week", "2026-06-17", "--json"]).await;
    assert!(
        twice.stderr.contains("1 customer was summed up before"),
        "{twice:?}"
    );
    let answer: serde_json::Value = serde_json::from_str(&twice.stdout).expect("JSON");
    assert_eq!(answer["data"]["known"], 1);
    let listed = summary(&server, &[]).await;
    assert!(
        listed.stdout.contains("2026-06-15 to 2026-06-21"),
        "{listed:?}"
    );

    let wrong = summary(&server, &["--week", "yesterday"]).await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(
        wrong.stderr.contains("week must be a day of the week"),
        "{wrong:?}"
    );
    let lonely = summary(&server, &["--again"]).await;
    assert_eq!(lonely.code, 2, "{lonely:?}");
    assert!(lonely.stderr.contains("--week"), "{lonely:?}");
    running.shutdown().await;
}
