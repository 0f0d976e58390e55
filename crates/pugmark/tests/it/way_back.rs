//! The whole way back at once: people edit contacts and convert leads, the extension's webhooks get lost, come many times, late and
//! forged, polling runs beside them. Whatever happens to the webhooks, each edit and each conversion has one effect.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pugmark::config::Poll;
use pugmark_sandbox::{FaultPlan, Occurrence, WebhookFault, WebhookFaults};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use secrecy::SecretString;
use vtiger::{Client, ClientConfig, WebhookReceiver};
use zeroize::Zeroizing;

use crate::conversions::{COMPLETE, convert, started};
use crate::crash;
use crate::harness::{World, Writer, eventually, on_both_databases, sandbox, seed};
use crate::program::Serving;
use crate::two_way::{column, linked, rule};

on_both_databases!(
    whatever_happens_to_webhooks_each_edit_and_each_conversion_has_one_effect,
    killed_at_any_moment_it_takes_over_each_edit_and_makes_each_customer_once,
);

const KEY: &[u8] = b"a key of more than twenty-four bytes";
const CUSTOMERS: usize = 30;
const LEADS: usize = 10;
const KILLS: u32 = 25;

/// The extension sends its outbox to this Pugmark.
async fn subscribe(world: &World, url: String) {
    let crm = &world.crm;
    let config = ClientConfig::open_source(&crm.url(), crm.username(), crm.access_key().into());
    let client = Client::new(config.expect("an address")).expect("a client");
    let receiver = WebhookReceiver {
        url: Some(url),
        secret: Some(SecretString::from(format!(
            "whsec_{}",
            STANDARD.encode(KEY)
        ))),
        modules: Some(vec!["Contacts".to_owned(), "Leads".to_owned()]),
        enabled: Some(true),
    };
    client.set_webhook(&receiver).await.expect("it is set");
}

async fn whatever_happens_to_webhooks_each_edit_and_each_conversion_has_one_effect(world: World) {
    let seed = seed();
    let mut world = world.before(sandbox().with_extension()).await;
    world.settings.webhooks.secrets.signing = vec![Zeroizing::new(KEY.to_vec())];
    world.settings.webhooks.per_minute = u32::MAX;
    world.settings.webhooks.per_peer = u32::MAX;
    world.crm_settings().poll = Poll {
        enabled: true,
        interval: Duration::from_millis(300),
        overlap: Duration::from_secs(60),
        deletions_within: Duration::from_secs(60),
    };
    let (running, api, program) = started(&mut world).await;
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let mut pairs = Vec::new();
    for number in 0..CUSTOMERS {
        pairs.push(linked(&world, &program, &format!("Otieno {number}")).await);
    }
    subscribe(&world, format!("{}/webhooks/vtiger", api.address())).await;
    let faults = WebhookFaults::new(seed)
        .rule(Occurrence::Rate(0.3), WebhookFault::Lose)
        .rule(Occurrence::Rate(0.2), WebhookFault::Repeat(20))
        .rule(Occurrence::Rate(0.2), WebhookFault::HoldBack(5))
        .rule(Occurrence::Rate(0.1), WebhookFault::Forge);
    world.crm.set_webhook_faults(faults);

    let mut became = Vec::new();
    for round in 0..3 {
        for (number, (customer, contact)) in pairs.iter().enumerate() {
            let phone = format!("07{round}{number:07}");
            assert!(world.crm.edit(contact, &[("mobile", phone.as_str())]));
            // MicroBima goes on with its own work meanwhile.
            if number % 3 == round {
                let name = format!("'Odhiambo {round}'");
                program.set(customer, "lastName", &name).await;
            }
        }
        for number in (round..LEADS).step_by(3) {
            became.push(person(&world, number));
        }
        world.crm.run_cron().await;
    }

    for (number, (customer, contact)) in pairs.iter().enumerate() {
        let phone = format!("072{number:07}");
        arrived(&program, customer, &phone, seed).await;
        let held = world.crm.record(contact).expect("the contact");
        assert_eq!(held.value("mobile"), phone, "PUGMARK_SEED={seed}");
    }
    assert_each_is_one(&world, &program, CUSTOMERS, &became, seed).await;
    let received = program.count("webhook_deliveries").await;
    let polled = program
        .count("vtiger_sync_queue WHERE requested_by = 'poll'")
        .await;
    assert!(
        received > 0,
        "no webhook arrived, or the test shows nothing"
    );
    assert!(
        polled > 0,
        "polling had nothing to do, or the test shows nothing"
    );
    running.shutdown().await;
}

