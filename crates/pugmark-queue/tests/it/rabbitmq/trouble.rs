//! A broker that is away, goes away, forgets or refuses.

use pugmark_queue::testing::Line;

use super::*;

/// Where nobody listens.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    format!("amqp://guest:very-secret@{address}")
}

async fn without_a_broker_that_answers_work_is_found_by_looking(world: World) {
    let options = world.broker.options_at(&nobody().await);
    let api = world.api(options.clone());
    let mut worker = Process::start(&world.other, options, Some(Arc::new(NoIntake)));
    worker.work(
        Arc::new(Counts::default()),
        WorkerOptions {
            poll: Duration::from_millis(50),
            ..drowsy()
        },
    );
    let away = |link: &Link| {
        matches!(
            link,
            Link::Down {
                why: BrokerError::Unreachable(_),
                ..
            }
        )
    };
    api.until(|state| away(&state.publishing)).await;
    worker
        .until(|state| state.consuming.as_ref().is_some_and(away))
        .await;
    for n in 0..5 {
        let id = api.enqueue(event(&n.to_string())).await;
        api.done(id).await;
    }
    let shown = format!("{:?} {:?}", api.broker, worker.broker);
    assert!(!shown.contains("very-secret"), "{shown}");
    worker.stop().await;
    api.stop().await;
}

async fn after_a_cut_everything_is_made_again_and_what_was_stored_meanwhile_is_told(world: World) {
    let line = Line::to(world.broker.url()).await;
    let through = world.broker.options_at(&line.over(world.broker.url()));
    let api = world.api(through);
    let worker = world.worker(world.broker.options(), Arc::new(Counts::default()));
    worker.up().await;
    api.up().await;
    let before = api.enqueue(event("1")).await;
    api.done(before).await;
    line.cut();
    api.until(|state| matches!(state.publishing, Link::Down { .. }))
        .await;
    let mut meanwhile = Vec::new();
    for n in 0..30 {
        meanwhile.push(api.enqueue(event(&n.to_string())).await);
    }
    line.mend();
    for id in meanwhile {
        api.done(id).await;
    }
    api.up().await;
    let after = api.enqueue(event("9")).await;
    api.done(after).await;
    worker.stop().await;
    api.stop().await;
}

async fn who_was_cut_off_looks_when_the_line_stands_again(world: World) {
    let line = Line::to(world.broker.url()).await;
    let through = world.broker.options_at(&line.over(world.broker.url()));
    let process = Process::start(&world.other, through, Some(Arc::new(NoIntake)));
    let woken = async || {
        let woken = tokio::time::timeout(PATIENCE, process.queue.waker().woken()).await;
        woken.expect("it is worth looking");
    };
    woken().await;
    process.up().await;
    line.cut();
    process
        .until(|state| matches!(state.consuming, Some(Link::Down { .. })))
        .await;
    line.mend();
    woken().await;
    process.stop().await;
}

async fn a_queue_that_was_deleted_is_declared_again(world: World) {
    let api = world.api(world.broker.options());
    let worker = world.worker(world.broker.options(), Arc::new(Counts::default()));
    worker.up().await;
    api.up().await;
    for _ in 0..3 {
        world.broker.delete(NOTE).await;
        let id = api.enqueue(event("1")).await;
        api.done(id).await;
    }
    eventually("the queue is back", async || {
        let found = look(&world.broker.options()).await.unwrap();
        found.missing.is_empty().then_some(())
    })
    .await;
    worker.stop().await;
    api.stop().await;
}

async fn a_wrong_password_is_said_plainly(world: World) {
    let target = world.broker.url().rsplit('@').next().unwrap();
    let options = world
        .broker
        .options_at(&format!("amqp://nobody:very-secret@{target}"));
    let asked = look(&options).await.unwrap_err();
    assert_eq!(asked, BrokerError::Credentials);
    let api = world.api(options);
    let state = api
        .until(|state| matches!(state.publishing, Link::Down { .. }))
        .await;
    assert!(
        matches!(&state.publishing, Link::Down { why, .. } if *why == asked),
        "{state:?}"
    );
    assert_eq!(
        asked.to_string(),
        "the broker does not accept the user or the password"
    );
    let id = api.enqueue(event("1")).await;
    assert!(api.queue.get(id).await.unwrap().is_some());
    api.stop().await;
}

async fn a_virtual_host_that_does_not_exist_is_named(world: World) {
    let base = world.broker.url().rsplit_once('/').unwrap().0;
    let options = world.broker.options_at(&format!("{base}/nowhere-at-all"));
    let said = look(&options).await.unwrap_err();
    assert!(
        matches!(&said, BrokerError::VirtualHost(words) if words.contains("nowhere-at-all")),
        "{said:?}"
    );
}

through_the_broker!(
    without_a_broker_that_answers_work_is_found_by_looking,
    after_a_cut_everything_is_made_again_and_what_was_stored_meanwhile_is_told,
    who_was_cut_off_looks_when_the_line_stands_again,
    a_queue_that_was_deleted_is_declared_again,
    a_wrong_password_is_said_plainly,
    a_virtual_host_that_does_not_exist_is_named,
);
