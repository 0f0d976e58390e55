//! deploy/kubernetes.

use std::str::FromStr;

use pugmark::app::{self, Roles};
use reqwest::Method;

use super::*;
use crate::harness::World;
use crate::http::{Api, answer};

const ROLES: [&str; 3] = ["api", "worker", "scheduler"];

fn of_kind(file: &str, kind: &str) -> Yaml {
    let path = format!("deploy/kubernetes/{file}.yaml");
    let found = documents(&path)
        .into_iter()
        .find(|document| document["kind"].as_str() == Some(kind));
    found.unwrap_or_else(|| panic!("{path} has no {kind}"))
}

fn deployment(role: &str) -> Yaml {
    of_kind(role, "Deployment")
}

fn pod(role: &str) -> Yaml {
    deployment(role)["spec"]["template"]["spec"].clone()
}

fn container(role: &str) -> Yaml {
    pod(role)["containers"][0].clone()
}

/// What every role gets, by the names under which it is asked for.
fn variables(role: &str) -> Variables {
    let mut all = Variables::new();
    let container = container(role);
    for source in container["envFrom"].as_vec().expect("envFrom") {
        let (kind, file, values) = if source["configMapRef"].is_badvalue() {
            ("secretRef", "secret.example", "stringData")
        } else {
            ("configMapRef", "configmap", "data")
        };
        let document = documents(&format!("deploy/kubernetes/{file}.yaml")).remove(0);
        assert_eq!(source[kind]["name"], document["metadata"]["name"]);
        all.extend(map_of(&document[values]));
    }
    all
}

#[tokio::test]
async fn each_role_has_a_deployment_that_starts_it() {
    for role in ROLES {
        let arguments = words(&container(role)["args"]);
        assert_eq!(arguments[..2], ["serve", "--roles"]);
        let roles = Roles::from_str(&arguments[2]).expect("a role");
        assert_eq!(roles.to_string(), role, "this one and no other");
        assert_is_a_command(role, &arguments).await;
    }
}

#[test]
fn each_role_gets_settings_that_it_accepts() {
    for role in ROLES {
        let settings = settings(role, &variables(role));
        assert!(settings.crm.is_some() && settings.server.token.is_some());
        assert!(
            settings.database.url.starts_with("postgres://"),
            "several processes need PostgreSQL"
        );
    }
}

#[tokio::test]
async fn probes_ask_a_port_and_paths_that_there_are() {
    let mut world = World::sqlite().await;
    world.settings.server.health = Some(([127, 0, 0, 1], 0).into());
    let running = app::start(world.settings.clone(), Roles::ALL)
        .await
        .expect("Pugmark starts");
    let health = Api::at(running.health_address.expect("a port for health"));
    for role in ROLES {
        let container = container(role);
        let configured = settings(role, &variables(role)).server;
        let port = configured.health.expect("an address for health").port();
        let ports = container["ports"].as_vec().expect("ports");
        let named = |name: &str| {
            let found = ports
                .iter()
                .find(|port| port["name"].as_str() == Some(name))?;
            found["containerPort"].as_i64()
        };
        assert_eq!(named("health"), Some(i64::from(port)), "{role}");
        let api = (role == "api").then(|| i64::from(configured.address.port()));
        assert_eq!(named("http"), api, "{role}");
        for (probe, wanted) in [
            ("livenessProbe", "/health/live"),
            ("readinessProbe", "/health/ready"),
        ] {
            let get = &container[probe]["httpGet"];
            assert_eq!(get["port"].as_str(), Some("health"), "{role} {probe}");
            assert_eq!(get["path"].as_str(), Some(wanted), "{role} {probe}");
            assert_eq!(answer(health.bare(Method::GET, wanted)).await.status, 200);
        }
    }
    running.shutdown().await;
}

#[test]
fn each_role_is_given_time_to_stop() {
    for role in ROLES {
        let grace = settings(role, &variables(role)).server.shutdown_grace;
        let pause = &container(role)["lifecycle"]["preStop"]["sleep"]["seconds"];
        let whole = seconds(&text(&pod(role)["terminationGracePeriodSeconds"]));
        assert!(whole > grace + seconds(&text(pause)), "{role}");
    }
}

#[test]
fn no_role_runs_as_root_or_writes_to_its_image() {
    for role in ROLES {
        assert_eq!(
            pod(role)["securityContext"]["runAsNonRoot"].as_bool(),
            Some(true)
        );
        let user = text(&pod(role)["securityContext"]["runAsUser"]);
        assert!(
            file("Dockerfile").contains(&format!("USER {user}:")),
            "{role}"
        );
        let container = container(role);
        let context = &container["securityContext"];
        assert_eq!(context["readOnlyRootFilesystem"].as_bool(), Some(true));
        assert_eq!(context["allowPrivilegeEscalation"].as_bool(), Some(false));
        assert_eq!(words(&context["capabilities"]["drop"]), ["ALL"]);
    }
}

#[test]
fn budgets_and_the_service_mean_the_pods_that_there_are() {
    for role in ROLES {
        let deployment = deployment(role);
        let labels = map_of(&deployment["spec"]["template"]["metadata"]["labels"]);
        let selector = map_of(&deployment["spec"]["selector"]["matchLabels"]);
        let budget = of_kind(role, "PodDisruptionBudget");
        assert_eq!(selector, labels, "{role}");
        assert_eq!(
            map_of(&budget["spec"]["selector"]["matchLabels"]),
            labels,
            "{role}"
        );
        assert_eq!(labels["app.kubernetes.io/component"], role);
    }
    let service = of_kind("api", "Service");
    assert_eq!(
        map_of(&service["spec"]["selector"])["app.kubernetes.io/component"],
        "api"
    );
    assert_eq!(
        service["spec"]["ports"][0]["targetPort"].as_str(),
        Some("http")
    );
}

#[test]
fn everything_but_the_secret_is_applied_together() {
    let kustomization = documents("deploy/kubernetes/kustomization.yaml").remove(0);
    let mut applied = words(&kustomization["resources"]);
    applied.sort();
    let folder = std::fs::read_dir(root().join("deploy/kubernetes")).expect("the folder");
    let names = folder.map(|entry| entry.expect("an entry").file_name());
    let mut there: Vec<String> = names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name != "kustomization.yaml" && !name.starts_with("secret."))
        .collect();
    there.sort();
    assert_eq!(applied, there);
}
