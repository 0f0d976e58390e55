//! The console in a real browser.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::harness::World;

/// The browser that the test command found.
const CHROMIUM: &str = "PUGMARK_TEST_CHROMIUM";

mod chromium {
    use super::*;

    #[tokio::test]
    async fn home_says_that_it_is_fine_and_refreshes_itself_under_its_content_security_policy() {
        let Some(page) = opened(360).await else {
            return;
        };

        assert!(page.contains("<h1>Fine</h1>"), "{page}");
        assert!(page.contains("All flows are current"), "{page}");
        // The script has replaced the live part at least once: it was allowed to load, and to fetch.
        assert!(page.contains("data-last"), "{page}");
    }
}

/// The page's document after its scripts have run for a while, in a window of this width.
async fn opened(width: u32) -> Option<String> {
    let Ok(browser) = std::env::var(CHROMIUM) else {
        let required = std::env::var("PUGMARK_REQUIRE").unwrap_or_default();
        assert!(
            !required.split(',').any(|word| word.trim() == "chromium"),
            "{CHROMIUM} is not set"
        );
        eprintln!("left out: {CHROMIUM} is not set");
        return None;
    };
    let world = World::sqlite().await;
    let running = world.start().await;
    let address = running.address.expect("the API role runs");
    let profile = tempfile::tempdir().expect("a folder for the browser");
    let page = dump(
        Path::new(&browser),
        &format!("http://{address}/"),
        width,
        profile.path(),
    )
    .await;
    running.shutdown().await;
    Some(page)
}

async fn dump(browser: &Path, url: &str, width: u32, profile: &Path) -> String {
    let browser = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={width},800"))
        // The page's clock runs this far, however long that takes.
        .args(["--virtual-time-budget=8000", "--dump-dom", url])
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(120), browser)
        .await
        .expect("the browser ends")
        .expect("the browser starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
