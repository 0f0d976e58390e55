use axum::http::{HeaderMap, HeaderValue};
use pugmark::http::webhooks::proof::{Kind, Shown, Unproven, judge};
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::*;
use crate::harness::{eventually, on_both_databases};

on_both_databases!(
    every_proof_that_is_switched_on_opens_the_door_and_a_wrong_one_closes_it,
    a_forged_delivery_is_told_nothing_and_only_counted,
    without_any_secret_every_delivery_is_refused,
    too_much_is_refused_and_told_when_to_come_again,
);

async fn every_proof_that_is_switched_on_opens_the_door_and_a_wrong_one_closes_it(
    mut world: World,
) {
    let (running, api) = started(&mut world).await;
    let body = converted("12x5");
    let with_header = |secret: &'static str, number: u32| {
        post(&api, CONVERT, converted(&format!("12x{number}"))).header("X-Webhook-Secret", secret)
    };
    let in_path = |secret: &str| post(&api, &format!("{GENERAL}/{secret}"), converted("12x7"));

    let by_hmac = send(signed(&api, CONVERT, &body)).await;
    assert_eq!(
        (by_hmac.status, status_of(&by_hmac)),
        (202, "ACCEPTED"),
        "{}",
        by_hmac.text
    );
    let by_header = send(with_header(HEADER_SECRET, 6)).await;
    assert_eq!(by_header.status, 202, "{}", by_header.text);
    let by_path = send(in_path(PATH_SECRET)).await;
    assert_eq!(by_path.status, 202, "{}", by_path.text);
    let by_standard = send(standard(&api, "msg-1", &converted("12x8"))).await;
    assert_eq!(by_standard.status, 202, "{}", by_standard.text);
    for (answer, proof) in [
        (&by_hmac, "hmac"),
        (&by_header, "header"),
        (&by_path, "path"),
        (&by_standard, "standard"),
    ] {
        assert_eq!(delivery(&api, answer).await["proof"], proof);
    }

    let prefixed = format!(
        "SHA256={}",
        signature(SECRET, body.as_bytes()).to_uppercase()
    );
    let again =
        send(post(&api, CONVERT, body.clone()).header("X-Vtiger-Signature", prefixed)).await;
    assert_eq!(again.status, 202, "hex in any case, with the prefix");

    let now = jiff::Timestamp::now().as_second();
    let (late, early) = ((now - 310).to_string(), (now + 310).to_string());
    for refused in [
        post(&api, CONVERT, body.clone()),
        with_header("header-secret-of-this-tesT", 9),
        in_path("path-secret-of-this-tes"),
        signed(&api, CONVERT, &body).body(body.replace("12x5", "12x6")),
        signed(&api, CONVERT, &body).body(body[..body.len() - 1].to_owned()),
        // The door is open, the signature is wrong.
        in_path(PATH_SECRET).header("X-Vtiger-Signature", "00"),
        standard_at(&api, "msg-2", &late, &body),
        standard_at(&api, "msg-3", &early, &body),
        standard(&api, "msg-4", &body).header("webhook-id", "msg-5"),
    ] {
        let answer = send(refused).await;
        assert_eq!(
            (answer.status, answer.code()),
            (401, "UNAUTHORIZED"),
            "{}",
            answer.text
        );
        assert_eq!(answer.message(), "The delivery is not accepted");
        assert!(!answer.text.contains(PATH_SECRET), "{}", answer.text);
    }
    let refused = send(in_path("guessed-secret")).await;
    refused.assert_error(401, "UNAUTHORIZED", "/webhooks/vtiger/***");
    running.shutdown().await;
}

async fn a_forged_delivery_is_told_nothing_and_only_counted(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    for number in 0..30 {
        let body = converted(&format!("12x{number}"));
        let forged = post(&api, CONVERT, body).header("X-Vtiger-Signature", "ab".repeat(32));
        assert_eq!(send(forged).await.status, 401);
    }
    let counted = eventually("the count", || async {
        let list = api.get("/api/internal/vtiger/webhooks/refusals").await;
        let of: Vec<_> = list.data().as_array().expect("a list").clone();
        let sum: i64 = of.iter().filter_map(|row| row["count"].as_i64()).sum();
        (sum == 30).then_some(of)
    })
    .await;
    assert_eq!(counted[0]["reason"], "bad signature");
    assert_eq!(program.count("webhook_deliveries").await, 0);
    assert_eq!(program.count("vtiger_sync_queue").await, 0);
    running.shutdown().await;
}

