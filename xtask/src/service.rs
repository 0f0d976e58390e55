//! The outside services some tests need, and what was found of them.

use std::fmt;

use clap::ValueEnum;

use crate::failure::Failure;

/// A service that tests may need. Its name on the command line is also the module name its tests carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Postgres,
    /// For tests that start clusters of their own: the programs, not a running server.
    #[value(name = "postgres_programs")]
    PostgresPrograms,
    Rabbitmq,
    /// The program: tests start servers of their own.
    Redis,
    Chromium,
    Php,
    /// With its package manager: tests install a vendor's client.
    Node,
}

impl Service {
    pub(crate) const ALL: &[Self] = &[
        Self::Postgres,
        Self::PostgresPrograms,
        Self::Rabbitmq,
        Self::Redis,
        Self::Chromium,
        Self::Php,
        Self::Node,
    ];

    /// The name used by `--require`, in `PUGMARK_REQUIRE` and as a path segment of test names.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::PostgresPrograms => "postgres_programs",
            Self::Rabbitmq => "rabbitmq",
            Self::Redis => "redis",
            Self::Chromium => "chromium",
            Self::Php => "php",
            Self::Node => "node",
        }
    }

    /// Reads a list as `PUGMARK_REQUIRE` holds it: keys with commas between them, or nothing.
    pub(crate) fn list(text: &str) -> Result<Vec<Self>, Failure> {
        let keys = text.split(',').map(str::trim).filter(|key| !key.is_empty());
        let service = |key| {
            let unknown =
                |_| Failure::new(format!("PUGMARK_REQUIRE names an unknown service: {key}"));
            Self::from_str(key, false).map_err(unknown)
        };
        keys.map(service).collect()
    }

    /// The variable through which tests learn where the service is.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "PUGMARK_TEST_POSTGRES_URL",
            Self::PostgresPrograms => "PUGMARK_TEST_POSTGRES_PROGRAMS",
            Self::Rabbitmq => "PUGMARK_TEST_RABBITMQ_URL",
            Self::Redis => "PUGMARK_TEST_REDIS_SERVER",
            Self::Chromium => "PUGMARK_TEST_CHROMIUM",
            Self::Php => "PUGMARK_TEST_PHP",
            Self::Node => "PUGMARK_TEST_NODE",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::PostgresPrograms => "PostgreSQL's programs",
            Self::Rabbitmq => "RabbitMQ",
            Self::Redis => "Redis",
            Self::Chromium => "Chromium",
            Self::Php => "PHP",
            Self::Node => "Node.js",
        })
    }
}

/// What the search for one service gave.
#[derive(Debug)]
pub(crate) enum Finding {
    /// `value` goes into [`Service::variable`]; `place` is for people and never holds a password.
    Found { value: String, place: String },
    /// `why` says where it was looked for and what was in the way.
    Missing { why: String },
}

impl Finding {
    pub(crate) fn found(value: impl Into<String>, place: impl Into<String>) -> Self {
        Self::Found {
            value: value.into(),
            place: place.into(),
        }
    }

    pub(crate) fn missing(why: impl Into<String>) -> Self {
        Self::Missing { why: why.into() }
    }
}

/// Everything that was found and not found, one entry per service.
pub(crate) struct Findings(pub(crate) Vec<(Service, Finding)>);

impl Findings {
    /// One line per service.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |(service, finding): &(Service, Finding)| match finding {
            Finding::Found { place, .. } => format!("{service}: {place}"),
            Finding::Missing { why } => {
                let key = service.key();
                format!("{service}: not found ({why}); tests in a module `{key}` are left out")
            }
        };
        self.0.iter().map(line).collect()
    }

    /// The required services that are not there, each with the reason.
    pub(crate) fn unmet<'a>(&'a self, required: &'a [Service]) -> Vec<(Service, &'a str)> {
        let reason = |(service, finding): &'a (Service, Finding)| match finding {
            Finding::Missing { why } if required.contains(service) => {
                Some((*service, why.as_str()))
            }
            _ => None,
        };
        self.0.iter().filter_map(reason).collect()
    }

    /// The environment of the test run.
    ///
    /// `PUGMARK_REQUIRE` names all that was found, not only what was asked for: tests of missing services are left out,
    /// so each test that does run has its service and must fail, not pass unseen, if it cannot use it.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut keys = Vec::new();
        let mut variables = Vec::new();
        for (service, finding) in &self.0 {
            if let Finding::Found { value, .. } = finding {
                keys.push(service.key());
                variables.push((service.variable(), value.clone()));
            }
        }
        variables.push(("PUGMARK_REQUIRE", keys.join(",")));
        variables
    }

    /// The parts of test names whose tests cannot run here.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let missing = |finding: &Finding| matches!(finding, Finding::Missing { .. });
        let names = self.0.iter().filter(|(_, finding)| missing(finding));
        names
            .map(|(service, _)| format!("{}::", service.key()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half_found() -> Findings {
        Findings(vec![
            (
                Service::Postgres,
                Finding::found("postgres://u:hidden@h/d", "the server on h"),
            ),
            (Service::Redis, Finding::missing("no redis-server on PATH")),
        ])
    }

    #[test]
    fn a_missing_service_is_said_with_its_reason_and_what_is_left_out() {
        let lines = half_found().lines();
        assert_eq!(
            lines[1],
            "Redis: not found (no redis-server on PATH); tests in a module `redis` are left out"
        );
    }

    #[test]
    fn the_line_of_a_found_service_never_shows_its_url() {
        assert_eq!(half_found().lines()[0], "PostgreSQL: the server on h");
    }

    #[test]
    fn only_required_services_are_demanded() {
        let findings = half_found();
        assert!(findings.unmet(&[Service::Postgres]).is_empty());
        assert!(findings.unmet(&[]).is_empty());
        let unmet = findings.unmet(&[Service::Postgres, Service::Redis]);
        assert_eq!(unmet, [(Service::Redis, "no redis-server on PATH")]);
    }

    #[test]
    fn tests_are_told_where_each_found_service_is_and_that_they_must_use_it() {
        let environment = half_found().environment();
        assert_eq!(
            environment,
            [
                (
                    "PUGMARK_TEST_POSTGRES_URL",
                    "postgres://u:hidden@h/d".to_owned()
                ),
                ("PUGMARK_REQUIRE", "postgres".to_owned()),
            ]
        );
    }

    #[test]
    fn only_tests_of_missing_services_are_left_out() {
        assert_eq!(half_found().left_out(), ["redis::"]);
    }

    #[test]
    fn a_list_of_services_may_be_empty_but_not_name_strangers() {
        assert_eq!(Service::list("").ok(), Some(Vec::new()));
        let two = Service::list("redis, postgres_programs,").expect("both are known");
        assert_eq!(two, [Service::Redis, Service::PostgresPrograms]);
        let failure = Service::list("redis,mysql").expect_err("mysql is no service of the tests");
        assert!(failure.to_string().ends_with("mysql"), "{failure}");
    }

    #[test]
    fn every_service_answers_to_its_key() {
        for service in Service::ALL {
            assert_eq!(
                Service::from_str(service.key(), false).as_ref(),
                Ok(service)
            );
        }
    }
}
