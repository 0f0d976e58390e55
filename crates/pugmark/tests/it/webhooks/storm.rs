//! Replayed, forged, truncated, reordered, delayed and duplicated deliveries, all at once.

use futures::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::*;
use crate::harness::{on_both_databases, seed};

on_both_databases!(each_of_many_deliveries_has_one_effect_however_often_and_broken_it_comes);

/// Different deliveries. `PUGMARK_WEBHOOKS=20000` for the full count.
fn many() -> usize {
    match std::env::var("PUGMARK_WEBHOOKS") {
        Ok(text) => text.parse().expect("PUGMARK_WEBHOOKS is a number"),
        Err(_) => 250,
    }
}

/// Requests under way at the same time.
const AT_ONCE: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Copy_ {
    Good,
    Forged,
    Truncated,
    Stale,
}

async fn each_of_many_deliveries_has_one_effect_however_often_and_broken_it_comes(
    mut world: World,
) {
    let (running, api) = started(&mut world).await;
    let program = world.other_program().await;
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let many = many();
    let mut copies: Vec<(usize, Copy_)> = Vec::new();
    for number in 0..many {
        // The first one is good; how many come with it, and what they are, is left to chance.
        copies.push((number, Copy_::Good));
        for _ in 0..random.random_range(0..20) {
            let copy = match random.random_range(0..10) {
                0 => Copy_::Forged,
                1 => Copy_::Truncated,
                2 => Copy_::Stale,
                _ => Copy_::Good,
            };
            copies.push((number, copy));
        }
    }
    copies.shuffle(&mut random);
    let good = copies
        .iter()
        .filter(|(_, copy)| *copy == Copy_::Good)
        .count();

    let answers: Vec<(usize, Copy_, Answer)> = stream::iter(copies)
        .map(|(number, copy)| {
            let request = request(&api, number, copy);
            async move { (number, copy, send(request).await) }
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;

    let mut told = vec![None; many];
    for (number, copy, answer) in answers {
        if copy == Copy_::Good {
            assert_eq!(answer.status, 202, "{}", answer.text);
            let said = told[number].get_or_insert_with(|| answer.data().clone());
            assert_eq!(said, answer.data(), "every sender is told the same");
        } else {
            assert_eq!(answer.status, 401, "{copy:?}: {}", answer.text);
        }
    }
    let many = i64::try_from(many).expect("a count");
    let count = async |what: &str| program.count(what).await;
    assert_eq!(
        count("webhook_deliveries").await,
        many,
        "PUGMARK_SEED={seed}"
    );
    assert_eq!(
        count("vtiger_sync_queue WHERE kind = 'lead.convert'").await,
        many
    );
    assert_eq!(
        count("vtiger_sync_correlations").await,
        0,
        "none was even merged"
    );
    let repeated = program
        .one("SELECT CAST(SUM(duplicates) AS TEXT) FROM webhook_deliveries")
        .await
        .and_then(|text| text.parse::<i64>().ok())
        .unwrap_or_default();
    assert_eq!(repeated, i64::try_from(good).expect("a count") - many);
    running.shutdown().await;
}

/// Every third delivery has an id, the others are known by their bodies.
fn request(api: &Api, number: usize, copy: Copy_) -> RequestBuilder {
    let body = converted(&format!("12x{}", number + 1));
    let id = format!("msg-{number}");
    let with_id = number.is_multiple_of(3);
    match copy {
        Copy_::Good if with_id => standard(api, &id, &body),
        Copy_::Good => signed(api, CONVERT, &body),
        Copy_::Forged if with_id => {
            standard(api, &id, &body).body(body.replace("Achieng", "Mallory"))
        }
        Copy_::Forged => signed(api, CONVERT, &body).body(body.replace("Achieng", "Mallory")),
        Copy_::Truncated if with_id => standard(api, &id, &body).body(body[..20].to_owned()),
        Copy_::Truncated => signed(api, CONVERT, &body).body(body[..20].to_owned()),
        // Recorded yesterday and played again.
        Copy_::Stale => {
            let time = (jiff::Timestamp::now().as_second() - 86_400).to_string();
            standard_at(api, &id, &time, &body)
        }
    }
}
