//! Brand ambassadors: made for a login that exists, enabled and disabled, paid per registration.

use serde_json::{Value, json};

use super::started_quiet;
use crate::harness::{World, eventually, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    an_ambassador_is_made_for_a_login_with_the_phone_in_one_spelling,
    an_edited_phone_stands_as_it_was_typed,
    a_linked_ambassador_who_is_disabled_has_the_user_follow_and_a_new_rate_has_not,
    the_link_to_vtiger_is_shown_and_filtered_by,
    a_login_has_one_ambassador,
    what_is_wrong_with_an_ambassador_is_told_field_by_field,
    an_ambassador_who_does_not_exist_is_404_and_an_id_that_is_none_422,
);

const ALL: &str = "/api/internal/brand-ambassadors";

fn wanjiku(login: &str) -> Value {
    json!({
        "userId": login, "displayName": " Wanjiku Kamau ", "phoneNumber": "0712 345-678", "partnerId": 1,
        "perRegistrationRateCents": 5000,
    })
}

async fn made(api: &Api) -> Value {
    let answer = api.post(ALL, &wanjiku(&new_id())).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.data().clone()
}

fn path_of(data: &Value) -> String {
    format!("{ALL}/{}", data["id"].as_str().expect("an id"))
}

async fn an_ambassador_is_made_for_a_login_with_the_phone_in_one_spelling(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let login = new_id();
    let answer = api.post(ALL, &wanjiku(&login.to_uppercase())).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    let found = answer.data();
    assert_eq!(found["userId"], login);
    assert_ne!(found["id"], login, "the row has an id of its own");
    assert_eq!(found["displayName"], "Wanjiku Kamau");
    assert_eq!(found["phoneNumber"], "254712345678");
    assert_eq!(found["partnerId"], 1);
    assert_eq!(found["perRegistrationRateCents"], 5000);
    assert_eq!(found["isActive"], true);
    assert_eq!(found["vtigerUserId"], Value::Null);
    assert_eq!(found["vtigerSyncStatus"], "NOT_SYNCED");
    assert_eq!(api.get(&path_of(found)).await.data(), found);
    let program = world.other_program().await;
    let by = program
        .one("SELECT \"createdBy\" FROM brand_ambassadors")
        .await;
    assert_eq!(by.as_deref(), Some("token:APP_SECRET_TOKEN"));
    assert_eq!(
        program.count("vtiger_sync_queue").await,
        0,
        "nobody knows the password, so nothing is made of it"
    );
    running.shutdown().await;
}

async fn an_edited_phone_stands_as_it_was_typed(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let path = path_of(&made(&api).await);
    let typed = api
        .patch(&path, &json!({ "phoneNumber": "0799 000 111" }))
        .await;
    assert_eq!(typed.data()["phoneNumber"], "0799 000 111");
    assert_eq!(typed.data()["perRegistrationRateCents"], 5000);
    let cleared = api.patch(&path, &json!({ "phoneNumber": null })).await;
    assert_eq!(cleared.data()["phoneNumber"], Value::Null);
    running.shutdown().await;
}

async fn a_linked_ambassador_who_is_disabled_has_the_user_follow_and_a_new_rate_has_not(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let row = made(&api).await;
    let path = path_of(&row);
    let rate = json!({ "perRegistrationRateCents": 7500, "isActive": true });
    assert_eq!(
        api.patch(&path, &rate).await.data()["perRegistrationRateCents"],
        7500
    );
    let off = api.patch(&path, &json!({ "isActive": false })).await;
    assert_eq!(off.data()["isActive"], false);
    eventually("the planning of all changes", || async {
        let waiting = program.count("change_log WHERE processed_at IS NULL").await;
        (waiting == 0).then_some(())
    })
    .await;
    let updates = program
        .count("change_log WHERE table_name = 'brand_ambassadors' AND event = 'UPDATE'")
        .await;
    assert_eq!(updates, 1, "the rate is no event");
    let login = row["userId"].as_str().expect("an id");
    let planned = program
        .count(&format!(
            "vtiger_sync_queue WHERE kind = 'user.update' AND entity_id = '{login}'"
        ))
        .await;
    assert_eq!(planned, 1);
    running.shutdown().await;
}

