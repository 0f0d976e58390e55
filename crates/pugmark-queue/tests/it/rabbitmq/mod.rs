//! Wake-ups and operations of other programs through a real RabbitMQ.

mod intake;
mod topology;
mod trouble;
mod wake_ups;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use pugmark_queue::broker::*;
use pugmark_queue::db::{Db, DbOptions};
use pugmark_queue::testing::{TestBroker, TestDb};
use pugmark_queue::*;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::harness::*;

/// Makes `mod sqlite` and `mod postgres`, each with a test for every case named. The case gets a corner of the broker, a database
/// and a second handle on it: on PostgreSQL as another process has it, on SQLite, which knows one process only, the same one.
macro_rules! through_the_broker {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(world) = $crate::rabbitmq::World::sqlite().await {
                        super::$case(world).await;
                    }
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(world) = $crate::rabbitmq::World::postgres().await {
                        super::$case(world).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use through_the_broker;

pub(crate) const NOTE: &str = "note.create";
pub(crate) const CUSTOMER: &str = "customer.update";

/// A corner of the broker and a database.
pub(crate) struct World {
    broker: TestBroker,
    test: TestDb,
    other: Db,
}

impl World {
    pub(crate) async fn sqlite() -> Option<Self> {
        let broker = TestBroker::new(&[NOTE, CUSTOMER])?;
        let test = TestDb::sqlite().await;
        let other = test.db().clone();
        Some(Self {
            broker,
            test,
            other,
        })
    }

    pub(crate) async fn postgres() -> Option<Self> {
        let broker = TestBroker::new(&[NOTE, CUSTOMER])?;
        let options = || DbOptions {
            readers: 3,
            committers: 1,
            ..DbOptions::default()
        };
        let test = TestDb::postgres_with(options()).await?;
        let other = Db::open(test.url(), options()).await.unwrap();
        Some(Self {
            broker,
            test,
            other,
        })
    }

    /// A process that stores operations and has no worker.
    fn api(&self, options: BrokerOptions) -> Process {
        Process::start(self.test.db(), options, None)
    }

    /// A process with a worker that looks for nothing by itself.
    fn worker(&self, options: BrokerOptions, handler: Arc<dyn Handler>) -> Process {
        let mut process = Process::start(&self.other, options, Some(Arc::new(NoIntake)));
        process.work(handler, drowsy());
        process
    }
}

/// Looks for nothing by itself, so that what happens is due to a message.
fn drowsy() -> WorkerOptions {
    WorkerOptions {
        poll: 3600 * SECOND,
        sweep: 3600 * SECOND,
        ..WorkerOptions::default()
    }
}

/// One process, as far as queue and broker go.
struct Process {
    queue: Queue,
    broker: Broker,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Process {
    fn start(db: &Db, options: BrokerOptions, intake: Option<Arc<dyn Intake>>) -> Self {
        let broker = Broker::new(options);
        let queue = Queue::new(
            db.clone(),
            QueueOptions {
                waker: Some(broker.waker()),
                ..QueueOptions::default()
            },
        );
        let stop = CancellationToken::new();
        let running = tokio::spawn(broker.clone().run(intake, stop.clone()));
        Self {
            queue,
            broker,
            stop,
            tasks: vec![running],
        }
    }

    fn work(&mut self, handler: Arc<dyn Handler>, options: WorkerOptions) {
        let handlers = HashMap::from([
            (NOTE.to_owned(), handler.clone()),
            (CUSTOMER.to_owned(), handler),
        ]);
        let worker = Worker::new(self.queue.clone(), handlers, Arc::new(OpenGate), options);
        self.tasks.push(tokio::spawn(worker.run(self.stop.clone())));
    }

    async fn up(&self) {
        self.until(BrokerState::is_up).await;
    }

    async fn until(&self, wanted: impl Fn(&BrokerState) -> bool) -> BrokerState {
        tokio::time::timeout(PATIENCE, self.broker.until(wanted))
            .await
            .unwrap_or_else(|_| panic!("still {:?}", self.broker.state()))
    }

    async fn enqueue(&self, operation: NewOperation) -> OperationId {
        let queue = self.queue.clone();
        let write = self.queue.db().write("enqueue", move |conn| {
            async move { queue.enqueue(conn, operation).await }.boxed()
        });
        write.await.unwrap().id()
    }

    async fn done(&self, id: OperationId) -> OperationRecord {
        let queue = self.queue.clone();
        eventually("the operation is done", async || {
            let row = queue.get(id).await.unwrap().unwrap().asked;
            (row.status == Status::Completed).then_some(row)
        })
        .await
    }

    async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            tokio::time::timeout(PATIENCE, task)
                .await
                .expect("it stops")
                .unwrap();
        }
    }

    /// As `kill -9` does: nothing is said to anybody.
    async fn kill(self) {
        for task in &self.tasks {
            task.abort();
        }
        for task in self.tasks {
            drop(task.await);
        }
    }
}

/// Asks again and again until there is an answer.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "not yet: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Counts its runs.
#[derive(Default)]
struct Counts(std::sync::atomic::AtomicUsize);

impl Counts {
    fn runs(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[async_trait]
impl Handler for Counts {
    async fn run(&self, _operation: &Claimed) -> Handled {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Handled::Done {
            outcome: json!("done"),
            report: sent(),
            effects: None,
        }
    }
}

/// For processes to which no program hands anything in.
struct NoIntake;

#[async_trait]
impl Intake for NoIntake {
    async fn take(&self, message: &Message) -> Result<(), NotTaken> {
        Err(NotTaken::Rubbish {
            reason: format!("nothing is taken in here, least of all {}", message.kind),
            withhold: false,
        })
    }
}

/// How many messages wait in the queue of `kind`, those out for acknowledgement not counted.
async fn waiting(broker: &TestBroker, kind: &str) -> u32 {
    let found = look(&broker.options()).await.unwrap();
    let name = format!("{}.{kind}", broker.prefix());
    let queue = found.queues.into_iter().find(|queue| queue.name == name);
    queue.expect("the queue is there").messages
}
