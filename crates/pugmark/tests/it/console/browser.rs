//! Somebody with a browser: keeps cookies, follows nothing by itself, and sends the forms of the pages it was shown.

use std::sync::Mutex;

use pugmark::app::Running;
use pugmark::http::console::FIELD;
use pugmark::people::Role;
use pugmark::people::token::Token;
use pugmark::store::console_sessions::{self, NewSession};
use pugmark::store::console_users::{self, NewUser};
use pugmark_queue::db::{DbError, Ts};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use uuid::Uuid;

use crate::http::{Answer, answer};

/// A browser before a running Pugmark.
pub(crate) struct Browser {
    client: Client,
    base: String,
    cookies: Mutex<Vec<(String, String)>>,
    /// The account that is signed in.
    pub(crate) user: Option<Uuid>,
}

impl Browser {
    /// One that nobody has signed in with.
    pub(crate) fn of(running: &Running) -> Self {
        let address = running.address.expect("this process has the role api");
        let client = Client::builder().no_proxy().redirect(Policy::none());
        Browser {
            client: client.build().expect("a client is made"),
            base: format!("http://{address}"),
            cookies: Mutex::new(Vec::new()),
            user: None,
        }
    }

    /// One in which somebody with this role is signed in. The account and its session are put into the store: no password is
    /// computed, which takes a while.
    pub(crate) async fn signed_in(running: &Running, role: Role) -> Self {
        let mut browser = Browser::of(running);
        let (token, user) = account(running, role).await;
        browser.keep("pugmark", &token.reveal());
        browser.user = Some(user);
        browser
    }

    /// The address of the server.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Puts a cookie into the browser, instead of any of that name.
    pub(crate) fn keep(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().expect("nobody panicked with it");
        cookies.retain(|(known, _)| known != name);
        if !value.is_empty() {
            cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    /// A cookie's value.
    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.cookies.lock().expect("nobody panicked with it");
        let found = cookies.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    }

    /// A request with this browser's cookies.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let pairs = {
            let cookies = self.cookies.lock().expect("nobody panicked with it");
            let pairs = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"));
            pairs.collect::<Vec<_>>().join("; ")
        };
        let request = self.client.request(method, format!("{}{path}", self.base));
        match pairs.is_empty() {
            true => request,
            false => request.header("cookie", pairs),
        }
    }

    /// Sends a request and keeps the cookies of the answer.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Answer {
        let answer = answer(request).await;
        for set in answer.headers.get_all("set-cookie") {
            let set = set.to_str().expect("text");
            let pair = set.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a name and a value");
            self.keep(name, value);
        }
        answer
    }

    /// Loads a page.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a form as a page of ours would: with the session's token and the headers that browsers send.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.form_token();
        let mut all = vec![(FIELD, token.as_str())];
        all.extend_from_slice(fields);
        self.send(self.form(path, &all)).await
    }

    /// A form with these fields alone.
    pub(crate) fn form(&self, path: &str, fields: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, path)
            .header("origin", self.base())
            .header("sec-fetch-site", "same-origin")
            .form(fields)
    }

    /// Sends a form and loads the page that it leads to.
    pub(crate) async fn post_and_follow(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let sent = self.post(path, fields).await;
        assert_eq!(sent.status, 303, "{path}: {}", sent.text);
        self.get(sent.header("location")).await
    }

    /// The token that forms of this browser's session carry.
    pub(crate) fn form_token(&self) -> String {
        let token = self.cookie("pugmark").and_then(|text| Token::read(&text));
        token.map(|token| token.form_token()).unwrap_or_default()
    }
}

/// An account with an open session.
async fn account(running: &Running, role: Role) -> (Token, Uuid) {
    let (token, user) = (Token::random(), Uuid::now_v7());
    let digest = token.digest();
    let write = running.db.write("an account for a test", move |conn| {
        Box::pin(async move {
            let now = Ts::now();
            let new = NewUser {
                user_id: user,
                name: format!("Test {}", role.as_str()),
                email: format!("{}-{}@example.org", role.as_str(), user.simple()),
                role: role.as_str(),
                password_hash: None,
                login_id: None,
                created_by: "a test".to_owned(),
            };
            console_users::insert(conn, &new, now).await?;
            let session = NewSession {
                digest,
                user_id: user,
                opened_with: "password",
                user_agent: "a test".to_owned(),
                peer: "127.0.0.1".to_owned(),
                expires_at: now.after(std::time::Duration::from_secs(3_600)),
            };
            console_sessions::insert(conn, &session, now).await?;
            Ok::<_, DbError>(())
        })
    });
    write.await.expect("the account is stored");
    (token, user)
}

/// The token in the forms of a page; empty when it has none.
pub(crate) fn form_token(page: &str) -> &str {
    let marker = format!("name=\"{FIELD}\" value=\"");
    let rest = page.split_once(&marker).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default()
}
