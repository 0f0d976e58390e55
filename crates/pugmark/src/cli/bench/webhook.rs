//! Receiving leads: answered deliveries, each durable before its answer, against plain INSERTs of the jobs' rows alone.
//!
//! A delivery goes through the real endpoint on loopback: limits, signature, masking and sealing of bank data, and a commit. The
//! senders run in this process and on its cores, so they do as little as they can. The peer writes the job's row and nothing else,
//! one commit for each: what a handler does that has one connection, or one for each of its callers.
//!
//! Under load a lead is answered when it is set aside, and what it leads to (job, operation, delivery, key) is stored a moment
//! later. The first lines stop the clock with the last answer, another one when everything is stored.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::{join_all, try_join_all};
use hmac::{Hmac, KeyInit, Mac};
use pugmark_queue::db::{Db, Engine, Ts};
use pugmark_queue::on;
use secrecy::SecretString;
use sha2::Sha256;
use uuid::Uuid;

use super::Size;
use super::enqueue::ended_badly;
use super::line::Line;
use super::plain::Plain;
use super::rounds::{Rates, Round, alternate, median, quantile};
use super::sender::{self, Sender};
use super::stores::Stores;
use super::world::{World, start_crm, throwaway_secret};
use crate::cli::CliError;
use crate::config::{SealKey, Settings, WebhookSecrets, Webhooks};
use crate::http::webhooks::lead_status::LEAD_STATUS;
use crate::store::lead_arrivals;

/// Senders that each wait for one answer before they send the next lead.
const SENDERS: u32 = 64;
/// How often is looked whether everything is stored.
const LOOK: Duration = Duration::from_millis(2);
/// Nothing but webhooks is to do anything.
const POLL: Duration = Duration::from_secs(1);

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let secret = throwaway_secret();
    let receiving = |settings: &mut Settings| {
        settings.webhooks = Webhooks {
            secrets: WebhookSecrets {
                hmac: vec![SecretString::from(secret.as_str())],
                ..WebhookSecrets::default()
            },
            per_minute: u32::MAX,
            per_peer: u32::MAX,
            ..Webhooks::default()
        };
        settings.seal_key = Some(SealKey::of(rand::random()));
        if let Some(crm) = &mut settings.crm {
            crm.enabled = false;
        }
    };
    let mut world = World::with(stores, engine, POLL, start_crm().await?, receiving).await?;
    let senders = SENDERS.min(size.operations / 10).max(1);
    let mut sending = Sending::of(&world, &secret, senders).await?;
    let mut peers = Vec::new();
    for _ in 0..senders {
        peers.push(Plain::open(&world.url).await?);
    }
    let mut answered = Vec::new();
    let alone = sending
        .against(
            size.operations / 4,
            &mut answered,
            std::slice::from_mut(&mut world.program),
        )
        .await?;
    let many = sending
        .against(size.operations / 4, &mut answered, &mut peers)
        .await?;
    let queued = Rates {
        ours: median(&mut sending.queued),
        ..alone
    };
    world.stop().await;
    let line = |name: String, rates: Rates, against: &str| {
        Line::new(name, engine, "op/s", rates.ours, rates.peer, against)
    };
    let name = format!("leads received, {senders} senders");
    let with_connections = format!("{name}, a connection each");
    Ok(vec![
        line(name, alone, "INSERT of the job, one per transaction"),
        line(
            format!("leads received and queued, {senders} senders"),
            queued,
            "INSERT of the job, one per transaction",
        ),
        line(
            with_connections,
            many,
            "the same, the peer on as many connections",
        ),
        Line::alone(
            format!("answer to a lead, p99 of {senders} senders"),
            engine,
            "ms",
            quantile(&mut answered, 0.99),
            "nothing comparable",
        ),
    ])
}

/// Senders, each with a connection of its own.
struct Sending {
    senders: Vec<Sender>,
    db: Db,
    /// Leads a second by round, until everything was stored that they lead to.
    queued: Vec<f64>,
    address: SocketAddr,
    secret: String,
}

impl Sending {
    async fn of(world: &World, secret: &str, senders: u32) -> Result<Self, CliError> {
        let address = world
            .running
            .address
            .ok_or_else(|| CliError::Other("the API does not listen".to_owned()))?;
        let connected = try_join_all((0..senders).map(|_| Sender::to(address))).await?;
        Ok(Sending {
            senders: connected,
            db: world.running.db.clone(),
            queued: Vec::new(),
            address,
            secret: secret.to_owned(),
        })
    }

