//! Policies: written, changed by the labels there are, one open one per customer and package.

use serde_json::{Value, json};

use super::{CUSTOMERS, customer, register, started_quiet};
use crate::harness::{World, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_policy_is_written_with_exact_amounts_and_read_again,
    a_patch_changes_what_it_names_and_null_clears,
    a_customer_has_one_open_policy_of_a_package,
    numbers_and_accounts_are_unique_where_there_are_any,
    the_customers_status_follows_the_policies_and_both_changes_are_recorded,
    what_is_wrong_with_a_policy_is_told_field_by_field,
    a_policy_of_nobody_is_404_and_of_no_package_422,
);

pub(super) fn weekly() -> Value {
    json!({ "productName": "MfanisiGo Gold", "premium": "200.00", "frequency": "WEEKLY" })
}

/// A customer and an open policy.
pub(super) async fn insured(api: &Api, number: u32) -> (String, String) {
    let customer = register(api, &customer(number)).await;
    let made = api.post(&policies_of(&customer), &weekly()).await;
    let policy = made.data()["id"].as_str().expect("an id").to_owned();
    (customer, policy)
}

pub(super) fn policies_of(customer: &str) -> String {
    format!("{CUSTOMERS}/{customer}/policies")
}

pub(super) fn policy_path(id: &str) -> String {
    format!("/api/internal/policies/{id}")
}

async fn a_policy_is_written_with_exact_amounts_and_read_again(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let customer = register(&api, &customer(1)).await;
    let list = policies_of(&customer);
    let body = json!({
        "policyNumber": " MP/MFG/001 ", "productName": "MfanisiGo Gold", "premium": 33.1, "annualPremium": "99999999.99",
        "frequency": "DAILY", "paymentAcNumber": "12345678", "staffNumber": "S-1", "startDate": "2026-01-31",
        "endDate": "2027-01-30T00:00:00Z",
    });
    let made = api.post(&list, &body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let found = made.data();
    assert_eq!(found["customerId"], customer);
    assert_eq!(found["policyNumber"], "MP/MFG/001");
    assert_eq!(found["premium"], "33.10");
    assert_eq!(found["annualPremium"], "99999999.99");
    assert_eq!(found["status"], "PENDING_ACTIVATION");
    assert_eq!(found["paymentCadence"], 1, "that of the frequency");
    assert_eq!(found["packageId"], 1);
    assert_eq!(found["packagePlanId"], Value::Null);
    assert_eq!(found["startDate"], "2026-01-31T00:00:00Z");
    assert_eq!(found["endDate"], "2027-01-30T00:00:00Z");
    assert_eq!(found["inGracePeriod"], false);
    let path = policy_path(found["id"].as_str().expect("an id"));
    assert_eq!(api.get(&path).await.data(), found);
    let listed = api.get(&list).await;
    assert_eq!(listed.data()["items"], json!([found]));
    running.shutdown().await;
}

async fn a_patch_changes_what_it_names_and_null_clears(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    let path = policy_path(&policy);
    let changed = api
        .patch(
            &path,
            &json!({ "premium": 0.1, "frequency": "MONTHLY", "policyNumber": "MP/1", "staffNumber": "S-1" }),
        )
        .await;
    assert_eq!(changed.data()["premium"], "0.10");
    assert_eq!(
        changed.data()["paymentCadence"],
        30,
        "that of the frequency"
    );
    let cleared = api
        .patch(
            &path,
            &json!({ "policyNumber": null, "staffNumber": null, "paymentCadence": 31 }),
        )
        .await;
    assert_eq!(cleared.data()["policyNumber"], Value::Null);
    assert_eq!(cleared.data()["staffNumber"], Value::Null);
    assert_eq!(cleared.data()["paymentCadence"], 31);
    assert_eq!(cleared.data()["frequency"], "MONTHLY");
    assert_eq!(cleared.data()["status"], "PENDING_ACTIVATION");
    running.shutdown().await;
}

async fn a_customer_has_one_open_policy_of_a_package(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (customer, first) = insured(&api, 1).await;
    let list = policies_of(&customer);
    for status in ["PENDING_ACTIVATION", "ACTIVE", "SUSPENDED"] {
        let mut second = weekly();
        second["status"] = json!(status);
        let refused = api.post(&list, &second).await;
        refused.assert_error(409, "CONFLICT", &list);
        assert_eq!(refused.wrong_fields(), ["packageId"]);
    }
    let closed = api
        .patch(&policy_path(&first), &json!({ "status": "TERMINATED" }))
        .await;
    assert_eq!(closed.status, 200, "{}", closed.text);
    assert!(closed.data()["deactivatedAt"].is_string());
    let second = api.post(&list, &weekly()).await;
    assert_eq!(second.status, 201, "{}", second.text);
    let reopened = api
        .patch(&policy_path(&first), &json!({ "status": "ACTIVE" }))
        .await;
    reopened.assert_error(409, "CONFLICT", &policy_path(&first));
    assert_eq!(
        api.get(&policy_path(&first)).await.data()["status"],
        "TERMINATED",
        "nothing of it was kept"
    );
    let program = world.other_program().await;
    program
        .sql("INSERT INTO packages (\"name\", \"description\", \"createdBy\") VALUES ('Other', 'Another one', 'test')")
        .await;
    let mut other = weekly();
    other["packageId"] = json!(2);
    assert_eq!(
        api.post(&list, &other).await.status,
        201,
        "of another package"
    );
    running.shutdown().await;
}

async fn numbers_and_accounts_are_unique_where_there_are_any(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, first) = insured(&api, 1).await;
    let (_, second) = insured(&api, 2).await;
    let both = json!({ "policyNumber": "MP/1", "paymentAcNumber": "12345678" });
    assert_eq!(api.patch(&policy_path(&first), &both).await.status, 200);
    let path = policy_path(&second);
    let refused = api.patch(&path, &json!({ "policyNumber": "MP/1" })).await;
    refused.assert_error(422, "DUPLICATE_POLICY_NUMBER", &path);
    assert_eq!(refused.wrong_fields(), ["policyNumber"]);
    let refused = api
        .patch(&path, &json!({ "paymentAcNumber": "12345678" }))
        .await;
    refused.assert_error(422, "DUPLICATE_ACCOUNT_NUMBER", &path);
    assert_eq!(refused.wrong_fields(), ["paymentAcNumber"]);
    running.shutdown().await;
}

