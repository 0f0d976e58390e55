//! The pictures of the console: every page over the demonstration's store, light on a desk and dark on a phone. `cargo xtask
//! screenshots` runs this and keeps the few that README and docs show; a run of the tests leaves all of them as build output.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use base64::Engine;
use pugmark::http::console::{Kind, screens};
use serde_json::json;

use crate::harness::{Writer, eventually};
use crate::onboarding_form::chromium::{Browser, DESK, Look, PHONE};
use crate::program::pugmark;

/// Where the pictures go that are kept, if they are to be kept.
const KEEP: &str = "PUGMARK_PICTURES";

/// The pages that docs show, with what the picture is called.
const SHOWN: [(&str, &str); 4] = [
    ("/", "console"),
    ("/problems", "console-problems"),
    ("/operations", "console-operations"),
    ("/alerts", "console-alerts"),
];

/// `pugmark demo --keep-running`, killed when dropped.
struct Demo {
    child: Child,
    link: String,
    folder: tempfile::TempDir,
}

impl Demo {
    async fn start() -> Self {
        tokio::task::spawn_blocking(Self::start_now)
            .await
            .expect("no panic")
    }

    fn start_now() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let data = data.to_str().expect("text");
        let mut child = pugmark(folder.path(), &["demo", "--keep-running", "--data", data])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the demonstration starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut lines = lines.map_while(Result::ok);
        let link = lines
            .find_map(|line| Some(line.split_once("link that works once: ")?.1.to_owned()))
            .expect("the demonstration ends with a link into the console");
        // It goes on printing, and would end if nobody read that.
        std::thread::spawn(move || lines.for_each(drop));
        Demo {
            child,
            link,
            folder,
        }
    }

    /// Some things go wrong: notes that vTiger refuses, a task that is tried again.
    async fn trouble(&self) {
        let path = self.folder.path().join("data").join("pugmark.db");
        let program = Writer::on(&format!("sqlite:{}", path.display())).await;
        let now = "CAST(unixepoch('subsec') * 1000000 AS INTEGER)";
        for (kind, code, words, number) in [
            (
                "note.create",
                "PUG-2006",
                "vTiger refuses the record: commentcontent is longer than allowed",
                3,
            ),
            (
                "customer.update",
                "PUG-3005",
                "the contact is linked to another customer",
                1,
            ),
        ] {
            program
                .sql(format!(
                    "UPDATE vtiger_sync_queue SET status = 'FAILED', head = 0, dead_at = {now}, updated_at = {now}, \
                     error_code = '{code}', error_message = '{words}' WHERE id IN (SELECT id FROM vtiger_sync_queue \
                     WHERE kind = '{kind}' AND status = 'COMPLETED' AND superseded_by IS NULL ORDER BY id DESC LIMIT {number})"
                ))
                .await;
        }
        eventually("the leader tells of it", || async {
            let open = program.count("alerts WHERE recovered_at IS NULL").await;
            (open >= 2).then_some(())
        })
        .await;
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a window of the usual height shows of the page, put into the folder for pictures that are kept.
async fn keep(browser: &mut Browser, name: &str) {
    let Ok(folder) = std::env::var(KEEP) else {
        return;
    };
    let shot = browser
        .call("Page.captureScreenshot", json!({ "format": "png" }))
        .await;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(shot["data"].as_str().expect("a picture"))
        .expect("base64");
    std::fs::write(PathBuf::from(folder).join(format!("{name}.png")), bytes).expect("written");
}

async fn pictures(browser: &mut Browser, base: &str, paths: &[&str], look: Look, named: &str) {
    for path in paths {
        browser.open(&format!("{base}{path}"), look).await;
        browser.until("document.querySelector('h1') !== null").await;
        let plain = path.trim_matches('/').replace('/', "-");
        let plain = if plain.is_empty() {
            "home".to_owned()
        } else {
            plain
        };
        browser
            .picture_of("page", &format!("{plain}-{named}"))
            .await;
        if let Some((_, name)) = SHOWN.iter().find(|(shown, _)| shown == path) {
            match look.dark {
                false => keep(browser, name).await,
                true if *path == "/" => keep(browser, "console-phone").await,
                true => {}
            }
        }
    }
}

#[tokio::test]
async fn every_page_is_pictured_over_the_store_of_the_demonstration() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let demo = Demo::start().await;
    browser.open(&demo.link, DESK).await;
    browser
        .value("document.querySelector('main button').click()")
        .await;
    browser
        .until("location.pathname === '/' && document.readyState === 'complete'")
        .await;
    let base = browser.value("location.origin").await;
    let base = base.as_str().expect("an address").to_owned();
    // The first picture is that of a day on which all is well.
    pictures(&mut browser, &base, &["/"], DESK, "desk").await;
    pictures(&mut browser, &base, &["/"], PHONE.dark(), "phone-dark").await;
    demo.trouble().await;
    let all = screens();
    let paths: Vec<&str> = all
        .list()
        .iter()
        .filter(|screen| screen.kind == Kind::Page && !screen.path.contains('{'))
        .map(|screen| screen.path)
        // A plan is made of a list.
        .filter(|path| !["/", "/operations/bulk"].contains(path))
        .collect();
    assert!(paths.len() >= 6, "{paths:?}");
    pictures(&mut browser, &base, &paths, DESK, "desk").await;
    pictures(&mut browser, &base, &paths, PHONE.dark(), "phone-dark").await;
}
