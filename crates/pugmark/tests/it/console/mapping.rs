//! Field mapping: nothing counts before it was tried, everything is kept, and there is a way back.

use pugmark::people::Role;
use pugmark_sandbox::{CustomField, CustomFieldKind};
use serde_json::json;

use super::Browser;
use crate::harness::{World, on_both_databases, sandbox};
use crate::http::Api;

on_both_databases!(
    a_mapping_is_tried_on_real_contacts_before_it_counts_and_can_be_brought_back,
    what_cannot_work_is_refused_with_the_reason_and_changes_nothing,
    the_history_keeps_changes_of_the_api_and_of_the_table_too,
    contacts_are_brought_up_to_date_from_the_page,
    with_vtiger_away_a_mapping_is_stored_unchecked_or_not_at_all,
);

/// API name of the field "Partner" of this vTiger.
const PARTNER: &str = "cf_867";
const MAPPINGS: &str = "/api/internal/vtiger/field-mappings";

async fn with_partner(world: World) -> World {
    let field = CustomField::new("Contacts", "Partner", CustomFieldKind::Text);
    world.before(sandbox().custom_field(field)).await
}

fn written<'a>(id: &'a str, source: &'a str, field: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("id", id),
        ("source", source),
        ("field", field),
        ("kind", "TEXT"),
        ("direction", "to_crm"),
        ("on_conflict", "microbima"),
        ("active", "yes"),
    ]
}

