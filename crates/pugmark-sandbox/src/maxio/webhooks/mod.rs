//! Webhooks: what is told, to whom, how it is written, and how it is carried.

mod calls;
mod encode;
mod event;
mod outbox;
mod post;
mod raise;
mod shown;

pub(super) use calls::{
    add_endpoint, create_endpoint, list, list_endpoints, replay, settings, update_endpoint,
};
pub(super) use event::Event;
pub(super) use outbox::Outbox;
pub use outbox::WebhookProgress;
pub(super) use post::{Parcel, PostBox, work};
pub use shown::MaxioWebhook;
