//! Links: signed, for one client, until their time is over or somebody revokes them.

use jiff::Timestamp;
use pugmark::config::SealKey;
use pugmark::flows::onboarding::form::Keys;
use pugmark::flows::onboarding::form::link::Link;
use serde_json::json;

use super::{Hub, LINKS, get_page};
use crate::harness::{TOKEN, World, on_both_databases};
use crate::program::{pugmark, run};

on_both_databases!(
    a_link_opens_the_form_and_says_until_when,
    forged_expired_and_revoked_links_open_nothing_and_say_what_to_do,
    what_is_asked_wrongly_is_told_by_field,
    the_command_makes_and_revokes_links,
);

fn token(hub: &Hub, key: u8, seconds: i64, generation: u32) -> String {
    let link = Link {
        client: hub.lead.clone(),
        expires: Timestamp::from_second(Timestamp::now().as_second() + seconds).expect("a time"),
        generation,
    };
    let token = link.token(&Keys::of(&SealKey::of([key; 32])), [3; 8]);
    format!("/onboarding/{token}")
}

async fn a_link_opens_the_form_and_says_until_when(world: World) {
    let mut hub = Hub::of(world).await;
    hub.world.settings.server.public_url = Some("https://sync.example.org".to_owned());
    let (running, api) = hub.start().await;
    let body = json!({ "clientId": hub.lead, "validFor": "14d" });
    let made = api.post(LINKS, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let (url, path) = (made.data()["url"].as_str(), made.data()["path"].as_str());
    let path = path.expect("a path");
    assert_eq!(
        url,
        Some(format!("https://sync.example.org{path}").as_str())
    );
    let expires: Timestamp = made.data()["expiresAt"]
        .as_str()
        .expect("a time")
        .parse()
        .expect("a time");
    let days = (expires.as_second() - Timestamp::now().as_second()).div_euclid(3600);
    assert!((14 * 24 - 1..=14 * 24).contains(&days), "{days} hours");
    let page = get_page(&api, path).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("<h1>Unified Onboarding Hub</h1>"));
    assert!(page.text.contains("Harbour HR"));
    assert_eq!(page.header("x-robots-tag"), "noindex, nofollow");
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("script-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(!page.text.contains("style=") && !page.text.contains("<style"));
    let program = hub.world.other_program().await;
    let entries = format!(
        "audit_log WHERE action = 'onboarding.link' AND subject = '{}'",
        hub.lead
    );
    assert_eq!(program.count(&entries).await, 1);
    running.shutdown().await;
}

async fn forged_expired_and_revoked_links_open_nothing_and_say_what_to_do(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let good = token(&hub, 7, 3600, 0);
    assert_eq!(get_page(&api, &good).await.status, 200);
    let cut = good[..good.len() - 3].to_owned();
    for forged in [token(&hub, 8, 3600, 0), cut, "/onboarding/x".to_owned()] {
        let page = get_page(&api, &forged).await;
        assert_eq!(page.status, 403, "{}", page.text);
        assert!(
            page.text.contains("This link does not work")
                && page.text.contains("ask for a new link")
        );
    }
    let expired = get_page(&api, &token(&hub, 7, -1, 0)).await;
    assert_eq!(expired.status, 410);
    assert!(
        expired.text.contains("This link has expired"),
        "{}",
        expired.text
    );
    let revoked = api.delete(&format!("{LINKS}/{}", hub.lead)).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text);
    assert_eq!(get_page(&api, &good).await.status, 410);
    let put = super::put_draft(&api, &good, &json!({ "notes": "x" })).await;
    assert_eq!(put.status, 410);
    let sent = super::post_form(&api, &good, &super::FILLED).await;
    assert_eq!(sent.status, 410);
    let fresh = hub.link(&api).await;
    assert_eq!(get_page(&api, &fresh).await.status, 200, "a new link works");
    assert_eq!(hub.writes(), 0);
    running.shutdown().await;
}

async fn what_is_asked_wrongly_is_told_by_field(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let refused = api
        .post(
            LINKS,
            &json!({ "clientId": "19x1", "validFor": "for ever" }),
        )
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused
            .detail("clientId")
            .contains("neither a lead nor a contact")
    );
    assert!(refused.detail("validFor").contains("14d"));
    assert_eq!(api.delete(&format!("{LINKS}/nobody")).await.status, 422);
    running.shutdown().await;
}

async fn the_command_makes_and_revokes_links(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let command = |arguments: &[&str]| {
        let mut command = pugmark(folder.path(), arguments);
        command
            .env("PUGMARK_SERVER", api.address())
            .env("APP_SECRET_TOKEN", TOKEN);
        command
    };
    let made = run(command(&[
        "onboarding",
        "link",
        &hub.lead,
        "--valid-for",
        "2d",
    ]))
    .await;
    assert_eq!(made.code, 0, "{made:?}");
    let path = made.stdout.trim();
    assert!(path.starts_with("/onboarding/"), "{made:?}");
    assert!(made.stderr.contains("PUGMARK_PUBLIC_URL"), "{made:?}");
    assert_eq!(get_page(&api, path).await.status, 200);
    let sent = super::post_form(&api, path, &super::FILLED).await;
    let program = hub.world.other_program().await;
    assert_eq!(sent.status, 200, "{}", sent.text);
    assert_eq!(
        program
            .count("onboarding_forms WHERE state = 'saved'")
            .await,
        1
    );
    let tracking = sent
        .text
        .split("<code>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let tracking = tracking.expect("a tracking number").to_owned();
    let shown = run(command(&["onboarding", "show", &tracking])).await;
    assert!(shown.stdout.contains("saved"), "{shown:?}");
    let revoked = run(command(&["onboarding", "revoke", &hub.lead])).await;
    assert_eq!(revoked.code, 0, "{revoked:?}");
    assert_eq!(get_page(&api, path).await.status, 410);
    let wrong = run(command(&["onboarding", "revoke", "../x"])).await;
    assert!(
        wrong.code == 1 && wrong.stderr.contains("is no id"),
        "{wrong:?}"
    );
    running.shutdown().await;
}