async fn the_customers_status_follows_the_policies_and_both_changes_are_recorded(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (customer, first) = insured(&api, 1).await;
    let program = world.other_program().await;
    program
        .sql("INSERT INTO packages (\"name\", \"description\", \"createdBy\") VALUES ('Other', 'Another one', 'test')")
        .await;
    let mut other = weekly();
    other["packageId"] = json!(2);
    let other = api.post(&policies_of(&customer), &other).await;
    let second = other.data()["id"].as_str().expect("an id").to_owned();
    for (policy, status, customers) in [
        (&first, "ACTIVE", "ACTIVE"),
        (&first, "SUSPENDED", "PENDING_ACTIVATION"),
        (&second, "SUSPENDED", "SUSPENDED"),
        (&first, "DEACTIVATED", "SUSPENDED"),
        (&second, "EXPIRED", "DEACTIVATED"),
        (&second, "ACTIVE", "ACTIVE"),
    ] {
        let changed = api
            .patch(
                &policy_path(policy),
                &json!({ "status": status, "reason": "as told" }),
            )
            .await;
        assert_eq!(changed.data()["status"], status, "{}", changed.text);
        let found = api.get(&format!("{CUSTOMERS}/{customer}")).await;
        assert_eq!(found.data()["status"], customers, "after {status}");
        let closed = program
            .count("customers WHERE \"deactivatedAt\" IS NOT NULL")
            .await;
        assert_eq!(closed, i64::from(customers == "DEACTIVATED"));
    }
    assert_eq!(
        program
            .count("entity_status_changes WHERE \"entityType\" = 'POLICY' AND \"reason\" = 'as told' AND \"trigger\" = 'MANUAL_ADMIN'")
            .await,
        6
    );
    assert_eq!(
        program
            .count(
                "entity_status_changes WHERE \"entityType\" = 'CUSTOMER' AND \"policyId\" IS NULL"
            )
            .await,
        5
    );
    let again = api
        .patch(&policy_path(&second), &json!({ "status": "ACTIVE" }))
        .await;
    assert_eq!(again.status, 200);
    assert_eq!(
        program.count("entity_status_changes").await,
        11,
        "the same status is no change"
    );
    running.shutdown().await;
}

