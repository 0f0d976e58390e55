//! The client against a look-alike of the service that was written without it, from the same facts.

mod answers;
mod journeys;
mod safe_order;
mod traffic;
mod webhooks;

use std::time::Duration;

use maxio::{BankDetails, Client, NewCustomer, Settings};
use pugmark_sandbox::{MaxioSandbox, MaxioSandboxBuilder};

use crate::service::IBAN;

/// What the sandbox sells unless told otherwise.
const PRODUCT: &str = "default-hr-package";
/// Our own key of the customer and of the subscription.
const REFERENCE: &str = "lead-10x456";
/// Longer than anything takes that is not broken.
const PATIENCE: Duration = Duration::from_secs(60);

fn builder() -> MaxioSandboxBuilder {
    MaxioSandbox::builder().seed(7)
}

fn settings(sandbox: &MaxioSandbox) -> Settings {
    Settings::new(sandbox.url().parse().unwrap(), sandbox.api_key().into())
}

fn client(sandbox: &MaxioSandbox) -> Client {
    Client::new(settings(sandbox)).unwrap()
}

fn orla() -> NewCustomer {
    let mut orla = NewCustomer::new("Orla", "Byrne", "orla@example.com");
    orla.reference = Some(REFERENCE.to_owned());
    orla.country = Some("IE".to_owned());
    orla
}

fn bank() -> BankDetails {
    let mut bank = BankDetails::iban(IBAN.into());
    bank.bank_name = Some("Allied Irish Banks".to_owned());
    bank
}