async fn a_mapping_is_tried_on_real_contacts_before_it_counts_and_can_be_brought_back(
    world: World,
) {
    let world = with_partner(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    let contact = world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    assert!(world.crm.edit(&contact.id, &[(PARTNER, "by hand")]));
    let mappings = program.count("vtiger_custom_field_mapping").await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;

    let form = admin.get("/mapping/new").await.text;
    for said in [
        "partnerName",
        "cf_867 (Partner, ",
        "MicroBima&#39;s: sent to vTiger",
    ] {
        assert!(form.contains(said), "{said}: {form}");
    }
    let new = written("", "partnerName", "cf_867 (Partner, string)");
    let tried = admin.post("/mapping/try", &new).await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    for said in [
        "1 of 1 contact would show another",
        "<del>by hand</del>",
        "<ins>Direct</ins>",
    ] {
        assert!(tried.text.contains(said), "{said}: {}", tried.text);
    }
    assert_eq!(program.count("vtiger_custom_field_mapping").await, mappings);
    assert_eq!(program.count("mapping_versions").await, 0);

    // Neither without having tried it nor without a reason.
    let untried = admin.post("/mapping/save", &new).await;
    assert_eq!(untried.status, 422);
    assert!(untried.text.contains("Try it first"), "{}", untried.text);
    let mut save = written("", "partnerName", PARTNER);
    save.push(("tried", "yes"));
    let silent = admin.post("/mapping/save", &save).await;
    assert_eq!(silent.status, 422);
    assert_eq!(program.count("vtiger_custom_field_mapping").await, mappings);
    save.push(("reason", "the call centre asks for it"));
    let said = admin.post_and_follow("/mapping/save", &save).await.text;
    assert!(said.contains("partnerName goes to cf_867"), "{said}");
    assert_eq!(
        program.count("vtiger_custom_field_mapping").await,
        mappings + 1
    );

    let id = program
        .one("SELECT CAST(id AS TEXT) FROM vtiger_custom_field_mapping WHERE microbima_field = 'partnerName'")
        .await
        .expect("it is stored");
    let edit = admin.get(&format!("/mapping/{id}")).await.text;
    assert!(edit.contains("value=\"cf_867\""), "{edit}");
    let mut off = written(&id, "partnerName", PARTNER);
    off.retain(|(name, _)| *name != "active");
    let tried = admin.post("/mapping/try", &off).await.text;
    assert!(tried.contains("Nothing is sent to them"), "{tried}");
    off.extend([("tried", "yes"), ("reason", "not yet")]);
    admin.post_and_follow("/mapping/save", &off).await;
    let page = admin.get(&format!("/mapping/{id}/remove")).await.text;
    assert!(
        page.contains("keeps on every contact what it holds"),
        "{page}"
    );
    let removed = admin
        .post_and_follow(&format!("/mapping/{id}/remove"), &[("reason", "no use")])
        .await
        .text;
    assert!(
        removed.contains("partnerName is not sent any more"),
        "{removed}"
    );
    assert_eq!(program.count("vtiger_custom_field_mapping").await, mappings);

    let history = admin.get("/mapping/history").await.text;
    for said in [
        "Version 4",
        "Removed by",
        "no use",
        "Changed by",
        "Added by",
        "the call centre",
        "switched off",
        "As it was before",
    ] {
        assert!(history.contains(said), "{said}: {history}");
    }
    // Version 1 is how it was before the first change, so version 2 is the one with it.
    let back = admin.get("/mapping/history/2").await.text;
    for said in [
        "<ins>cf_867, TEXT, to_crm</ins>",
        "<del>not sent</del>",
        "<ins>Direct</ins>",
    ] {
        assert!(back.contains(said), "{said}: {back}");
    }
    let silent = admin.post("/mapping/history/2/restore", &[]).await;
    assert_eq!(silent.status, 422);
    let restored = admin
        .post_and_follow("/mapping/history/2/restore", &[("reason", "it was right")])
        .await
        .text;
    assert!(
        restored.contains("as in version 2 again: 1 changed"),
        "{restored}"
    );
    let again = program
        .one("SELECT vtiger_field_name FROM vtiger_custom_field_mapping WHERE microbima_field = 'partnerName' AND is_active")
        .await;
    assert_eq!(again.as_deref(), Some(PARTNER));
    let same = admin.get("/mapping/history/2").await.text;
    assert!(same.contains("It is so already"), "{same}");
    let noted = program
        .column("SELECT action || ': ' || reason FROM audit_log WHERE action LIKE 'mapping.%' ORDER BY id")
        .await;
    assert_eq!(
        noted,
        [
            "mapping.create: the call centre asks for it",
            "mapping.update: not yet",
            "mapping.delete: no use",
            "mapping.restore: it was right"
        ]
    );
    running.shutdown().await;
}

async fn what_cannot_work_is_refused_with_the_reason_and_changes_nothing(world: World) {
    let world = with_partner(world).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let before = program.count("vtiger_custom_field_mapping").await;
    for (source, field, said) in [
        ("partnerName", "No such field", "PUG-2102"),
        ("nothing", "Partner", "no known source"),
        ("email", "Partner", "PUG-2105"),
        ("partnerName", "", "1 to 100 characters"),
    ] {
        let refused = admin
            .post("/mapping/try", &written("", source, field))
            .await;
        assert_eq!(refused.status, 422, "{source} {field}: {}", refused.text);
        assert!(
            refused.text.contains(said),
            "{source} {field}: {}",
            refused.text
        );
    }
    let id = program
        .one(
            "SELECT CAST(id AS TEXT) FROM vtiger_custom_field_mapping WHERE microbima_field = 'id'",
        )
        .await
        .expect("the reference is mapped");
    let refused = admin
        .post(
            &format!("/mapping/{id}/remove"),
            &[("reason", "tidying up")],
        )
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(refused.text.contains("the reference"), "{}", refused.text);
    assert_eq!(program.count("vtiger_custom_field_mapping").await, before);
    assert_eq!(
        program.count("mapping_versions").await,
        0,
        "nothing was changed"
    );
    for path in ["/mapping/4711", "/mapping/x/remove", "/mapping/history/99"] {
        assert_eq!(admin.get(path).await.status, 404, "{path}");
    }
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/mapping").await.text;
    assert!(
        page.contains("ID Number") && page.contains("Works"),
        "{page}"
    );
    assert!(
        !page.contains("Change…") && !page.contains("/remove"),
        "{page}"
    );
    running.shutdown().await;
}

async fn the_history_keeps_changes_of_the_api_and_of_the_table_too(world: World) {
    let world = with_partner(world).await;
    let running = world.start().await;
    let (api, program) = (Api::of(&running), world.other_program().await);
    let new = json!({ "microbimaField": "partnerName", "vtigerFieldName": "Partner" });
    let added = api
        .post(&format!("{MAPPINGS}?reason=by+a+program"), &new)
        .await;
    assert_eq!(added.status, 201, "{}", added.text);
    program
        .sql("UPDATE vtiger_custom_field_mapping SET vtiger_field_name = 'cf_867' WHERE microbima_field = 'partnerName'")
        .await;
    let id = added.data()["id"].as_i64().expect("a number");
    let removed = api.delete(&format!("{MAPPINGS}/{id}")).await;
    assert_eq!(removed.status, 200, "{}", removed.text);
    let kept = program
        .column("SELECT action || ' ' || reason FROM mapping_versions ORDER BY version")
        .await;
    assert_eq!(
        kept,
        [
            "mapping.found As it was before the first change that was noted",
            "mapping.create by a program",
            "mapping.found Changed past Pugmark",
            "mapping.delete "
        ]
    );
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let page = viewer.get("/mapping/history").await.text;
    assert!(
        page.contains("token:APP_SECRET_TOKEN") && page.contains("Changed past Pugmark"),
        "{page}"
    );
    assert!(!page.contains("Go back"), "{page}");
    running.shutdown().await;
}

async fn contacts_are_brought_up_to_date_from_the_page(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let page = admin.get("/mapping").await.text;
    assert!(page.contains("It was never done"), "{page}");
    admin.post_and_follow("/mapping/run", &[]).await;
    crate::harness::eventually("the run has ended", || async {
        let live = admin.get("/console/mapping/run").await.text;
        live.contains("finished").then_some(())
    })
    .await;
    let live = admin.get("/console/mapping/run").await.text;
    assert!(live.contains("1 of 1 done"), "{live}");
    let stopped = admin.post("/mapping/run/stop", &[]).await;
    assert_eq!(stopped.status, 303);
    running.shutdown().await;
}

async fn with_vtiger_away_a_mapping_is_stored_unchecked_or_not_at_all(mut world: World) {
    world.settings.crm = None;
    let running = world.start().await;
    let program = world.other_program().await;
    let admin = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let list = admin.get("/mapping").await.text;
    assert!(
        list.contains("could not be asked") && list.contains("Not known"),
        "{list}"
    );
    let tried = admin
        .post("/mapping/try", &written("", "partnerName", "Partner"))
        .await;
    assert_eq!(tried.status, 200, "{}", tried.text);
    assert!(tried.text.contains("could not be tried") && tried.text.contains("Store it unchecked"));
    let mut save = written("", "partnerName", "Partner");
    save.extend([("tried", "yes"), ("reason", "prepared")]);
    let refused = admin.post("/mapping/save", &save).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    save.push(("unchecked", "yes"));
    admin.post_and_follow("/mapping/save", &save).await;
    let stored = program.count("vtiger_custom_field_mapping WHERE microbima_field = 'partnerName' AND checked_at IS NULL").await;
    assert_eq!(stored, 1);
    running.shutdown().await;
}
