//! Tokens that were not signed by whom they say, or not at all.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};
use supabase_auth::{KeySetAlgorithm, TokenError, VerifierConfig};

use super::signer::{SECRET, Signer, eager, good, good_at, showing, verifier, with_secret};

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn decoded(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_without_a_signature_is_refused_however_it_spells_none() {
    for none in ["none", "None", "NONE", ""] {
        let head = part(&json!({"alg": none, "typ": "JWT"}));
        for signature in ["", "c2ln"] {
            let token = format!("{head}.{}.{signature}", part(&good()));
            let error = with_secret().verify(&token).await.unwrap_err();
            assert_eq!(error, TokenError::Malformed, "{none}");
        }
    }
    let signed = Signer::shared_secret(SECRET).sign(&good());
    let (unsigned, _) = signed.rsplit_once('.').unwrap();
    for token in [unsigned.to_owned(), format!("{unsigned}.")] {
        with_secret().verify(&token).await.unwrap_err();
    }
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_if_it_were_a_secret_is_refused() {
    for signer in [
        Signer::es256("k1"),
        Signer::rs256("k1"),
        Signer::ed25519("k1"),
    ] {
        let (server, _) = showing(&[&signer]).await;
        let jwk = signer.jwk();
        // Whatever the forger takes for the bytes of the public key.
        let guesses: Vec<Vec<u8>> = [&jwk["x"], &jwk["y"], &jwk["n"]]
            .into_iter()
            .filter(|part| part.is_string())
            .flat_map(|part| [decoded(part), part.as_str().unwrap().as_bytes().to_vec()])
            .chain([jwk.to_string().into_bytes(), Vec::new()])
            .collect();
        let only_keys = verifier(eager(&server));
        let both = verifier(eager(&server).with_shared_secret(SECRET.into()));
        for guess in guesses {
            let forged = Signer {
                algorithm: Algorithm::HS256,
                key: EncodingKey::from_secret(&guess),
                kid: Some("k1".to_owned()),
            };
            let token = forged.sign(&good_at(&server));
            let error = only_keys.verify(&token).await.unwrap_err();
            assert_eq!(error, TokenError::Algorithm);
            let error = both.verify(&token).await.unwrap_err();
            assert_eq!(error, TokenError::Signature);
        }
    }
}

#[tokio::test]
async fn a_key_is_used_for_its_own_algorithm_only() {
    let (ec, rsa) = (Signer::es256("ec"), Signer::rs256("rsa"));
    let (server, _) = showing(&[&ec, &rsa]).await;
    let verifier = verifier(eager(&server));
    for (signer, kid) in [(&ec, "rsa"), (&rsa, "ec")] {
        let crossed = Signer {
            algorithm: signer.algorithm,
            key: signer.key.clone(),
            kid: Some(kid.to_owned()),
        };
        let error = verifier
            .verify(&crossed.sign(&good_at(&server)))
            .await
            .unwrap_err();
        assert_eq!(error, TokenError::Algorithm);
    }
    // The right key, by an algorithm of its family that is not the key's own.
    let stronger = Signer {
        algorithm: Algorithm::RS512,
        key: rsa.key.clone(),
        kid: Some("rsa".to_owned()),
    };
    let error = verifier
        .verify(&stronger.sign(&good_at(&server)))
        .await
        .unwrap_err();
    assert_eq!(error, TokenError::Algorithm);
}

#[tokio::test]
async fn only_configured_algorithms_are_accepted() {
    let rsa = Signer::rs256("rsa");
    let (server, _) = showing(&[&rsa]).await;
    let config = eager(&server).with_key_set([KeySetAlgorithm::Es256]);
    let error = verifier(config)
        .verify(&rsa.sign(&good_at(&server)))
        .await
        .unwrap_err();
    assert_eq!(error, TokenError::Algorithm);
    assert!(server.requests().is_empty(), "no keys are fetched for it");

    let ec = Signer::es256("ec");
    let error = with_secret().verify(&ec.sign(&good())).await.unwrap_err();
    assert_eq!(error, TokenError::Algorithm);
}

#[tokio::test]
async fn other_lengths_of_the_shared_secrets_algorithm_are_not_accepted() {
    for algorithm in [Algorithm::HS384, Algorithm::HS512] {
        let signer = Signer {
            algorithm,
            ..Signer::shared_secret(SECRET)
        };
        let error = with_secret()
            .verify(&signer.sign(&good()))
            .await
            .unwrap_err();
        assert_eq!(error, TokenError::Algorithm);
    }
}

#[tokio::test]
async fn a_token_signed_by_somebody_else_or_changed_since_is_refused() {
    let other = Signer::shared_secret("another-secret-of-the-same-length");
    let error = with_secret()
        .verify(&other.sign(&good()))
        .await
        .unwrap_err();
    assert_eq!(error, TokenError::Signature);

    let token = Signer::shared_secret(SECRET).sign(&good());
    let parts: Vec<_> = token.split('.').collect();
    let mut richer = good();
    richer["app_metadata"]["roles"] = json!(["owner"]);
    let changed = format!("{}.{}.{}", parts[0], part(&richer), parts[2]);
    let error = with_secret().verify(&changed).await.unwrap_err();
    assert_eq!(error, TokenError::Signature);

    let (real, impostor) = (Signer::es256("k1"), Signer::es256("k1"));
    let (server, _) = showing(&[&real]).await;
    let error = verifier(eager(&server))
        .verify(&impostor.sign(&good_at(&server)))
        .await
        .unwrap_err();
    assert_eq!(error, TokenError::Signature);
}

#[tokio::test]
async fn a_token_bringing_its_own_key_is_not_believed() {
    let (real, impostor) = (Signer::es256("k1"), Signer::es256("evil"));
    let (server, _) = showing(&[&real]).await;
    let elsewhere = showing(&[&impostor]).await.0;
    let mut header = jsonwebtoken::Header::new(Algorithm::ES256);
    header.kid = Some("evil".to_owned());
    header.jwk = serde_json::from_value(impostor.jwk()).unwrap();
    header.jku = Some(format!("{}/auth/v1/.well-known/jwks.json", elsewhere.url()));
    let token = jsonwebtoken::encode(&header, &good_at(&server), &impostor.key).unwrap();
    let error = verifier(eager(&server)).verify(&token).await.unwrap_err();
    assert_eq!(error, TokenError::UnknownKey);
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn extensions_that_must_be_understood_are_not() {
    let mut header = jsonwebtoken::Header::new(Algorithm::HS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&header, &good(), &key).unwrap();
    let error = with_secret().verify(&token).await.unwrap_err();
    assert_eq!(error, TokenError::Malformed);
}

#[tokio::test]
async fn garbage_is_refused_quietly() {
    let enormous = Signer::shared_secret(SECRET).sign(&json!({"pad": "x".repeat(40_000)}));
    for garbage in [
        "",
        ".",
        "..",
        "a.b.c",
        "sb_secret_DummyAdminKey01",
        "Bearer eyJ.eyJ.sig",
        "ä.ö.ü",
        enormous.as_str(),
    ] {
        let error = with_secret().verify(garbage).await.unwrap_err();
        assert_eq!(error, TokenError::Malformed, "{garbage}");
    }
}

#[tokio::test]
async fn a_shared_secret_in_the_key_set_is_not_taken() {
    let planted =
        json!({"kty": "oct", "alg": "HS256", "kid": "k1", "k": URL_SAFE_NO_PAD.encode("planted")});
    let (server, shown) = showing(&[]).await;
    shown.show(crate::server::Answer::ok(&json!({"keys": [planted]})));
    let mut forged = Signer::shared_secret("planted");
    forged.kid = Some("k1".to_owned());
    let error = verifier(eager(&server))
        .verify(&forged.sign(&good_at(&server)))
        .await
        .unwrap_err();
    assert_eq!(error, TokenError::Algorithm);
}

#[test]
fn what_is_accepted_is_a_matter_of_the_configuration() {
    let config = VerifierConfig::new("https://abc.supabase.co").unwrap();
    assert!(config.shared_secret.is_none() && config.algorithms.is_empty());
}
