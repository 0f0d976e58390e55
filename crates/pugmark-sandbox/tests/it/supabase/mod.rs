//! The look-alike of Supabase Auth, tried over real connections.

mod access;
mod ban;
mod create;
mod delete;
mod errors;
mod faults;
mod journal;
mod list;
mod owner;
mod passwords;
mod refresh;
mod sign_in;
mod tokens;
mod update;
mod user;

use pugmark_sandbox::{SupabaseSandbox, UserSeed};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::raw::{self, Answer};

pub(crate) const PASSWORD: &str = "S3cret-Pass!";

/// Who calls: the headers that go with every call.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    port: u16,
    headers: Vec<(&'static str, String)>,
}

impl Caller {
    /// Who sends no header at all.
    pub(crate) fn nobody(sandbox: &SupabaseSandbox) -> Self {
        Self {
            port: sandbox.port(),
            headers: Vec::new(),
        }
    }

    /// A service with the key of the older kind; it understands the newer errors.
    pub(crate) fn service(sandbox: &SupabaseSandbox) -> Self {
        Self::nobody(sandbox)
            .with("X-Supabase-Api-Version", "2024-01-01")
            .with("apikey", sandbox.service_key())
            .with(
                "Authorization",
                &format!("Bearer {}", sandbox.service_key()),
            )
    }

    /// An application without a user.
    pub(crate) fn public(sandbox: &SupabaseSandbox) -> Self {
        Self::nobody(sandbox)
            .with("X-Supabase-Api-Version", "2024-01-01")
            .with("apikey", sandbox.publishable_key())
    }

    /// An application for the user with this access token.
    pub(crate) fn user(sandbox: &SupabaseSandbox, token: &str) -> Self {
        Self::public(sandbox).with("Authorization", &format!("Bearer {token}"))
    }

    /// Sends this header; takes the place of an earlier value.
    pub(crate) fn with(self, name: &'static str, value: &str) -> Self {
        let mut with = self.without(name);
        with.headers.push((name, value.to_owned()));
        with
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }

    /// Sends a call without reading its answer. The path stands below `/auth/v1`.
    pub(crate) async fn start(&self, method: &str, path: &str, body: &[u8]) -> TcpStream {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let target = format!("/auth/v1{path}");
        raw::send(self.port, method, &target, &headers, body).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        raw::read(&mut self.start(method, path, body).await).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, body.to_string().as_bytes()).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, body.to_string().as_bytes()).await
    }

    /// `POST /admin/users`.
    pub(crate) async fn create(&self, body: &Value) -> Answer {
        self.post("/admin/users", body).await
    }

    /// `PUT /admin/users/{id}`.
    pub(crate) async fn update(&self, id: &str, body: &Value) -> Answer {
        self.put(&format!("/admin/users/{id}"), body).await
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Answer {
        self.post(
            "/token?grant_type=password",
            &json!({ "email": email, "password": password }),
        )
        .await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.post(
            "/token?grant_type=refresh_token",
            &json!({ "refresh_token": token }),
        )
        .await
    }
}

/// What an answer in the newer form of errors says.
pub(crate) fn refusal(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    let code = json["code"].as_str().unwrap_or_else(|| panic!("{json}"));
    (answer.status, code.to_owned())
}

pub(crate) fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

pub(crate) async fn sandbox() -> SupabaseSandbox {
    SupabaseSandbox::builder().seed(5).start().await.unwrap()
}

/// A project with Amina in it, who knows her password.
pub(crate) async fn with_amina() -> (SupabaseSandbox, String) {
    let sandbox = sandbox().await;
    let id = amina(&sandbox);
    (sandbox, id)
}

pub(crate) fn amina(sandbox: &SupabaseSandbox) -> String {
    let seed = UserSeed::new("amina@example.com").password(PASSWORD);
    sandbox.seed_user(seed).unwrap()
}

/// A text of an answer.
pub(crate) fn text(json: &Value, key: &str) -> String {
    json[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} in {json}"))
        .to_owned()
}
