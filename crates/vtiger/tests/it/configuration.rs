//! URLs as people write them, and what is said about wrong ones.

use vtiger::{Client, ClientConfig, ConfigError};

fn open_source(url: &str) -> Result<String, ConfigError> {
    ClientConfig::open_source(url, "admin", "key".into()).map(|config| config.base_url.to_string())
}

fn cloud(url: &str) -> Result<String, ConfigError> {
    ClientConfig::cloud(url, "admin", "key".into()).map(|config| config.base_url.to_string())
}

#[test]
fn an_open_source_site_is_found_from_every_usual_way_to_write_it() {
    let wanted = "https://maishapoa.co.ke/vcrm/webservice.php";
    for given in [
        "maishapoa.co.ke/vcrm",
        "maishapoa.co.ke/vcrm/",
        " https://maishapoa.co.ke/vcrm/webservice.php ",
        "https://maishapoa.co.ke//vcrm/webservice.php/",
    ] {
        assert_eq!(open_source(given).unwrap(), wanted, "{given}");
    }
    assert_eq!(
        open_source("http://localhost:8080").unwrap(),
        "http://localhost:8080/webservice.php"
    );
    assert_eq!(
        open_source("localhost:8080").unwrap(),
        "https://localhost:8080/webservice.php"
    );
}

#[test]
fn a_cloud_instance_is_found_from_any_part_of_its_rest_path() {
    let wanted = "https://yourcompany.vtiger.com/restapi/v1/vtiger/default/";
    for given in [
        "yourcompany.vtiger.com",
        "https://yourcompany.vtiger.com/",
        "https://yourcompany.vtiger.com/restapi",
        "https://yourcompany.vtiger.com/restapi/v1",
        "https://yourcompany.vtiger.com/restapi/v1/vtiger/",
        "https://yourcompany.vtiger.com/restapi/v1/vtiger/default",
        "https://yourcompany.vtiger.com/restapi/v1/vtiger/default/",
    ] {
        assert_eq!(cloud(given).unwrap(), wanted, "{given}");
    }
}

#[test]
fn a_wrong_url_is_refused_with_the_part_that_is_wrong() {
    let cases = [
        ("", "empty"),
        ("https://", "cannot be read"),
        ("ftp://crm.example.com", "ftp://"),
        (
            "https://crm.example.com/index.php?module=Contacts",
            "a query",
        ),
        ("https://crm.example.com/#top", "a fragment"),
        (
            "https://admin:hunter2@crm.example.com",
            "a user name or password",
        ),
        ("https://crm.example.com/vcrm/index.php", "index.php"),
        ("https://x.od2.vtiger.com/restapi/v1", "vTiger Cloud"),
        ("https://crm.example.com:99999", "cannot be read"),
    ];
    for (given, part) in cases {
        let error = open_source(given).unwrap_err().to_string();
        assert!(error.contains(part), "{given}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for (given, part) in [
        (
            "https://crm.example.com/webservice.php",
            "open-source vTiger",
        ),
        ("https://x.od2.vtiger.com/restapi/v2", "restapi/v2"),
        (
            "https://x.od2.vtiger.com/restapi/v1/vtiger/default/me",
            "default/me",
        ),
    ] {
        let error = cloud(given).unwrap_err().to_string();
        assert!(error.contains(part), "{given}: {error}");
    }
    let error = open_source("https://admin:hunter2@crm.exa mple.com")
        .unwrap_err()
        .to_string();
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn missing_credentials_and_impossible_limits_are_refused() {
    assert!(matches!(
        ClientConfig::open_source("a.b", " ", "key".into()),
        Err(ConfigError::NoUsername)
    ));
    assert!(matches!(
        ClientConfig::open_source("a.b", "admin", "".into()),
        Err(ConfigError::NoAccessKey)
    ));
    let mut config = ClientConfig::open_source("a.b", "admin", "key".into()).unwrap();
    config.sessions = 0;
    assert!(matches!(
        Client::new(config.clone()),
        Err(ConfigError::NoSessions)
    ));
    config.sessions = 1;
    config.call_timeout = std::time::Duration::ZERO;
    assert!(matches!(Client::new(config), Err(ConfigError::NoTimeout)));
}
