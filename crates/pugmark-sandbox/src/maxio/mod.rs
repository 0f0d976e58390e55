//! The look-alike of Maxio Advanced Billing (formerly Chargify): one site with its customers, payment profiles, subscriptions,
//! products and webhooks.
//!
//! What the service is known to do is done; where its behaviour is not known the sandbox chooses one, and offers a switch where
//! a client must survive either. Not modelled are coupons and components (every one is unknown), invoices, taxes, dunning, and
//! the passing of time: periods end when a test says so. Names of states of a country are not shown.

mod builder;
mod call;
mod config;
mod countries;
mod customers;
mod fields;
mod money;
mod paging;
mod products;
mod profiles;
mod refusal;
mod routes;
mod sandbox;
mod site;
mod spoil;
mod state;
mod subscriptions;
mod table;
mod times;
mod traffic;
mod webhooks;

pub use builder::MaxioSandboxBuilder;
pub use config::{Gateway, ProductSeed};
pub use sandbox::MaxioSandbox;
pub use subscriptions::SubscriptionState;
pub use traffic::{MaxioGate, MaxioTraffic};
pub use webhooks::{MaxioWebhook, WebhookProgress};
