//! Converted leads on MicroBima's own tables, which Pugmark may read and not write.

use super::partner_api::{KEY, PartnerApi, Turn};
use super::*;
use crate::microbima::Microbima;

/// MicroBima's database, which has a partner, attached.
async fn attached() -> Option<Microbima> {
    let mut microbima = Microbima::new().await?;
    microbima.attach().await;
    let secret = SecretString::from(HEADER_SECRET);
    microbima.world.settings.webhooks.secrets.header = vec![secret];
    Some(microbima)
}

#[tokio::test]
async fn a_converted_lead_becomes_a_customer_through_the_partner_api_although_the_answer_is_lost() {
    let Some(mut microbima) = attached().await else {
        return;
    };
    let partner = PartnerApi::start(&microbima.world).await;
    microbima.world.settings.insurance.conversion.api = Some(config::PartnerApi {
        url: format!("http://{}", partner.address)
            .parse()
            .expect("an address"),
        key: SecretString::from(KEY),
        call_timeout: std::time::Duration::from_millis(700),
    });
    let running = microbima.start().await;
    let api = Api::of(&running);
    partner.next(Turn::AnswerLost);
    let contact = convert(&microbima.world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    standing(&api, &contact, "DONE").await;
    let program = microbima.world.other_program().await;
    assert_became_one(&microbima.world, &program, &contact).await;
    assert_eq!(partner.journal().len(), 1);
    assert_eq!(microbima.world.calls("create"), 0);
    running.shutdown().await;
}

#[tokio::test]
async fn without_the_partner_api_it_waits_and_writes_nothing() {
    let Some(microbima) = attached().await else {
        return;
    };
    let running = microbima.start().await;
    let api = Api::of(&running);
    let contact = convert(&microbima.world, "Otieno", &COMPLETE);
    tell(&api, &contact).await;
    let waits = eventually("the reason", || async {
        let found = api.get(&format!("{CONVERSIONS}/{contact}")).await;
        let data = found.data().clone();
        (data["errorCode"] == "PUG-3606").then_some(data)
    })
    .await;
    let message = waits["message"].as_str().unwrap_or_default();
    assert!(message.contains("MICROBIMA_URL"), "{message}");
    let program = microbima.world.other_program().await;
    assert_eq!(program.count("customers").await, 0);
    running.shutdown().await;
}