    /// Leads sent in turn with rows that these peers insert.
    async fn against(
        &mut self,
        operations: u32,
        answered: &mut Vec<f64>,
        peers: &mut [Plain],
    ) -> Result<Rates, CliError> {
        alternate(
            operations,
            async |operations| {
                let (round, times) = self.send(operations).await?;
                answered.extend(times);
                Ok(round)
            },
            async |operations, _| insert(peers, operations).await,
        )
        .await
    }

    /// Sends so many leads and gives how long each answer took, in milliseconds. What is sent is made before the clock runs.
    async fn send(&mut self, operations: u32) -> Result<(Round, Vec<f64>), CliError> {
        let shares: Vec<Vec<Vec<u8>>> = share(operations, self.senders.len())
            .map(|share| (0..share).map(|_| self.request()).collect())
            .collect();
        let started = Instant::now();
        let sending = self
            .senders
            .drain(..)
            .zip(shares)
            .map(|(sender, requests)| tokio::spawn(send(sender, requests)));
        let mut times = Vec::new();
        let mut senders = Vec::new();
        for ended in try_join_all(sending).await.map_err(ended_badly)? {
            let (sender, took) = ended?;
            senders.push(sender);
            times.extend(took);
        }
        let round = Round {
            elapsed: started.elapsed(),
            transactions: u64::from(operations),
        };
        self.senders = senders;
        while !lead_arrivals::longest(&mut self.db.read().await?, 1)
            .await?
            .is_empty()
        {
            tokio::time::sleep(LOOK).await;
        }
        self.queued
            .push(f64::from(operations) / started.elapsed().as_secs_f64());
        Ok((round, times))
    }

    fn request(&self) -> Vec<u8> {
        let body = body();
        let signature = signature(&self.secret, &body);
        let signed = [("x-vtiger-signature", signature.as_str())];
        sender::post(self.address, LEAD_STATUS, &signed, &body)
    }
}

/// Sends leads, each after the answer to the one before.
async fn send(mut sender: Sender, requests: Vec<Vec<u8>>) -> Result<(Sender, Vec<f64>), CliError> {
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let (answer, took) = sender.ask(&request).await?;
        if answer.status != 200 || !answer.body.starts_with(br#"{"status":"received""#) {
            let text = String::from_utf8_lossy(answer.body);
            let status = answer.status;
            return Err(CliError::Other(format!(
                "a lead was answered {status}: {text}"
            )));
        }
        times.push(took.as_secs_f64() * 1e3);
    }
    Ok((sender, times))
}

/// As the onboarding guide shows it, each of another lead.
fn body() -> String {
    let lead = Uuid::new_v4().as_u128() >> 64;
    format!(
        r#"{{"event":"record.update","module":"Leads","record_id":"2x{lead}","data":{{"leadstatus":"Ready for Finance Setup","cf_iban":"IE12BOFI90000112345678","company":"Acme Corp Ltd","email":"contact@acmecorp.com","firstname":"John","lastname":"Doe"}}}}"#
    )
}

fn signature(secret: &str, body: &str) -> String {
    // HMAC takes keys of any length; the type cannot say so.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// `whole` in so many equal parts.
fn share(whole: u32, parts: usize) -> impl Iterator<Item = u32> {
    let parts = u32::try_from(parts).unwrap_or(u32::MAX).max(1);
    (0..parts).map(move |part| whole / parts + u32::from(part < whole % parts))
}

/// Rows of jobs, each in a transaction of its own, one after another on each connection.
async fn insert(peers: &mut [Plain], rows: u32) -> Result<Duration, CliError> {
    let started = Instant::now();
    let shares = share(rows, peers.len());
    let work = peers.iter_mut().zip(shares).map(async |(peer, share)| {
        for _ in 0..share {
            insert_row(peer).await?;
        }
        Ok::<(), CliError>(())
    });
    for ended in join_all(work).await {
        ended?;
    }
    Ok(started.elapsed())
}

const INSERT: &str = "\
    INSERT INTO sync_jobs (job_id, vtiger_lead_id, status, sealed_data, requested_by, correlation_id, created_at, updated_at) \
    VALUES ($1, $2, 'pending', $3, 'webhook', $4, $5, $5)";

async fn insert_row(plain: &mut Plain) -> Result<(), CliError> {
    let job = Uuid::now_v7();
    on!(plain, |c| sqlx::query(INSERT)
        .bind(job)
        .bind(format!("2x{}", Uuid::new_v4().as_u128() >> 64))
        .bind(vec![7_u8; 200])
        .bind(job.to_string())
        .bind(Ts::now())
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}
