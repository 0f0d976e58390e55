//! Payments: expected, received, completed, taken off; never through a floating-point number.

use serde_json::{Value, json};

use super::policies::{insured, policies_of, policy_path, weekly};
use super::{CUSTOMERS, started_quiet};
use crate::harness::{World, new_id, on_both_databases};
use crate::http::Api;

on_both_databases!(
    an_expected_payment_has_a_placeholder_and_a_received_one_its_receipt,
    a_placeholder_is_completed_with_receipt_amount_and_date,
    a_pending_receipt_is_replaced_by_the_real_one,
    the_first_payment_activates_policy_and_customer_with_the_requests_correlation_id,
    a_customer_with_two_policies_is_not_activated_by_one_of_them,
    a_completed_payment_tries_the_activation_again,
    a_received_payment_is_detached_and_booked_on_another_customers_policy,
    only_what_has_come_is_detached_and_only_what_is_expected_deleted,
    a_payment_moves_to_another_policy_of_the_same_customer_alone,
    amounts_are_exact_to_the_cent_and_times_digit_for_digit,
    a_receipt_is_used_once,
    what_is_wrong_with_a_payment_is_told_field_by_field,
    a_payment_of_nothing_is_404_and_an_id_that_is_no_number_422,
    payments_are_listed_newest_first_and_paged,
);

pub(super) fn payments_of(policy: &str) -> String {
    format!("/api/internal/policies/{policy}/payments")
}

pub(super) fn payment_path(payment: &Value) -> String {
    format!("/api/internal/payments/{}", payment["id"])
}

pub(super) fn received(receipt: &str) -> Value {
    json!({
        "amount": "200.00", "paymentStatus": "COMPLETED", "transactionReference": receipt,
        "actualPaymentDate": "2026-11-21T10:30:00",
    })
}

async fn write(api: &Api, policy: &str, body: &Value) -> Value {
    let made = api.post(&payments_of(policy), body).await;
    assert_eq!(made.status, 201, "{}", made.text);
    made.data().clone()
}

fn reference(payment: &Value) -> &str {
    payment["transactionReference"].as_str().expect("text")
}

async fn an_expected_payment_has_a_placeholder_and_a_received_one_its_receipt(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (customer, policy) = insured(&api, 1).await;
    let expected = write(&api, &policy, &json!({ "amount": 200 })).await;
    assert_eq!(expected["paymentStatus"], "PENDING_STK_CALLBACK");
    assert_eq!(expected["paymentType"], "MPESA");
    assert!(reference(&expected).starts_with("PENDING-STK-"));
    assert_eq!(expected["amount"], "200.00");
    assert_eq!(expected["actualPaymentDate"], Value::Null);
    assert_eq!(expected["customerId"], customer);
    assert_eq!(expected["policyStatus"], "PENDING_ACTIVATION");
    for (status, start) in [
        ("OUTSTANDING", "OUTSTANDING-"),
        ("COMPLETED_PENDING_RECEIPT", "QUERY-PENDING-"),
    ] {
        let body = json!({ "amount": 1, "paymentStatus": status });
        let made = write(&api, &policy, &body).await;
        assert!(reference(&made).starts_with(start), "{made}");
    }
    let mut body = received("SGL31HA2Q1");
    body["paymentType"] = json!("BANK_TRANSFER");
    body["accountNumber"] = json!("254712345678");
    body["details"] = json!("Over the counter");
    let made = write(&api, &policy, &body).await;
    assert_eq!(made["transactionReference"], "SGL31HA2Q1");
    assert_eq!(made["actualPaymentDate"], "2026-11-21T10:30:00Z");
    assert_eq!(made["expectedPaymentDate"], "2026-11-21T10:30:00Z");
    assert_eq!(made["details"], "Over the counter");
    assert_eq!(api.get(&payment_path(&made)).await.data(), &made);
    running.shutdown().await;
}

