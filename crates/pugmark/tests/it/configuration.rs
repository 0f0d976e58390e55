//! Settings: where they come from, and that every mistake is told at once, by name, with its fix.

use std::time::Duration;

use pugmark::config::{ConfigError, CrmEdition, DEFAULTS, Environment, Mode, Settings, load};
use secrecy::ExposeSecret;

/// Reads these settings from a file and an environment of a test's own.
fn read<const N: usize>(
    file: &str,
    environment: [(&str, &str); N],
) -> Result<Settings, ConfigError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("settings.toml");
    std::fs::write(&path, file).expect("written");
    load(Some(&path), &Environment::of(environment))
}

/// The names of what is wrong, and the whole message.
fn problems<const N: usize>(file: &str, environment: [(&str, &str); N]) -> (Vec<String>, String) {
    let error = read(file, environment).expect_err("there are problems");
    let mut names: Vec<String> = error
        .0
        .iter()
        .map(|problem| problem.setting.clone())
        .collect();
    names.sort();
    for problem in &error.0 {
        assert!(
            !problem.fix.is_empty() && !problem.what.is_empty(),
            "{problem:?}"
        );
    }
    (names, error.to_string())
}

const CRM: [(&str, &str); 3] = [
    ("VTIGER_URL", "https://crm.example.org/vcrm"),
    ("VTIGER_USERNAME", "pugmark"),
    ("VTIGER_ACCESS_KEY", "key-of-this-test"),
];

#[test]
fn the_printed_defaults_are_the_defaults() {
    let printed = read(DEFAULTS, []).expect("the defaults are right");
    let without = load(None, &Environment::default()).expect("the defaults are right");
    // Of what is the same, one comes from a file and one does not.
    let values = |settings: &Settings| {
        let mut settings = settings.clone();
        settings.in_force.clear();
        format!("{settings:?}")
    };
    assert_eq!(values(&printed), values(&without));
    assert_eq!(printed.server.address.to_string(), "127.0.0.1:3000");
    assert_eq!(printed.mode, Mode::Live);
    assert_eq!(printed.capture.settle, Duration::from_secs(2));
    assert!(printed.crm.is_none() && printed.server.token.is_none());
}

#[test]
fn the_file_is_over_the_defaults_and_the_environment_over_the_file() {
    let file = "[server]\nport = 4000\nmax_body = 10\n[database]\nurl = \"sqlite:of-file.db\"\n[capture]\npoll = \"1s\"\nsettle = \"3s\"";
    let of_file = read(file, []).expect("right");
    assert_eq!(of_file.server.address.port(), 4000);
    assert_eq!(of_file.server.max_body, 10);

    let settings = read(
        file,
        [
            ("PUGMARK__SERVER__PORT", "5000"),
            ("PUGMARK__CAPTURE__SETTLE", "250ms"),
            ("PUGMARK__DATABASE__URL", "sqlite:of-prefix.db"),
            ("DATABASE_URL", "sqlite:of-name.db"),
            ("PORT", "6000"),
        ],
    )
    .expect("right");
    assert_eq!(settings.server.address.port(), 6000, "the plan's name wins");
    assert_eq!(settings.database.url, "sqlite:of-name.db");
    assert_eq!(
        settings.capture.settle,
        Duration::from_millis(250),
        "the prefix wins over the file"
    );
    assert_eq!(
        settings.capture.poll,
        Duration::from_secs(1),
        "the file wins over the default"
    );
    let empty = read(file, [("PORT", "  ")]).expect("right");
    assert_eq!(
        empty.server.address.port(),
        4000,
        "an empty variable is none"
    );
}

