//! Repeated, forged, truncated and concurrent deliveries of many leads: each lead has one job.

use futures::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::intake::job_id;
use super::sending::*;
use crate::harness::{World, on_both_databases, seed};
use crate::http::{Answer, Api, answer};

on_both_databases!(each_of_many_leads_gets_one_job_however_often_and_broken_it_comes);

/// Requests under way at the same time.
const AT_ONCE: usize = 64;

/// Different leads. `PUGMARK_WEBHOOKS=20000` for the full count.
fn many() -> usize {
    match std::env::var("PUGMARK_WEBHOOKS") {
        Ok(text) => text.parse().expect("PUGMARK_WEBHOOKS is a number"),
        Err(_) => 250,
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sent {
    Same,
    /// The workflow fired again after somebody had changed the lead.
    Changed(u8),
    Forged,
    Truncated,
}

async fn each_of_many_leads_gets_one_job_however_often_and_broken_it_comes(mut world: World) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let many = many();
    let mut all: Vec<(usize, Sent)> = Vec::new();
    for number in 0..many {
        all.push((number, Sent::Same));
        for _ in 0..random.random_range(0..12) {
            let sent = match random.random_range(0..8) {
                0 => Sent::Forged,
                1 => Sent::Truncated,
                2..5 => Sent::Changed(random.random_range(0..3)),
                _ => Sent::Same,
            };
            all.push((number, sent));
        }
    }
    all.shuffle(&mut random);
    let answers: Vec<(usize, Sent, Answer)> = stream::iter(all)
        .map(|(number, sent)| {
            let api = &api;
            async move { (number, sent, deliver(api, number, sent).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut told = vec![None; many];
    for (number, sent, answer) in answers {
        match sent {
            Sent::Same | Sent::Changed(_) => {
                let job = job_id(&answer);
                let first = *told[number].get_or_insert(job);
                assert_eq!(first, job, "PUGMARK_SEED={seed}: one job for lead {number}");
            }
            Sent::Forged | Sent::Truncated => {
                assert_eq!(answer.status, 401, "{sent:?}: {}", answer.text);
            }
        }
    }
    let many = i64::try_from(many).expect("a count");
    for what in [
        "sync_jobs",
        "sync_jobs WHERE status = 'pending' AND operation_id IS NOT NULL",
        "vtiger_sync_queue WHERE kind = 'maxio.onboard'",
    ] {
        assert_eq!(
            program.count(what).await,
            many,
            "{what}: PUGMARK_SEED={seed}"
        );
    }
    running.shutdown().await;
}

async fn deliver(api: &Api, number: usize, sent: Sent) -> Answer {
    let body = lead(&format!("2x{}", number + 1));
    let body = match sent {
        Sent::Changed(how) => body.replace("Acme Corp", &format!("Acme {how}")),
        _ => body,
    };
    let request = signed(api, &body);
    answer(match sent {
        Sent::Forged => request.body(body.replace("John", "Mallory")),
        Sent::Truncated => request.body(body[..40].to_owned()),
        Sent::Same | Sent::Changed(_) => request,
    })
    .await
}
