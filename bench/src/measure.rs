//! The run: histories from small to large, and in each of them the contestants by turns.

use std::path::Path;
use std::time::{Duration, Instant};

use futures::future::select_all;
use sqlx::PgConnection;

use crate::contestant::Contestant;
use crate::failure::Failure;
use crate::figures::Figures;
use crate::history;
use crate::plan::{BATCH, CALLERS, CONCURRENCY, Cycle, Plan};
use crate::process::{Process, seconds_since};
use crate::services::Services;
use crate::task::{Produce, Work};

/// Up to this size a history is made anew after each cycle; larger ones grow by what is measured in them.
const REMADE: u64 = 10_000;

/// Where it runs, and with whom.
pub(crate) struct Field<'a> {
    pub(crate) services: &'a Services,
    pub(crate) node: &'a Path,
    pub(crate) contestants: &'a [Contestant],
}

impl Field<'_> {
    /// Goes through the whole plan.
    pub(crate) async fn run(&self, plan: &Plan) -> Result<Figures, Failure> {
        let mut figures = Figures::default();
        let mut before = 0;
        for &history in &plan.histories {
            let contestants = plan.contestants(history, self.contestants);
            for &contestant in &contestants {
                // Large ones are built on what is there: making a million anew would take longer than measuring.
                let from = if history <= REMADE { 0 } else { before };
                eprintln!("{history:>9} finished jobs: {}", contestant.name());
                self.fill(contestant, from, history).await?;
            }
            for round in 1..=plan.rounds {
                for cycle in plan.cycles(history) {
                    for &contestant in &contestants {
                        let (produced, worked) = self.cycle(contestant, cycle, plan.jobs).await?;
                        eprintln!(
                            "{history:>9} finished, round {round}: {:<16} {:>24} {produced:>7.0}/s  {:>20} {worked:>7.0}/s",
                            contestant.name(),
                            cycle.produced().title(),
                            cycle.worked().title(),
                        );
                        figures.add(contestant, cycle.produced(), history, produced);
                        figures.add(contestant, cycle.worked(), history, worked);
                        if history <= REMADE {
                            self.fill(contestant, 0, history).await?;
                        }
                    }
                }
            }
            before = history;
        }
        Ok(figures)
    }

    async fn fill(&self, contestant: Contestant, from: u64, to: u64) -> Result<(), Failure> {
        history::fill(contestant, self.services, self.node, from, to).await
    }

    async fn start(
        &self,
        contestant: Contestant,
        mode: &str,
        task: &serde_json::Value,
    ) -> Result<Process, Failure> {
        let command = contestant.command(mode, task, self.services, self.node)?;
        Process::ready(contestant.name(), command).await
    }

    /// Jobs per second: handed in, worked off.
    async fn cycle(
        &self,
        contestant: Contestant,
        cycle: Cycle,
        jobs: u64,
    ) -> Result<(f64, f64), Failure> {
        let (batch, callers) = if cycle.batched {
            (BATCH, 1)
        } else {
            (1, CALLERS)
        };
        let task = serde_json::to_value(Produce {
            jobs,
            batch,
            callers,
        })?;
        let mut producer = self.start(contestant, "produce", &task).await?;
        producer.go().await?;
        let milliseconds = producer
            .next()
            .await?
            .ms
            .ok_or_else(|| Failure::new(format!("{} said no time", contestant.name())))?;
        producer.end().await?;
        let produced = per_second(jobs, milliseconds / 1000.0);

        let task = serde_json::to_value(Work {
            cost: cycle.cost,
            concurrency: CONCURRENCY,
        })?;
        let mut workers = Vec::new();
        for _ in 0..cycle.processes {
            workers.push(self.start(contestant, "work", &task).await?);
        }
        let mut watch = Watch::new(self.services, contestant).await?;
        let worked = watch.until_finished(&mut workers, jobs).await?;
        for worker in workers {
            worker.end().await?;
        }
        Ok((produced, worked))
    }
}

/// Sees when everything is done and stored.
struct Watch {
    store: Option<(PgConnection, &'static str)>,
}

impl Watch {
    async fn new(services: &Services, contestant: Contestant) -> Result<Self, Failure> {
        let store = match (contestant.database(), contestant.unfinished()) {
            (Some(database), Some(unfinished)) => {
                Some((services.connect(database).await?, unfinished))
            }
            _ => None,
        };
        Ok(Watch { store })
    }

    /// Jobs per second from the first that is heard of to the last, so that nobody's start is counted.
    async fn until_finished(&mut self, workers: &mut [Process], jobs: u64) -> Result<f64, Failure> {
        let begun = Instant::now();
        for worker in workers.iter_mut() {
            worker.go().await?;
        }
        let mut finished = vec![0; workers.len()];
        let mut first = None;
        while finished.iter().sum::<u64>() < jobs {
            let saying = workers.iter_mut().map(|worker| Box::pin(worker.next()));
            let (said, who, _) = select_all(saying).await;
            if let Some(now) = said?.finished {
                finished[who] = now;
                first.get_or_insert_with(|| (Instant::now(), finished.iter().sum::<u64>()));
            }
        }
        while self.is_something_left().await? {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(match first {
            // Almost everything came with the first word: then the start is the only other moment that is known.
            Some((at, count)) if count * 2 <= jobs => per_second(jobs - count, seconds_since(at)),
            _ => per_second(jobs, seconds_since(begun)),
        })
    }

    async fn is_something_left(&mut self) -> Result<bool, Failure> {
        match &mut self.store {
            Some((connection, unfinished)) => Ok(sqlx::query_scalar(*unfinished)
                .fetch_one(connection)
                .await?),
            None => Ok(false),
        }
    }
}

fn per_second(jobs: u64, seconds: f64) -> f64 {
    jobs as f64 / seconds.max(1e-6)
}
