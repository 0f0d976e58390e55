//! The look-alike of Supabase Auth (GoTrue): the user and password part, behind the platform's gateway under
//! `/auth/v1`.
//!
//! Modelled are the admin routes for users, signing in with e-mail and password, refreshing, `/user`, `/logout` and the
//! key set. Not modelled are mails and everything that follows from them (sign-up, recovery, invitations, a confirmed
//! change of address), other ways to sign in, second factors, rate limits (429 comes as a [`crate::Fault`]) and the few
//! seconds in which a used refresh token is good once more. A password given as a hash is stored, but nobody can sign in
//! with it.

mod account;
mod admin;
mod call;
mod config;
mod duration;
mod gateway;
mod metadata;
mod password;
mod project;
mod refusal;
mod routes;
mod sandbox;
mod sessions;
mod shown;
mod spoil;
mod state;
mod tokens;
mod users;

pub use config::{PasswordRules, RequiredCharacters, Signing, UserSeed};
pub use sandbox::{SupabaseSandbox, SupabaseSandboxBuilder};
pub use shown::SupabaseUser;
