//! What a look-alike of vTiger is started with.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::config::{CloudQuota, Config, CustomField, Edition, UserSpec, Variant};
use super::crm::Crm;
use super::latency::Latency;
use super::release::Release;
use super::sandbox::VtigerSandbox;
use crate::clock::Clock;
use crate::server::Bound;

/// Builds a [`VtigerSandbox`]. Without any call: stock 8.0, open source, an ephemeral port, one administrator.
#[derive(Clone, Debug, Default)]
pub struct VtigerSandboxBuilder {
    config: Config,
}

impl VtigerSandboxBuilder {
    /// Seeds everything that is left to chance: tokens, session names, the order of ties.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.config.seed = seed;
        self
    }

    /// State of repair.
    #[must_use]
    pub fn variant(mut self, variant: Variant) -> Self {
        self.config.variant = variant;
        self
    }

    /// Release of the open-source edition; 8.0 unless said.
    #[must_use]
    pub fn release(mut self, release: Release) -> Self {
        self.config.release = release;
        self
    }

    /// Product.
    #[must_use]
    pub fn edition(mut self, edition: Edition) -> Self {
        self.config.edition = edition;
        self
    }

    /// Port on 127.0.0.1; none or 0 lets the system choose one.
    #[must_use]
    pub fn port(mut self, port: Option<u16>) -> Self {
        self.config.port = port.unwrap_or(0);
        self
    }

    /// Seconds that the server's configured time zone is ahead of UTC (`createdtime` and `modifiedtime` are written
    /// in it, without saying so). The hosted edition always writes UTC.
    #[must_use]
    pub fn time_zone_offset(mut self, seconds: i64) -> Self {
        self.config.time_zone_offset_seconds = seconds;
        self
    }

    /// Adds a user. The first one is the sandbox's [`VtigerSandbox::username`]; without any there is an administrator
    /// `admin`.
    #[must_use]
    pub fn user(mut self, user: UserSpec) -> Self {
        self.config.users.push(user);
        self
    }

    /// Adds a custom field.
    #[must_use]
    pub fn custom_field(mut self, field: CustomField) -> Self {
        self.config.custom_fields.push(field);
        self
    }

    /// Marks a built-in field as "do not allow duplicates".
    #[must_use]
    pub fn unique_field(mut self, module: &str, field: &str) -> Self {
        self.config
            .unique_fields
            .push((module.to_owned(), field.to_owned()));
        self
    }

    /// Registers a custom POST operation that creates a user from a JSON `element`, as an administrator may do, since the
    /// stock `create` cannot.
    #[must_use]
    pub fn create_user_operation(mut self, name: &str) -> Self {
        self.config.user_operations.push(name.to_ascii_lowercase());
        self
    }

    /// With Pugmark's extension installed.
    #[must_use]
    pub fn with_extension(mut self) -> Self {
        self.config.extension = true;
        self
    }

    /// Fewest characters of a password that the extension sets; 6 unless said.
    #[must_use]
    pub fn shortest_password(mut self, characters: usize) -> Self {
        self.config.shortest_password = characters;
        self
    }

    /// The login names of those who may make users and set passwords through the extension; every administrator unless said,
    /// where a real installation lets nobody until it is told.
    #[must_use]
    pub fn password_callers(mut self, names: &[&str]) -> Self {
        let names = names.iter().map(|name| (*name).to_owned());
        self.config.password_callers = Some(names.collect());
        self
    }

    /// Time that calls take.
    #[must_use]
    pub fn latency(mut self, latency: Latency) -> Self {
        self.config.latency = latency;
        self
    }

    /// Clock; the computer's unless said.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.config.clock = clock;
        self
    }

    /// How long an idle session lives; 1440 s unless said.
    #[must_use]
    pub fn session_idle(mut self, time: Duration) -> Self {
        self.config.session_idle = time;
        self
    }

    /// How long [`crate::Fault::HangAfterEffect`] holds a call that its client does not give up; 60 s unless said.
    #[must_use]
    pub fn hang_limit(mut self, time: Duration) -> Self {
        self.config.hang_limit = time;
        self
    }

    /// Largest request body in bytes (PHP's `post_max_size`); 8 MiB unless said.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.config.max_body = bytes;
        self
    }

    /// Call limits of the hosted edition.
    #[must_use]
    pub fn cloud_quota(mut self, quota: CloudQuota) -> Self {
        self.config.quota = quota;
        self
    }

    /// Whether the hosted edition has a module `Leads`; many instances have none.
    #[must_use]
    pub fn cloud_leads(mut self, present: bool) -> Self {
        self.config.cloud_leads = present;
        self
    }

    /// Binds the port and serves. Needs a tokio runtime.
    ///
    /// # Errors
    /// When the port cannot be bound, or (`InvalidInput`) when a custom field names a module that is not modelled.
    pub async fn start(mut self) -> io::Result<VtigerSandbox> {
        if self.config.users.is_empty() {
            self.config
                .users
                .push(UserSpec::admin("admin", "SandboxAccessKey"));
        }
        let user = self.config.users[0].clone();
        let port = self.config.port;
        let crm = Arc::new(Crm::new(self.config)?);
        let server = Bound::take(port).await?.serve(Arc::clone(&crm));
        Ok(VtigerSandbox::new(crm, server, user))
    }
}
