//! Finds each service: what the environment names, then what runs here. Of PostgreSQL a cluster of our own comes before a server that
//! runs here: the tests kill programs that hold connections, and that server may have few of them or other work to do.

use std::env;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::postgres_programs;
use crate::probe::{amqp_greeting, postgres_login, program};
use crate::service::{Finding, Findings, Service};
use crate::throwaway::Throwaway;

/// What was found, and the cluster that was started for it; dropping it stops the cluster.
pub(crate) struct Search {
    pub(crate) findings: Findings,
    _throwaway: Option<Throwaway>,
}

/// Looks for every service. A service that the environment names but that does not answer is an error.
pub(crate) fn find_all() -> Result<Search, Failure> {
    let mut throwaway = None;
    let mut findings = Vec::new();
    for service in Service::ALL {
        let finding = match named_by_environment(*service)? {
            Some(finding) => finding,
            None => find_here(*service, &mut throwaway),
        };
        findings.push((*service, finding));
    }
    Ok(Search {
        findings: Findings(findings),
        _throwaway: throwaway,
    })
}

/// Looks for one service that needs nothing to be started.
pub(crate) fn find_one(service: Service) -> Result<Findings, Failure> {
    let finding = match named_by_environment(service)? {
        Some(finding) => finding,
        None => find_here(service, &mut None),
    };
    Ok(Findings(vec![(service, finding)]))
}

fn named_by_environment(service: Service) -> Result<Option<Finding>, Failure> {
    let variable = service.variable();
    match env::var(variable) {
        Ok(value) if !value.is_empty() => named(service, &value).map(Some),
        _ => Ok(None),
    }
}

fn named(service: Service, value: &str) -> Result<Finding, Failure> {
    let variable = service.variable();
    if !answers(service, value) {
        return Err(Failure::new(format!(
            "{variable} is set, but nothing is there"
        )));
    }
    Ok(Finding::found(value, format!("as {variable} says")))
}

/// Whether something is where the variable points: enough to catch a setting left over from another day.
fn answers(service: Service, value: &str) -> bool {
    match service {
        Service::PostgresPrograms
        | Service::Redis
        | Service::Chromium
        | Service::Php
        | Service::Node => Path::new(value).exists(),
        Service::Postgres | Service::Rabbitmq => {
            let standard_port = match service {
                Service::Rabbitmq => amqp_greeting::ADDRESS.port(),
                _ => postgres_login::ADDRESS.port(),
            };
            // A URL without a host means a local socket, which only the driver can judge.
            host_and_port(value, standard_port).is_none_or(reachable)
        }
    }
}

fn reachable(host_and_port: (String, u16)) -> bool {
    let addresses = host_and_port.to_socket_addrs().into_iter().flatten();
    addresses
        .into_iter()
        .any(|address| TcpStream::connect(address).is_ok())
}

/// The host and port in `scheme://user:password@host:port/path?query`.
fn host_and_port(url: &str, standard_port: u16) -> Option<(String, u16)> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let address = authority
        .rsplit_once('@')
        .map_or(authority, |(_, address)| address);
    let elsewhere = rest.contains("?host=") || rest.contains("&host=") || address.contains('%');
    if elsewhere || address.is_empty() {
        return None;
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => Some((bare(host), port.parse().ok()?)),
        _ => Some((bare(address), standard_port)),
    }
}

/// An IPv6 address stands in brackets in a URL and without them everywhere else.
fn bare(host: &str) -> String {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .to_owned()
}

fn find_here(service: Service, throwaway: &mut Option<Throwaway>) -> Finding {
    match service {
        Service::Postgres => find_postgres(throwaway),
        Service::PostgresPrograms => match postgres_programs::directory() {
            Some(directory) => {
                Finding::found(directory.to_string_lossy(), directory.display().to_string())
            }
            None => Finding::missing("no initdb from pg_config, in /usr/lib/postgresql or on PATH"),
        },
        Service::Rabbitmq => amqp_greeting::find(amqp_greeting::ADDRESS),
        Service::Redis => on_path(&program::REDIS),
        Service::Chromium => on_path(&program::CHROMIUM),
        Service::Php => match on_path(&program::PHP) {
            Finding::Found { value, .. } if !has_php_extensions(&value) => {
                Finding::missing("php on PATH lacks json, mbstring, openssl or simplexml")
            }
            finding => finding,
        },
        Service::Node => match on_path(&program::NPM) {
            Finding::Found { .. } => on_path(&program::NODE),
            missing @ Finding::Missing { .. } => missing,
        },
    }
}

fn on_path(family: &program::Family) -> Finding {
    program::find(family, &env::var_os("PATH").unwrap_or_default())
}

/// Whether this PHP has what the tests of the vTiger extension use.
fn has_php_extensions(php: &str) -> bool {
    let code = "foreach (['json', 'mbstring', 'openssl', 'simplexml'] as $name) { if (!extension_loaded($name)) { exit(1); } }";
    let ended = Command::new(php).args(["-r", code]).status();
    ended.is_ok_and(|status| status.success())
}

