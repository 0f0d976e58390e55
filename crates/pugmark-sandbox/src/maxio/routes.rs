//! Which path leads to what.

use super::call::{Answer, Call};
use super::state::Stage;
use super::{customers, products, profiles, subscriptions, webhooks};
use crate::wire::Request;

type Handler = fn(&mut Stage<'_>, &Call<'_>) -> Answer;

/// One operation of the service.
pub(super) struct Route {
    method: &'static str,
    /// Without `.json`; a colon stands for a part that varies.
    path: &'static str,
    /// The name by which the journal, fault plans and gates know it.
    pub(super) name: &'static str,
    handler: Handler,
}

const fn route(
    method: &'static str,
    path: &'static str,
    name: &'static str,
    handler: Handler,
) -> Route {
    Route {
        method,
        path,
        name,
        handler,
    }
}

/// Every operation. The first that fits counts, so fixed words stand before parts that vary.
const ROUTES: &[Route] = &[
    route("POST", "customers", "customer.create", customers::create),
    route("GET", "customers", "customer.list", customers::list),
    route(
        "GET",
        "customers/lookup",
        "customer.lookup",
        customers::look_up,
    ),
    route("GET", "customers/:", "customer.read", customers::read),
    route("PUT", "customers/:", "customer.update", customers::update),
    route(
        "DELETE",
        "customers/:",
        "customer.delete",
        customers::delete,
    ),
    route(
        "GET",
        "customers/:/subscriptions",
        "customer.subscriptions",
        subscriptions::list_of_customer,
    ),
    route(
        "POST",
        "payment_profiles",
        "payment_profile.create",
        profiles::create,
    ),
    route(
        "GET",
        "payment_profiles",
        "payment_profile.list",
        profiles::list,
    ),
    route(
        "GET",
        "payment_profiles/:",
        "payment_profile.read",
        profiles::read,
    ),
    route(
        "PUT",
        "payment_profiles/:",
        "payment_profile.update",
        profiles::update,
    ),
    route(
        "DELETE",
        "payment_profiles/:",
        "payment_profile.delete",
        profiles::delete,
    ),
    route(
        "POST",
        "subscriptions",
        "subscription.create",
        subscriptions::create,
    ),
    route(
        "GET",
        "subscriptions",
        "subscription.list",
        subscriptions::list,
    ),
    route(
        "GET",
        "subscriptions/lookup",
        "subscription.lookup",
        subscriptions::look_up,
    ),
    route(
        "GET",
        "subscriptions/:",
        "subscription.read",
        subscriptions::read,
    ),
    route(
        "PUT",
        "subscriptions/:",
        "subscription.update",
        subscriptions::update,
    ),
    route(
        "DELETE",
        "subscriptions/:",
        "subscription.cancel",
        subscriptions::cancel,
    ),
    route(
        "POST",
        "subscriptions/:/delayed_cancel",
        "subscription.delayed_cancel",
        subscriptions::cancel_later,
    ),
    route(
        "DELETE",
        "subscriptions/:/delayed_cancel",
        "subscription.keep",
        subscriptions::keep,
    ),
    route(
        "POST",
        "subscriptions/:/hold",
        "subscription.hold",
        subscriptions::hold,
    ),
    route(
        "POST",
        "subscriptions/:/resume",
        "subscription.resume",
        subscriptions::resume,
    ),
    route(
        "PUT",
        "subscriptions/:/reactivate",
        "subscription.reactivate",
        subscriptions::reactivate,
    ),
    route(
        "PUT",
        "subscriptions/:/activate",
        "subscription.activate",
        subscriptions::activate,
    ),
    route(
        "POST",
        "subscriptions/:/purge",
        "subscription.purge",
        subscriptions::purge,
    ),
    route(
        "POST",
        "subscriptions/:/payment_profiles/:/change_payment_profile",
        "subscription.change_payment_profile",
        subscriptions::change_payment_profile,
    ),
    route("GET", "products", "product.list", products::list),
    route(
        "GET",
        "products/handle/:",
        "product.lookup",
        products::read_by_handle,
    ),
    route("GET", "products/:", "product.read", products::read),
    route(
        "GET",
        "product_families/:/products",
        "product.list",
        products::list_family,
    ),
    route("GET", "site", "site.read", products::site),
    route(
        "POST",
        "endpoints",
        "endpoint.create",
        webhooks::create_endpoint,
    ),
    route(
        "GET",
        "endpoints",
        "endpoint.list",
        webhooks::list_endpoints,
    ),
    route(
        "PUT",
        "endpoints/:",
        "endpoint.update",
        webhooks::update_endpoint,
    ),
    route("GET", "webhooks", "webhook.list", webhooks::list),
    route(
        "PUT",
        "webhooks/settings",
        "webhook.settings",
        webhooks::settings,
    ),
    route(
        "POST",
        "webhooks/replay",
        "webhook.replay",
        webhooks::replay,
    ),
];

/// Where a request leads.
pub(super) struct Found {
    pub(super) route: &'static Route,
    /// What stands in the parts that vary.
    pub(super) ids: Vec<String>,
}

/// The operation that is asked for; none for a path or a method that the service does not know. The format is named by the
/// path's end or by `Accept`.
pub(super) fn find(request: &Request) -> Option<Found> {
    let path = request.path.strip_prefix('/')?;
    let path = match path.strip_suffix(".json") {
        Some(path) => path,
        None if accepts_json(request) => path,
        None => return None,
    };
    let parts: Vec<&str> = path.split('/').collect();
    let mut fitting = ROUTES
        .iter()
        .filter(|route| route.method == request.method.as_str());
    fitting.find_map(|route| {
        let ids = fits(route.path, &parts)?;
        Some(Found { route, ids })
    })
}

fn accepts_json(request: &Request) -> bool {
    let accept = request.headers.get(http::header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    accept.is_some_and(|value| value.contains("application/json"))
}

fn fits(path: &str, parts: &[&str]) -> Option<Vec<String>> {
    let words: Vec<&str> = path.split('/').collect();
    if words.len() != parts.len() {
        return None;
    }
    let mut ids = Vec::new();
    for (word, part) in words.iter().zip(parts) {
        match *word {
            ":" if !part.is_empty() => ids.push(unescaped(part)),
            word if word == *part => {}
            _ => return None,
        }
    }
    Some(ids)
}

fn unescaped(part: &str) -> String {
    let params =
        crate::wire::Params::from_urlencoded(format!("p={}", part.replace('+', "%2B")).as_bytes());
    params.text("p").unwrap_or_default().to_owned()
}

impl Route {
    /// Whether it answers with a list.
    pub(super) fn is_list(&self) -> bool {
        self.name.ends_with(".list") || self.name == "customer.subscriptions"
    }
}

/// Executes a call. A token that was seen before stops it before anything else.
pub(super) fn execute(stage: &mut Stage<'_>, request: &Request, found: &Found) -> Answer {
    let call = Call::read(request, &found.ids)?;
    if let Some(token) = call.uniqueness_token() {
        stage.state.use_token(token, stage.now)?;
    }
    (found.route.handler)(stage, &call)
}
