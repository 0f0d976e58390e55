//! Schedules and settings: what is chosen counts, says when, and can be taken back.

use std::sync::Arc;

use jiff::Timestamp;
use pugmark::flows::insurance::summary_run::Summaries;
use pugmark::people::Role;
use pugmark::schedule::summary::look;
use pugmark_sandbox::NewUser;

use super::Browser;
use crate::harness::{World, on_both_databases};

on_both_databases!(
    the_summary_is_made_when_somebody_chose_and_as_in_the_settings_once_that_is_taken_back,
    a_choice_needs_a_reason_and_must_be_one,
    tasks_go_to_whom_somebody_ticked_from_the_next_one_on,
    with_vtiger_away_assignees_are_typed_and_keep_their_names,
);

async fn the_summary_is_made_when_somebody_chose_and_as_in_the_settings_once_that_is_taken_back(
    world: World,
) {
    let running = super::planted::api_alone(&world).await;
    let program = world.other_program().await;
    let insurance = Arc::new(world.settings.insurance.clone());
    let summaries = Summaries::new(running.db.clone(), running.queue.clone(), insurance);
    let at = |now: &str| -> Timestamp { now.parse().expect("an instant") };
    let weeks =
        || program.column("SELECT CAST(week AS TEXT) FROM payment_summary_runs ORDER BY id");
    look(&summaries, at("2026-11-18T12:00:00Z"))
        .await
        .expect("it looks");
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let friday = [
        ("act", "choose"),
        ("enabled", "yes"),
        ("day", "friday"),
        ("time", "16:00"),
        ("zone", "Africa/Nairobi"),
        ("reason", "the office closes on Mondays"),
    ];
    let said = admin
        .post_and_follow("/settings/summary", &friday)
        .await
        .text;
    for part in [
        "every Friday at 16:00 Africa/Nairobi",
        "Next:",
        "Chosen by registration_admin-",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    look(&summaries, at("2026-11-23T06:00:00Z"))
        .await
        .expect("it looks");
    assert_eq!(weeks().await, Vec::<String>::new(), "no more on Monday");
    look(&summaries, at("2026-11-27T13:00:01Z"))
        .await
        .expect("it looks");
    assert_eq!(weeks().await, ["2026-11-16"]);
    let off = [
        ("act", "choose"),
        ("day", "friday"),
        ("time", "16:00"),
        ("zone", "UTC"),
        ("reason", "audit"),
    ];
    let said = admin.post_and_follow("/settings/summary", &off).await.text;
    assert!(said.contains("switched off"), "{said}");
    look(&summaries, at("2026-12-05T12:00:00Z"))
        .await
        .expect("it looks");
    assert_eq!(weeks().await, ["2026-11-16"]);
    let back = [("act", "back"), ("reason", "as it was")];
    let said = admin.post_and_follow("/settings/summary", &back).await.text;
    assert!(said.contains("every Monday at"), "{said}");
    look(&summaries, at("2026-12-05T12:00:01Z"))
        .await
        .expect("it looks");
    assert_eq!(weeks().await, ["2026-11-16", "2026-11-23"]);
    let kept = program
        .column("SELECT subject || ': ' || reason FROM audit_log WHERE action = 'settings.summary' ORDER BY id")
        .await;
    assert_eq!(
        kept,
        [
            "friday 16:00 Africa/Nairobi: the office closes on Mondays",
            "switched off: audit",
            "as in the settings: as it was"
        ]
    );
    running.shutdown().await;
}

async fn a_choice_needs_a_reason_and_must_be_one(world: World) {
    let running = super::planted::api_alone(&world).await;
    let program = world.other_program().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let send = async |zone: &str, day: &str, reason: &str| {
        let fields = [
            ("act", "choose"),
            ("enabled", "yes"),
            ("day", day),
            ("time", "16:00"),
            ("zone", zone),
            ("reason", reason),
        ];
        let answer = admin.post("/settings/summary", &fields).await;
        assert_eq!(answer.status, 422, "{}", answer.text);
        answer.text
    };
    assert!(send("UTC", "friday", " ").await.contains("Say why"));
    assert!(
        send("Mars/Base", "friday", "x")
            .await
            .contains("no time zone")
    );
    assert!(
        send("UTC", "someday", "x")
            .await
            .contains("Monday to Sunday")
    );
    let nobody = [
        ("act", "choose"),
        ("assign", "each"),
        ("user", "19x4711 Nobody"),
        ("reason", "x"),
    ];
    let answer = admin.post("/settings/tasks", &nobody).await;
    assert_eq!(answer.status, 422);
    assert!(answer.text.contains("no active user"), "{}", answer.text);
    assert_eq!(
        program.count("settings WHERE name LIKE 'chosen.%'").await,
        0
    );
    assert_eq!(
        program
            .count("audit_log WHERE action LIKE 'settings.%'")
            .await,
        0
    );
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/settings").await.text;
    assert!(page.contains("Weekly summary") && !page.contains("action=\"/settings"));
    running.shutdown().await;
}

async fn tasks_go_to_whom_somebody_ticked_from_the_next_one_on(world: World) {
    let add = |name: &str| {
        world
            .crm
            .add_user(&NewUser::new(name, "H5"))
            .expect("a user")
    };
    let (amina, brian) = (add("amina"), add("brian"));
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let page = admin.get("/settings").await.text;
    assert!(page.contains("amina") && page.contains("brian"), "{page}");
    let (one, other) = (format!("{amina} amina"), format!("{brian} brian"));
    let choice = [
        ("act", "choose"),
        ("assign", "each"),
        ("user", one.as_str()),
        ("user", other.as_str()),
        ("reason", "they are on duty"),
    ];
    let said = admin.post_and_follow("/settings/tasks", &choice).await.text;
    assert!(said.contains("every task made from now on"), "{said}");
    assert_eq!(
        said.matches(" checked").count(),
        4,
        "two people, one way, one summary: {said}"
    );
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    let registration = program.register(&customer).await;
    program.wait_until_idle().await;
    program
        .require(&registration, "CHILD", None, "gender")
        .await;
    program.wait_until_idle().await;
    let owners = || {
        let tasks = world.crm.records("Calendar");
        let mut owners: Vec<String> = tasks
            .iter()
            .map(|task| task.value("assigned_user_id").to_owned())
            .collect();
        owners.sort();
        owners
    };
    assert_eq!(owners(), [amina.clone(), brian.clone()]);
    let alone = [
        ("act", "choose"),
        ("assign", "each"),
        ("user", other.as_str()),
        ("reason", "holiday"),
    ];
    admin.post_and_follow("/settings/tasks", &alone).await;
    program
        .require(&registration, "CHILD", None, "dateOfBirth")
        .await;
    program.wait_until_idle().await;
    assert_eq!(owners(), [amina, brian.clone(), brian]);
    running.shutdown().await;
}

async fn with_vtiger_away_assignees_are_typed_and_keep_their_names(mut world: World) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let page = admin.get("/settings").await.text;
    assert!(
        page.contains("users cannot be listed") && page.contains("id=\"typed\""),
        "{page}"
    );
    let choice = [
        ("act", "choose"),
        ("assign", "round_robin"),
        ("typed", "19x5 Asha Otieno\n19x6 Brian <b>"),
        ("reason", "first setting up"),
    ];
    let said = admin.post_and_follow("/settings/tasks", &choice).await.text;
    assert!(
        said.contains("could not be asked whether they are there"),
        "{said}"
    );
    assert!(
        said.contains("Asha Otieno") && said.contains("19x6"),
        "{said}"
    );
    assert!(!said.contains("<b>"), "names are escaped");
    running.shutdown().await;
}