async fn a_placeholder_is_completed_with_receipt_amount_and_date(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    let body = json!({ "amount": 200, "expectedPaymentDate": "2026-11-20" });
    let path = payment_path(&write(&api, &policy, &body).await);

    let without = api
        .patch(&path, &json!({ "paymentStatus": "COMPLETED" }))
        .await;
    without.assert_error(422, "VALIDATION_ERROR", &path);
    assert_eq!(without.wrong_fields(), ["transactionReference"]);
    let completed = api
        .patch(
            &path,
            &json!({
                "paymentStatus": "COMPLETED", "transactionReference": " SGL31HA2Q1 ", "amount": "150.50",
                "actualPaymentDate": "2026-11-21T10:30:00.250",
            }),
        )
        .await;
    assert_eq!(completed.status, 200, "{}", completed.text);
    let found = completed.data();
    assert_eq!(found["transactionReference"], "SGL31HA2Q1");
    assert_eq!(found["amount"], "150.50");
    assert_eq!(found["actualPaymentDate"], "2026-11-21T10:30:00.25Z");
    assert_eq!(
        found["expectedPaymentDate"], found["actualPaymentDate"],
        "overwritten, as MicroBima does"
    );
    let shifted = api
        .patch(
            &path,
            &json!({ "actualPaymentDate": "2026-11-21T10:30:07" }),
        )
        .await;
    assert_eq!(shifted.data()["actualPaymentDate"], "2026-11-21T10:30:07Z");
    assert_eq!(
        shifted.data()["expectedPaymentDate"],
        "2026-11-21T10:30:00.25Z",
        "only by the completion"
    );
    running.shutdown().await;
}

async fn a_pending_receipt_is_replaced_by_the_real_one(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    let path = payment_path(&write(&api, &policy, &json!({ "amount": 200 })).await);
    let paid = api
        .patch(
            &path,
            &json!({ "paymentStatus": "COMPLETED_PENDING_RECEIPT" }),
        )
        .await;
    assert!(
        reference(paid.data()).starts_with("QUERY-PENDING-"),
        "{}",
        paid.text
    );
    let receipt = json!({ "paymentStatus": "COMPLETED", "transactionReference": "SGL31HA2Q1" });
    let known = api.patch(&path, &receipt).await;
    assert_eq!(known.data()["transactionReference"], "SGL31HA2Q1");
    assert_eq!(known.data()["paymentStatus"], "COMPLETED");
    running.shutdown().await;
}

async fn the_first_payment_activates_policy_and_customer_with_the_requests_correlation_id(
    mut world: World,
) {
    let (running, api) = started_quiet(&mut world).await;
    let (customer, policy) = insured(&api, 1).await;
    let request = api
        .request(reqwest::Method::POST, &payments_of(&policy))
        .header("x-correlation-id", "first-payment")
        .json(&received("SGL31HA2Q1"));
    let made = crate::http::answer(request).await;
    assert_eq!(made.data()["policyStatus"], "ACTIVE", "{}", made.text);
    let found = api.get(&policy_path(&policy)).await;
    assert_eq!(found.data()["status"], "ACTIVE");
    assert_eq!(found.data()["startDate"], "2026-11-21T10:30:00Z");
    assert_eq!(found.data()["endDate"], "2027-11-20T10:30:00Z");
    let member = api.get(&format!("{CUSTOMERS}/{customer}")).await;
    assert_eq!(member.data()["status"], "ACTIVE");
    let program = world.other_program().await;
    for table in ["policy_payments", "policies", "customers"] {
        let correlated = program
            .count(&format!(
                "change_log WHERE table_name = '{table}' AND correlation_id = 'first-payment'"
            ))
            .await;
        assert_eq!(correlated, 1, "{table}");
    }
    assert_eq!(
        program.count("entity_status_changes").await,
        0,
        "MicroBima does not record the first activation"
    );
    // Another payment changes neither.
    let mut second = received("SGL31HA2Q2");
    second["actualPaymentDate"] = json!("2026-12-01");
    write(&api, &policy, &second).await;
    let found = api.get(&policy_path(&policy)).await;
    assert_eq!(found.data()["startDate"], "2026-11-21T10:30:00Z");
    running.shutdown().await;
}

async fn a_customer_with_two_policies_is_not_activated_by_one_of_them(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (customer, policy) = insured(&api, 1).await;
    let program = world.other_program().await;
    program
        .sql("INSERT INTO packages (\"name\", \"description\", \"createdBy\") VALUES ('Other', 'Another one', 'test')")
        .await;
    let mut other = weekly();
    other["packageId"] = json!(2);
    api.post(&policies_of(&customer), &other).await;
    let made = write(&api, &policy, &received("SGL31HA2Q1")).await;
    assert_eq!(made["policyStatus"], "ACTIVE");
    let member = api.get(&format!("{CUSTOMERS}/{customer}")).await;
    assert_eq!(member.data()["status"], "PENDING_ACTIVATION");
    running.shutdown().await;
}

