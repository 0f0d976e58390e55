//! Staff accounts: Supabase, MicroBima and vTiger together, judged by what each of them holds in the end.

mod abilities;
mod access;
mod creating;
mod interrupted;
pub(crate) mod killed;
mod lists;
mod operating;
mod refusing;
mod resetting;
mod roles;
mod secrets;
mod status;
mod syncing;

use std::time::Duration;

use pugmark::app::Running;
use pugmark::config::{SealKey, Supabase};
use pugmark_sandbox::{StoredUser, SupabaseSandbox, UserSeed};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::harness::{World, Writer, eventually};
use crate::http::{Answer, Api, answer};

pub(crate) const USERS: &str = "/api/internal/vtiger/users";
/// A password that nothing else holds, so that it is found wherever it leaks to.
pub(crate) const PASSWORD: &str = "Canary-7731-Kiboko!";

/// A world with logins, a role for new users and a key for passwords.
pub(crate) struct Staffed {
    pub(crate) world: World,
    pub(crate) logins: SupabaseSandbox,
}

impl Staffed {
    pub(crate) async fn of(world: World) -> Self {
        let logins = SupabaseSandbox::builder()
            .seed(7)
            .start()
            .await
            .expect("the look-alike starts on loopback");
        Self::with(world, logins)
    }

    pub(crate) fn with(mut world: World, logins: SupabaseSandbox) -> Self {
        world.settings.supabase = Some(Supabase {
            url: logins.url(),
            service_key: SecretString::from(logins.service_key().to_owned()),
            jwt_secret: Some(SecretString::from(logins.jwt_secret().to_owned())),
            call_timeout: Duration::from_secs(2),
            allow_plain_http: false,
        });
        world.settings.seal_key = Some(SealKey::of([7; 32]));
        world.settings.insurance.users.role = Some("H5".to_owned());
        // What the CRM lacks is looked for again at once.
        world.crm_settings().describe_for = Duration::from_millis(100);
        Staffed { world, logins }
    }

    /// With Pugmark's extension in the CRM.
    pub(crate) async fn extended(world: World) -> Self {
        world.crm.install_extension();
        Self::of(world).await
    }

    pub(crate) async fn start(&self) -> (Running, Api) {
        let running = self.world.start().await;
        let api = Api::of(&running);
        (running, api)
    }

    /// An ambassador whom MicroBima made: a login with a password of its own, and a row.
    pub(crate) async fn ambassador(&self, name: &str) -> String {
        let email = format!("{}@example.co.ke", name.to_lowercase().replace(' ', "."));
        let seed = UserSeed::new(&email)
            .password("what-was-before")
            .user_metadata("roles", json!(["brand_ambassador"]));
        let user = self.logins.seed_user(seed).expect("a login");
        let row = uuid::Uuid::new_v4();
        self.program()
            .await
            .sql(format!(
                "INSERT INTO brand_ambassadors (\"id\", \"userId\", \"partnerId\", \"displayName\", \"phoneNumber\", \
                 \"perRegistrationRateCents\") VALUES ('{row}', '{user}', 1, '{name}', '254712345678', 5000)"
            ))
            .await;
        user
    }

    pub(crate) async fn program(&self) -> Writer {
        self.world.other_program().await
    }

    /// The CRM's user of this name, active or not. There is one at most.
    pub(crate) fn crm_user(&self, email: &str) -> Option<StoredUser> {
        let users = self.world.crm.users();
        let mut found = users
            .into_iter()
            .filter(|user| user.user_name.eq_ignore_ascii_case(email));
        let user = found.next();
        assert!(found.next().is_none(), "two users are called {email}");
        user
    }

    /// Both systems take this password, or neither is asked about the one that holds no such user.
    pub(crate) fn password_is(&self, login: &str, crm: Option<&str>, password: &str) -> bool {
        self.logins.password_is(login, password)
            && crm.is_none_or(|id| self.world.crm.user_password_is(id, password))
    }

    /// Waits until the operation stands so.
    pub(crate) async fn operation(
        &self,
        api: &Api,
        id: &str,
        what: &str,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(what, || async {
            let found = api.get(&format!("/api/internal/vtiger/queue/{id}")).await;
            let data = found.data().clone();
            condition(&data).then_some(data)
        })
        .await
    }
}

pub(crate) fn new_user(email: &str) -> Value {
    json!({
        "firstName": "Amina",
        "lastName": "Wanjiru",
        "email": email,
        "password": PASSWORD,
        "phoneNumber": "0712 345 678",
        "perRegistrationRateCents": 5000,
    })
}

pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field}: {value}"))
}

/// Posts without a body.
pub(crate) async fn post_nothing(api: &Api, path: &str) -> Answer {
    answer(api.request(Method::POST, path)).await
}

/// How many calls of an operation Supabase has answered.
pub(crate) fn login_calls(staffed: &Staffed, operation: &str) -> u64 {
    staffed.logins.journal().count_calls(Some(operation))
}
