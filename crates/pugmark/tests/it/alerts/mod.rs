//! Alerts: people are told once when something begins, and once when it is over.

mod plans;
mod receivers;

use pugmark::app::{self, Roles, Running};
use pugmark::config::{Mail, MailTls};
use pugmark::people::Role;
use pugmark_queue::db::Engine;
use secrecy::SecretString;

use crate::console::Browser;
use crate::console::planted::{literal, note, plant, plant_dead, without_worker};
use crate::harness::{World, Writer, assert_not_in, dump, eventually, on_both_databases};
use crate::program::{pugmark, run};
use receivers::{Post, Webhook};

on_both_databases!(
    a_dead_letter_is_told_of_once_by_every_way_and_again_when_none_is_left,
    a_flow_that_fails_too_often_is_told_of_until_it_no_longer_does,
    a_crm_that_is_left_alone_is_told_of_until_it_answers,
    what_was_not_sent_before_a_stop_is_sent_once_after_the_restart,
    a_test_goes_every_way_and_the_page_shows_what_came_of_it,
    a_way_that_does_not_work_holds_up_no_other,
);

const REFUSED: &str = "PUG-2006";

fn mail(post: &Post) -> Mail {
    Mail {
        to: vec!["ops@example.org".parse().expect("an address")],
        from: "Pugmark <pugmark@example.org>".parse().expect("an address"),
        host: "127.0.0.1".to_owned(),
        port: post.address.port(),
        tls: MailTls::None,
        login: Some((
            "pugmark".to_owned(),
            SecretString::from("mail-password".to_owned()),
        )),
    }
}

async fn discard_all(running: &Running) {
    let filter = pugmark_queue::Filter {
        dead: Some(true),
        limit: 100,
        ..pugmark_queue::Filter::default()
    };
    let page = running
        .queue
        .list(&filter)
        .await
        .expect("the store answers");
    for operation in page.operations {
        let done = running
            .queue
            .discard(operation.id, "a test", "it is over")
            .await;
        done.expect("it is discarded");
    }
}

async fn dead(running: &Running, program: &Writer, customer: &str, code: &str) {
    plant_dead(running, program, note(customer, 1), code, "no last name").await;
}

async fn a_dead_letter_is_told_of_once_by_every_way_and_again_when_none_is_left(mut world: World) {
    let (mut webhook, mut post) = (Webhook::start().await, Post::start().await);
    world.settings.alerts.webhook = Some(webhook.url());
    world.settings.alerts.mail = Some(mail(&post));
    world.settings.server.public_url = Some("https://pugmark.example.org".to_owned());
    let running = without_worker(&world).await;
    let program = world.other_program().await;
    dead(&running, &program, "c1", REFUSED).await;
    let said = "note.create: 1 operation failed for good with PUG-2006 and waits for a person.";
    let text = webhook.taken().await;
    assert!(
        text.starts_with(&format!("Alert: {said}\nPUG-6842: ")),
        "{text}"
    );
    assert!(
        text.ends_with("https://pugmark.example.org/alerts"),
        "{text}"
    );
    let letter = post.next().await;
    assert!(letter.contains("RCPT TO:<ops@example.org>"), "{letter}");
    assert!(letter.contains("Subject: Alert: note.create"), "{letter}");
    assert!(letter.contains("Message-ID: <alert-"), "{letter}");
    eventually("the log has it", || async {
        let logged = "alert_messages WHERE channel = 'log' AND sent_at IS NOT NULL";
        (program.count(logged).await == 1).then_some(())
    })
    .await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    assert!(viewer.get("/alerts").await.text.contains(said));

    // More of the same is no news. Another cause is, and as messages keep their order nothing came in between.
    dead(&running, &program, "c2", REFUSED).await;
    dead(&running, &program, "c3", "PUG-3005").await;
    let text = webhook.taken().await;
    assert!(text.contains("with PUG-3005"), "{text}");
    discard_all(&running).await;
    let mut over = [webhook.taken().await, webhook.taken().await];
    over.sort();
    assert!(
        over[0].starts_with("Over: note.create: no operation that failed with PUG-2006"),
        "{over:?}"
    );
    assert!(
        over[1].starts_with("Over: note.create: no operation that failed with PUG-3005"),
        "{over:?}"
    );
    let page = viewer.get("/alerts").await.text;
    assert!(
        page.contains("Nothing is the matter") && page.contains(said),
        "{page}"
    );

    // Whoever can read the store learns neither the webhook's address nor the password.
    running.shutdown().await;
    let stored = dump(&program).await;
    assert_not_in(&stored, "secret-path");
    assert_not_in(&stored, "mail-password");
}

