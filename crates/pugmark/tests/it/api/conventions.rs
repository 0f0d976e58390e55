//! What every route has in common: envelope, correlation id, token, status codes.

use reqwest::Method;
use serde_json::{Value, json};

use super::{CUSTOMERS, QUEUE, customer, dead_letter, refusing, register, started, started_quiet};
use crate::harness::{TOKEN, World, eventually, on_both_databases};
use crate::http::{answer, keys};

on_both_databases!(
    every_answer_has_the_envelope_of_microbima,
    the_callers_correlation_id_is_returned_and_one_that_could_break_a_log_is_replaced,
    the_correlation_id_of_a_request_reaches_the_operation_it_causes,
    without_the_token_nothing_is_answered,
    without_a_configured_token_the_api_is_closed,
    what_does_not_exist_is_404_and_what_is_no_id_is_422,
    the_status_says_how_things_stand,
);

async fn every_answer_has_the_envelope_of_microbima(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;

    let made = api.post(CUSTOMERS, &customer(1)).await;
    assert_eq!(made.status, 201);
    assert_eq!(
        keys(&made.json),
        ["status", "correlationId", "message", "data"]
    );
    assert_eq!(made.json["status"], 201);
    assert_eq!(made.json["correlationId"], made.header("x-correlation-id"));
    assert_eq!(made.header("content-type"), "application/json");

    let list = api.get(CUSTOMERS).await;
    assert_eq!(keys(list.data()), ["items", "pagination"]);
    assert_eq!(
        list.data()["pagination"],
        json!({ "pageSize": 50, "hasNextPage": false, "nextCursor": null })
    );

    let missing = api.get("/api/internal/nothing?x=1").await;
    missing.assert_error(404, "NOT_FOUND", "/api/internal/nothing");
    running.shutdown().await;
}

async fn the_callers_correlation_id_is_returned_and_one_that_could_break_a_log_is_replaced(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let with = |id: &str| {
        answer(
            api.request(Method::GET, CUSTOMERS)
                .header("x-correlation-id", id),
        )
    };

    assert_eq!(with("abc-1").await.header("x-correlation-id"), "abc-1");
    let longest = "a".repeat(128);
    assert_eq!(with(&longest).await.header("x-correlation-id"), longest);
    for bad in ["", "a b", &"a".repeat(129), "naïve", "tab\there"] {
        let made = with(bad).await.header("x-correlation-id").to_owned();
        assert!(
            uuid::Uuid::parse_str(&made).is_ok(),
            "{bad:?} gave {made:?}"
        );
    }
    let unauthorised = answer(
        api.bare(Method::GET, CUSTOMERS)
            .header("x-correlation-id", "abc-2"),
    )
    .await;
    unauthorised.assert_error(401, "UNAUTHORIZED", CUSTOMERS);
    assert_eq!(unauthorised.header("x-correlation-id"), "abc-2");
    running.shutdown().await;
}

async fn the_correlation_id_of_a_request_reaches_the_operation_it_causes(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let with = |method: Method, path: &str, id: &str, body: &Value| {
        let request = api.request(method, path).header("x-correlation-id", id);
        answer(request.json(body))
    };
    let made = with(
        Method::POST,
        CUSTOMERS,
        "request-of-registration",
        &customer(1),
    )
    .await;
    let id = made.data()["id"].as_str().expect("an id").to_owned();

    let found = eventually("the operation of the request", || async {
        let list = api
            .get(&format!("{QUEUE}?search=request-of-registration"))
            .await;
        list.data()["items"]
            .as_array()
            .expect("a list")
            .first()
            .cloned()
    })
    .await;
    assert_eq!(found["entityId"], id);
    assert_eq!(found["correlationId"], "request-of-registration");
    assert_eq!(found["status"], "PENDING");

    // A second request before anything was sent joins the waiting operation; its id leads there too.
    let path = format!("{CUSTOMERS}/{id}");
    with(
        Method::PATCH,
        &path,
        "request-of-change",
        &json!({ "lastName": "Were" }),
    )
    .await;
    let joined = eventually("the operation of the second request", || async {
        let list = api.get(&format!("{QUEUE}?search=request-of-change")).await;
        list.data()["items"]
            .as_array()
            .expect("a list")
            .first()
            .cloned()
    })
    .await;
    assert_eq!(joined["id"], found["id"]);
    running.shutdown().await;
}

