//! What every answer has in common, and the list of all routes.

use pugmark::config;
use pugmark::people::Role;
use reqwest::Method;

use crate::console::Browser;
use crate::harness::{World, on_both_databases};
use crate::http::{answer, keys};

use super::*;

on_both_databases!(
    methods_that_do_not_exist_are_405_with_what_does,
    every_answer_carries_the_security_headers,
    the_console_shows_its_content_without_any_script,
);

async fn methods_that_do_not_exist_are_405_with_what_does(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    let delete = api.delete(CUSTOMERS).await;
    delete.assert_error(405, "METHOD_NOT_ALLOWED", CUSTOMERS);
    for allowed in ["GET", "POST"] {
        assert!(
            delete.header("allow").contains(allowed),
            "{}",
            delete.header("allow")
        );
    }
    let options = answer(api.request(Method::OPTIONS, CUSTOMERS)).await;
    assert_eq!(options.status, 405, "no other origin is invited");
    assert_eq!(options.header("access-control-allow-origin"), "");
    let head = answer(api.request(Method::HEAD, CUSTOMERS)).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let head = answer(person.request(Method::HEAD, "/")).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    running.shutdown().await;
}

async fn every_answer_carries_the_security_headers(mut world: World) {
    let (running, api) = quiet(&mut world).await;
    for path in [
        "/",
        "/sign-in",
        "/assets/console.css",
        "/openapi.json",
        "/health",
        CUSTOMERS,
        "/nothing",
    ] {
        let answer = answer(api.bare(Method::GET, path)).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert_eq!(answer.header("referrer-policy"), "same-origin", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert!(!answer.header("cache-control").is_empty(), "{path}");
        assert!(!answer.header("x-correlation-id").is_empty(), "{path}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn the_description_of_the_api_is_complete_and_every_route_answers() {
    let mut world = World::sqlite().await;
    let (running, api) = quiet(&mut world).await;
    let served = answer(api.bare(Method::GET, "/openapi.json")).await;
    assert_eq!(served.status, 200);
    let printed = serde_json::to_value(pugmark::http::openapi()).expect("JSON");
    assert_eq!(served.json, printed);

    let mut routes = Vec::new();
    for (path, methods) in served.json["paths"].as_object().expect("paths") {
        for method in keys(methods) {
            routes.push(format!("{} {path}", method.to_uppercase()));
        }
    }
    routes.sort();
    insta::assert_snapshot!(routes.join("\n"), @r"
    DELETE /api/internal/beneficiaries/{id}
    DELETE /api/internal/customers/{id}
    DELETE /api/internal/dependants/{id}
    DELETE /api/internal/onboarding/links/{clientId}
    DELETE /api/internal/payments/{id}
    DELETE /api/internal/vtiger/backfill
    DELETE /api/internal/vtiger/field-mappings/apply
    DELETE /api/internal/vtiger/field-mappings/{id}
    DELETE /api/internal/vtiger/grants/{user}/{right}
    DELETE /api/internal/vtiger/reconcile
    DELETE /api/internal/vtiger/users/{userId}/roles/customer_care
    GET /api/internal/beneficiaries/{id}
    GET /api/internal/brand-ambassadors
    GET /api/internal/brand-ambassadors/{id}
    GET /api/internal/console/users
    GET /api/internal/customers
    GET /api/internal/customers/{id}
    GET /api/internal/customers/{id}/beneficiaries
    GET /api/internal/customers/{id}/dependants
    GET /api/internal/customers/{id}/missing-requirements
    GET /api/internal/customers/{id}/policies
    GET /api/internal/dependants/{id}
    GET /api/internal/missing-requirements
    GET /api/internal/missing-requirements/{id}
    GET /api/internal/onboarding/jobs
    GET /api/internal/onboarding/jobs/{jobId}
    GET /api/internal/payments/{id}
    GET /api/internal/policies/{id}
    GET /api/internal/policies/{id}/payments
    GET /api/internal/status
    GET /api/internal/tokens
    GET /api/internal/vtiger/backfill
    GET /api/internal/vtiger/backfill/matches
    GET /api/internal/vtiger/conflicts
    GET /api/internal/vtiger/conflicts/{id}
    GET /api/internal/vtiger/field-mappings
    GET /api/internal/vtiger/field-mappings/apply
    GET /api/internal/vtiger/field-mappings/sources
    GET /api/internal/vtiger/grants
    GET /api/internal/vtiger/lead-conversions
    GET /api/internal/vtiger/lead-conversions/{recordId}
    GET /api/internal/vtiger/logs
    GET /api/internal/vtiger/payment-summaries
    GET /api/internal/vtiger/payment-summaries/{id}
    GET /api/internal/vtiger/queue
    GET /api/internal/vtiger/queue/dead-letters
    GET /api/internal/vtiger/queue/{id}
    GET /api/internal/vtiger/reconcile
    GET /api/internal/vtiger/reconcile/findings
    GET /api/internal/vtiger/sync-status/{entityType}/{entityId}
    GET /api/internal/vtiger/users
    GET /api/internal/vtiger/users/{userId}
    GET /api/internal/vtiger/webhooks/deliveries
    GET /api/internal/vtiger/webhooks/deliveries/{id}
    GET /api/internal/vtiger/webhooks/refusals
    GET /api/onboarding/submissions/{trackingId}
    PATCH /api/internal/beneficiaries/{id}
    PATCH /api/internal/brand-ambassadors/{id}
    PATCH /api/internal/customers/{id}
    PATCH /api/internal/dependants/{id}
    PATCH /api/internal/missing-requirements/{id}
    PATCH /api/internal/payments/{id}
    PATCH /api/internal/policies/{id}
    PATCH /api/internal/vtiger/field-mappings/{id}
    PATCH /api/internal/vtiger/lead-conversions/{recordId}
    PATCH /api/internal/vtiger/users/{userId}/status
    POST /api/internal/brand-ambassadors
    POST /api/internal/console/users
    POST /api/internal/console/users/{user}/{action}
    POST /api/internal/customers
    POST /api/internal/customers/{id}/beneficiaries
    POST /api/internal/customers/{id}/dependants
    POST /api/internal/customers/{id}/missing-requirements
    POST /api/internal/customers/{id}/policies
    POST /api/internal/onboarding/jobs
    POST /api/internal/onboarding/jobs/{jobId}/cancel
    POST /api/internal/onboarding/jobs/{jobId}/edit-and-retry
    POST /api/internal/onboarding/jobs/{jobId}/retry
    POST /api/internal/onboarding/links
    POST /api/internal/payments/{id}/detach
    POST /api/internal/policies/{id}/payments
    POST /api/internal/tokens
    POST /api/internal/tokens/{token}/revoke
    POST /api/internal/vtiger/backfill
    POST /api/internal/vtiger/backfill/confirm
    POST /api/internal/vtiger/backfill/release
    POST /api/internal/vtiger/conflicts/{id}/decision
    POST /api/internal/vtiger/field-mappings
    POST /api/internal/vtiger/field-mappings/apply
    POST /api/internal/vtiger/field-mappings/dry-run
    POST /api/internal/vtiger/grants
    POST /api/internal/vtiger/lead-conversions/{recordId}/link
    POST /api/internal/vtiger/payment-summaries
    POST /api/internal/vtiger/queue/discard
    POST /api/internal/vtiger/queue/retry
    POST /api/internal/vtiger/queue/{id}/discard
    POST /api/internal/vtiger/queue/{id}/retry
    POST /api/internal/vtiger/reconcile
    POST /api/internal/vtiger/users
    POST /api/internal/vtiger/users/{userId}/reset-password
    POST /api/internal/vtiger/users/{userId}/retry
    POST /api/internal/vtiger/users/{userId}/sync
    POST /api/internal/vtiger/webhooks/deliveries/{id}/replay
    POST /api/internal/vtiger/webhooks/lead-convert
    POST /api/onboarding/submissions/{trackingId}/retry
    POST /api/onboarding/submit
    POST /webhook/vtiger/lead-status-change
    POST /webhook/vtiger/lead-status-change/{secret}
    POST /webhooks/maxio
    POST /webhooks/vtiger
    POST /webhooks/vtiger/{secret}
    PUT /api/internal/vtiger/users/{userId}/roles/customer_care
    ");
    for route in &routes {
        let (method, path) = route.split_once(' ').expect("two words");
        let path = path.replace("{id}", &uuid::Uuid::new_v4().to_string());
        let method: Method = method.parse().expect("a method");
        let request = api.request(method.clone(), &path);
        let found = answer(if method == Method::GET {
            request
        } else {
            request.body("{}")
        })
        .await;
        assert_ne!(found.status, 405, "{route}");
        assert!(
            !found.message().starts_with("There is nothing at"),
            "{route}: {}",
            found.text
        );
        let closed = answer(api.bare(method, &path)).await;
        assert_eq!(closed.status, 401, "{route} wants a token");
    }
    // Every reference leads somewhere.
    let text = &served.text;
    for part in text.split("\"$ref\":\"#/").skip(1) {
        let target = part.split('"').next().unwrap_or_default();
        assert!(
            served.json.pointer(&format!("/{target}")).is_some(),
            "{target}"
        );
    }
    running.shutdown().await;
}

async fn the_console_shows_its_content_without_any_script(mut world: World) {
    world.crm.set_unique("Contacts", "email", true);
    world
        .crm
        .insert_as_ui(
            "Contacts",
            &[("lastname", "Other"), ("email", "taken@example.co.ke")],
        )
        .expect("a person makes a contact");
    let running = world.start().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let empty = person.get("/").await;
    assert_eq!(empty.status, 200);
    assert!(empty.header("content-type").starts_with("text/html"));
    for text in [
        "<h1>Fine</h1>",
        "0 of 0",
        "no dead letters",
        "Nothing has flowed yet",
    ] {
        assert!(empty.text.contains(text), "{text}: {}", empty.text);
    }
    // One script, ours, from a file; no handlers or styles inside the page, which the policy would refuse.
    assert_eq!(empty.text.matches("<script").count(), 1);
    assert!(empty.text.contains("src=\"/assets/console.js\""));
    for inline in ["onclick=", "onload=", " style=", "<style", "javascript:"] {
        assert!(!empty.text.contains(inline), "{inline}");
    }
    let program = world.other_program().await;
    let customer = program.insert_customer("Were").await;
    program
        .set(&customer, "email", "'taken@example.co.ke'")
        .await;
    program.wait_until_idle().await;
    let trouble = person.get("/").await;
    for text in [
        "<h1>Needs a person</h1>",
        "One change could not be delivered",
        "0 of 1",
    ] {
        assert!(trouble.text.contains(text), "{text}: {}", trouble.text);
    }
    assert!(
        !trouble.text.contains("taken@example.co.ke"),
        "no customer's data on the page of a viewer"
    );
    running.shutdown().await;
    world.crm_settings().enabled = false;
}

#[test]
fn an_address_is_shown_without_what_is_secret_in_it() {
    for (address, shown) in [
        (
            "postgres://u:secret@host:5432/db",
            "postgres://u:***@host:5432/db",
        ),
        (
            "postgres://u@host/db?password=secret&sslmode=require",
            "postgres://u@host/db?password=***&sslmode=require",
        ),
        ("postgres://u:se:cret@@host/db", "postgres://u:***@host/db"),
        ("postgres:u:secret@host/db", "postgres:***"),
        ("mysql://u:secret@[bad/db", "mysql:***"),
        ("sqlite:data/pugmark.db", "sqlite:data/pugmark.db"),
        ("crm.example.org/vcrm", "crm.example.org/vcrm"),
        ("u:secret@crm.example.org", "u:***"),
    ] {
        assert_eq!(config::mask_url(address), shown);
        assert!(!config::mask_url(address).contains("secret"));
    }
}
