//! Can RabbitMQ be used, and does anything lie there that nobody takes?

use pugmark_queue::broker::{BrokerError, Found, look};

use super::Findings;
use crate::broker::{code_of, options};
use crate::config::Settings;

/// So many messages in one queue are many: wake-ups are taken within moments.
const MANY: u32 = 10_000;

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let Some(rabbitmq) = &settings.rabbitmq else {
        return;
    };
    let options = options(rabbitmq);
    match look(&options).await {
        Ok(found) => {
            findings.ok("RabbitMQ", format!("{}, {}", rabbitmq.url, words(&found)));
            check_queues(&found, &options.dead_letters(), findings);
        }
        Err(error) => {
            let said = format!("{}: {}: {error}", code_of(&error), rabbitmq.url);
            findings.problem("RabbitMQ", said, fix(&error));
        }
    }
}

fn words(found: &Found) -> String {
    let consumers = found.queues.iter().map(|queue| queue.consumers).max();
    match (found.missing.len(), consumers) {
        (0, Some(0)) => "no worker is connected".to_owned(),
        (0, Some(consumers)) => format!("{consumers} worker(s) connected"),
        _ => "`pugmark serve` declares the queues".to_owned(),
    }
}

fn check_queues(found: &Found, dead_letters: &str, findings: &mut Findings) {
    if found.dead_letters > 0 {
        findings.warning(
            "RabbitMQ dead letters",
            format!(
                "{} message(s) of other programs could not be taken in",
                found.dead_letters
            ),
            format!("The header x-pugmark-reason of each in the queue {dead_letters} says why; mend the sender, then purge the queue"),
        );
    }
    let full: Vec<String> = found
        .queues
        .iter()
        .filter(|queue| queue.messages >= MANY)
        .map(|queue| format!("{} ({})", queue.name, queue.messages))
        .collect();
    if !full.is_empty() {
        findings.warning(
            "RabbitMQ queues",
            format!("many messages wait: {}", full.join(", ")),
            "Start `pugmark serve` with the role worker, or take RABBITMQ_URL away from the processes that have no use for it",
        );
    }
}

fn fix(error: &BrokerError) -> &'static str {
    match error {
        BrokerError::Credentials => {
            "Check the user and the password in RABBITMQ_URL; the user guest may connect from the broker's own machine only"
        }
        BrokerError::VirtualHost(_) => {
            "Check the virtual host at the end of RABBITMQ_URL (%2f is /), and that the user has permissions there"
        }
        BrokerError::Rights(_) => {
            "Give the user permission to configure, write and read Pugmark's exchanges and queues; docs/rabbitmq.md names them"
        }
        _ => {
            "Check RABBITMQ_URL, the broker and the firewall. Until then everything goes on, a few seconds later"
        }
    }
}
