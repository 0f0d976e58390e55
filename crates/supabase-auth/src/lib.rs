#![doc = include_str!("../README.md")]

mod address;
mod admin;
mod ban;
mod call;
mod changes;
mod classify;
mod client;
mod config;
mod error;
mod mask;
mod metadata;
mod new_user;
mod observe;
mod password;
mod roles;
mod said;
mod search;
mod session;
mod transport;
mod turns;
mod user;
mod verify;

pub use admin::{Deletion, UserPage};
pub use ban::Ban;
pub use call::Effect;
pub use changes::Changes;
pub use client::Client;
pub use config::{ClientConfig, ConfigError};
pub use error::{
    CallError, Class, Failure, Invalid, NotSent, Refusal, RefusalReason, WeakPasswordReason,
};
pub use metadata::{Metadata, with_role};
pub use new_user::NewUser;
pub use observe::{CallObserver, CallReport};
pub use password::{
    CharacterSet, LONGEST_PASSWORD, PasswordProblem, PasswordProblems, PasswordRules,
    check_password,
};
pub use roles::RoleChange;
pub use session::{Session, WeakPassword};
pub use user::{Identity, User};
pub use verify::{Claims, KeySetAlgorithm, TokenError, TokenVerifier, VerifierConfig};
