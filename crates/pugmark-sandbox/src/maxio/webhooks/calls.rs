//! Managing endpoints, looking at webhooks, having them replayed.

use serde_json::{Value, json};

use super::super::call::{Answer, Call, Success};
use super::super::fields::Fields;
use super::super::paging;
use super::super::refusal::Refusal;
use super::super::state::{SITE_ID, Stage};
use super::super::times;
use super::encode;
use super::event::SUBSCRIBABLE;
use super::outbox::{Endpoint, Webhook, WebhookProgress};
use super::post::Parcel;

/// Webhooks that one call may have replayed.
const MOST_REPLAYED: usize = 1000;

fn shown(endpoint: &Endpoint) -> Value {
    json!({
        "id": endpoint.id,
        "url": endpoint.url,
        "site_id": SITE_ID,
        "status": endpoint.status(),
        "webhook_subscriptions": endpoint.events,
    })
}

/// Adds an endpoint, as the site's settings can, too; gives its id.
pub(in super::super) fn add_endpoint(stage: &mut Stage<'_>, url: &str, events: Vec<String>) -> u64 {
    let id = stage.state.next_id();
    let endpoint = Endpoint::new(id, url, events);
    stage.state.outbox.endpoints.push(endpoint);
    id
}

pub(in super::super) fn create_endpoint(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let fields = call.wrapped("endpoint")?;
    let url = address(stage, &fields)?;
    let events = events(&fields)?;
    let id = add_endpoint(stage, &url, events);
    endpoint_answer(stage, id).map(|endpoint| Success::created(json!({ "endpoint": endpoint })))
}

/// This list is not wrapped.
pub(in super::super) fn list_endpoints(stage: &mut Stage<'_>, _: &Call<'_>) -> Answer {
    let endpoints = stage.state.outbox.endpoints.iter();
    Ok(Success::ok(endpoints.map(shown).collect()))
}

/// The list of events is replaced, not extended.
pub(in super::super) fn update_endpoint(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let id = call.id(0)?;
    endpoint_answer(stage, id)?;
    let fields = call.wrapped("endpoint")?;
    let url = fields
        .has("url")
        .then(|| address(stage, &fields))
        .transpose()?;
    let events = events(&fields)?;
    let endpoint = stage.state.outbox.endpoint_mut(id);
    let endpoint = endpoint.ok_or(Refusal::NotFound)?;
    if let Some(url) = url {
        endpoint.url = url;
    }
    endpoint.events = events;
    endpoint.forgive();
    endpoint_answer(stage, id).map(|endpoint| Success::ok(json!({ "endpoint": endpoint })))
}

fn endpoint_answer(stage: &mut Stage<'_>, id: u64) -> Result<Value, Refusal> {
    let endpoint = stage.state.outbox.endpoint_mut(id);
    endpoint
        .map(|endpoint| shown(endpoint))
        .ok_or(Refusal::NotFound)
}

/// Outside of test mode only https will do. Ports are not looked at, since receivers of tests listen on any.
fn address(stage: &Stage<'_>, fields: &Fields) -> Result<String, Refusal> {
    let url = fields.text("url").unwrap_or_default();
    let https = url.starts_with("https://");
    if https || (stage.config.test_site && url.starts_with("http://")) {
        Ok(url)
    } else {
        Err(Refusal::invalid("Url: must be a valid URL."))
    }
}

fn events(fields: &Fields) -> Result<Vec<String>, Refusal> {
    let events = fields.texts("webhook_subscriptions");
    let unknown = |event: &&String| !SUBSCRIBABLE.contains(&event.as_str());
    match events.iter().find(unknown) {
        Some(event) => Err(Refusal::invalid(format!(
            "Webhook subscriptions: unknown event '{event}'."
        ))),
        None => Ok(events),
    }
}

/// Switches all webhooks of the site on or off.
pub(in super::super) fn settings(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let on = call.bare().flag("webhooks_enabled");
    let on = on.ok_or_else(|| Refusal::invalid("Webhooks enabled: cannot be blank."))?;
    stage.state.outbox.enabled = on;
    Ok(Success::ok(json!({ "webhooks_enabled": on })))
}

pub(in super::super) fn list(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let progress = match call.query("status") {
        Some("successful") => Some(WebhookProgress::Delivered),
        Some("failed") => Some(WebhookProgress::Failed),
        Some("pending") => Some(WebhookProgress::Pending),
        _ => None,
    };
    let day = |name, later| {
        let text = call.query(name)?;
        times::day_start(text, later, stage.zone)
    };
    let (from, to) = (day("since_date", 0), day("until_date", 1));
    let wanted = |webhook: &&Webhook| {
        progress.is_none_or(|progress| webhook.progress == progress)
            && from.is_none_or(|from| webhook.created_at >= from)
            && to.is_none_or(|to| webhook.created_at < to)
    };
    let mut found: Vec<_> = stage
        .state
        .outbox
        .webhooks
        .values()
        .filter(wanted)
        .collect();
    if call.query("order") != Some("oldest_first") {
        found.reverse();
    }
    let page = paging::page(found, call, 20);
    let shown = page.into_iter().map(|webhook| kept(stage, webhook));
    Ok(Success::ok(shown.collect()))
}

fn kept(stage: &Stage<'_>, webhook: &Webhook) -> Value {
    let times = stage.times();
    let key = stage.webhook_key;
    json!({ "webhook": {
        "event": webhook.event,
        "id": webhook.id,
        "created_at": times.of(webhook.created_at),
        "last_error": webhook.last_error,
        "last_error_at": times.maybe(webhook.last_error_at),
        "accepted_at": times.maybe(webhook.accepted_at),
        "last_sent_at": times.maybe(webhook.last_sent_at),
        "last_sent_url": webhook.last_sent_at.map(|_| &webhook.url),
        "successful": webhook.progress == WebhookProgress::Delivered,
        "body": webhook.body,
        "signature": encode::older_signature(key, &webhook.body),
        "signature_hmac_sha_256": encode::signature(key, &webhook.body),
    } })
}

pub(in super::super) fn replay(stage: &mut Stage<'_>, call: &Call<'_>) -> Answer {
    let fields = call.bare();
    let ids = fields.get("ids").and_then(Value::as_array);
    let ids: Vec<u64> = ids
        .into_iter()
        .flatten()
        .filter_map(Value::as_u64)
        .collect();
    if ids.is_empty() || ids.len() > MOST_REPLAYED {
        return Err(Refusal::invalid(format!(
            "Ids: must be a list of 1 to {MOST_REPLAYED} webhooks."
        )));
    }
    for id in ids {
        if stage.state.outbox.send_again(id) {
            stage.post.drop_in(Parcel::Webhook(id));
        }
    }
    Ok(Success::ok(json!({ "status": "ok" })))
}
