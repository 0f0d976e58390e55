//! The handle on a running look-alike of Supabase Auth, and its builder.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::account;
use super::admin;
use super::config::{Config, PasswordRules, Signing, UserSeed};
use super::project::Project;
use super::shown::SupabaseUser;
use crate::clock::Clock;
use crate::fault::Faults;
use crate::journal::Journal;
use crate::server::{Bound, Server};

/// A Supabase project's user accounts in memory, served over HTTP/1.1 on 127.0.0.1. Dropping it stops it.
pub struct SupabaseSandbox {
    project: Arc<Project>,
    server: Server<Project>,
    jwt_secret: String,
}

/// Builds a [`SupabaseSandbox`]. Without any call: HS256, an ephemeral port, the password rules of a new project, no
/// users.
#[derive(Clone, Debug, Default)]
pub struct SupabaseSandboxBuilder {
    config: Config,
}

impl SupabaseSandboxBuilder {
    /// Seeds what is left to chance, save the ES256 keys: the shared secret, keys, ids, refresh tokens.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// Port on 127.0.0.1; none or 0 lets the system choose one.
    #[must_use]
    pub fn port(mut self, port: Option<u16>) -> Self {
        self.config.port = port.unwrap_or(0);
        self
    }

    /// How access tokens are signed.
    #[must_use]
    pub fn signing(mut self, signing: Signing) -> Self {
        self.config.signing = signing;
        self
    }

    /// Rules for passwords.
    #[must_use]
    pub fn password_rules(mut self, rules: PasswordRules) -> Self {
        self.config.password_rules = rules;
        self
    }

    /// Least length of a password in bytes; 6 unless said.
    #[must_use]
    pub fn min_password_length(mut self, bytes: usize) -> Self {
        self.config.password_rules.min_length = bytes;
        self
    }

    /// Whether users can sign in by e-mail address and password; they can unless said.
    #[must_use]
    pub fn email_sign_in(mut self, on: bool) -> Self {
        self.config.email_sign_in = on;
        self
    }

    /// How long access tokens are good, in whole seconds; an hour unless said.
    #[must_use]
    pub fn token_lifetime(mut self, time: Duration) -> Self {
        self.config.token_lifetime = time;
        self
    }

    /// How long each call takes before it has its effect; no time unless said.
    #[must_use]
    pub fn latency(mut self, time: Duration) -> Self {
        self.config.latency = time;
        self
    }

    /// How long [`crate::Fault::HangAfterEffect`] holds a call that its client does not give up; 60 s unless said.
    #[must_use]
    pub fn hang_limit(mut self, time: Duration) -> Self {
        self.config.hang_limit = time;
        self
    }

    /// Clock; the computer's unless said.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.config.clock = clock;
        self
    }

    /// Binds the port and serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be bound or a signing key cannot be made.
    pub async fn start(self) -> io::Result<SupabaseSandbox> {
        let bound = Bound::take(self.config.port).await?;
        let url = format!("http://{}", bound.address());
        let project = Arc::new(Project::new(self.config, &url)?);
        let jwt_secret = project.state().signing.secret().to_owned();
        let server = bound.serve(Arc::clone(&project));
        Ok(SupabaseSandbox {
            project,
            server,
            jwt_secret,
        })
    }
}

impl SupabaseSandbox {
    /// Begins to describe a sandbox.
    pub fn builder() -> SupabaseSandboxBuilder {
        SupabaseSandboxBuilder::default()
    }

