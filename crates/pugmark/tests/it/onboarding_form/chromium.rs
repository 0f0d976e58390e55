//! A headless Chromium, driven through its DevTools protocol (<https://chromedevtools.github.io/devtools-protocol/>).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::harness::PATIENCE;

/// The browser that the test command found.
const CHROMIUM: &str = "PUGMARK_TEST_CHROMIUM";

/// A browser; it ends when this is dropped.
pub(crate) struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last: u64,
    /// The page that is spoken to.
    session: String,
    _child: Child,
    _profile: tempfile::TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) width: u32,
    pub(crate) dark: bool,
}

pub(crate) const PHONE: Look = Look {
    width: 360,
    dark: false,
};
pub(crate) const DESK: Look = Look {
    width: 1280,
    dark: false,
};

impl Look {
    pub(crate) fn dark(self) -> Self {
        Look { dark: true, ..self }
    }
}

impl Browser {
    /// Starts it, if there is one; whoever requires it is told otherwise.
    pub(crate) async fn start() -> Option<Self> {
        let Ok(program) = std::env::var(CHROMIUM) else {
            let required = std::env::var("PUGMARK_REQUIRE").unwrap_or_default();
            let needed = required.split(',').any(|word| word.trim() == "chromium");
            assert!(!needed, "{CHROMIUM} is not set");
            eprintln!("left out: {CHROMIUM} is not set");
            return None;
        };
        let profile = tempfile::tempdir().expect("a folder for the browser");
        let mut child = Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--hide-scrollbars",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--disable-extensions",
                "--no-proxy-server",
                "--remote-debugging-port=0",
                "--lang=en-GB",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the browser starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let address = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = lines
                    .next_line()
                    .await
                    .expect("text")
                    .expect("the browser runs");
                if let Some(address) = line.strip_prefix("DevTools listening on ") {
                    return address.to_owned();
                }
            }
        })
        .await
        .expect("the browser says where it listens");
        // Whatever else it says must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let (socket, _) = connect_async(&address).await.expect("it listens");
        let mut browser = Browser {
            socket,
            last: 0,
            session: String::new(),
            _child: child,
            _profile: profile,
        };
        browser.new_person().await;
        Some(browser)
    }

    /// A page of somebody else, who shares no cookie, cache or storage with those before.
    pub(crate) async fn new_person(&mut self) {
        self.session = String::new();
        let context = self.call("Target.createBrowserContext", json!({})).await;
        let place =
            json!({ "url": "about:blank", "browserContextId": context["browserContextId"] });
        let target = self.call("Target.createTarget", place).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call("Target.attachToTarget", attach).await;
        self.session = attached["sessionId"]
            .as_str()
            .expect("a session")
            .to_owned();
        self.call("Page.enable", json!({})).await;
        self.call("Runtime.enable", json!({})).await;
    }

    /// Calls a method of the protocol.
    pub(crate) async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut call = json!({ "id": id, "method": method, "params": parameters });
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        let sent = self.socket.send(Message::text(call.to_string())).await;
        sent.expect("the browser listens");
        tokio::time::timeout(PATIENCE, async {
            loop {
                let message = self
                    .socket
                    .next()
                    .await
                    .expect("the browser runs")
                    .expect("a message");
                let Ok(text) = message.to_text() else {
                    continue;
                };
                let said: Value = serde_json::from_str(text).unwrap_or_default();
                if said["id"] == id {
                    assert!(said["error"].is_null(), "{method}: {}", said["error"]);
                    return said["result"].clone();
                }
                // "Leave this page?" would wait for ever.
                if said["method"] == "Page.javascriptDialogOpening" {
                    let accept = json!({ "id": 0, "sessionId": self.session,
                        "method": "Page.handleJavaScriptDialog", "params": { "accept": true } });
                    let sent = self.socket.send(Message::text(accept.to_string())).await;
                    sent.expect("the browser listens");
                }
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{method} has no end"))
    }

    /// Opens an address and waits until it and its scripts are loaded.
    pub(crate) async fn open(&mut self, url: &str, look: Look) {
        self.look(look).await;
        self.call("Page.navigate", json!({ "url": url })).await;
        let quoted = json!(url).to_string();
        self.until(&format!(
            "document.readyState === 'complete' && location.href === {quoted}"
        ))
        .await;
    }

    pub(crate) async fn look(&mut self, look: Look) {
        let size = json!({ "width": look.width, "height": 900, "deviceScaleFactor": 1, "mobile": look.width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if look.dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// The value of an expression.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let ask = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", ask).await;
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {}",
            answer["exceptionDetails"]
        );
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) async fn until(&mut self, expression: &str) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let ask = json!({ "expression": expression, "returnByValue": true });
            // A page that is just being left answers nothing of use.
            let answer = self.call("Runtime.evaluate", ask).await;
            if answer["result"]["value"] == true {
                return;
            }
            if tokio::time::Instant::now() > deadline {
                let page = self.value("document.body.innerText").await;
                panic!("never true: {expression}\n{page}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Types into what has the focus.
    pub(crate) async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// Presses a key: `Tab`, `Enter`, `Escape`.
    pub(crate) async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            other => panic!("no key {other}"),
        };
        let kind = if text.is_empty() {
            "rawKeyDown"
        } else {
            "keyDown"
        };
        let event = |kind: &str| json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
        self.call("Input.dispatchKeyEvent", event(kind)).await;
        let up = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// Keeps a picture of the whole page beside what is built.
    pub(crate) async fn picture(&mut self, name: &str) -> PathBuf {
        self.picture_of("onboarding", name).await
    }

    /// The same, of another part of the house.
    pub(crate) async fn picture_of(&mut self, part: &str, name: &str) -> PathBuf {
        self.value("window.scrollTo(0, 0)").await;
        let metrics = self.call("Page.getLayoutMetrics", json!({})).await;
        let size = &metrics["cssContentSize"];
        let clip =
            json!({ "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1 });
        let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.call("Page.captureScreenshot", shot).await;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(shot["data"].as_str().expect("a picture"))
            .expect("base64");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/screenshots");
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(format!("{part}-{name}.png"));
        std::fs::write(&path, bytes).expect("written");
        path
    }
}