/// Attempts at one operation that have just ended.
async fn attempts(program: &Writer, operation: &str, ended: &str, filed_as: &str, number: usize) {
    let (id, now) = match program.engine() {
        Engine::Sqlite => (
            "randomblob(16)",
            "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        ),
        Engine::Postgres => ("gen_random_uuid()", "now()"),
    };
    for _ in 0..number {
        program
            .sql(format!(
                "INSERT INTO vtiger_sync_attempts (id, operation_id, owner, started_at, finished_at, ended, crm_calls, classification) \
                 VALUES ({id}, {operation}, 'a test', {now}, {now}, '{ended}', 1, '{filed_as}')"
            ))
            .await;
    }
}

async fn a_flow_that_fails_too_often_is_told_of_until_it_no_longer_does(mut world: World) {
    let mut webhook = Webhook::start().await;
    world.settings.alerts.webhook = Some(webhook.url());
    let running = without_worker(&world).await;
    let program = world.other_program().await;
    let operation = literal(&program, plant(&running, note("c1", 1)).await);
    // What only waits is no failure, however often.
    attempts(&program, &operation, "RELEASED", "PUG-3008", 20).await;
    attempts(&program, &operation, "RELEASED", REFUSED, 6).await;
    attempts(&program, &operation, "COMPLETED", "done", 2).await;
    let text = webhook.taken().await;
    assert!(text.starts_with("Alert: note.create: "), "{text}");
    assert!(text.contains("PUG-6841"), "{text}");
    attempts(&program, &operation, "COMPLETED", "done", 60).await;
    let text = webhook.taken().await;
    assert!(text.starts_with("Over: note.create: 6 of "), "{text}");
    let figures = program
        .one("SELECT CAST(sum(failed) AS TEXT) FROM flow_hours WHERE kind = 'note.create'")
        .await;
    assert_eq!(figures.as_deref(), Some("6"));
    running.shutdown().await;
}

/// The next message that begins like this; others may come before it.
async fn next_like(webhook: &mut Webhook, beginning: &str) -> String {
    loop {
        let text = webhook.taken().await;
        if text.starts_with(beginning) {
            return text;
        }
    }
}

async fn a_crm_that_is_left_alone_is_told_of_until_it_answers(mut world: World) {
    let mut webhook = Webhook::start().await;
    world.settings.alerts.webhook = Some(webhook.url());
    let running = world.start().await;
    let program = world.other_program().await;
    world.crm.go_down().await;
    for number in 0..12 {
        program.insert_customer(&format!("Customer {number}")).await;
    }
    let text = next_like(&mut webhook, "Alert: vTiger does not answer as it should").await;
    assert!(text.contains("PUG-6843"), "{text}");
    world.crm.come_back().await.expect("the port is free");
    next_like(&mut webhook, "Over: vTiger answers again.").await;
    running.shutdown().await;
}

async fn what_was_not_sent_before_a_stop_is_sent_once_after_the_restart(mut world: World) {
    let mut webhook = Webhook::start().await;
    world.settings.alerts.webhook = Some(webhook.url());
    webhook.answer(503);
    let running = without_worker(&world).await;
    let program = world.other_program().await;
    dead(&running, &program, "c1", REFUSED).await;
    let (status, text) = webhook.next().await;
    assert_eq!(status, 503);
    assert!(text.contains(REFUSED), "{text}");
    running.shutdown().await;
    webhook.answer(200);
    let running = without_worker(&world).await;
    let text = webhook.taken().await;
    assert!(text.contains(REFUSED), "{text}");
    dead(&running, &program, "c2", "PUG-3005").await;
    let text = webhook.taken().await;
    assert!(text.contains("PUG-3005"), "the first one came once: {text}");
    running.shutdown().await;
}

async fn a_test_goes_every_way_and_the_page_shows_what_came_of_it(mut world: World) {
    let (mut webhook, post) = (Webhook::start().await, Post::start().await);
    world.settings.alerts.webhook = Some(webhook.url());
    // Nobody listens there any more.
    world.settings.alerts.mail = Some(mail(&post));
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let gone = port.local_addr().expect("an address").port();
    drop(port);
    if let Some(mail) = &mut world.settings.alerts.mail {
        mail.port = gone;
    }
    let running = without_worker(&world).await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let page = person.post_and_follow("/alerts/test", &[]).await.text;
    assert!(page.contains("A test is on its way"), "{page}");
    let text = webhook.taken().await;
    assert!(
        text.starts_with("Test: Pugmark tells you of alerts this way"),
        "{text}"
    );
    assert!(text.contains("Test customer_care wanted to know"), "{text}");
    eventually("the page says what came of it", || async {
        let page = person.get("/alerts").await.text;
        let sent = page.contains("<span class=\"badge good\">Sent</span>");
        (sent && page.contains("Not sent; tried again")).then_some(())
    })
    .await;
    let page = person.get("/alerts").await.text;
    assert!(
        !page.contains("secret-path") && page.contains("http://127.0.0.1/***"),
        "{page}"
    );
    let program = world.other_program().await;
    assert_eq!(
        program.count("audit_log WHERE action = 'alert.test'").await,
        1
    );
    running.shutdown().await;
}

async fn a_way_that_does_not_work_holds_up_no_other(mut world: World) {
    let (mut webhook, mut post) = (Webhook::start().await, Post::start().await);
    world.settings.alerts.webhook = Some(webhook.url());
    world.settings.alerts.mail = Some(mail(&post));
    webhook.answer(500);
    let running = without_worker(&world).await;
    let program = world.other_program().await;
    dead(&running, &program, "c1", REFUSED).await;
    assert!(post.next().await.contains("Alert: note.create"));
    discard_all(&running).await;
    assert!(post.next().await.contains("Over: note.create"));
    webhook.answer(200);
    assert!(webhook.taken().await.starts_with("Alert:"), "in order");
    assert!(webhook.taken().await.starts_with("Over:"));
    running.shutdown().await;
}

#[tokio::test]
async fn only_the_process_that_leads_raises_alerts() {
    let Some(mut world) = World::postgres().await else {
        return;
    };
    let mut webhook = Webhook::start().await;
    world.settings.alerts.webhook = Some(webhook.url());
    let others = Roles {
        scheduler: false,
        worker: false,
        ..Roles::ALL
    };
    let alone = app::start(world.settings.clone(), others)
        .await
        .expect("it starts");
    let one = without_worker(&world).await;
    let other = without_worker(&world).await;
    let program = world.other_program().await;
    dead(&one, &program, "c1", REFUSED).await;
    assert!(webhook.taken().await.starts_with("Alert:"));
    discard_all(&one).await;
    assert!(
        webhook.taken().await.starts_with("Over:"),
        "nobody else said it, too"
    );
    for running in [alone, one, other] {
        running.shutdown().await;
    }
}

#[tokio::test]
async fn the_command_tries_every_way_and_says_what_came_of_it() {
    let mut webhook = Webhook::start().await;
    let mut post = Post::start().await;
    let port = post.address.port().to_string();
    let environment = [
        ("ALERT_WEBHOOK_URL", webhook.text()),
        ("ALERT_EMAIL_TO", "ops@example.org".to_owned()),
        ("ALERT_EMAIL_FROM", "pugmark@example.org".to_owned()),
        ("SMTP_HOST", "127.0.0.1".to_owned()),
        ("SMTP_PORT", port),
        ("SMTP_TLS", "none".to_owned()),
        ("SMTP_USERNAME", "pugmark".to_owned()),
        ("SMTP_PASSWORD", "mail-password".to_owned()),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let test = || {
        let mut command = pugmark(folder.path(), &["alert", "test"]);
        command.envs(environment.clone());
        run(command)
    };
    let ended = test().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let text = ended.stdout;
    assert!(
        text.contains("webhook: sent to http://127.0.0.1/***"),
        "{text}"
    );
    assert!(
        text.contains("email: sent to ops@example.org through 127.0.0.1:"),
        "{text}"
    );
    assert!(webhook.taken().await.starts_with("Test:"));
    assert!(post.next().await.contains("Subject: Test:"));
    webhook.answer(404);
    let ended = test().await;
    assert_eq!(ended.code, 1, "{ended:?}");
    let text = ended.stdout;
    assert!(
        text.contains("webhook: NOT sent") && text.contains("404"),
        "{text}"
    );
    assert!(
        !text.contains("secret-path") && !ended.stderr.contains("secret-path"),
        "{text}"
    );
}