#[test]
fn every_problem_is_listed_at_once_with_its_name_and_its_fix() {
    let file = "mode = \"both\"\ncolour = 1\n[server]\nhost = \"here\"\nmax_body = \"big\"\nprot = 4000\n[capture]\n\
                settle = \"soon\"\npoll = \"1ms\"\n[queue]\nmax_retries = -1\n[vtiger]\nsessions = 1.5\naccess_key = \"hidden\"\n\
                [nothing]\nx = 1";
    let (names, message) = problems(
        file,
        [
            ("PORT", "abc"),
            ("DATABASE_URL", "mysql://root:hidden@host/db"),
            ("VTIGER_URL", "https://crm.example.org"),
            ("VTIGER_ENABLED", "perhaps"),
            ("VTIGER_DEFAULT_OWNER", "me"),
            ("PUGMARK_CUSTOMER_URL", "https://agents.example.org/"),
            ("PUGMARK__VTIGER__CALL_TIMEOUT", "1"),
            ("PUGMARK__SERVRE__PORT", "1"),
        ],
    );
    assert_eq!(
        names,
        [
            "DATABASE_URL",
            "HOST",
            "PORT",
            "PUGMARK_CUSTOMER_URL",
            "PUGMARK_MODE",
            "VTIGER_ACCESS_KEY",
            "VTIGER_DEFAULT_OWNER",
            "VTIGER_ENABLED",
            "VTIGER_USERNAME",
            "capture.poll",
            "capture.settle",
            "colour",
            "nothing",
            "queue.max_retries",
            "server.max_body",
            "server.prot",
            "servre",
            "vtiger.access_key",
            "vtiger.call_timeout",
            "vtiger.sessions",
        ]
    );
    assert!(!message.contains("hidden"), "{message}");
    for part in [
        "PUG-1001",
        "20 problem(s)",
        "PORT: `abc` is not a whole number",
        "settings.toml sets it",
        "the environment sets it",
        "In this place there are: customer_url, health, host, max_body, port, public_url, shutdown_grace",
        "set VTIGER_ACCESS_KEY or VTIGER_ACCESS_KEY_FILE",
        "live",
        "VTIGER_ENABLED: `perhaps` is not true or false",
        "250ms, 2s, 5m, 24h",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_place_of_the_mistake() {
    let (names, message) = problems("[server\nport = 1", []);
    assert!(names[0].ends_with("settings.toml"), "{names:?}");
    assert!(message.contains("line 1"), "{message}");
    let missing = load(Some("no/such/file.toml".as_ref()), &Environment::default())
        .expect_err("it is not there");
    assert!(
        missing.to_string().contains("no/such/file.toml"),
        "{missing}"
    );
    let (_, message) = problems("port = 1\n[vtiger.contact_defaults]\nlist = [1]", []);
    assert!(
        message.contains("vtiger.contact_defaults.list"),
        "{message}"
    );
}

#[test]
fn numbers_are_taken_only_where_they_fit() {
    for (value, fits) in [
        ("0", true),
        ("65535", true),
        ("65536", false),
        ("-1", false),
        ("1.5", false),
        ("yes", false),
        ("0x10", false),
    ] {
        let read = read("", [("PORT", value)]);
        assert_eq!(read.is_ok(), fits, "{value}");
        if let Err(error) = read {
            assert_eq!(error.0.len(), 1);
            assert_eq!(error.0[0].setting, "PORT");
            assert!(error.0[0].what.contains(value), "{error}");
        }
    }
}

#[test]
fn the_crm_is_addressed_as_in_the_browser_and_only_one_is() {
    let with = |name: &'static str, url: &str| {
        let environment = [
            (name, url),
            ("VTIGER_USERNAME", "pugmark"),
            ("VTIGER_ACCESS_KEY", "key"),
        ];
        read("", environment)
    };
    for url in [
        "crm.example.org/vcrm",
        "https://crm.example.org",
        "http://127.0.0.1:8080",
        "http://localhost/x",
        "http://[::1]/",
    ] {
        let crm = with("VTIGER_URL", url)
            .expect("right")
            .crm
            .expect("configured");
        assert_eq!(crm.edition, CrmEdition::OpenSource);
    }
    let cloud = with("VTIGER_API_URL", "https://x.od2.vtiger.com/restapi/v1").expect("right");
    assert_eq!(cloud.crm.expect("configured").edition, CrmEdition::Cloud);
    for (url, part) in [
        ("https://", "is not a web address"),
        ("http://crm example.org", "is not a web address"),
        ("https://crm.example.org:99999", "is not a web address"),
        ("http://crm.example.org", "uses http"),
        ("http://10.0.0.5/vcrm", "uses http"),
        ("ftp://crm.example.org", "`ftp` is not spoken"),
        (
            "https://admin:hidden@crm.example.org",
            "holds a user name or a password",
        ),
        (
            "admin:hidden@crm.example.org",
            "holds a user name or a password",
        ),
    ] {
        let error = with("VTIGER_URL", url).expect_err(url).to_string();
        assert!(
            error.contains("VTIGER_URL: ") && error.contains(part),
            "{url}: {error}"
        );
        assert!(!error.contains("hidden"), "{error}");
    }
    let allowed = read(
        "[vtiger]\nallow_plain_http = true",
        [("VTIGER_URL", "http://10.0.0.5/vcrm"), CRM[1], CRM[2]],
    );
    assert!(
        allowed.is_ok(),
        "a test system may be asked in clear when someone says so"
    );
    let (names, message) = problems(
        "",
        [
            CRM[0],
            CRM[1],
            CRM[2],
            ("VTIGER_API_URL", "https://x.od2.vtiger.com/restapi/v1"),
        ],
    );
    assert_eq!(names, ["VTIGER_URL, VTIGER_API_URL"]);
    assert!(message.contains("One Pugmark serves one CRM"));
}

#[test]
fn secrets_come_from_the_environment_or_from_a_file_and_are_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    std::fs::write(&path, "key-of-file\n").expect("written");
    let path = path.to_str().expect("text");
    let settings = read(
        "",
        [
            CRM[0],
            CRM[1],
            ("VTIGER_ACCESS_KEY_FILE", path),
            ("APP_SECRET_TOKEN", " token-of-env "),
        ],
    )
    .expect("right");
    let crm = settings.crm.clone().expect("configured");
    assert_eq!(
        crm.access_key.expose_secret(),
        "key-of-file",
        "without the line's end"
    );
    let token = settings.server.token.clone().expect("a token");
    assert_eq!(token.expose_secret(), "token-of-env");

    let settings = read(
        "",
        [
            CRM[0],
            CRM[1],
            CRM[2],
            ("DATABASE_URL", "postgres://u:hidden@host/db"),
            ("APP_SECRET_TOKEN", "hidden"),
        ],
    )
    .expect("right");
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("hidden") && !shown.contains(CRM[2].1),
        "{shown}"
    );

    std::fs::write(folder.path().join("empty"), "\n").expect("written");
    let empty = folder.path().join("empty");
    let (names, message) = problems(
        "",
        [
            CRM[0],
            CRM[1],
            ("VTIGER_ACCESS_KEY_FILE", "/no/such/file"),
            ("APP_SECRET_TOKEN_FILE", empty.to_str().expect("text")),
        ],
    );
    assert_eq!(
        names,
        [
            "APP_SECRET_TOKEN_FILE",
            "VTIGER_ACCESS_KEY",
            "VTIGER_ACCESS_KEY_FILE"
        ]
    );
    assert!(
        message.contains("is empty") && message.contains("/no/such/file"),
        "{message}"
    );
}