async fn without_any_secret_every_delivery_is_refused(mut world: World) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    for request in [
        signed(&api, CONVERT, &converted("12x5")),
        signed(&api, GENERAL, &converted("12x5")),
        standard(&api, "msg-1", &converted("12x5")),
        post(&api, &format!("{GENERAL}/{PATH_SECRET}"), converted("12x5")),
    ] {
        assert_eq!(send(request).await.status, 401);
    }
    eventually("the reason", || async {
        let list = api.get("/api/internal/vtiger/webhooks/refusals").await;
        list.text.contains("no secret is configured").then_some(())
    })
    .await;
    running.shutdown().await;
}

async fn too_much_is_refused_and_told_when_to_come_again(mut world: World) {
    world.settings.webhooks = config::Webhooks {
        per_peer: 3,
        max_body: 2000,
        ..settings()
    };
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    let long = format!("{{\"id\":\"12x5\",\"note\":\"{}\"}}", "x".repeat(2000));
    assert_eq!(send(signed(&api, CONVERT, &long)).await.status, 413);
    for number in 1..=2 {
        let body = converted(&format!("12x{number}"));
        assert_eq!(send(signed(&api, CONVERT, &body)).await.status, 202);
    }
    let refused = send(signed(&api, CONVERT, &converted("12x4"))).await;
    assert_eq!((refused.status, refused.code()), (429, "TOO_MANY_REQUESTS"));
    let wait: u32 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    running.shutdown().await;
}

fn shown<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Shown<'a> {
    Shown {
        headers,
        path: None,
        body,
        reserialised: false,
        now: jiff::Timestamp::from_second(1_700_000_000).expect("an instant"),
    }
}

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let value = |text: &str| HeaderValue::from_str(text).expect("visible text");
    pairs
        .iter()
        .map(|(name, text)| (axum::http::HeaderName::from_static(name), value(text)))
        .collect()
}

#[test]
fn while_secrets_change_the_old_and_the_new_one_hold_and_the_log_of_a_delivery_says_which() {
    let mut settings = settings();
    settings.secrets.hmac = ["secret-of-last-year", "secret-of-this-year"]
        .map(SecretString::from)
        .into();
    settings.secrets.signing = vec![
        Zeroizing::new(b"signing-key-of-last-year".to_vec()),
        Zeroizing::new(KEY.to_vec()),
    ];
    let body = b"{}";
    for (secret, number) in [("secret-of-last-year", 1), ("secret-of-this-year", 2)] {
        let headers = headers(&[("x-vtiger-signature", &signature(secret, body))]);
        let proven = judge(&settings, &shown(&headers, body)).expect("proven");
        assert_eq!((proven.kind, proven.secret_number), (Kind::Hmac, number));
    }
    let gone = headers(&[("x-vtiger-signature", &signature("secret-before-that", body))]);
    assert_eq!(
        judge(&settings, &shown(&gone, body)),
        Err(Unproven::BadSignature)
    );

    // A sender that changes its key sends several signatures, also of versions that are not known here.
    let time = "1700000000";
    let several = [
        "v1a,bm90IG91cnM=".to_owned(),
        standard_signature(b"a key of tomorrow", "m", time, body),
        standard_signature(KEY, "m", time, body),
    ]
    .join(" ");
    let of = |signatures: &str| {
        headers(&[
            ("webhook-id", "m"),
            ("webhook-timestamp", time),
            ("webhook-signature", signatures),
        ])
    };
    let proven = judge(&settings, &shown(&of(&several), body)).expect("proven");
    assert_eq!(
        (proven.kind, proven.secret_number, proven.id.as_deref()),
        (Kind::Standard, 2, Some("m"))
    );
    let right = standard_signature(KEY, "m", time, body);
    let wrong_version = right.replace("v1,", "v2,");
    assert_eq!(
        judge(&settings, &shown(&of(&wrong_version), body)),
        Err(Unproven::BadSignature)
    );
}

#[test]
fn json_written_again_is_what_was_signed_only_where_the_option_says_so() {
    let (sent, signed) = ("{ \"id\": \"12x5\", \"n\": 1.0 }", r#"{"id":"12x5","n":1}"#);
    let headers = headers(&[("x-vtiger-signature", &signature(SECRET, signed.as_bytes()))]);
    let as_it_came = shown(&headers, sent.as_bytes());
    assert_eq!(judge(&settings(), &as_it_came), Err(Unproven::BadSignature));
    let written_again = Shown {
        reserialised: true,
        ..as_it_came
    };
    let judged = judge(&settings(), &written_again);
    assert_eq!(judged.map(|proven| proven.kind), Ok(Kind::Hmac));
}

#[test]
fn two_signatures_in_two_headers_are_none() {
    let body = b"{}";
    let mut headers = headers(&[("x-vtiger-signature", &signature(SECRET, body))]);
    headers.append("x-vtiger-signature", HeaderValue::from_static("00"));
    assert_eq!(
        judge(&settings(), &shown(&headers, body)),
        Err(Unproven::BadSignature)
    );
}