/// A server that lets one of the likely roles in without a password and lets it create databases.
fn running_postgres() -> Option<Finding> {
    let roles = likely_roles([
        env::var("PGUSER").ok(),
        login_name(),
        Some("postgres".to_owned()),
    ]);
    roles.iter().find_map(|role| on_loopback(role)).or_else(|| {
        let directories = postgres_login::SOCKET_DIRECTORIES.iter();
        directories
            .flat_map(|dir| roles.iter().map(move |role| (dir, role)))
            .find_map(on_socket)
    })
}

fn on_loopback(role: &str) -> Option<Finding> {
    let address = postgres_login::ADDRESS;
    postgres_login::try_address(address, role).ok()?;
    let place = format!("the server on {address}, as {role}");
    Some(Finding::found(
        format!("postgres://{role}@{address}/postgres"),
        place,
    ))
}

fn on_socket((directory, role): (&&str, &String)) -> Option<Finding> {
    let port = postgres_login::ADDRESS.port();
    postgres_login::try_socket(Path::new(directory), port, role).ok()?;
    let url = format!("postgres://{role}@localhost:{port}/postgres?host={directory}");
    Some(Finding::found(
        url,
        format!("the server on the socket in {directory}, as {role}"),
    ))
}

fn login_name() -> Option<String> {
    let output = Command::new("id").arg("-un").output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}

/// Each name once and in order. Names that would have to be escaped in a URL are not worth it for a guess.
fn likely_roles(names: [Option<String>; 3]) -> Vec<String> {
    let plain = |name: &String| {
        let letter = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.';
        !name.is_empty() && name.chars().all(letter)
    };
    let mut roles: Vec<String> = Vec::new();
    for name in names.into_iter().flatten().filter(plain) {
        if !roles.contains(&name) {
            roles.push(name);
        }
    }
    roles
}

/// A cluster of our own, else a server that runs here.
fn find_postgres(throwaway: &mut Option<Throwaway>) -> Finding {
    let not_started = match start_postgres(throwaway) {
        Ok(started) => return started,
        Err(why) => why,
    };
    running_postgres().unwrap_or_else(|| {
        let address = postgres_login::ADDRESS;
        Finding::missing(format!(
            "{not_started}, and no server on {address} or a local socket lets us in and create databases"
        ))
    })
}

fn start_postgres(throwaway: &mut Option<Throwaway>) -> Result<Finding, String> {
    let programs = postgres_programs::directory().ok_or("no server programs are installed")?;
    let started = Throwaway::start(&programs)
        .map_err(|failure| format!("none could be started: {failure}"))?;
    let url = started.url().to_owned();
    *throwaway = Some(started);
    let place = format!("a throwaway cluster of {}", programs.display());
    Ok(Finding::found(url, place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn parts(url: &str) -> Option<(String, u16)> {
        host_and_port(url, 5432)
    }

    #[test]
    fn host_and_port_are_read_from_a_url() {
        let on = |host: &str, port| Some((host.to_owned(), port));
        assert_eq!(
            parts("postgres://ann:p@ss@db.example:6543/x?a=b"),
            on("db.example", 6543)
        );
        assert_eq!(parts("postgres://db.example/x"), on("db.example", 5432));
        assert_eq!(parts("redis://[::1]:6380"), on("::1", 6380));
        assert_eq!(parts("redis://[::1]/0"), on("::1", 5432));
    }

    #[test]
    fn a_url_that_names_a_local_socket_has_no_host() {
        assert_eq!(parts("postgres:///x?host=/run/postgresql"), None);
        assert_eq!(
            parts("postgres://ann@localhost/x?host=/run/postgresql"),
            None
        );
        assert_eq!(parts("postgres://ann@%2Frun%2Fpostgresql/x"), None);
    }

    #[test]
    fn a_setting_that_points_at_nobody_is_an_error_that_hides_its_password() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let url = format!("postgres://ann:hidden@{address}/postgres");
        let Ok(Finding::Found { value, place }) = named(Service::Postgres, &url) else {
            panic!("somebody listens there");
        };
        assert_eq!(value, url);
        assert!(!place.contains("hidden"), "{place}");
        let nobody = crate::probe::nobody();
        let url = format!("postgres://ann:hidden@{}/postgres", nobody.address);
        let failure = named(Service::Postgres, &url).expect_err("nobody listens there");
        let text = failure.to_string();
        assert!(text.contains("PUGMARK_TEST_POSTGRES_URL"), "{text}");
        assert!(!text.contains("hidden"), "{text}");
    }

    #[test]
    fn each_likely_role_is_tried_once_and_odd_names_are_not() {
        let named = |name: &str| Some(name.to_owned());
        assert_eq!(
            likely_roles([named("ann"), named("ann"), named("postgres")]),
            ["ann", "postgres"]
        );
        assert_eq!(
            likely_roles([named("a@b"), named(""), named("postgres")]),
            ["postgres"]
        );
    }
}
