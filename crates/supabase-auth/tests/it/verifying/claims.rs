//! What a well-signed token may and may not say.

use serde_json::{Value, json};
use supabase_auth::{Claims, TokenError, VerifierConfig};

use super::signer::{SECRET, Signer, good, now, verifier, with_secret};
use crate::server::AMINA;

async fn verified(claims: &Value) -> Result<Claims, TokenError> {
    let token = Signer::shared_secret(SECRET).sign(claims);
    with_secret().verify(&token).await
}

/// The usual claims with one of them changed; null takes it out.
fn but(name: &str, value: Value) -> Value {
    let mut claims = good();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

#[tokio::test]
async fn a_good_token_tells_who_it_is() {
    let claims = verified(&good()).await.unwrap();
    assert_eq!(claims.user_id, AMINA);
    assert_eq!(claims.email.as_deref(), Some("amina@example.com"));
    assert_eq!(claims.app_roles(), ["admin"]);
    assert_eq!(claims.user_metadata["roles"], json!(["brand_ambassador"]));
    assert_eq!(
        claims.session_id.unwrap().to_string(),
        "7c9e6679-7425-40de-944b-e07fc1f90ae7"
    );
    assert!(claims.expires_at.as_second() > now() + 3500);
    assert_eq!(claims.assurance_level.as_deref(), Some("aal1"));
    assert!(!claims.is_anonymous);
}

#[tokio::test]
async fn what_a_user_wrote_about_themselves_gives_no_role() {
    let mut claims = good();
    claims["app_metadata"] = json!({});
    claims["user_metadata"] = json!({"roles": ["admin"]});
    assert!(verified(&claims).await.unwrap().app_roles().is_empty());
}

#[tokio::test]
async fn the_audience_may_be_one_of_several() {
    let several = but("aud", json!(["other", "authenticated"]));
    verified(&several).await.unwrap();
    for wrong in [
        json!("other"),
        json!(["other"]),
        json!([]),
        json!(""),
        Value::Null,
    ] {
        let error = verified(&but("aud", wrong.clone())).await.unwrap_err();
        assert_eq!(error, TokenError::Audience, "{wrong}");
    }
}

#[tokio::test]
async fn the_issuer_must_be_exactly_the_projects() {
    for wrong in [
        json!("https://other.supabase.co/auth/v1"),
        json!("https://abc.supabase.co/auth/v1/"),
        json!("supabase"),
        Value::Null,
    ] {
        let error = verified(&but("iss", wrong.clone())).await.unwrap_err();
        assert_eq!(error, TokenError::Issuer, "{wrong}");
    }
    let several = but("iss", json!(["https://abc.supabase.co/auth/v1"]));
    assert_eq!(verified(&several).await.unwrap_err(), TokenError::Malformed);
}

#[tokio::test]
async fn a_server_may_be_configured_to_issue_under_another_name() {
    let mut config = VerifierConfig::new("https://abc.supabase.co").unwrap();
    config.issuer = "https://login.example.com".to_owned();
    let verifier = verifier(config.with_shared_secret(SECRET.into()));
    let signer = Signer::shared_secret(SECRET);
    let token = signer.sign(&but("iss", json!("https://login.example.com")));
    verifier.verify(&token).await.unwrap();
    let error = verifier.verify(&signer.sign(&good())).await.unwrap_err();
    assert_eq!(error, TokenError::Issuer);
}

#[tokio::test]
async fn an_expired_token_is_refused_but_clocks_may_differ_a_little() {
    verified(&but("exp", json!(now() - 3))).await.unwrap();
    let error = verified(&but("exp", json!(now() - 60))).await.unwrap_err();
    assert_eq!(error, TokenError::Expired);
    for odd in [json!("tomorrow"), json!(-1), json!(1e300), Value::Null] {
        let error = verified(&but("exp", odd.clone())).await.unwrap_err();
        assert_eq!(error, TokenError::Malformed, "{odd}");
    }
}

#[tokio::test]
async fn a_token_from_the_future_is_refused() {
    let error = verified(&but("nbf", json!(now() + 600))).await.unwrap_err();
    assert_eq!(error, TokenError::NotYetValid);
    verified(&but("nbf", json!(now() + 3))).await.unwrap();
}

#[tokio::test]
async fn the_projects_own_keys_are_no_users() {
    for role in ["anon", "service_role", "supabase_admin", ""] {
        // As the vendor makes them, and with everything a user's token has.
        let bare = json!({"iss": "supabase", "ref": "abc", "role": role, "iat": now(), "exp": now() + 3600});
        for claims in [bare, but("role", json!(role))] {
            let error = verified(&claims).await.unwrap_err();
            assert_eq!(error, TokenError::NotAUser, "{role}");
        }
    }
    let error = verified(&but("role", Value::Null)).await.unwrap_err();
    assert_eq!(error, TokenError::NotAUser);
}

#[tokio::test]
async fn the_subject_must_be_a_users_id() {
    for odd in [
        json!("amina"),
        json!(""),
        json!("00000000-0000-0000-0000-000000000000"),
        json!(7),
        Value::Null,
    ] {
        let error = verified(&but("sub", odd.clone())).await.unwrap_err();
        assert_eq!(error, TokenError::Malformed, "{odd}");
    }
}

#[tokio::test]
async fn what_a_user_may_lack_may_be_missing() {
    let bare = json!({
        "iss": good()["iss"], "sub": AMINA, "aud": "authenticated", "exp": now() + 60, "role": "authenticated",
        "email": "", "is_anonymous": true
    });
    let claims = verified(&bare).await.unwrap();
    assert_eq!((claims.email.as_deref(), claims.session_id), (None, None));
    assert!(claims.is_anonymous && claims.app_roles().is_empty());
}