#[test]
fn a_lease_must_hold_two_calls() {
    let (names, message) = problems("[queue]\nlease = \"50s\"", CRM);
    assert_eq!(names, ["queue.lease"]);
    assert!(message.contains("vtiger.call_timeout"), "{message}");
    assert!(
        read(
            "[queue]\nlease = \"50s\"\n[vtiger]\ncall_timeout = \"25s\"",
            CRM
        )
        .is_ok()
    );
}

#[test]
fn values_of_new_contacts_are_texts_of_the_operators_choice() {
    let file = "[vtiger.contact_defaults]\nleadsource = \"MicroBima\"\ncf_901 = 7\ncf_903 = true";
    let settings = read(file, CRM).expect("right");
    let defaults = settings.crm.expect("configured").contact_defaults;
    assert_eq!(defaults["leadsource"], "MicroBima");
    assert_eq!(defaults["cf_901"], "7");
    assert_eq!(defaults["cf_903"], "true");
    let zero = read(
        "",
        [
            CRM[0],
            CRM[1],
            CRM[2],
            ("PUGMARK__VTIGER__CONTACT_DEFAULTS__CF_905", "007"),
        ],
    )
    .expect("right");
    assert_eq!(
        zero.crm.expect("configured").contact_defaults["cf_905"],
        "007",
        "a text of digits stays a text"
    );
}

#[test]
fn secrets_of_webhooks_are_lists_and_what_could_be_guessed_is_refused() {
    let settings = read(
        "",
        [
            (
                "VTIGER_WEBHOOK_SECRET",
                "secret-of-last-year, secret-of-this-year",
            ),
            (
                "VTIGER_WEBHOOK_SIGNING_KEY",
                "whsec_c2lnbmluZy1rZXktb2YtdGhpcy10ZXN0",
            ),
            ("VTIGER_WEBHOOK_PATH_SECRET", "path-secret-of-this-test"),
        ],
    )
    .expect("right");
    let secrets = &settings.webhooks.secrets;
    assert_eq!(
        (secrets.hmac.len(), secrets.path.len(), secrets.header.len()),
        (2, 1, 0)
    );
    assert_eq!(secrets.hmac[1].expose_secret(), "secret-of-this-year");
    assert_eq!(secrets.signing[0].as_slice(), b"signing-key-of-this-test");
    let shown = format!("{settings:?}");
    assert!(
        !shown.contains("secret-of") && !shown.contains("signing-key"),
        "{shown}"
    );

    let file = "[webhooks]\nheader = \"no header\"\ntolerance = \"0s\"";
    let (names, message) = problems(
        file,
        [
            ("VTIGER_WEBHOOK_SECRET", "short"),
            ("VTIGER_WEBHOOK_SIGNING_KEY", "whsec_dG9vIHNob3J0"),
            ("VTIGER_WEBHOOK_PATH_SECRET", "has/a/slash-and-is-long"),
            ("MICROBIMA_URL", "http://api.example.org"),
        ],
    );
    assert_eq!(
        names,
        [
            "MICROBIMA_API_KEY",
            "MICROBIMA_URL",
            "VTIGER_WEBHOOK_PATH_SECRET",
            "VTIGER_WEBHOOK_SECRET",
            "VTIGER_WEBHOOK_SIGNING_KEY",
            "webhooks.header",
            "webhooks.tolerance",
        ]
    );
    assert!(!message.contains("dG9vIHNob3J0"), "{message}");
}

