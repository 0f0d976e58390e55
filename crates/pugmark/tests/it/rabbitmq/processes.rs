//! Several processes on one PostgreSQL, each with a role of its own.

mod postgres {
    use pugmark::app::{self, Roles};
    use pugmark::flows::insurance::plan::{kind, refresh};
    use pugmark_queue::Status;

    use crate::harness::{eventually, new_id};
    use crate::rabbitmq::Site;

    #[tokio::test]
    async fn what_an_api_process_stores_wakes_the_process_that_has_the_worker() {
        let Some(site) = Site::postgres().await else {
            return;
        };
        let none = Roles {
            api: false,
            worker: false,
            scheduler: false,
        };
        let api = Roles { api: true, ..none };
        let worker = Roles {
            worker: true,
            ..none
        };
        let settings = site.world.settings.clone();
        let api = app::start(settings.clone(), api).await.expect("it starts");
        // Stored while there is no worker: the message waits for one.
        let queue = api.queue.clone();
        let operation = refresh(&new_id(), "request-7", "a person");
        let write = api.db.write("refresh", move |conn| {
            Box::pin(async move { queue.enqueue(conn, operation).await })
        });
        let id = write.await.expect("stored").id();
        eventually("a wake-up", || async {
            (site.at(kind::CUSTOMER_UPDATE).await == (1, 0)).then_some(())
        })
        .await;

        let worker = app::start(settings, worker).await.expect("it starts");
        eventually("the operation is done", || async {
            let row = api.queue.get(id).await.expect("read").expect("there").asked;
            (row.status == Status::Completed).then_some(())
        })
        .await;
        eventually("the wake-up is acknowledged by the worker", || async {
            (site.at(kind::CUSTOMER_UPDATE).await == (0, 1)).then_some(())
        })
        .await;
        worker.shutdown().await;
        // Not only handed out: it would be back now.
        assert_eq!(site.at(kind::CUSTOMER_UPDATE).await, (0, 0));
        api.shutdown().await;
    }
}