async fn a_completed_payment_tries_the_activation_again(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    // As if the process had ended between the two transactions: no one else has completed the payment.
    let program = world.other_program().await;
    program
        .sql(format!(
            "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"paymentStatus\", \"createdAt\", \"updatedAt\") \
             SELECT '{policy}', 'MPESA', 'SGL31HA2Q1', 200, \"createdAt\", 'COMPLETED', \"createdAt\", \"createdAt\" FROM policies"
        ))
        .await;
    assert_eq!(
        api.get(&policy_path(&policy)).await.data()["status"],
        "PENDING_ACTIVATION"
    );
    let again = api
        .patch(
            "/api/internal/payments/1",
            &json!({ "paymentStatus": "COMPLETED" }),
        )
        .await;
    assert_eq!(again.data()["policyStatus"], "ACTIVE", "{}", again.text);
    running.shutdown().await;
}

async fn a_received_payment_is_detached_and_booked_on_another_customers_policy(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, wrong) = insured(&api, 1).await;
    let (neighbour, right) = insured(&api, 2).await;
    let paid = write(&api, &wrong, &received("SGL31HA2Q1")).await;
    let path = format!("{}/detach", payment_path(&paid));
    let login = new_id();
    let body = json!({
        "reason": "Paid into the account of a neighbour", "rebookOnPolicyId": right.to_uppercase(), "detachedBy": login,
    });
    let done = api.post(&path, &body).await;
    assert_eq!(done.status, 200, "{}", done.text);
    let (off, on) = (&done.data()["detached"], &done.data()["rebooked"]);
    assert_eq!(off["paymentStatus"], "DETACHED");
    assert_eq!(reference(off), format!("[d]{}-SGL31HA2Q1", paid["id"]),);
    assert_eq!(off["details"], "Paid into the account of a neighbour");
    assert_eq!(off["detachedBy"], login);
    assert!(off["detachedAt"].is_string());
    assert_eq!(off["amount"], "200.00");
    assert_eq!(reference(on), "SGL31HA2Q1");
    assert_eq!(on["paymentStatus"], "COMPLETED");
    assert_eq!(on["policyId"], right);
    assert_eq!(on["customerId"], neighbour);
    assert_eq!(on["actualPaymentDate"], paid["actualPaymentDate"]);
    assert_eq!(on["policyStatus"], "ACTIVE", "its first payment");
    let again = api.post(&path, &json!({ "reason": "once more" })).await;
    again.assert_error(409, "CONFLICT", &path);
    let edited = payment_path(&paid);
    api.patch(&edited, &json!({ "amount": 5 }))
        .await
        .assert_error(409, "CONFLICT", &edited);
    // Nothing is half-done when the receipt cannot be booked.
    let other = write(&api, &wrong, &received("SGL31HA2Q3")).await;
    let path = format!("{}/detach", payment_path(&other));
    for (policy, what) in [
        (new_id(), "there is no such policy"),
        (wrong.clone(), "must be another policy"),
        ("neighbour".to_owned(), "must be a UUID"),
    ] {
        let refused = api
            .post(&path, &json!({ "reason": "x", "rebookOnPolicyId": policy }))
            .await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert!(
            refused.detail("rebookOnPolicyId").contains(what),
            "{}",
            refused.text
        );
    }
    assert_eq!(api.get(&payment_path(&other)).await.data(), &other);
    let plain = api.post(&path, &json!({ "reason": "by mistake" })).await;
    assert_eq!(plain.data()["rebooked"], Value::Null);
    running.shutdown().await;
}

async fn only_what_has_come_is_detached_and_only_what_is_expected_deleted(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    let expected = write(&api, &policy, &json!({ "amount": 200 })).await;
    let paid = write(&api, &policy, &received("SGL31HA2Q1")).await;

    let path = format!("{}/detach", payment_path(&expected));
    api.post(&path, &json!({ "reason": "x" }))
        .await
        .assert_error(409, "CONFLICT", &path);
    let path = payment_path(&paid);
    api.delete(&path).await.assert_error(409, "CONFLICT", &path);
    let back = api
        .patch(&path, &json!({ "paymentStatus": "PENDING_STK_CALLBACK", "transactionReference": "PENDING-STK-1" }))
        .await;
    back.assert_error(409, "CONFLICT", &path);
    let deleted = api.delete(&payment_path(&expected)).await;
    assert_eq!(deleted.data()["id"], expected["id"]);
    let path = payment_path(&expected);
    api.get(&path).await.assert_error(404, "NOT_FOUND", &path);
    // From before MicroBima had the status.
    let program = world.other_program().await;
    program
        .sql("UPDATE policy_payments SET \"paymentStatus\" = 'PENDING_STK_CALLBACK'")
        .await;
    let path = payment_path(&paid);
    let old = api.delete(&path).await;
    old.assert_error(409, "CONFLICT", &path);
    assert!(old.message().contains("real reference"));
    running.shutdown().await;
}