async fn without_the_token_nothing_is_answered(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    for path in [CUSTOMERS, QUEUE, "/api/internal/status"] {
        let none = answer(api.bare(Method::GET, path)).await;
        none.assert_error(401, "UNAUTHORIZED", path);
        assert_eq!(none.header("www-authenticate"), "Bearer");
        for wrong in [
            "Bearer wrong",
            "Bearer",
            &format!("Basic {TOKEN}"),
            TOKEN,
            "Bearer  ",
        ] {
            let wrong = answer(api.bare(Method::GET, path).header("authorization", wrong)).await;
            assert_eq!(wrong.status, 401);
        }
    }
    // A body is not even read.
    let post = answer(api.bare(Method::POST, CUSTOMERS).body("{")).await;
    post.assert_error(401, "UNAUTHORIZED", CUSTOMERS);
    let lower = format!("bearer {TOKEN}");
    let right = answer(
        api.bare(Method::GET, CUSTOMERS)
            .header("authorization", lower),
    )
    .await;
    assert_eq!(right.status, 200, "the scheme's letters may have any case");
    running.shutdown().await;
}

async fn without_a_configured_token_the_api_is_closed(mut world: World) {
    world.settings.server.token = None;
    let (running, api) = started_quiet(&mut world).await;
    let closed = api.get(CUSTOMERS).await;
    closed.assert_error(401, "API_CLOSED", CUSTOMERS);
    assert!(closed.message().contains("APP_SECRET_TOKEN"));
    assert_eq!(api.get("/health").await.status, 200);
    running.shutdown().await;
}

async fn what_does_not_exist_is_404_and_what_is_no_id_is_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nobody = uuid::Uuid::new_v4();
    for path in [format!("{CUSTOMERS}/{nobody}"), format!("{QUEUE}/{nobody}")] {
        let missing = api.get(&path).await;
        missing.assert_error(404, "NOT_FOUND", &path);
        assert!(missing.message().contains(&nobody.to_string()));
    }
    let patch = api
        .patch(
            &format!("{CUSTOMERS}/{nobody}"),
            &json!({ "lastName": "X" }),
        )
        .await;
    assert_eq!(patch.status, 404);
    for act in ["retry", "discard"] {
        let missing = api
            .post(
                &format!("{QUEUE}/{nobody}/{act}"),
                &json!({ "reason": "because" }),
            )
            .await;
        assert_eq!((missing.status, missing.code()), (404, "NOT_FOUND"));
    }
    for id in ["1", "'; DROP TABLE customers", "%FF%FE", "..%2F..%2Fetc"] {
        for root in [CUSTOMERS, QUEUE] {
            let path = format!("{root}/{id}");
            let refused = api.get(&path).await;
            assert_eq!(
                (refused.status, refused.code()),
                (422, "VALIDATION_ERROR"),
                "{path}: {}",
                refused.text
            );
            assert_eq!(refused.wrong_fields(), ["id"]);
        }
    }
    running.shutdown().await;
}

async fn the_status_says_how_things_stand(world: World) {
    let mut world = refusing(world).await;
    let (running, api) = started(&world).await;
    let empty = api.get("/api/internal/status").await;
    let status = empty.data();
    assert_eq!(
        (
            &status["fine"],
            &status["crm"],
            &status["mode"],
            &status["dead"]
        ),
        (&json!(true), &json!("ok"), &json!("live"), &json!(0))
    );
    assert_eq!(status["oldestWaitingSince"], Value::Null);
    dead_letter(&world, &api).await;
    let other = register(&api, &customer(2)).await;
    world.wait_for_contact(&other, |_| true).await;
    let status = eventually("the end of the work", || async {
        let answer = api.get("/api/internal/status").await;
        (answer.data()["waiting"] == 0
            && answer.data()["delivering"] == 0
            && answer.data()["completedLastDay"] == 1)
            .then(|| answer.data().clone())
    })
    .await;
    assert_eq!(status["fine"], false);
    assert_eq!(status["dead"], 1);
    assert_eq!(status["customers"], json!({ "FAILED": 1, "SYNCED": 1 }));
    assert!(
        status["summary"]
            .as_str()
            .unwrap_or_default()
            .contains("One change"),
        "{status}"
    );
    running.shutdown().await;

    let (quiet, api) = started_quiet(&mut world).await;
    let status = api.get("/api/internal/status").await;
    assert_eq!(status.data()["crm"], "disabled");
    assert!(status.text.contains("VTIGER_ENABLED=false"));
    quiet.shutdown().await;
}