async fn what_is_wrong_with_a_policy_is_told_field_by_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let customer = register(&api, &customer(1)).await;
    let list = policies_of(&customer);
    let wrong = json!({
        "policyNumber": "A".repeat(101), "status": "active", "annualPremium": "-1", "frequency": "HOURLY",
        "paymentCadence": 0, "paymentAcNumber": "1".repeat(51), "staffNumber": "a\tb", "startDate": "tomorrow",
        "endDate": "9999-01-01",
    });
    let refused = api.post(&list, &wrong).await;
    refused.assert_error(422, "VALIDATION_ERROR", &list);
    assert_eq!(
        refused.wrong_fields(),
        [
            "annualPremium",
            "endDate",
            "frequency",
            "paymentAcNumber",
            "paymentCadence",
            "policyNumber",
            "premium",
            "productName",
            "staffNumber",
            "startDate",
            "status",
        ]
    );
    assert_eq!(refused.detail("premium"), "is required");
    let mut custom = weekly();
    custom["frequency"] = json!("CUSTOM");
    let refused = api.post(&list, &custom).await;
    assert_eq!(refused.wrong_fields(), ["paymentCadence"]);

    for premium in [
        json!("0"),
        json!(0),
        json!("0.00"),
        json!("200.005"),
        json!(200.005),
        json!("2e2"),
        json!(1e9),
        json!("200,00"),
        json!("KES 200"),
        json!("NaN"),
        json!("٢٠٠"),
        json!("1 000"),
        json!("+5"),
        json!("5."),
        json!(".5"),
        json!("100000000"),
        json!("'; DROP TABLE policies;--"),
    ] {
        let mut body = weekly();
        body["premium"] = premium.clone();
        let refused = api.post(&list, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &list);
        assert_eq!(refused.wrong_fields(), ["premium"], "{premium}");
    }
    let long = r#"{"productName":"A","frequency":"DAILY","premium":200.00000000000000000001}"#;
    let refused = api.post_bytes(&list, long).await;
    assert_eq!(
        refused.wrong_fields(),
        ["premium"],
        "no digit is rounded away"
    );
    for (body, field) in [
        (r#"{"premium": true}"#, "premium"),
        (r#"{"premium": {"amount": 1}}"#, "premium"),
        (r#"{"premium": [200]}"#, "premium"),
        (r#"{"packageId": "1"}"#, "packageId"),
        (r#"{"packageId": 99999999999}"#, "packageId"),
        (r#"{"customerId": "x"}"#, "customerId"),
    ] {
        let refused = api.post_bytes(&list, body).await;
        refused.assert_error(400, "VALIDATION_ERROR", &list);
        assert_eq!(refused.wrong_fields(), [field], "{body}: {}", refused.text);
    }
    assert_eq!(world.other_program().await.count("policies").await, 0);
    running.shutdown().await;
}

async fn a_policy_of_nobody_is_404_and_of_no_package_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nobody = policies_of(&new_id());
    api.post(&nobody, &weekly())
        .await
        .assert_error(404, "NOT_FOUND", &nobody);
    let nothing = policy_path(&new_id());
    api.get(&nothing)
        .await
        .assert_error(404, "NOT_FOUND", &nothing);
    api.patch(&nothing, &json!({}))
        .await
        .assert_error(404, "NOT_FOUND", &nothing);
    let (customer, policy) = insured(&api, 1).await;
    let path = policy_path(&policy);
    for (body, field) in [
        (json!({ "packageId": 77 }), "packageId"),
        (json!({ "packagePlanId": 77 }), "packagePlanId"),
    ] {
        let refused = api.patch(&path, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [field]);
        assert!(refused.detail(field).contains("there is no such"));
    }
    let mut other = weekly();
    other["packageId"] = json!(0);
    let refused = api.post(&policies_of(&customer), &other).await;
    assert_eq!(refused.wrong_fields(), ["packageId"]);
    running.shutdown().await;
}
