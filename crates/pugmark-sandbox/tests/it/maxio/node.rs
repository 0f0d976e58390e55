//! The vendor's own client against the look-alike. It is installed from the package registry, once per version, below `target`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tokio::process::Command;

use super::{IBAN, sandbox};

/// The Node.js that the test command found.
const NODE: &str = "PUGMARK_TEST_NODE";

/// Version of the vendor's client, as the package file pins it.
const VERSION: &str = "6.1.0";

/// What the client saw at one step.
#[derive(Debug)]
struct Step {
    name: String,
    status: u64,
    body: String,
}

impl Step {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

#[tokio::test]
async fn the_vendors_client_understands_every_answer() {
    let Some(node) = node() else { return };
    let program = installed(&node).await;
    let sandbox = sandbox().await;
    let mut command = Command::new(&node);
    command
        .arg(&program)
        .env("MAXIO_URL", sandbox.url())
        .env("MAXIO_KEY", sandbox.api_key());
    let steps: Vec<Step> = ran(command).await.lines().map(step).collect();
    for step in &steps {
        types_are_right(step);
    }
    let of = |name: &str| {
        let found = steps.iter().find(|step| step.name == name);
        found.unwrap_or_else(|| panic!("no step {name}"))
    };
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names.len(), 37, "{names:?}");
    assert_eq!(of("customer.unknown").body, "");
    let twice = of("subscription.cancel_twice").json();
    assert_eq!(
        twice,
        json!({ "error": "The subscription is already canceled" })
    );
    assert!(of("subscription.activate").json()["errors"]["base"][0].is_string());
    assert_eq!(of("access.denied").body, "HTTP Basic: Access denied.\n");
    assert_eq!(
        (
            of("customer.delete").status,
            of("customer.delete").body.as_str()
        ),
        (204, "")
    );
    assert!(sandbox.customers().is_empty() && sandbox.subscriptions().is_empty());
    let journal = sandbox.journal();
    assert_eq!(journal.count_created("customers"), 1);
    assert_eq!(journal.count_created("subscriptions"), 1);
    assert!(!journal.to_json().to_string().contains(IBAN));
    assert_eq!(sandbox.traffic().ever_queued, 0);
}

/// The client takes ids and amounts as text, too: so their types are looked at in the raw answer.
fn types_are_right(step: &Step) {
    if step.status >= 300 || step.body.is_empty() {
        return;
    }
    let json = step.json();
    let single = std::slice::from_ref(&json);
    for wrapped in json.as_array().map_or(single, Vec::as_slice) {
        for (wrapper, resource) in wrapped.as_object().into_iter().flatten() {
            resource_is_right(step, wrapper, resource);
        }
    }
}

fn resource_is_right(step: &Step, wrapper: &str, resource: &Value) {
    let fields = resource.as_object().into_iter().flatten();
    for (name, value) in fields {
        let right = match name.as_str() {
            "id" | "customer_id" => value.is_u64(),
            name if name.ends_with("_in_cents") => value.is_i64() || value.is_null(),
            "created_at" | "updated_at" => value.as_str().is_some_and(is_moment),
            "customer" | "product" | "bank_account" => {
                resource_is_right(step, name, value);
                value.is_object()
            }
            "verified" | "cancel_at_end_of_period" | "tax_exempt" => value.is_boolean(),
            "first_name" | "reference" | "state" | "signup_revenue" | "payment_type" => {
                value.is_string() || value.is_null()
            }
            _ => true,
        };
        assert!(right, "{}: {wrapper}.{name} is {value}", step.name);
    }
}

/// `2025-05-08T11:39:18-04:00`
fn is_moment(text: &str) -> bool {
    text.len() == 25 && text.parse::<jiff::Timestamp>().is_ok()
}

fn step(line: &str) -> Step {
    let json: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    Step {
        name: json["step"].as_str().expect("a name").to_owned(),
        status: json["status"].as_u64().expect("a status"),
        // A body that the client does not show, it did not get.
        body: json["body"].as_str().unwrap_or_default().to_owned(),
    }
}

fn node() -> Option<OsString> {
    let node = std::env::var_os(NODE).filter(|node| !node.is_empty());
    if node.is_none() {
        let required = std::env::var("PUGMARK_REQUIRE").unwrap_or_default();
        let required = required.split(',').any(|service| service.trim() == "node");
        assert!(!required, "{NODE} is not set");
        eprintln!("skipped: {NODE} is not set");
    }
    node
}

/// The program beside the vendor's client. What is below its folder is whole: it was moved there when it was.
async fn installed(node: &OsStr) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let packages = std::fs::read_to_string(sources.join("package.json")).expect("the package file");
    assert!(packages.contains(&format!("\"{VERSION}\"")), "{packages}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("maxio-client-{VERSION}"));
    if !folder.exists() {
        let unfinished = folder.with_extension(format!("{}.unfinished", std::process::id()));
        std::fs::create_dir_all(&unfinished).expect("a folder");
        std::fs::write(unfinished.join("package.json"), packages).expect("the package file");
        let mut install = Command::new(npm(node));
        install
            .args([
                "install",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                "--loglevel=error",
            ])
            .current_dir(&unfinished);
        ran(install).await;
        if std::fs::rename(&unfinished, &folder).is_err() {
            // Somebody else was quicker.
            assert!(folder.exists(), "the client cannot be moved to its place");
            std::fs::remove_dir_all(&unfinished).expect("our own folder");
        }
    }
    let program = folder.join("maxio.mjs");
    std::fs::copy(sources.join("maxio.mjs"), &program).expect("the program");
    program
}

/// The package manager that came with this Node.js, or else the one on the path.
fn npm(node: &OsStr) -> PathBuf {
    let beside = Path::new(node).with_file_name("npm");
    if beside.exists() {
        beside
    } else {
        PathBuf::from("npm")
    }
}

/// What a program says that succeeds.
async fn ran(mut command: Command) -> String {
    let ended = command.output().await;
    let ended = ended.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{complained}");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}
