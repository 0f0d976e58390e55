//! A queue under a clock that stands still, and short ways to do the usual things to it.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use pugmark_queue::db::{Conn, DbOptions, Ts};
use pugmark_queue::testing::TestDb;
use pugmark_queue::*;
use serde_json::{Value, json};

/// Makes `mod sqlite` and `mod postgres`, each with a test for every case named.
macro_rules! conformance {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    super::$case($crate::harness::Harness::sqlite().await).await;
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    if let Some(harness) = $crate::harness::Harness::postgres().await {
                        super::$case(harness).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use conformance;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// Long enough for a slow machine; no test waits this long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Harness {
    pub(crate) test: TestDb,
    pub(crate) queue: Queue,
    pub(crate) clock: Arc<db::ManualClock>,
}

pub(crate) fn policy() -> KindPolicy {
    KindPolicy {
        max_retries: 2,
        base_backoff: 10 * SECOND,
        max_backoff: 100 * SECOND,
        max_age: 3600 * SECOND,
        settle: 30 * SECOND,
        max_secret_age: 86_400 * SECOND,
    }
}

impl Harness {
    pub(crate) async fn sqlite() -> Self {
        Self::over(TestDb::sqlite().await)
    }

    pub(crate) async fn postgres() -> Option<Self> {
        TestDb::postgres().await.map(Self::over)
    }

    pub(crate) async fn sqlite_with(options: DbOptions) -> Self {
        Self::over(TestDb::sqlite_with(options).await)
    }

    pub(crate) fn over(test: TestDb) -> Self {
        let clock = Arc::new(db::ManualClock::new(
            "2026-03-01T10:00:00Z".parse().unwrap(),
        ));
        let queue = Queue::new(test.db().clone(), Self::options(clock.clone()));
        Self { test, queue, clock }
    }

    pub(crate) fn options(clock: Arc<db::ManualClock>) -> QueueOptions {
        QueueOptions {
            policies: Policies::new(policy()),
            clock: Some(clock),
            seed: Some(7),
            waker: None,
            sealer: Some(Arc::new(Sealer::new(1, &[9; 32]).unwrap())),
        }
    }

    pub(crate) fn now(&self) -> Ts {
        use pugmark_queue::db::Clock;
        self.clock.now()
    }

    pub(crate) async fn enqueue(&self, operation: NewOperation) -> Enqueued {
        self.try_enqueue(operation).await.unwrap()
    }

    pub(crate) async fn try_enqueue(
        &self,
        operation: NewOperation,
    ) -> Result<Enqueued, QueueError> {
        let queue = self.queue.clone();
        self.queue
            .db()
            .write("enqueue", move |conn| {
                async move { queue.enqueue(conn, operation).await }.boxed()
            })
            .await
    }

    pub(crate) async fn claim(&self, limit: u32) -> Vec<Claimed> {
        self.queue.claim(request(limit)).await.unwrap()
    }

    /// The one operation that can be claimed now.
    pub(crate) async fn claim_one(&self) -> Claimed {
        let mut claimed = self.claim(10).await;
        assert_eq!(claimed.len(), 1, "{claimed:?}");
        claimed.remove(0)
    }

    pub(crate) async fn claimed_ids(&self) -> Vec<OperationId> {
        self.claim(10)
            .await
            .into_iter()
            .map(|operation| operation.id)
            .collect()
    }

    pub(crate) async fn complete(&self, lease: &Lease) -> Result<Transition, QueueError> {
        let (queue, lease) = (self.queue.clone(), lease.clone());
        self.queue
            .db()
            .write("complete", move |conn| {
                async move {
                    queue
                        .complete(conn, &lease, json!({ "ok": true }), sent())
                        .await
                }
                .boxed()
            })
            .await
    }

    pub(crate) async fn release(
        &self,
        lease: &Lease,
        why: Release,
    ) -> Result<Released, QueueError> {
        self.release_with(lease, why, sent()).await
    }

    pub(crate) async fn release_with(
        &self,
        lease: &Lease,
        why: Release,
        report: AttemptReport,
    ) -> Result<Released, QueueError> {
        let (queue, lease) = (self.queue.clone(), lease.clone());
        self.queue
            .db()
            .write("release", move |conn| {
                async move { queue.release(conn, &lease, why, report).await }.boxed()
            })
            .await
    }

    pub(crate) async fn unblock(&self, key: &'static str) -> usize {
        let queue = self.queue.clone();
        self.queue
            .db()
            .write("unblock", move |conn| {
                async move { queue.unblock(conn, key).await }.boxed()
            })
            .await
            .unwrap()
    }

    pub(crate) async fn get(&self, id: OperationId) -> OperationRecord {
        self.queue
            .get(id)
            .await
            .unwrap()
            .expect("the operation is there")
            .asked
    }

    pub(crate) async fn current(&self, id: OperationId) -> OperationRecord {
        self.queue
            .get(id)
            .await
            .unwrap()
            .expect("the operation is there")
            .current()
            .clone()
    }

    /// Makes the operation a dead letter.
    pub(crate) async fn kill(&self, operation: &Claimed) {
        assert_eq!(
            self.release(&operation.lease, refused()).await.unwrap(),
            Released::Dead
        );
    }

    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl for<'c> FnOnce(&'c mut Conn) -> futures::future::BoxFuture<'c, Result<T, QueueError>>
        + Send
        + 'static,
    ) -> Result<T, QueueError> {
        self.queue.db().write("test", work).await
    }
}

pub(crate) fn request(limit: u32) -> ClaimRequest {
    ClaimRequest {
        owner: "worker".to_owned(),
        limit,
        lease: LEASE,
        held_back: Vec::new(),
        only: None,
    }
}

/// A state operation on customer `id`.
pub(crate) fn state(id: &str, payload: Value) -> NewOperation {
    NewOperation {
        coalesce_key: Some(format!("customer:{id}")),
        payload,
        ..NewOperation::new("customer.update", "customer", id, Operation::Update)
    }
}

/// An event operation on customer `id`.
pub(crate) fn event(id: &str) -> NewOperation {
    NewOperation::new("note.create", "customer", id, Operation::Create)
}

pub(crate) fn sent() -> AttemptReport {
    AttemptReport {
        crm_calls: 1,
        ..AttemptReport::default()
    }
}

pub(crate) fn nothing_sent() -> AttemptReport {
    AttemptReport::default()
}

pub(crate) fn counted() -> Release {
    Release::Counted {
        code: "BAD".to_owned(),
        message: "it failed".to_owned(),
    }
}

pub(crate) fn refused() -> Release {
    Release::Refused {
        code: "NO".to_owned(),
        message: "never".to_owned(),
    }
}

pub(crate) fn unavailable() -> Release {
    Release::Unavailable {
        code: "DOWN".to_owned(),
        message: "no answer".to_owned(),
    }
}

pub(crate) fn unknown() -> Release {
    Release::Unknown {
        not_before: None,
        code: "CUT".to_owned(),
        message: "the answer was lost".to_owned(),
    }
}
