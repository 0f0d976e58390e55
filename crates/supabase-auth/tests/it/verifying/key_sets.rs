//! The project's keys: fetched when needed, kept, rotated, and out of reach.

use std::time::Duration;

use serde_json::json;
use supabase_auth::{Class, TokenError};

use super::signer::{
    SECRET, Signer, eager, good, good_at, key_set, showing, verifier, with_secret,
};
use crate::server::{Answer, PUBLIC_KEY, Reply};

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn tokens_of_every_algorithm_are_verified_with_the_key_they_name() {
    let signers = [
        Signer::es256("ec"),
        Signer::rs256("rsa"),
        Signer::ed25519("ed"),
    ];
    let (server, _) = showing(&signers.each_ref()).await;
    let verifier = verifier(eager(&server));
    for signer in &signers {
        let token = signer.sign(&good_at(&server));
        let claims = verifier.verify(&token).await.unwrap();
        assert_eq!(claims.email.as_deref(), Some("amina@example.com"));
    }
    assert_eq!(server.requests().len(), 1, "the keys are kept");
}

#[tokio::test]
async fn a_project_on_its_way_from_secret_to_keys_accepts_both() {
    let key = Signer::es256("k1");
    let (server, _) = showing(&[&key]).await;
    let verifier = verifier(eager(&server).with_shared_secret(SECRET.into()));
    let mut old = Signer::shared_secret(SECRET);
    old.kid = Some("a-name-for-the-old-secret".to_owned());
    for signer in [&key, &old] {
        verifier
            .verify(&signer.sign(&good_at(&server)))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_shared_secret_needs_no_server() {
    let token = Signer::shared_secret(SECRET).sign(&good());
    with_secret().verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_token_that_names_no_key_is_refused() {
    let mut signer = Signer::es256("k1");
    let (server, _) = showing(&[&signer]).await;
    signer.kid = None;
    let error = verifier(eager(&server))
        .verify(&signer.sign(&good_at(&server)))
        .await
        .unwrap_err();
    assert_eq!(error, TokenError::UnknownKey);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_a_token_names_it_and_the_old_one_is_forgotten() {
    let (old, new) = (Signer::es256("old"), Signer::es256("new"));
    let (server, shown) = showing(&[&old]).await;
    let verifier = verifier(eager(&server));
    let (by_old, by_new) = (old.sign(&good_at(&server)), new.sign(&good_at(&server)));
    verifier.verify(&by_old).await.unwrap();
    shown.show_keys(&[&new]);
    verifier.verify(&by_new).await.unwrap();
    assert_eq!(server.requests().len(), 2);
    let error = verifier.verify(&by_old).await.unwrap_err();
    assert_eq!(error, TokenError::UnknownKey);
}

#[tokio::test]
async fn made_up_keys_do_not_make_the_verifier_ask_over_and_over() {
    let (known, made_up) = (Signer::es256("k1"), Signer::es256("made-up"));
    let (server, _) = showing(&[&known]).await;
    let mut config = eager(&server);
    config.fetch_interval = LONG;
    let verifier = verifier(config);
    let garbage = made_up.sign(&good_at(&server));
    let attempts = (0..50).map(|_| {
        let (verifier, garbage) = (verifier.clone(), garbage.clone());
        tokio::spawn(async move { verifier.verify(&garbage).await })
    });
    for attempt in attempts.collect::<Vec<_>>() {
        assert_eq!(attempt.await.unwrap(), Err(TokenError::UnknownKey));
    }
    assert_eq!(server.requests().len(), 1);
    // Meanwhile true tokens pass.
    verifier
        .verify(&known.sign(&good_at(&server)))
        .await
        .unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn keys_are_kept_as_long_as_the_server_says_and_no_longer_than_configured() {
    let signer = Signer::es256("k1");
    let (server, shown) = showing(&[&signer]).await;
    let token = signer.sign(&good_at(&server));

    let kept = verifier(eager(&server));
    for _ in 0..3 {
        kept.verify(&token).await.unwrap();
    }
    assert_eq!(server.requests().len(), 1, "max-age=600");

    let mut config = eager(&server);
    config.keep_keys = Duration::ZERO;
    let limited = verifier(config);
    for _ in 0..3 {
        limited.verify(&token).await.unwrap();
    }
    assert_eq!(server.requests().len(), 1 + 3, "our own limit is shorter");

    shown.show(
        Answer::ok(&json!({"keys": [signer.jwk()]}))
            .header("Cache-Control", "public, max-age=0, must-revalidate"),
    );
    let obedient = verifier(eager(&server));
    for _ in 0..3 {
        obedient.verify(&token).await.unwrap();
    }
    assert_eq!(server.requests().len(), 1 + 3 + 3, "max-age=0");
}

#[tokio::test]
async fn known_keys_outlive_an_outage_for_a_while() {
    let signer = Signer::es256("k1");
    let (server, shown) = showing(&[&signer]).await;
    let token = signer.sign(&good_at(&server));
    let mut config = eager(&server);
    config.keep_keys = Duration::ZERO;
    let patient = verifier(config.clone());
    config.keep_keys_in_outage = Duration::ZERO;
    let strict = verifier(config);
    patient.verify(&token).await.unwrap();
    strict.verify(&token).await.unwrap();
    shown.show(Answer::new(503, "text/html", "<html>down</html>"));
    patient.verify(&token).await.unwrap();
    let error = strict.verify(&token).await.unwrap_err();
    assert!(matches!(error, TokenError::KeysUnavailable(_)), "{error:?}");
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_was_out_of_reach_while_an_older_key_serves() {
    let signer = Signer::es256("k1");
    let (server, shown) = showing(&[&signer]).await;
    let token = signer.sign(&good_at(&server));
    let mut config = eager(&server);
    config.keep_keys = Duration::ZERO;
    config.call_timeout = LONG;
    let verifier = verifier(config);
    verifier.verify(&token).await.unwrap();
    shown.show(Answer::new(503, "text/html", "<html>down</html>"));
    verifier.verify(&token).await.unwrap();
    shown.show(Reply::Hang);
    // Would otherwise take the whole hour.
    let verified = tokio::time::timeout(Duration::from_secs(60), verifier.verify(&token)).await;
    verified.unwrap().unwrap();
}

#[tokio::test]
async fn without_any_keys_it_is_not_the_tokens_fault() {
    let signer = Signer::es256("k1");
    let (server, shown) = showing(&[&signer]).await;
    let token = signer.sign(&good_at(&server));
    let verifier = verifier(eager(&server));
    let broken: [Reply; 5] = [
        Answer::new(503, "text/html", "<html>down</html>").into(),
        Answer::new(404, "text/plain", "404 page not found").into(),
        Answer::ok(&json!({"no": "keys"})).into(),
        Answer::new(200, "text/html", "<html>hello</html>").into(),
        Reply::Close,
    ];
    for reply in broken {
        shown.show(reply);
        let error = verifier.verify(&token).await.unwrap_err();
        let TokenError::KeysUnavailable(problem) = error else {
            panic!("{error:?}");
        };
        assert_eq!(problem.class(), Class::Unavailable, "{problem}");
    }
    shown.show_keys(&[&signer]);
    verifier.verify(&token).await.unwrap();
}

#[tokio::test]
async fn a_failed_fetch_is_not_repeated_at_once_either() {
    let signer = Signer::es256("k1");
    let (server, shown) = showing(&[&signer]).await;
    shown.show(Answer::new(503, "text/html", "<html>down</html>"));
    let mut config = eager(&server);
    config.fetch_interval = LONG;
    let verifier = verifier(config);
    for _ in 0..5 {
        let error = verifier.verify(&signer.sign(&good_at(&server))).await;
        assert!(matches!(error, Err(TokenError::KeysUnavailable(_))));
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn many_tokens_at_once_share_one_fetch() {
    let signer = Signer::es256("k1");
    let (server, _) = showing(&[&signer]).await;
    let mut config = eager(&server);
    config.fetch_interval = LONG;
    let verifier = verifier(config);
    let token = signer.sign(&good_at(&server));
    let verifications = (0..20).map(|_| {
        let (verifier, token) = (verifier.clone(), token.clone());
        tokio::spawn(async move { verifier.verify(&token).await })
    });
    for verification in verifications.collect::<Vec<_>>() {
        verification.await.unwrap().unwrap();
    }
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_waste_the_fetch() {
    let signer = Signer::es256("k1");
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let release = std::sync::Arc::new(tokio::sync::Notify::new());
    let gate = release.clone();
    let keys = key_set(&[&signer]);
    let server = crate::server::Server::start_async(move |_| {
        let (arrived, gate, keys) = (arrived.clone(), gate.clone(), keys.clone());
        async move {
            let _ = arrived.send(());
            gate.notified().await;
            keys.into()
        }
    })
    .await;
    let mut config = eager(&server);
    config.fetch_interval = LONG;
    let verifier = verifier(config);
    let token = signer.sign(&good_at(&server));
    let (impatient, same) = (verifier.clone(), token.clone());
    let given_up = tokio::spawn(async move { impatient.verify(&same).await });
    arrivals.recv().await.unwrap();
    given_up.abort();
    given_up.await.unwrap_err();
    release.notify_one();
    verifier.verify(&token).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn keys_of_no_use_do_not_spoil_the_others() {
    let good_key = Signer::es256("good");
    let with = |name: &str, value: serde_json::Value| {
        let signer = Signer::es256(name);
        let mut jwk = signer.jwk();
        match name {
            "encrypts" => jwk["use"] = value,
            "signs" => jwk["key_ops"] = value,
            _ => jwk["alg"] = value,
        }
        (signer, jwk)
    };
    let useless = [
        with("encrypts", json!("enc")),
        with("signs", json!(["sign"])),
        with("other-algorithm", json!("ES384")),
        with("unknown-algorithm", json!("XY999")),
    ];
    let (server, shown) = showing(&[]).await;
    let mut keys = vec![json!(7), json!({"kty": "PQC", "kid": "future"})];
    keys.extend(useless.iter().map(|(_, jwk)| jwk.clone()));
    keys.push(good_key.jwk());
    shown.show(Answer::ok(&json!({"keys": keys})));
    let verifier = verifier(eager(&server));
    for (signer, _) in &useless {
        let error = verifier
            .verify(&signer.sign(&good_at(&server)))
            .await
            .unwrap_err();
        assert_eq!(error, TokenError::UnknownKey, "{:?}", signer.kid);
    }
    verifier
        .verify(&good_key.sign(&good_at(&server)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_key_may_leave_its_algorithm_to_its_kind() {
    let signer = Signer::es256("k1");
    let mut jwk = signer.jwk();
    for field in ["alg", "use", "key_ops"] {
        jwk.as_object_mut().unwrap().remove(field);
    }
    let (server, shown) = showing(&[]).await;
    shown.show(Answer::ok(&json!({"keys": [jwk]})));
    verifier(eager(&server))
        .verify(&signer.sign(&good_at(&server)))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_gateway_that_wants_a_key_gets_the_publishable_one_only_if_configured() {
    let signer = Signer::es256("k1");
    let (server, _) = showing(&[&signer]).await;
    let token = signer.sign(&good_at(&server));
    let mut config = eager(&server);
    verifier(config.clone()).verify(&token).await.unwrap();
    config.public_key = Some(PUBLIC_KEY.into());
    verifier(config).verify(&token).await.unwrap();
    let requests = server.requests();
    assert_eq!(requests[0].headers.get("apikey"), None);
    assert_eq!(requests[1].headers["apikey"], PUBLIC_KEY);
}