async fn a_payment_moves_to_another_policy_of_the_same_customer_alone(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (customer, old) = insured(&api, 1).await;
    let (_, neighbours) = insured(&api, 2).await;
    let paid = write(&api, &old, &received("SGL31HA2Q1")).await;
    api.patch(&policy_path(&old), &json!({ "status": "TERMINATED" }))
        .await;
    let made = api.post(&policies_of(&customer), &weekly()).await;
    let new = made.data()["id"].clone();
    let path = payment_path(&paid);
    let moved = api.patch(&path, &json!({ "policyId": new })).await;
    assert_eq!(moved.data()["policyId"], new, "{}", moved.text);
    for policy in [neighbours, new_id()] {
        let refused = api.patch(&path, &json!({ "policyId": policy })).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), ["policyId"]);
    }
    running.shutdown().await;
}

async fn amounts_are_exact_to_the_cent_and_times_digit_for_digit(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    let list = payments_of(&policy);
    for (sent, shown) in [
        ("0.01", "0.01"),
        ("0.1", "0.10"),
        ("0.07", "0.07"),
        ("1.15", "1.15"),
        ("8.2", "8.20"),
        ("1234567.89", "1234567.89"),
        ("99999999.99", "99999999.99"),
        ("007", "7.00"),
    ] {
        let forms = match sent {
            "007" => vec![format!("\"{sent}\"")],
            sent => vec![format!("\"{sent}\""), sent.to_owned()],
        };
        for form in forms {
            let made = api
                .post_bytes(&list, format!("{{\"amount\": {form}}}"))
                .await;
            assert_eq!(made.status, 201, "{form}: {}", made.text);
            assert_eq!(made.data()["amount"], shown, "{form}");
            assert_eq!(
                api.get(&payment_path(made.data())).await.data()["amount"],
                shown
            );
        }
    }
    for (sent, shown) in [
        ("2026-11-21T23:59:59.999", "2026-11-21T23:59:59.999Z"),
        ("2026-11-21", "2026-11-21T00:00:00Z"),
        ("2026-11-21T10:30:00Z", "2026-11-21T10:30:00Z"),
        ("2026-11-21T10:30:00+03:00", "2026-11-21T07:30:00Z"),
    ] {
        let body = json!({ "amount": 1, "expectedPaymentDate": sent });
        let made = write(&api, &policy, &body).await;
        assert_eq!(made["expectedPaymentDate"], shown);
    }
    running.shutdown().await;
}

async fn a_receipt_is_used_once(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    let list = payments_of(&policy);
    write(&api, &policy, &received("SGL31HA2Q1")).await;
    let second = api.post(&list, &received("SGL31HA2Q1")).await;
    second.assert_error(422, "DUPLICATE_TRANSACTION_REFERENCE", &list);
    assert_eq!(second.wrong_fields(), ["transactionReference"]);
    let path = payment_path(&write(&api, &policy, &json!({ "amount": 1 })).await);
    let refused = api.patch(&path, &received("SGL31HA2Q1")).await;
    refused.assert_error(422, "DUPLICATE_TRANSACTION_REFERENCE", &path);
    running.shutdown().await;
}

