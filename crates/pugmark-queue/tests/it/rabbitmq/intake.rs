//! Operations that other programs hand in.

use std::sync::Mutex;

use pugmark_queue::testing::lapin::BasicProperties;
use pugmark_queue::testing::lapin::types::FieldTable;
use tokio::sync::Notify;

use super::*;

/// Stores notes, under the sender's name for the message.
struct Notes {
    db: Db,
    queue: Mutex<Option<Queue>>,
    /// Where it stops for ever, to be killed there.
    stops: Stops,
    reached: Notify,
    /// Refusals of the store before it takes the first one.
    away: Mutex<u32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stops {
    Nowhere,
    BeforeItStores,
    AfterItStored,
}

impl Notes {
    fn stopping(db: &Db, stops: Stops) -> Arc<Self> {
        Arc::new(Self {
            db: db.clone(),
            queue: Mutex::new(None),
            stops,
            reached: Notify::new(),
            away: Mutex::new(0),
        })
    }

    fn queue(&self) -> Queue {
        let mut queue = self.queue.lock().unwrap();
        queue
            .get_or_insert_with(|| Queue::new(self.db.clone(), QueueOptions::default()))
            .clone()
    }

    async fn stop_at(&self, place: Stops) {
        if self.stops == place {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Intake for Notes {
    async fn take(&self, message: &Message) -> Result<(), NotTaken> {
        let rubbish = |reason: &str, withhold| NotTaken::Rubbish {
            reason: reason.to_owned(),
            withhold,
        };
        if message.kind != NOTE {
            return Err(rubbish("this kind is not taken in", true));
        }
        let body: serde_json::Value = serde_json::from_slice(&message.body)
            .map_err(|_| rubbish("the body is no JSON", false))?;
        let Some(id) = message.message_id.clone() else {
            return Err(rubbish("the message has no message_id", false));
        };
        {
            let mut away = self.away.lock().unwrap();
            if *away > 0 {
                *away -= 1;
                return Err(NotTaken::Later("the store is away".to_owned()));
            }
        }
        self.stop_at(Stops::BeforeItStores).await;
        let queue = self.queue();
        let operation = NewOperation {
            idempotency_key: Some(format!("message:{id}")),
            payload: body,
            ..event("1")
        };
        let write = self.db.write("take in", move |conn| {
            async move { queue.enqueue(conn, operation).await }.boxed()
        });
        write
            .await
            .map_err(|error| NotTaken::Later(error.to_string()))?;
        self.stop_at(Stops::AfterItStored).await;
        Ok(())
    }
}

fn named(id: &str) -> BasicProperties {
    BasicProperties::default().with_message_id(id.into())
}

/// Everything stored, oldest first.
async fn stored(world: &World) -> Vec<OperationRecord> {
    let queue = Queue::new(world.test.db().clone(), QueueOptions::default());
    let mut rows = queue
        .list(&Filter {
            limit: 100,
            ..Filter::default()
        })
        .await
        .unwrap()
        .operations;
    rows.sort_by_key(|row| row.id);
    rows
}

async fn letter(world: &World) -> (FieldTable, Vec<u8>) {
    let letter = eventually("the dead letter is there", async || {
        world.broker.get("dead-letter").await
    })
    .await;
    let headers = letter.properties.headers().clone().unwrap();
    (headers, letter.data)
}

fn text(headers: &FieldTable, name: &str) -> String {
    let value = headers
        .inner()
        .get(name)
        .unwrap_or_else(|| panic!("no {name} in {headers:?}"));
    value.as_long_string().unwrap().to_string()
}

async fn what_is_handed_in_is_stored_once_however_often_it_comes(world: World) {
    let intake = Notes::stopping(&world.other, Stops::Nowhere);
    let process = Process::start(&world.other, world.broker.options(), Some(intake));
    process.up().await;
    for _ in 0..3 {
        for id in ["a", "b"] {
            world
                .broker
                .send(NOTE, b"{\"text\":\"hello\"}", named(id))
                .await;
        }
    }
    // The queue is worked off in order, so this is the last.
    world.broker.send(NOTE, b"{}", named("c")).await;
    eventually("all are stored", async || {
        (stored(&world).await.len() == 3).then_some(())
    })
    .await;
    stop_when_worked_off(&world, process).await;
    assert_eq!(stored(&world).await[0].payload, json!({ "text": "hello" }));
}

/// Stops behind a message of its own, and expects all before it to be acknowledged: they are taken one after the other. Its own
/// acknowledgement may not get out any more.
async fn stop_when_worked_off(world: &World, process: Process) {
    world.broker.send(NOTE, b"no JSON", named("marker")).await;
    letter(world).await;
    process.stop().await;
    while let Some(back) = world.broker.get(NOTE).await {
        let name = back
            .properties
            .message_id()
            .as_ref()
            .map(ToString::to_string);
        assert_eq!(name.as_deref(), Some("marker"), "acknowledged");
    }
}

async fn killed_between(world: &World, place: Stops) {
    let intake = Notes::stopping(&world.other, place);
    let process = Process::start(&world.other, world.broker.options(), Some(intake.clone()));
    process.up().await;
    world.broker.send(NOTE, b"{}", named("a")).await;
    tokio::time::timeout(PATIENCE, intake.reached.notified())
        .await
        .expect("it comes to the place");
    let before = stored(world).await.len();
    assert_eq!(before, usize::from(place == Stops::AfterItStored));
    process.kill().await;
    let intake = Notes::stopping(&world.other, Stops::Nowhere);
    let process = Process::start(&world.other, world.broker.options(), Some(intake));
    process.up().await;
    world.broker.send(NOTE, b"{}", named("b")).await;
    eventually("both are stored", async || {
        (stored(world).await.len() >= 2).then_some(())
    })
    .await;
    stop_when_worked_off(world, process).await;
    assert_eq!(stored(world).await.len(), 2);
}

async fn nothing_is_lost_by_a_kill_before_it_is_stored(world: World) {
    killed_between(&world, Stops::BeforeItStores).await;
}

async fn nothing_is_done_twice_by_a_kill_between_store_and_acknowledgement(world: World) {
    killed_between(&world, Stops::AfterItStored).await;
}

async fn a_store_that_is_away_keeps_the_message_with_the_broker(world: World) {
    let intake = Notes::stopping(&world.other, Stops::Nowhere);
    *intake.away.lock().unwrap() = 3;
    let process = Process::start(&world.other, world.broker.options(), Some(intake.clone()));
    process.up().await;
    world.broker.send(NOTE, b"{}", named("a")).await;
    eventually("it is stored", async || {
        (stored(&world).await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(*intake.away.lock().unwrap(), 0);
    process.stop().await;
    assert_eq!(look(&world.broker.options()).await.unwrap().dead_letters, 0);
}

async fn rubbish_goes_to_the_dead_letters_with_its_reason(world: World) {
    let intake = Notes::stopping(&world.other, Stops::Nowhere);
    let process = Process::start(&world.other, world.broker.options(), Some(intake));
    process.up().await;
    let properties = named("a")
        .with_user_id("guest".into())
        .with_expiration("600000".into());
    world.broker.send(NOTE, b"no JSON", properties).await;
    let (headers, body) = letter(&world).await;
    assert_eq!(text(&headers, REASON), "the body is no JSON");
    assert_eq!(text(&headers, SOURCE), world.broker.options().queue(NOTE));
    assert_eq!(body, b"no JSON");
    world
        .broker
        .send(NOTE, b"{}", BasicProperties::default())
        .await;
    let (headers, _) = letter(&world).await;
    assert_eq!(text(&headers, REASON), "the message has no message_id");
    stop_when_worked_off(&world, process).await;
    assert!(stored(&world).await.is_empty());
}

async fn what_may_hold_a_secret_is_left_out_of_the_dead_letter(world: World) {
    let intake = Notes::stopping(&world.other, Stops::Nowhere);
    let process = Process::start(&world.other, world.broker.options(), Some(intake));
    process.up().await;
    world
        .broker
        .send(CUSTOMER, b"{\"password\":\"hunter2\"}", named("a"))
        .await;
    let (headers, body) = letter(&world).await;
    assert_eq!(text(&headers, REASON), "this kind is not taken in");
    assert!(headers.contains_key(WITHHELD));
    assert!(body.is_empty());
    process.stop().await;
}

async fn a_body_that_is_too_large_is_rubbish(world: World) {
    let intake = Notes::stopping(&world.other, Stops::Nowhere);
    let process = Process::start(&world.other, world.broker.options(), Some(intake));
    process.up().await;
    let body = vec![b' '; 300 * 1024];
    world.broker.send(NOTE, &body, named("a")).await;
    let (headers, _) = letter(&world).await;
    assert!(
        text(&headers, REASON).contains("larger than"),
        "{headers:?}"
    );
    process.stop().await;
}

through_the_broker!(
    what_is_handed_in_is_stored_once_however_often_it_comes,
    nothing_is_lost_by_a_kill_before_it_is_stored,
    nothing_is_done_twice_by_a_kill_between_store_and_acknowledgement,
    a_store_that_is_away_keeps_the_message_with_the_broker,
    rubbish_goes_to_the_dead_letters_with_its_reason,
    what_may_hold_a_secret_is_left_out_of_the_dead_letter,
    a_body_that_is_too_large_is_rubbish,
);
