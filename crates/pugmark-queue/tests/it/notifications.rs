//! Processes on one PostgreSQL wake each other without a broker.

mod postgres {
    use std::sync::Arc;
    use std::time::Duration;

    use pugmark_queue::db::{Db, DbOptions};
    use pugmark_queue::on;
    use pugmark_queue::testing::TestDb;
    use pugmark_queue::{Hint, Notifications, Waker};
    use tokio::sync::watch;
    use tokio_util::sync::CancellationToken;

    /// Long enough for a slow machine; only a test that fails waits this long.
    const PATIENCE: Duration = Duration::from_secs(60);

    async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
        tokio::time::timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|_| panic!("{what} did not come about"))
    }

    struct Process {
        wakers: [Arc<dyn Waker>; 2],
        listening: watch::Receiver<bool>,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    impl Process {
        async fn start(url: &str) -> Self {
            let notifications = Notifications::default();
            let (wakers, listening) = (notifications.pair(), notifications.listening());
            let db = Db::open(url, DbOptions::default()).await.unwrap();
            let stop = CancellationToken::new();
            let task = tokio::spawn(notifications.run(db, Some(url.to_owned()), stop.clone()));
            let mut process = Process {
                wakers,
                listening,
                stop,
                task,
            };
            process.hears().await;
            process
        }

        /// Waits until it listens; it looks for work then, whoever told it.
        async fn hears(&mut self) {
            soon("listening", self.listening.wait_for(|listening| *listening))
                .await
                .unwrap();
            self.woken().await;
        }

        async fn woken(&self) {
            for waker in &self.wakers {
                soon("a wake-up", waker.woken()).await;
            }
        }

        async fn stop(self) {
            self.stop.cancel();
            self.task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_hint_of_one_process_wakes_every_worker_of_another() {
        let Some(store) = TestDb::postgres().await else {
            return;
        };
        let (one, other) = (
            Process::start(store.url()).await,
            Process::start(store.url()).await,
        );
        for kind in ["customer.create", "note.create"] {
            one.wakers[0].wake(Some(Hint::some(kind)));
            other.woken().await;
        }
        one.stop().await;
        other.stop().await;
    }

    #[tokio::test]
    async fn a_listener_whose_connection_was_cut_listens_again_and_looks_for_what_it_missed() {
        let Some(store) = TestDb::postgres().await else {
            return;
        };
        let (one, mut other) = (
            Process::start(store.url()).await,
            Process::start(store.url()).await,
        );
        let mut conn = store.db().read().await.unwrap();
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                   WHERE datname = current_database() AND query LIKE 'LISTEN%'";
        let lost = other.listening.clone();
        let cut: i64 = on!(&mut conn, |c| sqlx::query_scalar(cut).fetch_one(c).await).unwrap();
        assert_eq!(cut, 2);
        let mut lost = lost;
        soon("the loss", lost.wait_for(|listening| !listening))
            .await
            .unwrap();
        other.hears().await;
        one.wakers[1].wake(Some(Hint::some("customer.create")));
        other.woken().await;
        one.stop().await;
        other.stop().await;
    }
}