async fn what_is_wrong_with_a_payment_is_told_field_by_field(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    let list = payments_of(&policy);
    let wrong = json!({
        "paymentType": "CASH", "transactionReference": "A".repeat(51), "accountNumber": "1".repeat(51),
        "details": "x".repeat(501), "expectedPaymentDate": "soon", "actualPaymentDate": "2026-13-01",
        "paymentStatus": "PAID",
    });
    let refused = api.post(&list, &wrong).await;
    refused.assert_error(422, "VALIDATION_ERROR", &list);
    assert_eq!(
        refused.wrong_fields(),
        [
            "accountNumber",
            "actualPaymentDate",
            "amount",
            "details",
            "expectedPaymentDate",
            "paymentStatus",
            "paymentType",
            "transactionReference",
        ]
    );
    for (status, reference) in [
        ("COMPLETED", "PENDING-STK-1"),
        ("COMPLETED", "query-pending-1"),
        ("COMPLETED", "[d]1-SGL31HA2Q1"),
        ("COMPLETED_PENDING_RECEIPT", "[d]1-SGL31HA2Q1"),
        ("PENDING_STK_CALLBACK", "SGL31HA2Q1"),
        ("OUTSTANDING", "SGL31HA2Q1"),
    ] {
        let body =
            json!({ "amount": 1, "paymentStatus": status, "transactionReference": reference });
        let refused = api.post(&list, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &list);
        assert_eq!(
            refused.wrong_fields(),
            ["transactionReference"],
            "{status} {reference}"
        );
    }
    let detached = api
        .post(
            &list,
            &json!({ "amount": 1, "paymentStatus": "DETACHED", "transactionReference": "S" }),
        )
        .await;
    assert!(
        detached.detail("paymentStatus").contains("/detach"),
        "{}",
        detached.text
    );
    for (body, field) in [
        (r#"{"amount": null}"#, "amount"),
        (r#"{"amount": false}"#, "amount"),
        (r#"{"amount": [1]}"#, "amount"),
        (r#"{"transactionReference": 5}"#, "transactionReference"),
        (r#"{"detachedAt": null}"#, "detachedAt"),
        (r#"{"id": 1}"#, "id"),
    ] {
        let refused = api.post_bytes(&list, body).await;
        refused.assert_error(400, "VALIDATION_ERROR", &list);
        assert_eq!(refused.wrong_fields(), [field], "{body}: {}", refused.text);
    }
    let mut hostile = received("'); DROP TABLE x;--");
    hostile["details"] = json!("\u{1F405} \"quoted\" $1");
    let made = write(&api, &policy, &hostile).await;
    assert_eq!(made["details"], hostile["details"]);
    let path = format!("{}/detach", payment_path(&made));
    for (body, field) in [
        (json!({}), "reason"),
        (json!({ "reason": "  " }), "reason"),
        (json!({ "reason": "x".repeat(501) }), "reason"),
        (json!({ "reason": "x", "detachedBy": "me" }), "detachedBy"),
    ] {
        let refused = api.post(&path, &body).await;
        refused.assert_error(422, "VALIDATION_ERROR", &path);
        assert_eq!(refused.wrong_fields(), [field]);
    }
    assert_eq!(
        world.other_program().await.count("policy_payments").await,
        1
    );
    running.shutdown().await;
}

async fn a_payment_of_nothing_is_404_and_an_id_that_is_no_number_422(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let nothing = payments_of(&new_id());
    api.post(&nothing, &json!({ "amount": 1 }))
        .await
        .assert_error(404, "NOT_FOUND", &nothing);
    api.get(&nothing)
        .await
        .assert_error(404, "NOT_FOUND", &nothing);
    let path = "/api/internal/payments/77";
    api.get(path).await.assert_error(404, "NOT_FOUND", path);
    api.delete(path).await.assert_error(404, "NOT_FOUND", path);
    let path = "/api/internal/payments/2147483648";
    api.get(path).await.assert_error(404, "NOT_FOUND", path);
    for id in [
        "0",
        "-1",
        "x",
        "1.5",
        "99999999999999999999",
        "+1",
        "1%20OR%201=1",
    ] {
        let path = format!("/api/internal/payments/{id}");
        let refused = api.get(&path).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(refused.wrong_fields(), ["id"]);
    }
    running.shutdown().await;
}

async fn payments_are_listed_newest_first_and_paged(mut world: World) {
    let (running, api) = started_quiet(&mut world).await;
    let (_, policy) = insured(&api, 1).await;
    for _ in 0..5 {
        write(&api, &policy, &json!({ "amount": 1 })).await;
    }
    let list = payments_of(&policy);
    let mut seen = Vec::new();
    let mut next = format!("{list}?limit=2");
    loop {
        let page = api.get(&next).await;
        let items = page.data()["items"].as_array().expect("a list").clone();
        seen.extend(items.iter().filter_map(|item| item["id"].as_i64()));
        match page.data()["pagination"]["nextCursor"].as_str() {
            Some(cursor) => next = format!("{list}?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    for cursor in ["x", "bm9uc2Vuc2U", "%00"] {
        let refused = api.get(&format!("{list}?cursor={cursor}")).await;
        assert_eq!(
            (refused.status, refused.wrong_fields()),
            (422, vec!["cursor".to_owned()])
        );
    }
    running.shutdown().await;
}
