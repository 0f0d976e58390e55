//! Forms that are not saved, and links to the form.

use pugmark::people::Role;
use pugmark::store::onboarding_forms::{State, unsaved, unsaved_sql};
use pugmark_queue::db::Engine;

use super::Browser;
use super::desks::form;
use super::planted::api_alone;
use crate::harness::{World, assert_not_in, dump, on_both_databases};
use crate::onboarding_form::{Hub, get_page};

on_both_databases!(
    a_link_is_shown_once_works_and_can_be_revoked,
    without_a_key_the_page_says_why_no_link_can_be_made,
    forms_that_are_not_saved_are_listed_and_written_again_with_a_reason,
);

async fn a_link_is_shown_once_works_and_can_be_revoked(world: World) {
    let hub = Hub::of(world).await;
    let (running, api) = hub.start().await;
    let program = hub.world.other_program().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let asked = person
        .get(&format!("/forms?client={}", hub.lead))
        .await
        .text;
    assert!(
        asked.contains(&format!("value=\"{}\"", hub.lead)),
        "{asked}"
    );
    assert!(asked.contains("Pugmark cannot send it"), "{asked}");
    let wrong = person.post("/forms/link", &[("client", "Acme")]).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    assert!(
        wrong
            .text
            .contains("The id of the lead must be an id of vTiger"),
        "{}",
        wrong.text
    );
    let fields = [("client", hub.lead.as_str()), ("valid_for", "3d")];
    let made = person.post("/forms/link", &fields).await;
    assert_eq!(made.status, 200, "{}", made.text);
    assert!(
        made.text.contains("It works for 3 days, until"),
        "{}",
        made.text
    );
    assert!(
        made.text.contains("href=\"mailto:?subject="),
        "{}",
        made.text
    );
    let begin = format!("{}/onboarding/", person.base());
    let token = made.text.split_once(&begin).expect("the whole address").1;
    let token = token.split('<').next().expect("the end of the address");
    let path = format!("/onboarding/{token}");
    let page = get_page(&api, &path).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("companyTradingName"), "{}", page.text);
    assert_not_in(&dump(&program).await, token);
    let revoke =
        |reason: &'static str| vec![("client", hub.lead.clone()), ("reason", reason.to_owned())];
    let send = async |reason| {
        let fields = revoke(reason);
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        person.post("/forms/revoke", &fields).await
    };
    assert_eq!(send("").await.status, 422);
    assert_eq!(send("sent to the wrong address").await.status, 303);
    let closed = get_page(&api, &path).await;
    assert!(
        !closed.text.contains("companyTradingName"),
        "{}",
        closed.text
    );
    for (action, count) in [("onboarding.link", 1), ("onboarding.revoke", 1)] {
        let of = format!(
            "audit_log WHERE action = '{action}' AND subject = '{}'",
            hub.lead
        );
        assert_eq!(program.count(of).await, count, "{action}");
    }
    running.shutdown().await;
}

async fn without_a_key_the_page_says_why_no_link_can_be_made(world: World) {
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let page = person.get("/forms").await.text;
    assert!(
        page.contains("The form is closed") && !page.contains("/forms/link"),
        "{page}"
    );
    let refused = person.post("/forms/link", &[("client", "10x5")]).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert!(
        refused.text.contains("PUGMARK_SEAL_KEY"),
        "{}",
        refused.text
    );
    running.shutdown().await;
}

async fn forms_that_are_not_saved_are_listed_and_written_again_with_a_reason(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let none = person.get("/forms").await.text;
    assert!(none.contains("Every form is in vTiger"), "{none}");
    let failed = form(&running, "10x5", false).await;
    form(&running, "10x6", true).await;
    let page = person.get("/forms").await.text;
    assert!(
        page.contains("Mary Murphy") && page.contains("PUG-2006"),
        "{page}"
    );
    assert!(
        page.contains("not saved: vTiger has no such field"),
        "{page}"
    );
    let part = person.get("/forms?show=partly_saved").await.text;
    assert!(part.contains("10x6") && !part.contains("10x5"), "{part}");
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let masked = viewer.get("/forms").await.text;
    assert!(
        !masked.contains("Murphy") && !masked.contains("/retry"),
        "{masked}"
    );
    let path = format!("/forms/{failed}/retry");
    assert_eq!(person.post(&path, &[("reason", "")]).await.status, 422);
    let again = [("reason", "the field is there now")];
    let page = person.post_and_follow(&path, &again).await.text;
    assert!(page.contains("The form is written again now"), "{page}");
    assert_eq!(
        person.post(&path, &again).await.status,
        409,
        "it is on its way"
    );
    let waiting = person.get("/console/forms?show=waiting").await.text;
    assert!(
        waiting.contains("10x5") && !waiting.contains("<html"),
        "{waiting}"
    );
    let queued = "vtiger_sync_queue WHERE kind = 'lead.update'";
    assert_eq!(program.count(queued).await, 1);
    let why = "SELECT reason FROM audit_log WHERE action = 'onboarding.retry'";
    assert_eq!(
        program.one(why).await.as_deref(),
        Some("the field is there now")
    );
    // What the queue gave up waits for nobody, and can be written again.
    let now = match program.engine() {
        Engine::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        Engine::Postgres => "now()",
    };
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET status = 'FAILED', head = 0, dead_at = {now}, error_code = 'GAVE_UP_UNAVAILABLE', \
             error_message = 'nobody there' WHERE kind = 'lead.update'"
        ))
        .await;
    let given_up = person.get("/forms?show=waiting").await.text;
    assert!(
        given_up.contains(">Failed</span>") && given_up.contains("GAVE_UP_UNAVAILABLE"),
        "{given_up}"
    );
    assert!(
        given_up.contains(&format!("action=\"{path}\"")),
        "{given_up}"
    );
    let nobody = "/forms/00000000-0000-4000-8000-000000000000/retry";
    assert_eq!(person.post(nobody, &again).await.status, 404);
    let mut conn = running.db.read().await.expect("a connection");
    let found = unsaved(&mut conn, State::PartlySaved, None, 5).await;
    assert_eq!(found.expect("it is asked").len(), 1);
    if conn.engine() == Engine::Sqlite {
        for line in crate::query_plans::sqlite_plan(&mut conn, &unsaved_sql()).await {
            assert!(line.contains("onboarding_forms_unsaved"), "{line}");
        }
    }
    drop(conn);
    running.shutdown().await;
}
