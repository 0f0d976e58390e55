#![doc = include_str!("../README.md")]

mod client;
mod customers;
mod error;
mod id;
mod observe;
mod payments;
mod product;
mod reading;
mod settings;
mod site;
mod slots;
mod subscriptions;
pub mod webhook;
mod wire;

pub use client::Client;
pub use customers::{Customer, CustomerChange, NewCustomer};
pub use error::{Class, Error, Failure, Invalid, NotSent, Trouble};
pub use id::{CustomerId, NotAnId, PaymentProfileId, PricePointId, ProductId, SubscriptionId};
pub use observe::{CallObserver, CallReport};
pub use payments::{BankDetails, BillingAddress, NewBankAccount, PaymentProfile};
pub use product::{Product, ProductFamily};
pub use settings::{ConfigError, Settings};
pub use site::Site;
pub use slots::{Slot, Slots, SlotsError};
pub use subscriptions::{
    CollectionMethod, CustomerKey, NewSubscription, Payment, Phase, State, Subscription,
};
