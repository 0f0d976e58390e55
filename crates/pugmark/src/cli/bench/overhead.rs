//! How long it takes from the commit of an edit until the CRM has the request.

use std::time::{Duration, Instant};

use pugmark_queue::db::Engine;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::Size;
use super::customers;
use super::line::Line;
use super::rounds::quantile;
use super::stores::Stores;
use super::world::World;
use crate::cli::CliError;

/// `capture.poll` as it comes.
const POLL: Duration = Duration::from_millis(200);
/// Edits go round them, so that one never waits for the one before.
const CUSTOMERS: u32 = 20;
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let mut world = World::start(stores, engine, POLL).await?;
    let editing = Editing {
        ids: customers::insert(&mut world.program, CUSTOMERS).await?,
        rng: StdRng::seed_from_u64(7),
    };
    customers::wait_until_in_step(&mut world.program).await?;
    let lines = editing.run(&mut world, engine, size.edits).await;
    world.stop().await;
    lines
}

struct Editing {
    ids: Vec<String>,
    rng: StdRng,
}

impl Editing {
    async fn run(
        mut self,
        world: &mut World,
        engine: Engine,
        edits: u32,
    ) -> Result<Vec<Line>, CliError> {
        let (mut program, mut api) = (Vec::new(), Vec::new());
        let client = Api::of(world)?;
        for number in 0..edits {
            // Anywhere between two looks for changes: edits that follow one another at once would all meet the same moment.
            tokio::time::sleep(POLL.mul_f64(self.rng.random())).await;
            let id = self.ids[number as usize % self.ids.len()].clone();
            program.push(self.by_program(world, &id, number).await?);
        }
        for number in 0..edits {
            tokio::time::sleep(Duration::from_millis(20).mul_f64(self.rng.random())).await;
            let id = self.ids[number as usize % self.ids.len()].clone();
            api.push(by_api(&client, world, &id, number).await?);
        }
        let mut lines = summary(
            engine,
            "another program's edit",
            &mut program,
            "capture.poll; from its commit",
        );
        lines.extend(summary(
            engine,
            "edit through the API",
            &mut api,
            "capture.poll; from sending the PATCH",
        ));
        Ok(lines)
    }

    /// From the end of the commit.
    async fn by_program(
        &mut self,
        world: &mut World,
        id: &str,
        number: u32,
    ) -> Result<Duration, CliError> {
        let request = next_revise(world);
        customers::set_last_name(&mut world.program, id, &format!("Program {number}")).await?;
        let committed = Instant::now();
        Ok(request.await?.saturating_duration_since(committed))
    }
}

/// From sending the request, because the CRM may be asked before its answer is back.
async fn by_api(client: &Api, world: &World, id: &str, number: u32) -> Result<Duration, CliError> {
    let request = next_revise(world);
    let sent = Instant::now();
    client.rename(id, number).await?;
    Ok(request.await?.saturating_duration_since(sent))
}

/// When the CRM carries out the next revise. Begins to listen at once.
fn next_revise(world: &World) -> impl Future<Output = Result<Instant, CliError>> + use<> {
    let journal = world.crm.journal();
    let before = journal.count_calls(Some("revise"));
    let seen = tokio::spawn(async move {
        let mut at = None;
        journal
            .wait_until(
                |journal| {
                    let seen = journal.count_calls(Some("revise")) > before;
                    if seen {
                        at = Some(Instant::now());
                    }
                    seen
                },
                PATIENCE,
            )
            .await;
        at
    });
    async move {
        seen.await
            .map_err(super::enqueue::ended_badly)?
            .ok_or_else(|| {
                CliError::Other(format!("an edit did not reach the CRM within {PATIENCE:?}"))
            })
    }
}

fn summary(engine: Engine, what: &str, times: &mut [Duration], against: &str) -> Vec<Line> {
    let mut times: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
    let poll = POLL.as_secs_f64() * 1e3;
    [("median", 0.5), ("p99", 0.99)]
        .into_iter()
        .map(|(word, q)| {
            let value = quantile(&mut times, q);
            Line::new(
                format!("delay of {what}, {word}"),
                engine,
                "ms",
                value,
                poll,
                against,
            )
        })
        .collect()
}

/// Pugmark's own API.
struct Api {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Api {
    fn of(world: &World) -> Result<Self, CliError> {
        let address = world
            .running
            .address
            .ok_or_else(|| CliError::Other("the API did not start".to_owned()))?;
        let client = reqwest::Client::builder()
            .no_proxy()
            .build()
            .map_err(refused)?;
        Ok(Api {
            client,
            base: format!("http://{address}/api/internal/customers"),
            token: world.token.clone(),
        })
    }

    async fn rename(&self, id: &str, number: u32) -> Result<(), CliError> {
        self.client
            .patch(format!("{}/{id}", self.base))
            .bearer_auth(&self.token)
            .json(&json!({ "lastName": format!("Api {number}") }))
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map(drop)
            .map_err(refused)
    }
}

fn refused(error: reqwest::Error) -> CliError {
    CliError::Other(format!("the API did not do as asked: {error}"))
}
