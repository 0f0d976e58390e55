//! What a process of a contestant is told to do.

use serde::{Deserialize, Serialize};

/// Hand in jobs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Produce {
    /// How many.
    pub(crate) jobs: u64,
    /// How many in one call.
    pub(crate) batch: u64,
    /// Calls under way at once, each waiting for its own answer.
    pub(crate) callers: usize,
}

impl Produce {
    /// The size of the next call, of what is left.
    pub(crate) fn take(&self, left: &std::sync::atomic::AtomicU64) -> Option<u64> {
        use std::sync::atomic::Ordering::Relaxed;
        let before = left
            .fetch_update(Relaxed, Relaxed, |left| {
                (left > 0).then(|| left.saturating_sub(self.batch))
            })
            .ok()?;
        Some(before.min(self.batch))
    }
}

/// Work off what is there.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Work {
    /// Milliseconds that each job takes.
    pub(crate) cost: u64,
    /// Jobs at once.
    pub(crate) concurrency: usize,
}

/// Make the tables; `empty`: without any job. BullMQ makes its history itself, the jobs numbered `from` to `to`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Reset {
    pub(crate) empty: bool,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

    #[test]
    fn calls_take_whole_batches_and_then_what_is_left() {
        let produce = Produce {
            jobs: 12,
            batch: 5,
            callers: 1,
        };
        let left = AtomicU64::new(produce.jobs);
        let sizes: Vec<u64> = std::iter::from_fn(|| produce.take(&left)).collect();
        assert_eq!(sizes, [5, 5, 2]);
    }
}
