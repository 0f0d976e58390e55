//! Settings that cannot work are found before the first call.

use std::time::Duration;

use maxio::{Client, ConfigError, Settings};

use crate::service::{API_KEY, settings};

fn error(settings: Settings) -> ConfigError {
    let error = Client::new(settings).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(API_KEY), "{error:?}");
    error
}

#[test]
fn the_sites_of_both_regions_and_this_machine_are_taken() {
    for url in [
        "https://acme.chargify.com",
        "https://acme.ebilling.maxio.com/",
        "http://localhost:9999",
        "http://maxio.localhost",
        "http://127.0.0.1:9999",
        "http://[::1]:9999",
    ] {
        Client::new(settings(url)).unwrap();
    }
}

#[test]
fn the_usual_settings_outlast_the_service_and_keep_its_limit() {
    let usual = settings("https://acme.chargify.com");
    assert!(usual.call_timeout > Duration::from_secs(120));
    assert_eq!(usual.at_once, 4);
}

#[test]
fn plain_http_stays_on_this_machine() {
    for url in [
        "http://acme.chargify.com",
        "http://10.0.0.1",
        "http://localhost.example.com",
    ] {
        assert!(
            matches!(error(settings(url)), ConfigError::PlainHttp { .. }),
            "{url}"
        );
    }
    assert!(matches!(
        error(settings("ftp://acme.chargify.com")),
        ConfigError::Scheme { scheme } if scheme == "ftp"
    ));
}

#[test]
fn an_address_with_more_than_a_site_is_refused_and_not_repeated() {
    for url in [
        format!("https://{API_KEY}:x@acme.chargify.com"),
        format!("https://{API_KEY}@acme.chargify.com"),
        format!("https://acme.chargify.com/?key={API_KEY}"),
        format!("https://acme.chargify.com/#{API_KEY}"),
        "https://api.maxio.com/v1".to_owned(),
    ] {
        assert!(
            matches!(error(settings(&url)), ConfigError::Superfluous { .. }),
            "{url}"
        );
    }
}

#[test]
fn keys_that_cannot_be_sent_are_refused() {
    let url = "https://acme.chargify.com";
    for key in ["", "  "] {
        let empty = Settings::new(url.parse().unwrap(), key.into());
        assert!(matches!(error(empty), ConfigError::NoKey));
    }
    for key in ["k3y-Of-That-Site:x", "k3y-Of-That-Site\n", "k3y Of", "kéy"] {
        let unusable = Settings::new(url.parse().unwrap(), key.into());
        assert!(matches!(error(unusable), ConfigError::UnusableKey), "{key}");
    }
}

#[test]
fn a_client_that_could_never_call_is_refused() {
    let mut no_time = settings("https://acme.chargify.com");
    no_time.call_timeout = Duration::ZERO;
    assert!(matches!(error(no_time), ConfigError::NoTimeout));
    for given in [0, usize::MAX] {
        let mut no_slot = settings("https://acme.chargify.com");
        no_slot.at_once = given;
        assert!(matches!(error(no_slot), ConfigError::AtOnce { given: got } if got == given));
    }
}