async fn the_link_to_vtiger_is_shown_and_filtered_by(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let program = world.other_program().await;
    let (linked, alone) = (made(&api).await, made(&api).await);
    let login = linked["userId"].as_str().expect("an id");
    program
        .sql(format!(
            "INSERT INTO crm_links (entity_type, entity_id, module, vtiger_id, sync_status, created_at, updated_at) \
             SELECT 'USER', '{login}', 'Users', '19x7', 'SYNCED', captured_at, captured_at FROM change_log LIMIT 1"
        ))
        .await;
    let shown = api.get(&path_of(&linked)).await;
    assert_eq!(shown.data()["vtigerUserId"], "19x7");
    assert_eq!(shown.data()["vtigerSyncStatus"], "SYNCED");
    let url = shown.data()["vtigerUserUrl"].as_str().expect("an address");
    assert!(url.ends_with("module=Users&view=Detail&record=7"), "{url}");
    let ids = async |query: &str| {
        let page = api.get(&format!("{ALL}{query}")).await;
        let items = page.data()["items"].as_array().expect("a list").clone();
        items
            .into_iter()
            .map(|row| row["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("?synced=true").await, [linked["id"].clone()]);
    assert_eq!(ids("?synced=false").await, [alone["id"].clone()]);
    assert_eq!(ids("?search=wanjiku").await.len(), 2);
    let first = api.get(&format!("{ALL}?limit=1")).await;
    let cursor = first.data()["pagination"]["nextCursor"]
        .as_str()
        .expect("more");
    let second = ids(&format!("?limit=1&cursor={cursor}")).await;
    assert_eq!(second.len(), 1);
    assert_ne!(second[0], first.data()["items"][0]["id"]);
    running.shutdown().await;
}

async fn a_login_has_one_ambassador(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let row = made(&api).await;
    let body = wanjiku(row["userId"].as_str().expect("an id"));
    let refused = api.post(ALL, &body).await;
    refused.assert_error(422, "DUPLICATE_USER_ID", ALL);
    assert_eq!(refused.wrong_fields(), ["userId"]);
    running.shutdown().await;
}

async fn what_is_wrong_with_an_ambassador_is_told_field_by_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let wrong = json!({
        "userId": "me", "displayName": "A\nB", "phoneNumber": "+1 212 555 0100", "perRegistrationRateCents": -1,
    });
    let refused = api.post(ALL, &wrong).await;
    refused.assert_error(422, "VALIDATION_ERROR", ALL);
    assert_eq!(
        refused.wrong_fields(),
        [
            "displayName",
            "perRegistrationRateCents",
            "phoneNumber",
            "userId"
        ]
    );
    let empty = api.post(ALL, &json!({})).await;
    assert_eq!(empty.wrong_fields(), ["displayName", "userId"]);
    let mut nowhere = wanjiku(&new_id());
    nowhere["partnerId"] = json!(77);
    assert_eq!(api.post(ALL, &nowhere).await.wrong_fields(), ["partnerId"]);
    for (body, field) in [
        (
            json!({ "perRegistrationRateCents": "5000" }),
            "perRegistrationRateCents",
        ),
        (
            json!({ "perRegistrationRateCents": 50.5 }),
            "perRegistrationRateCents",
        ),
        (json!({ "isActive": "no" }), "isActive"),
        (json!({ "password": "secret" }), "password"),
        (json!({ "email": "a@b.co.ke" }), "email"),
    ] {
        let refused = api.post(ALL, &body).await;
        refused.assert_error(400, "VALIDATION_ERROR", ALL);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    let mut hostile = wanjiku(&new_id());
    hostile["displayName"] = json!("Robert'); DROP TABLE brand_ambassadors;-- \u{1F405}");
    let row = api.post(ALL, &hostile).await;
    assert_eq!(row.data()["displayName"], hostile["displayName"]);
    let path = path_of(row.data());
    let renamed = api.patch(&path, &json!({ "displayName": "Bobby" })).await;
    renamed.assert_error(400, "VALIDATION_ERROR", &path);
    assert_eq!(
        renamed.wrong_fields(),
        ["displayName"],
        "MicroBima has no such edit"
    );
    for (body, field) in [
        (json!({ "partnerId": 77 }), "partnerId"),
        (json!({ "phoneNumber": "n/a" }), "phoneNumber"),
        (
            json!({ "perRegistrationRateCents": -5 }),
            "perRegistrationRateCents",
        ),
    ] {
        let refused = api.patch(&path, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    running.shutdown().await;
}

async fn an_ambassador_who_does_not_exist_is_404_and_an_id_that_is_none_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nobody = format!("{ALL}/{}", new_id());
    api.get(&nobody)
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    api.patch(&nobody, &json!({ "isActive": false }))
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    let wrong = api.get(&format!("{ALL}/19x5")).await;
    assert_eq!(
        (wrong.status, wrong.wrong_fields()),
        (422, vec!["id".to_owned()])
    );
    running.shutdown().await;
}
