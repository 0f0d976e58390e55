//! The real program is killed at any moment while forms come in: whatever was answered is in vTiger in the end, as it was sent last.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::{Hub, SUBMIT};
use crate::crash;
use crate::harness::{World, on_both_databases, seed};
use crate::http::Api;
use crate::program::Serving;

on_both_databases!(killed_at_any_moment_no_form_that_was_answered_is_lost);

const KILLS: usize = 8;

async fn killed_at_any_moment_no_form_that_was_answered_is_lost(world: World) {
    let hub = Hub::of(world).await;
    let folder = tempfile::tempdir().expect("a folder");
    let serve = || {
        let mut command = crash::serve(&hub.world, folder.path());
        command
            .env("PUGMARK_SEAL_KEY", "07".repeat(32))
            .env("PUGMARK__ONBOARDING__FORM__WAIT", "100ms");
        command
    };
    let mut rng = StdRng::seed_from_u64(seed());
    let mut answered = None;
    let mut sent = Vec::new();
    let mut number = 0;
    for _ in 0..KILLS {
        let serving = Serving::start(serve()).await;
        let api = Api::at(serving.address);
        let life = Duration::from_millis(rng.random_range(20..700));
        let work = async {
            loop {
                number += 1;
                let hours = format!("week {number}");
                let mut body = hub.guide();
                body["operatingHours"] = json!(hours);
                sent.push(hours.clone());
                let request = api.request(reqwest::Method::POST, SUBMIT).json(&body);
                let Ok(response) = request.send().await else {
                    return;
                };
                let status = response.status().as_u16();
                if response.text().await.is_err() {
                    return;
                }
                assert!([200, 202].contains(&status), "{status}");
                answered = Some(hours);
            }
        };
        // Dropping the program kills it.
        tokio::select! {
            () = work => {}
            () = tokio::time::sleep(life) => {}
        }
        drop(serving);
    }
    let serving = Serving::start(serve()).await;
    let program = hub.world.other_program().await;
    program.wait_until_idle().await;
    let held = hub.lead_value("Operating Hours");
    let last = answered.expect("some were answered");
    let place = |hours: &str| sent.iter().position(|one| one == hours);
    assert!(
        place(&held) >= place(&last),
        "vTiger holds {held:?}, but {last:?} was answered"
    );
    assert_eq!(
        program
            .count("onboarding_forms WHERE state <> 'saved'")
            .await,
        0
    );
    serving.stop().await;
}
