//! Every route of the console's list, as nobody and as each role.

use pugmark::http::console::{Kind, Screen, screens};
use pugmark::people::Role;
use uuid::Uuid;

use super::Browser;
use crate::harness::{World, on_both_databases};

on_both_databases!(every_route_lets_in_whom_it_says_and_nobody_else);

/// The route with something in place of what stands in braces.
fn path_of(screen: &Screen) -> String {
    let parts = screen
        .path
        .split('/')
        .map(|part| match part.starts_with('{') {
            true => Uuid::nil().to_string(),
            false => part.to_owned(),
        });
    parts.collect::<Vec<_>>().join("/")
}

async fn status(browser: &Browser, screen: &Screen) -> (u16, String, String) {
    let path = path_of(screen);
    let answer = match screen.method.is_safe() {
        true => browser.get(&path).await,
        false => browser.post(&path, &[]).await,
    };
    let location = answer.header("location").to_owned();
    (answer.status, location, answer.text)
}

async fn every_route_lets_in_whom_it_says_and_nobody_else(world: World) {
    let running = world.start().await;
    let list = screens();
    assert!(list.list().len() > 5);
    for screen in list.list() {
        let named = format!("{} {}", screen.method, screen.path);
        let nobody = Browser::of(&running);
        let (code, location, text) = status(&nobody, screen).await;
        match screen.kind {
            Kind::Page => {
                assert_eq!(code, 303, "{named}");
                assert!(location.starts_with("/sign-in"), "{named}: {location}");
            }
            Kind::Fragment => assert_eq!(code, 401, "{named}: {text}"),
            Kind::Action => assert_eq!((code, location.as_str()), (303, "/sign-in"), "{named}"),
            Kind::Open => assert!(code < 500 && screen.needs.is_none(), "{named}: {code}"),
        }
        let Some(needs) = screen.needs else {
            continue;
        };
        for role in Role::ALL {
            // Signing out ends a session, so each question is asked by somebody new.
            let person = Browser::signed_in(&running, role).await;
            let (code, location, text) = status(&person, screen).await;
            let named = format!("{named} as {role}");
            assert!(
                !location.starts_with("/sign-in") || screen.path == "/sign-out",
                "{named}"
            );
            match role.may(needs) {
                true => assert!(
                    code != 403 && code != 401 && code < 500,
                    "{named}: {code} {text}"
                ),
                false => {
                    assert_eq!(code, 403, "{named}: {text}");
                    assert!(text.contains("PUG-6802"), "{named}: {text}");
                }
            }
        }
    }
    running.shutdown().await;
}

#[test]
fn nothing_of_the_console_is_served_past_the_list() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/http/console");
    let mut folders = vec![std::path::PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("text");
            let lists = path.ends_with("screens.rs");
            assert!(
                lists || !text.contains("axum::routing"),
                "{}",
                path.display()
            );
        }
    }
}