#[test]
fn a_broker_is_used_where_its_address_is_set() {
    assert!(read("", []).expect("right").rabbitmq.is_none());
    let url = "amqp://pugmark:very-secret@broker.example.org/crm";
    let set = read(
        "[rabbitmq]\nqueue_type = \"quorum\"\nprefix = \"of-test\"",
        [("RABBITMQ_URL", url)],
    );
    let rabbitmq = set.expect("right").rabbitmq.expect("configured");
    assert_eq!(
        rabbitmq.url.to_string(),
        "amqp://pugmark:***@broker.example.org:5672/crm"
    );
    assert_eq!(
        (
            rabbitmq.prefix.as_str(),
            rabbitmq.exchange.as_str(),
            rabbitmq.prefetch
        ),
        ("of-test", "vtiger", 32)
    );
    assert!(!format!("{rabbitmq:?}").contains("very-secret"));
}

#[test]
fn every_mistake_about_the_broker_is_told_without_its_password() {
    let file = "[rabbitmq]\nprefix = \"amq.own\"\nexchange = \"with space\"\nprefetch = 0\nqueue_type = \"stream\"";
    let url = "http://pugmark:very-secret@broker.example.org";
    let (names, said) = problems(file, [("RABBITMQ_URL", url)]);
    assert_eq!(
        names,
        [
            "RABBITMQ_URL",
            "rabbitmq.exchange",
            "rabbitmq.prefetch",
            "rabbitmq.prefix",
            "rabbitmq.queue_type"
        ]
    );
    assert!(!said.contains("very-secret"), "{said}");
}

#[test]
fn a_redis_is_used_where_its_address_is_set() {
    assert!(read("", []).expect("right").redis.is_none());
    let url = "rediss://:very-secret@cache.example.org/2";
    let set = read("[redis]\nprefix = \"of-test\"", [("REDIS_URL", url)]);
    let redis = set.expect("right").redis.expect("configured");
    assert_eq!(
        redis.url.to_string(),
        "rediss://***@cache.example.org:6379/2"
    );
    assert_eq!(redis.prefix, "of-test");
    assert_eq!(redis.timeout, Duration::from_millis(300));
    assert_eq!(redis.sessions_for, Duration::from_secs(900));
    assert!(!format!("{redis:?}").contains("very-secret"));
}

#[test]
fn what_is_no_address_of_a_redis_is_refused_without_being_repeated() {
    for url in [
        "cache:6379",
        "http://user:very-secret@cache",
        "redis://user:very-secret@ca che",
        "redis://:very-secret@/0",
        "redis://:very-secret@cache/first",
        "rediss://:very-secret@cache/0#insecure",
    ] {
        let file = "[redis]\nprefix = \"with space\"\ntimeout = \"1ms\"\nsessions_for = \"0s\"";
        let (names, said) = problems(file, [("REDIS_URL", url)]);
        assert_eq!(
            names,
            [
                "REDIS_URL",
                "redis.prefix",
                "redis.sessions_for",
                "redis.timeout"
            ],
            "{url}"
        );
        assert!(!said.contains("very-secret"), "{said}");
    }
}

#[test]
fn every_mistake_in_the_onboarding_form_is_named_by_its_question() {
    let file = r#"
        [onboarding.form]
        wait = "2m"
        fields = [
          { name = "clientId", to = "X", label = "X", section = "company", kind = "text" },
          { name = "a", to = "", label = "A", section = "company", kind = "text" },
          { name = "b", to = "B", label = "B", section = "nowhere", kind = "text" },
          { name = "c", to = "C", label = "C", section = "bank", kind = "iban", choices = ["x"] },
          { name = "c2", to = "C", label = "C", section = "bank", kind = "iban", colour = "red" },
          { name = "d", to = ["D", "E"], label = "D", section = "start", kind = "lines" },
          { name = "d", to = "F", label = "D", section = "start", kind = "lines" },
        ]"#;
    let (names, text) = problems(file, []);
    let of = |name: &str| format!("onboarding.form.fields[{name}]");
    assert_eq!(
        names,
        [
            of("a"),
            of("b"),
            of("c2"),
            of("c"),
            of("clientId"),
            of("d"),
            "onboarding.form.wait".to_owned()
        ]
    );
    assert!(text.contains("another question has this name"), "{text}");
}