    /// `http://127.0.0.1:<port>`, the project's root; the server is found below `/auth/v1`.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.server.address().port()
    }

    /// The older kind of key with all rights: a signed token of the role `service_role`.
    pub fn service_key(&self) -> &str {
        &self.project.keys().service
    }

    /// The newer kind of key with all rights, `sb_secret_...`. No token.
    pub fn secret_key(&self) -> &str {
        &self.project.keys().secret
    }

    /// The older kind of key for the public: a signed token of the role `anon`.
    pub fn anon_key(&self) -> &str {
        &self.project.keys().anon
    }

    /// The newer kind of key for the public, `sb_publishable_...`. No token.
    pub fn publishable_key(&self) -> &str {
        &self.project.keys().publishable
    }

    /// The shared secret of HS256.
    pub fn jwt_secret(&self) -> &str {
        &self.jwt_secret
    }

    /// Makes a new ES256 key the one that signs, and gives its `kid`. Earlier keys, the shared secret among them, go on
    /// to verify; so an HS256 project moves over to ES256 with its first rotation.
    ///
    /// # Errors
    /// When the key cannot be made.
    pub fn rotate_keys(&self) -> io::Result<String> {
        let mut state = self.project.state();
        let kid = state.uuid().to_string();
        state.signing.rotate(kid.clone())?;
        Ok(kid)
    }

    /// Revokes every ES256 key but the one that signs: it leaves the key set, and its tokens are refused.
    pub fn revoke_previous_keys(&self) {
        self.project.state().signing.revoke_previous();
    }

    /// A token signed with the shared secret, with exactly these claims.
    ///
    /// # Errors
    /// When the token cannot be signed.
    pub fn sign_service_token(&self, claims: Map<String, Value>) -> io::Result<String> {
        let signed = self.project.state().signing.sign_with_secret(&claims);
        signed.map_err(|_| io::Error::other("the token cannot be signed"))
    }

    /// The fault plan, to be changed at any time. Operations are `create`, `list`, `get`, `update`, `delete` (the admin
    /// routes), `sign_in`, `refresh`, `token` (another grant), `get_user`, `update_user`, `logout` and `key_set`.
    pub fn faults(&self) -> &Faults {
        self.project.faults()
    }

    /// The journal of calls, effects and faults. Users stand in the module `users` under their UUID.
    pub fn journal(&self) -> Journal {
        self.project.journal().clone()
    }

    /// Every user, in the order in which they were created, softly deleted ones included.
    pub fn users(&self) -> Vec<SupabaseUser> {
        let state = self.project.state();
        let mut users: Vec<_> = state.users.youngest_first();
        users.reverse();
        users.into_iter().map(SupabaseUser::of).collect()
    }

    /// One user.
    pub fn user(&self, id: &str) -> Option<SupabaseUser> {
        let id = Uuid::parse_str(id).ok()?;
        self.project.state().users.get(id).map(SupabaseUser::of)
    }

    /// The user with this address, whatever its case.
    pub fn user_by_email(&self, email: &str) -> Option<SupabaseUser> {
        let state = self.project.state();
        state.users.by_email(email).map(SupabaseUser::of)
    }

    /// Whether this is the user's password. Only a salted hash is kept.
    pub fn password_is(&self, id: &str, text: &str) -> bool {
        let state = self.project.state();
        let id = Uuid::parse_str(id).ok();
        id.and_then(|id| state.users.get(id))
            .is_some_and(|user| user.password_is(text))
    }

    /// How many sessions of the user live.
    pub fn session_count(&self, id: &str) -> usize {
        let state = self.project.state();
        Uuid::parse_str(id).map_or(0, |id| state.sessions.count_of(id))
    }

    /// Stores a user without a call. Gives its id; none when the address or the id is taken, or is none.
    pub fn seed_user(&self, user: UserSeed) -> Option<String> {
        let mut state = self.project.state();
        admin::seed(&mut self.project.stage(&mut state, None), user)
    }

    /// Signs the user in without a call or a password, and gives the access token. None for an unknown user.
    pub fn access_token_for(&self, id: &str) -> Option<String> {
        let mut state = self.project.state();
        let user = state.users.get(Uuid::parse_str(id).ok()?)?.clone();
        let mut stage = self.project.stage(&mut state, None);
        let (issued, _) = account::begin_session(&mut stage, &user).ok()?;
        Some(issued.access_token)
    }

    /// Closes the port and cuts every connection: clients meet "connection refused". Calls being executed still have
    /// their effect.
    pub async fn go_down(&self) {
        self.server.go_down().await;
    }

    /// Opens the same port again.
    ///
    /// # Errors
    /// When another program has taken the port meanwhile.
    pub async fn come_back(&self) -> io::Result<()> {
        self.server.come_back().await
    }

    /// Stops serving.
    pub async fn shutdown(self) {
        self.server.go_down().await;
    }
}

impl fmt::Debug for SupabaseSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupabaseSandbox")
            .field("address", &self.server.address())
            .finish_non_exhaustive()
    }
}