async fn killed_at_any_moment_it_takes_over_each_edit_and_makes_each_customer_once(world: World) {
    let seed = seed();
    let mut world = world.before(sandbox()).await;
    let (running, api, program) = started(&mut world).await;
    rule(&api, "phoneNumber", "both", "vtiger").await;
    let mut pairs = Vec::new();
    for number in 0..10 {
        pairs.push(linked(&world, &program, &format!("Otieno {number}")).await);
    }
    running.shutdown().await;

    let folder = tempfile::tempdir().expect("a folder");
    let serve = || {
        let mut command = crash::serve(&world, folder.path());
        command.env("PUGMARK__VTIGER__POLL__INTERVAL", "1s");
        command
    };
    world.crm.faults().set(FaultPlan::typical(seed, 0.1));
    let mut lives = StdRng::seed_from_u64(seed ^ 1);
    let mut became = Vec::new();
    for kill in 0..KILLS {
        let serving = Serving::start(serve()).await;
        for (number, (customer, contact)) in pairs.iter().enumerate() {
            let phone = format!("07{kill:02}{number:06}");
            assert!(world.crm.edit(contact, &[("mobile", phone.as_str())]));
            let name = format!("'Odhiambo {kill}'");
            if number % 4 == 0 {
                program.set(customer, "lastName", &name).await;
            }
        }
        if kill % 3 == 0 {
            became.push(person(&world, became.len()));
        }
        tokio::time::sleep(Duration::from_millis(lives.random_range(50..1_500))).await;
        // SIGKILL.
        drop(serving);
    }
    world.crm.faults().clear();
    let taken_over = program
        .count("vtiger_sync_attempts WHERE ended = 'EXPIRED' OR ended IS NULL")
        .await;
    assert!(taken_over > 0, "no kill struck an attempt");
    let serving = Serving::start(serve()).await;
    for (number, (customer, contact)) in pairs.iter().enumerate() {
        let phone = format!("07{:02}{number:06}", KILLS - 1);
        arrived(&program, customer, &phone, seed).await;
        let held = world.crm.record(contact).expect("the contact");
        assert_eq!(held.value("mobile"), phone, "PUGMARK_SEED={seed}");
    }
    assert_each_is_one(&world, &program, pairs.len(), &became, seed).await;
    assert_eq!(serving.stop().await, 0);
}

/// A person converts the lead of somebody new and completes the contact.
fn person(world: &World, number: usize) -> String {
    let document = format!("2200{number:04}");
    let mail = format!("lead{number}@example.co.ke");
    let phone = format!("0733{number:06}");
    let values = COMPLETE.map(|(field, value)| match field {
        "ID Number" => (field, document.as_str()),
        "email" => (field, mail.as_str()),
        "mobile" => (field, phone.as_str()),
        _ => (field, value),
    });
    convert(world, &format!("Were {number}"), &values)
}

/// Waits until MicroBima has the phone that was typed in vTiger.
async fn arrived(program: &Writer, customer: &str, phone: &str, seed: u64) {
    eventually(&format!("{phone} PUGMARK_SEED={seed}"), || async {
        let held = column(program, customer, "phoneNumber").await;
        (held.as_deref() == Some(phone)).then_some(())
    })
    .await;
}

/// Each contact that was a lead has one customer, nobody else was made on either side, and all are in step.
async fn assert_each_is_one(
    world: &World,
    program: &Writer,
    before: usize,
    became: &[String],
    seed: u64,
) {
    for contact in became {
        let linked = format!("crm_links WHERE vtiger_id = '{contact}'");
        let what = format!("the customer of {contact} PUGMARK_SEED={seed}");
        eventually(&what, || async {
            (program.count(&linked).await == 1).then_some(())
        })
        .await;
    }
    program.wait_until_idle().await;
    let all = before + became.len();
    let customers = program.count("customers").await;
    assert_eq!(usize::try_from(customers), Ok(all), "PUGMARK_SEED={seed}");
    assert_eq!(
        world.crm.records("Contacts").len(),
        all,
        "PUGMARK_SEED={seed}"
    );
    let wrong = world.out_of_step(program, &[]).await;
    assert!(wrong.is_empty(), "PUGMARK_SEED={seed}: {wrong:#?}");
    let dead = program
        .count("vtiger_sync_queue WHERE dead_at IS NOT NULL")
        .await;
    assert_eq!(dead, 0, "PUGMARK_SEED={seed}");
}
