//! The first sync of a base that vTiger knows nothing of, at the speed of a real vTiger: without the extension, with its upsert, and
//! with its upsert in bulk mode.

use std::time::{Duration, Instant};

use clap::Args;
use pugmark_queue::db::Engine;
use pugmark_sandbox::{Latency, VtigerSandbox};
use reqwest::Method;
use serde_json::{Value, json};
use vtiger::{Client, ClientConfig, Element};

use super::customers;
use super::line::Line;
use super::stores::Stores;
use super::world::{World, insurers_crm, start};
use crate::cli::CliError;
use crate::flows::insurance::plan::kind;

/// How many contacts, and how fast the look-alike is.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct BackfillArgs {
    /// Customers without a contact. Of 10,000 each way takes minutes: a real vTiger makes 23 contacts a second.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    contacts: u32,
    /// Make the look-alike so many times as fast as the real one was measured to be.
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    quicker: u32,
}

const PATH: &str = "/api/internal/vtiger/backfill";
/// With more a real vTiger was not measured to get faster.
const SESSIONS: usize = 8;
const POLL: Duration = Duration::from_millis(200);
const LOOK: Duration = Duration::from_millis(100);
/// Contacts that plain sessions make to show what is possible; the rate does not depend on how many there are.
const PLAIN: u32 = 1_000;

/// In which way contacts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Singly,
    Upsert,
    Bulk,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Way::Singly => "without the extension",
            Way::Upsert => "with the extension",
            Way::Bulk => "with the extension, in bulk mode",
        }
    }
}

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    args: BackfillArgs,
) -> Result<Vec<Line>, CliError> {
    let plain = plain_rate(args).await?;
    let mut lines = Vec::new();
    let mut singly = None;
    for way in [Way::Singly, Way::Upsert, Way::Bulk] {
        let rate = backfilled(stores, engine, args, way).await?;
        let (peer, against) = match singly {
            None => (
                plain,
                "8 sessions that only create, which is all this vTiger can do",
            ),
            Some(singly) => (singly, "the same without the extension"),
        };
        singly = singly.or(Some(rate));
        lines.push(Line::new(
            format!("back-fill of {} contacts, {}", args.contacts, way.as_str()),
            engine,
            "contacts/s",
            rate,
            peer,
            against,
        ));
    }
    Ok(lines)
}

async fn crm(args: BackfillArgs, way: Way) -> Result<VtigerSandbox, CliError> {
    let latency = match args.quicker {
        1 => Latency::Measured,
        times => Latency::MeasuredQuicker(times),
    };
    let crm = insurers_crm().latency(latency);
    start(match way {
        Way::Singly => crm,
        Way::Upsert | Way::Bulk => crm.with_extension(),
    })
    .await
}

/// Contacts a second of a whole first sync, from asking for it to the last contact.
async fn backfilled(
    stores: &Stores,
    engine: Engine,
    args: BackfillArgs,
    way: Way,
) -> Result<f64, CliError> {
    let crm = crm(args, way).await?;
    let mut world = World::over(stores, engine, POLL, crm, SESSIONS).await?;
    // They are there before Pugmark sends anything.
    let queue = world.running.queue.clone();
    queue.pause(kind::CUSTOMER_CREATE, "bench").await?;
    customers::insert(&mut world.program, args.contacts).await?;
    customers::wait_until_planned(&mut world.program).await?;

    let begun = Instant::now();
    let body = json!({ "confirmed": true, "bulk": way == Way::Bulk });
    ask(&world, Method::POST, Some(&body)).await?;
    queue.resume(kind::CUSTOMER_CREATE).await?;
    loop {
        let run = ask(&world, Method::GET, None).await?;
        match run["state"].as_str() {
            Some("running") => tokio::time::sleep(LOOK).await,
            Some("delivering" | "finished") => break,
            _ => {
                return Err(CliError::Other(format!(
                    "the first sync ended badly: {run}"
                )));
            }
        }
    }
    wait_for_contacts(&world, args.contacts).await?;
    let seconds = begun.elapsed().as_secs_f64();
    customers::wait_until_in_step(&mut world.program).await?;
    let made = world.crm.journal().count_created("Contacts");
    world.stop().await;
    if made == u64::from(args.contacts) {
        Ok(f64::from(args.contacts) / seconds)
    } else {
        Err(CliError::Other(format!(
            "{made} contacts were made for {} customers",
            args.contacts
        )))
    }
}

async fn ask(world: &World, method: Method, body: Option<&Value>) -> Result<Value, CliError> {
    let failed = |error: reqwest::Error| CliError::Other(error.to_string());
    let address = world
        .running
        .address
        .ok_or_else(|| CliError::Other("the API does not listen".to_owned()))?;
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .map_err(failed)?;
    let request = client
        .request(method, format!("http://{address}{PATH}"))
        .bearer_auth(&world.token);
    let request = match body {
        Some(body) => request.json(body),
        None => request,
    };
    let answer: Value = request
        .send()
        .await
        .map_err(failed)?
        .json()
        .await
        .map_err(failed)?;
    match &answer["data"] {
        Value::Null => Err(CliError::Other(answer.to_string())),
        data => Ok(data.clone()),
    }
}

/// Waits for the last contact. No new one for a minute means that something is wrong, not slow.
async fn wait_for_contacts(world: &World, contacts: u32) -> Result<(), CliError> {
    let mut last = (0, Instant::now());
    loop {
        let made = world.crm.journal().count_created("Contacts");
        if made >= u64::from(contacts) {
            return Ok(());
        }
        if made != last.0 {
            last = (made, Instant::now());
        }
        if last.1.elapsed() > Duration::from_secs(60) {
            return Err(CliError::Other(format!(
                "only {made} of {contacts} contacts were made"
            )));
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Contacts a second of sessions that do nothing but create.
async fn plain_rate(args: BackfillArgs) -> Result<f64, CliError> {
    let crm = crm(args, Way::Singly).await?;
    let failed = |error: &dyn std::fmt::Display| CliError::Other(error.to_string());
    let mut config = ClientConfig::open_source(&crm.url(), crm.username(), crm.access_key().into())
        .map_err(|error| failed(&error))?;
    config.sessions = SESSIONS;
    let client = Client::new(config).map_err(|error| failed(&error))?;
    let owner = client
        .identify()
        .await
        .map_err(|error| failed(&error))?
        .user_id;
    let contacts = args.contacts.min(PLAIN);
    let sessions = u32::try_from(SESSIONS).unwrap_or(1);
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for session in 0..sessions {
        let (client, owner) = (client.clone(), owner.clone());
        let share = contacts / sessions + u32::from(session < contacts % sessions);
        tasks.spawn(async move {
            for _ in 0..share {
                let element = Element::new()
                    .with("lastname", "Otieno")
                    .with("assigned_user_id", owner.clone());
                client.create("Contacts", &element).await?;
            }
            Ok::<_, vtiger::CallError>(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.map_err(|error| failed(&error))?;
        ended.map_err(|error| failed(&error))?;
    }
    let rate = f64::from(contacts) / begun.elapsed().as_secs_f64();
    crm.shutdown().await;
    Ok(rate)
}
