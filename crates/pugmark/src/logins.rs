//! Where MicroBima's logins live: Supabase Auth, as the flows and the API see it.

use supabase_auth::{
    Client, ClientConfig, ConfigError, KeySetAlgorithm, TokenVerifier, VerifierConfig,
};

use crate::config;

/// The project's admin client and what verifies its users' tokens. Cheap to clone; clones share connections, keys and the
/// order of role changes.
#[derive(Clone)]
pub struct Logins {
    /// Makes, reads and changes logins.
    pub client: Client,
    /// Verifies access tokens without asking about each.
    pub verifier: TokenVerifier,
}

impl Logins {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// What is wrong with the address or the key.
    pub fn new(settings: &config::Supabase) -> Result<Self, ConfigError> {
        let mut client = ClientConfig::new(&settings.url, settings.service_key.clone())?;
        client.call_timeout = settings.call_timeout;
        client.allow_plain_http = settings.allow_plain_http;
        client.connect_timeout = client.connect_timeout.min(settings.call_timeout);
        let mut verifier = VerifierConfig::new(&settings.url)?.with_key_set(KeySetAlgorithm::ALL);
        verifier.call_timeout = verifier.call_timeout.min(settings.call_timeout);
        verifier.allow_plain_http = settings.allow_plain_http;
        if let Some(secret) = &settings.jwt_secret {
            verifier = verifier.with_shared_secret(secret.clone());
        }
        Ok(Logins {
            client: Client::new(client)?,
            verifier: TokenVerifier::new(verifier)?,
        })
    }
}
