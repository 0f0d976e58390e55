//! Capture, the queue, and work by the clock.

use std::time::Duration;

use super::values::{at_least, duration};
use super::{ConfigProblem, sources};

/// Settings of capture and planning.
#[derive(Debug, Clone)]
pub struct Capture {
    /// Time a new customer is given before the contact is created.
    pub settle: Duration,
    /// Interval at which changes of other programs are looked for.
    pub poll: Duration,
    /// Changes planned in one transaction.
    pub batch: u32,
}

/// Settings of the queue.
#[derive(Debug, Clone)]
pub struct Queue {
    /// How long a worker may hold an operation.
    pub lease: Duration,
    /// Retries before an operation becomes a dead letter.
    pub max_retries: u32,
    /// First pause between retries.
    pub backoff: Duration,
    /// Longest pause between retries.
    pub backoff_max: Duration,
    /// Limit for outcomes that do not burn retries.
    pub give_up_after: Duration,
    /// How long finished operations and planned changes are kept.
    pub keep: Duration,
}

/// Settings of work by the clock.
#[derive(Debug, Clone)]
pub struct Scheduler {
    /// How long the process that leads may not be heard of before another one takes over.
    pub lease: Duration,
}

impl Default for Scheduler {
    fn default() -> Self {
        Scheduler {
            lease: Duration::from_secs(10),
        }
    }
}

pub(super) fn check_capture(
    file: &sources::CaptureFile,
    problems: &mut Vec<ConfigProblem>,
) -> Capture {
    Capture {
        settle: duration("capture.settle", &file.settle, problems),
        poll: at_least(
            "capture.poll",
            &file.poll,
            Duration::from_millis(10),
            problems,
        ),
        batch: file.batch.clamp(1, 5_000),
    }
}

pub(super) fn check(file: &sources::QueueFile, problems: &mut Vec<ConfigProblem>) -> Queue {
    Queue {
        lease: at_least("queue.lease", &file.lease, Duration::from_secs(1), problems),
        max_retries: file.max_retries,
        backoff: duration("queue.backoff", &file.backoff, problems),
        backoff_max: duration("queue.backoff_max", &file.backoff_max, problems),
        give_up_after: duration("queue.give_up_after", &file.give_up_after, problems),
        keep: at_least(
            "queue.keep",
            &file.keep,
            Duration::from_secs(3600),
            problems,
        ),
    }
}

pub(super) fn check_scheduler(
    file: &sources::SchedulerFile,
    problems: &mut Vec<ConfigProblem>,
) -> Scheduler {
    Scheduler {
        lease: at_least(
            "scheduler.lease",
            &file.lease,
            Duration::from_secs(1),
            problems,
        ),
    }
}
