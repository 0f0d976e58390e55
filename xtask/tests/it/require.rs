use std::net::{TcpListener, TcpStream};
use std::process::Command;

/// A variable that points at nobody stands for a service that is not there, whatever runs on this machine.
#[test]
fn a_service_that_is_set_but_not_there_stops_the_command_before_any_test() {
    // The client's end of a connection: nobody listens there, and nobody else is given the port meanwhile.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let server = listener.local_addr().expect("a bound address");
    let client = TcpStream::connect(server).expect("a listening server");
    let address = client.local_addr().expect("a bound address");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--require", "postgres"])
        .env(
            "PUGMARK_TEST_POSTGRES_URL",
            format!("postgres://ann:hidden@{address}/postgres"),
        )
        .env_remove("PUGMARK_REQUIRE")
        .env("CARGO", "/no/such/cargo")
        .output()
        .expect("xtask runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("error: PUGMARK_TEST_POSTGRES_URL is set"),
        "{said}"
    );
    assert!(!said.contains("hidden"), "{said}");
    assert!(!said.contains("/no/such/cargo"), "{said}");
}

#[test]
fn an_empty_path_finds_no_browser_and_a_required_one_is_an_error() {
    let empty = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--require", "chromium"])
        // Something must answer, or the search would start a cluster.
        .env(
            "PUGMARK_TEST_POSTGRES_URL",
            "postgres:///postgres?host=/run/postgresql",
        )
        .env_remove("PUGMARK_TEST_CHROMIUM")
        .env("PATH", empty.path())
        .env_remove("PUGMARK_REQUIRE")
        .env("CARGO", "/no/such/cargo")
        .output()
        .expect("xtask runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        said.contains("required, but not found: Chromium; nothing was run"),
        "{said}"
    );
    assert!(!said.contains("/no/such/cargo"), "{said}");
}

#[test]
fn a_service_required_by_the_environment_is_demanded_as_well() {
    let empty = tempfile::tempdir().expect("a directory");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .arg("test")
        .env(
            "PUGMARK_TEST_POSTGRES_URL",
            "postgres:///postgres?host=/run/postgresql",
        )
        .env_remove("PUGMARK_TEST_CHROMIUM")
        .env("PATH", empty.path())
        .env("PUGMARK_REQUIRE", "chromium")
        .env("CARGO", "/no/such/cargo")
        .output()
        .expect("xtask runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("required, but not found: Chromium; nothing was run"),
        "{said}"
    );
}

#[test]
fn node_without_its_package_manager_is_not_enough() {
    use std::os::unix::fs::PermissionsExt;
    let path = tempfile::tempdir().expect("a directory");
    let node = path.path().join("node");
    std::fs::write(&node, "").expect("a writable directory");
    std::fs::set_permissions(&node, std::fs::Permissions::from_mode(0o755)).expect("own file");
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["test", "--require", "node"])
        .env(
            "PUGMARK_TEST_POSTGRES_URL",
            "postgres:///postgres?host=/run/postgresql",
        )
        .env_remove("PUGMARK_TEST_NODE")
        .env("PATH", path.path())
        .env_remove("PUGMARK_REQUIRE")
        .env("CARGO", "/no/such/cargo")
        .output()
        .expect("xtask runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("required, but not found: Node.js; nothing was run"),
        "{said}"
    );
    assert!(said.contains("no npm on PATH"), "{said}");
}
