//! What a wake-up does, and what one that is lost, repeated or made up does not.

use pugmark_queue::testing::lapin::BasicProperties;

use super::*;

async fn a_worker_elsewhere_is_woken_by_the_commit(world: World) {
    let counts = Arc::new(Counts::default());
    let api = world.api(world.broker.options());
    let worker = world.worker(world.broker.options(), counts.clone());
    api.up().await;
    worker.up().await;
    for n in 0..20 {
        let id = api.enqueue(event(&n.to_string())).await;
        api.done(id).await;
    }
    assert_eq!(counts.runs(), 20);
    worker.stop().await;
    api.stop().await;
}

async fn a_kind_that_is_resumed_wakes_workers_elsewhere(world: World) {
    let api = world.api(world.broker.options());
    let worker = world.worker(world.broker.options(), Arc::new(Counts::default()));
    worker.up().await;
    api.up().await;
    api.queue.pause(NOTE, "a person").await.unwrap();
    let held = api.enqueue(event("1")).await;
    // The worker has looked after the wake-up of `held` when it has done what came later.
    let later = api.enqueue(state("2", json!({}))).await;
    api.done(later).await;
    assert_eq!(
        api.queue.get(held).await.unwrap().unwrap().asked.attempts,
        0
    );
    api.queue.resume(NOTE).await.unwrap();
    api.done(held).await;
    worker.stop().await;
    api.stop().await;
}

async fn a_wake_up_carries_ids_and_nothing_else(world: World) {
    let api = world.api(world.broker.options());
    api.up().await;
    let operation = NewOperation {
        payload: json!({ "text": "for nobody's eyes" }),
        priority: Priority::High,
        correlation_id: "request-7".to_owned(),
        ..event("1")
    };
    let id = api.enqueue(operation).await;
    let message = eventually("the wake-up is there", async || {
        world.broker.get(NOTE).await
    })
    .await;
    let body: serde_json::Value = serde_json::from_slice(&message.data).unwrap();
    assert_eq!(body, json!({ "id": id, "kind": NOTE }));
    let text = |property: &Option<_>| property.as_ref().map(ToString::to_string);
    let properties = &message.properties;
    assert_eq!(text(properties.message_id()), Some(id.to_string()));
    assert_eq!(
        text(properties.correlation_id()),
        Some("request-7".to_owned())
    );
    assert_eq!(text(properties.kind()), Some("wake-up".to_owned()));
    assert_eq!(*properties.priority(), Some(2));
    api.stop().await;
}

async fn an_operation_that_is_undone_sends_no_wake_up(world: World) {
    let api = world.api(world.broker.options());
    api.up().await;
    let queue = api.queue.clone();
    let undone: Result<(), QueueError> = api
        .queue
        .db()
        .write("undone", move |conn| {
            async move {
                queue.enqueue(conn, event("1")).await?;
                Err(QueueError::Invalid("changed its mind".to_owned()))
            }
            .boxed()
        })
        .await;
    assert!(undone.is_err());
    let stored = api.enqueue(event("2")).await;
    let message = eventually("the wake-up is there", async || {
        world.broker.get(NOTE).await
    })
    .await;
    let body: serde_json::Value = serde_json::from_slice(&message.data).unwrap();
    assert_eq!(body["id"], json!(stored));
    assert!(world.broker.get(NOTE).await.is_none());
    api.stop().await;
}

async fn wake_ups_that_are_repeated_or_made_up_change_nothing(world: World) {
    let counts = Arc::new(Counts::default());
    let api = world.api(world.broker.options());
    let worker = world.worker(world.broker.options(), counts.clone());
    api.up().await;
    worker.up().await;
    let id = api.enqueue(event("1")).await;
    let wake_up = || BasicProperties::default().with_type("wake-up".into());
    let repeated = json!({ "id": id, "kind": NOTE }).to_string();
    for body in [repeated.as_str(), "{\"id\":\"of nobody\"}", "no JSON", ""] {
        for _ in 0..10 {
            world.broker.send(NOTE, body.as_bytes(), wake_up()).await;
        }
    }
    let row = api.done(id).await;
    let last = api.enqueue(event("2")).await;
    api.done(last).await;
    assert_eq!((row.attempts, counts.runs()), (1, 2));
    worker.stop().await;
    // One that was handed out and not yet acknowledged at the end is there again, for the next worker.
    eventually("all are acknowledged", async || {
        let at_rest = waiting(&world.broker, NOTE).await == 0;
        if !at_rest {
            let worker = world.worker(world.broker.options(), counts.clone());
            worker.up().await;
            worker.stop().await;
        }
        at_rest.then_some(())
    })
    .await;
    assert_eq!(counts.runs(), 2);
    assert_eq!(look(&world.broker.options()).await.unwrap().dead_letters, 0);
    api.stop().await;
}

async fn a_wake_up_is_acknowledged_when_a_worker_has_looked(world: World) {
    let api = world.api(world.broker.options());
    api.up().await;
    let id = api.enqueue(event("1")).await;
    // Takes messages, but its worker has not begun to look.
    let mut worker = Process::start(
        &world.other,
        world.broker.options(),
        Some(Arc::new(NoIntake)),
    );
    worker.up().await;
    eventually("the wake-up was handed out", async || {
        (waiting(&world.broker, NOTE).await == 0).then_some(())
    })
    .await;
    worker.stop().await;
    eventually("it is back", async || {
        (waiting(&world.broker, NOTE).await == 1).then_some(())
    })
    .await;
    worker = world.worker(world.broker.options(), Arc::new(Counts::default()));
    api.done(id).await;
    eventually("it is acknowledged", async || {
        let found = look(&world.broker.options()).await.unwrap();
        found
            .queues
            .iter()
            .all(|queue| queue.messages == 0)
            .then_some(())
    })
    .await;
    worker.kill().await;
    assert_eq!(
        waiting(&world.broker, NOTE).await,
        0,
        "and does not come back"
    );
    api.stop().await;
}

through_the_broker!(
    a_worker_elsewhere_is_woken_by_the_commit,
    a_kind_that_is_resumed_wakes_workers_elsewhere,
    a_wake_up_carries_ids_and_nothing_else,
    an_operation_that_is_undone_sends_no_wake_up,
    wake_ups_that_are_repeated_or_made_up_change_nothing,
    a_wake_up_is_acknowledged_when_a_worker_has_looked,
);
