//! Maxio's webhooks: what becomes of the subscription, the lead is told.

use reqwest::Method;

use super::super::sending::DELIVERIES;
use super::*;
use crate::harness::on_both_databases;

on_both_databases!(
    the_lead_shows_the_state_of_its_subscription,
    direct_debits_are_told,
    what_maxio_did_not_sign_is_refused,
    what_concerns_nobody_is_kept_and_ignored,
);

const WEBHOOKS: &str = "/webhooks/maxio";
const EVENTS: [&str; 3] = [
    "subscription_state_change",
    "direct_debit_payment_paid_out",
    "direct_debit_payment_rejected",
];

async fn telling(world: World) -> (Site, Running, Api, String) {
    let mut site = Site::of(world).await;
    let write = &mut site.world.settings.onboarding.write;
    write.subscription_state = "Subscription state".to_owned();
    write.direct_debit = "cf_direct_debit".to_owned();
    let (running, api) = site.start().await;
    let lead = site.lead("contact@acmecorp.com");
    let job = site.ready(&api, &lead).await;
    site.until(&api, &job, "crm_updated").await;
    site.maxio
        .add_webhook_endpoint(&format!("{}{WEBHOOKS}", api.address()), &EVENTS);
    (site, running, api, lead)
}

impl Site {
    async fn shows(&self, lead: &str, field: &str, wanted: impl Fn(&str) -> bool) {
        let journal = self.world.crm.journal();
        let shown = || {
            self.world
                .crm
                .record(lead)
                .expect("the lead")
                .value(field)
                .to_owned()
        };
        let came = journal.wait_until(|_| wanted(&shown()), PATIENCE).await;
        assert!(came, "{field} of {lead} shows {:?}", shown());
    }
}

async fn the_lead_shows_the_state_of_its_subscription(world: World) {
    let (site, running, _api, lead) = telling(world).await;
    site.shows(&lead, STATE_FIELD, |state| state == "active")
        .await;
    let id = site.subscription(&lead)["id"].as_u64().expect("an id");
    assert!(
        site.maxio
            .set_subscription_state(id, pugmark_sandbox::SubscriptionState::PastDue)
    );
    site.shows(&lead, STATE_FIELD, |state| state == "past_due")
        .await;
    assert!(site.maxio.webhooks_settled(PATIENCE).await);
    let all = site.maxio.webhooks();
    assert!(!all.is_empty());
    running.shutdown().await;
}

async fn direct_debits_are_told(world: World) {
    let (site, running, _api, lead) = telling(world).await;
    let id = site.subscription(&lead)["id"].as_u64().expect("an id");
    assert!(site.maxio.direct_debit_paid(id));
    site.shows(&lead, DEBIT_FIELD, |said| {
        said.starts_with("paid out 20") && said.contains("EUR ")
    })
    .await;
    assert!(site.maxio.direct_debit_rejected(id));
    site.shows(&lead, DEBIT_FIELD, |said| said.starts_with("rejected 20"))
        .await;
    running.shutdown().await;
}

async fn what_maxio_did_not_sign_is_refused(world: World) {
    let (site, running, api, _lead) = telling(world).await;
    let send = |signature: &'static str| {
        let request = api
            .bare(Method::POST, WEBHOOKS)
            .body("id=1&event=subscription_state_change");
        answer(request.header("X-Chargify-Webhook-Signature-Hmac-Sha-256", signature))
    };
    for signature in [
        "",
        "00",
        "19826d51b9f866b26eda1f154de192593360f8d0bcb63df8a28540a5dcf733f1",
    ] {
        assert_eq!(send(signature).await.status, 401);
    }
    let program = site.program().await;
    assert_eq!(
        program
            .count("webhook_deliveries WHERE endpoint = 'maxio'")
            .await,
        0
    );
    running.shutdown().await;
}

async fn what_concerns_nobody_is_kept_and_ignored(world: World) {
    let (site, running, api, lead) = telling(world).await;
    // The test ping, which carries no id.
    assert_eq!(
        genuine(&site, &api, "event=test&payload[chargify]=testing")
            .await
            .status,
        200
    );
    let other = "id=77&event=subscription_state_change&payload[subscription][id]=999999&payload[subscription][bank_account][vault_token]=IE29AIBK93115212345678";
    for _ in 0..2 {
        assert_eq!(genuine(&site, &api, other).await.status, 200);
    }
    let list = api.get(&format!("{DELIVERIES}?status=IGNORED")).await;
    let items = list.data()["items"].as_array().cloned().unwrap_or_default();
    let kept: Vec<_> = items
        .iter()
        .filter(|item| item["endpoint"] == "maxio")
        .collect();
    assert_eq!(kept.len(), 1, "{}", list.text);
    let whole = api.get(&format!("{DELIVERIES}/{}", kept[0]["id"])).await;
    assert!(!whole.text.contains("12345678"), "{}", whole.text);
    assert_eq!(site.maxio.subscriptions().len(), 1, "{lead}");
    running.shutdown().await;
}

/// A delivery as Maxio signs it.
async fn genuine(site: &Site, api: &Api, body: &str) -> crate::http::Answer {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(site.maxio.webhook_key().as_bytes())
        .expect("any length");
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    let request = api.bare(Method::POST, WEBHOOKS).body(body.to_owned());
    answer(request.header("X-Chargify-Webhook-Signature-Hmac-Sha-256", signature)).await
}
