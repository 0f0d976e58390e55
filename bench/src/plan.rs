//! What is measured, and in which order.

use crate::contestant::Contestant;

/// One column of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Jobs handed in one per call, [`CALLERS`] callers at once.
    Single,
    /// Jobs handed in [`BATCH`] per call, one caller.
    Batched,
    /// Jobs worked off by so many processes.
    Work {
        /// Milliseconds that each job takes.
        cost: u64,
        /// Processes.
        processes: usize,
    },
}

/// Callers that hand in one job each and wait for the answer.
pub(crate) const CALLERS: usize = 32;
/// Jobs in one call of a batched producer.
pub(crate) const BATCH: u64 = 500;
/// Jobs that a process carries out at once.
pub(crate) const CONCURRENCY: usize = 32;

impl Measure {
    /// Everything that is measured with the smallest history, in the order of the table.
    pub(crate) const ALL: [Measure; 8] = [
        Measure::Single,
        Measure::Batched,
        Measure::Work {
            cost: 0,
            processes: 1,
        },
        Measure::Work {
            cost: 0,
            processes: 2,
        },
        Measure::Work {
            cost: 0,
            processes: 4,
        },
        Measure::Work {
            cost: 1,
            processes: 1,
        },
        Measure::Work {
            cost: 1,
            processes: 2,
        },
        Measure::Work {
            cost: 1,
            processes: 4,
        },
    ];

    /// What is measured again with every larger history.
    pub(crate) const BY_HISTORY: [Measure; 4] = [
        Measure::Single,
        Measure::Batched,
        Measure::Work {
            cost: 0,
            processes: 1,
        },
        Measure::Work {
            cost: 0,
            processes: 4,
        },
    ];

    /// For the head of a column.
    pub(crate) fn title(self) -> String {
        match self {
            Measure::Single => "handed in one by one".to_owned(),
            Measure::Batched => format!("handed in {BATCH} a call"),
            Measure::Work { cost, processes } => {
                let job = if cost == 0 {
                    "no-op".to_owned()
                } else {
                    format!("{cost} ms")
                };
                let plural = if processes == 1 { "" } else { "es" };
                format!("{job}, {processes} process{plural}")
            }
        }
    }
}

/// Jobs that are handed in and then worked off; both are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cycle {
    pub(crate) batched: bool,
    pub(crate) cost: u64,
    pub(crate) processes: usize,
}

impl Cycle {
    pub(crate) fn produced(self) -> Measure {
        if self.batched {
            Measure::Batched
        } else {
            Measure::Single
        }
    }

    pub(crate) fn worked(self) -> Measure {
        Measure::Work {
            cost: self.cost,
            processes: self.processes,
        }
    }
}

/// How much is measured.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Jobs of each cycle.
    pub(crate) jobs: u64,
    /// How often each cycle is gone through, the contestants taking turns.
    pub(crate) rounds: u32,
    /// Finished jobs that are there already, from the smallest to the largest.
    pub(crate) histories: Vec<u64>,
}

impl Plan {
    /// Takes about twenty minutes on two cores.
    pub(crate) fn full() -> Self {
        Plan {
            jobs: 4_000,
            rounds: 3,
            histories: vec![1_000, 10_000, 100_000, 1_000_000],
        }
    }

    /// For trying: says nothing about speed.
    pub(crate) fn quick() -> Self {
        Plan {
            jobs: 1_000,
            rounds: 1,
            histories: vec![1_000, 10_000],
        }
    }

    /// The cycles with a history of this size.
    pub(crate) fn cycles(&self, history: u64) -> Vec<Cycle> {
        let smallest = self.histories.first() == Some(&history);
        let measures: &[Measure] = if smallest {
            &Measure::ALL
        } else {
            &Measure::BY_HISTORY
        };
        let worked = measures.iter().filter_map(|measure| match *measure {
            Measure::Work { cost, processes } => Some((cost, processes)),
            Measure::Single | Measure::Batched => None,
        });
        let cycles = worked.enumerate().map(|(index, (cost, processes))| Cycle {
            batched: index % 2 == 0,
            cost,
            processes,
        });
        cycles.collect()
    }

    /// Who is measured with a history of this size: without one, size means nothing.
    pub(crate) fn contestants(&self, history: u64, all: &[Contestant]) -> Vec<Contestant> {
        let smallest = self.histories.first() == Some(&history);
        let taking_part = all.iter().copied();
        taking_part
            .filter(|one| smallest || one.keeps_history())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_measured_with_the_smallest_history_and_the_chosen_ones_with_each() {
        let plan = Plan::full();
        let measured = |history: u64| -> Vec<Measure> {
            let cycles = plan.cycles(history);
            cycles
                .iter()
                .flat_map(|cycle| [cycle.produced(), cycle.worked()])
                .collect()
        };
        assert!(
            Measure::ALL
                .iter()
                .all(|measure| measured(1_000).contains(measure))
        );
        for history in [10_000, 100_000, 1_000_000] {
            let measured = measured(history);
            assert!(
                Measure::BY_HISTORY
                    .iter()
                    .all(|measure| measured.contains(measure))
            );
        }
    }

    #[test]
    fn who_keeps_no_history_is_measured_once() {
        let plan = Plan::full();
        let has = |history| {
            plan.contestants(history, &Contestant::ALL)
                .contains(&Contestant::GraphileWorker)
        };
        assert!(has(1_000) && !has(10_000));
    }
}
