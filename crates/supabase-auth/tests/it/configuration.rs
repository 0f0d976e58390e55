//! Addresses, keys and timeouts, good and bad.

use secrecy::SecretString;
use serde_json::json;
use supabase_auth::{Client, ClientConfig, ConfigError, TokenVerifier, VerifierConfig};

use crate::server::{ADMIN_KEY, AMINA, Answer, PUBLIC_KEY, Server, amina};

fn config(url: &str) -> Result<ClientConfig, ConfigError> {
    ClientConfig::new(url, ADMIN_KEY.into())
}

#[test]
fn every_form_of_the_projects_address_means_the_same() {
    for given in [
        "abc.supabase.co",
        " abc.supabase.co/ ",
        "https://abc.supabase.co",
        "https://abc.supabase.co//",
        "https://abc.supabase.co/auth/v1",
        "https://abc.supabase.co/auth/v1/",
        "HTTPS://ABC.supabase.co/auth/v1",
    ] {
        let config = config(given).unwrap();
        assert_eq!(
            config.base_url.as_str(),
            "https://abc.supabase.co/auth/v1",
            "{given}"
        );
    }
}

#[test]
fn a_self_hosted_project_may_have_a_port_and_a_path() {
    let config = config("https://crm.example.com:8443/supabase/").unwrap();
    assert_eq!(
        config.base_url.as_str(),
        "https://crm.example.com:8443/supabase/auth/v1"
    );
}

#[test]
fn addresses_that_cannot_be_meant_are_refused_without_repeating_passwords() {
    for given in [
        "",
        "https://",
        "ftp://abc.supabase.co",
        "https://amina:S3cret-Pass@abc.supabase.co",
        "gopher://amina:S3cret-Pass@abc.supabase.co",
        "https://abc.supabase.co?apikey=S3cret-Pass",
        "https://abc.supabase.co#S3cret-Pass",
        "https://abc.supabase.co/auth/v1/admin/users",
    ] {
        let error = config(given).unwrap_err();
        assert!(
            !format!("{error} {error:?}").contains("S3cret-Pass"),
            "{error:?}"
        );
    }
}

#[test]
fn plain_http_stays_on_this_machine_unless_allowed() {
    for loopback in [
        "http://localhost:9999",
        "http://auth.localhost",
        "http://127.0.0.1:9999",
        "http://[::1]:9999",
    ] {
        Client::new(config(loopback).unwrap()).unwrap();
    }
    let mut inside = config("http://auth.internal:9999").unwrap();
    let error = Client::new(inside.clone()).unwrap_err();
    assert!(matches!(error, ConfigError::PlainHttp { .. }), "{error}");
    inside.allow_plain_http = true;
    Client::new(inside).unwrap();
}

#[test]
fn keys_that_cannot_be_sent_are_found_before_the_first_call() {
    for key in ["", "  "] {
        let error = ClientConfig::new("abc.supabase.co", key.into()).unwrap_err();
        assert!(matches!(error, ConfigError::NoKey { .. }), "{error}");
    }
    for key in ["sb_secret_ab cd", "sb_secret_abcd\n", "sb_secret_ä"] {
        let error = ClientConfig::new("abc.supabase.co", key.into()).unwrap_err();
        assert!(matches!(error, ConfigError::UnusableKey { .. }), "{error}");
        assert!(!format!("{error:?}").contains("sb_secret"), "{error:?}");
    }
    let mut good = config("abc.supabase.co").unwrap();
    good.public_key = Some(SecretString::from(""));
    assert!(matches!(
        Client::new(good),
        Err(ConfigError::NoKey {
            which: "publishable key"
        })
    ));
}

#[test]
fn a_timeout_of_zero_is_refused() {
    for change in [
        |config: &mut ClientConfig| config.call_timeout = std::time::Duration::ZERO,
        |config: &mut ClientConfig| config.connect_timeout = std::time::Duration::ZERO,
    ] {
        let mut config = config("abc.supabase.co").unwrap();
        change(&mut config);
        assert!(matches!(Client::new(config), Err(ConfigError::NoTimeout)));
    }
}

#[test]
fn a_verifier_that_is_unsafe_or_accepts_nothing_is_refused() {
    let config = || VerifierConfig::new("abc.supabase.co").unwrap();
    assert_eq!(config().issuer, "https://abc.supabase.co/auth/v1");
    assert!(matches!(
        TokenVerifier::new(config()),
        Err(ConfigError::NoAlgorithm)
    ));
    assert!(matches!(
        TokenVerifier::new(config().with_shared_secret(" ".into())),
        Err(ConfigError::EmptySecret)
    ));
    let plain = VerifierConfig::new("http://auth.internal").unwrap();
    assert!(matches!(
        TokenVerifier::new(plain.with_shared_secret("secret".into())),
        Err(ConfigError::PlainHttp { .. })
    ));
}

#[test]
fn debug_shows_no_key() {
    let mut config = config("abc.supabase.co").unwrap();
    config.public_key = Some(PUBLIC_KEY.into());
    let verifier = VerifierConfig::new("abc.supabase.co")
        .unwrap()
        .with_shared_secret("the-shared-secret".into());
    let shown = format!(
        "{config:?} {:?} {verifier:?} {:?}",
        Client::new(config.clone()).unwrap(),
        TokenVerifier::new(verifier.clone()).unwrap()
    );
    for secret in [ADMIN_KEY, PUBLIC_KEY, "the-shared-secret"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn an_admin_call_carries_the_key_twice_the_version_and_no_browsers_name() {
    let server = Server::always(Answer::ok(&amina())).await;
    server.client().get_user(AMINA).await.unwrap();
    let headers = server.only_request().headers;
    assert_eq!(headers["apikey"], ADMIN_KEY);
    assert_eq!(headers["authorization"], format!("Bearer {ADMIN_KEY}"));
    assert_eq!(headers["x-supabase-api-version"], "2024-01-01");
    assert!(headers["user-agent"].starts_with("supabase-auth/"));
}

#[tokio::test]
async fn a_legacy_key_is_sent_as_it_is_too() {
    let server = Server::always(Answer::ok(&json!({"users": []}))).await;
    let jwt = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln";
    let config = ClientConfig::new(&format!("{}/auth/v1/", server.url()), jwt.into()).unwrap();
    Client::new(config)
        .unwrap()
        .list_users(1, 50)
        .await
        .unwrap();
    let request = server.only_request();
    assert_eq!(request.path, "/auth/v1/admin/users");
    assert_eq!(request.headers["apikey"], jwt);
    assert_eq!(request.headers["authorization"], format!("Bearer {jwt}"));
}
