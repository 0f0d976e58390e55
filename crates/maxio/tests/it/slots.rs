//! Never more calls at once than the site works on, and none that begins too late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use maxio::{Class, Client, Error, Slot, Slots, SlotsError, Trouble};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

use crate::rough::{Reply, Rough};
use crate::service::Service;

fn site() -> serde_json::Value {
    json!({"site": {"subdomain": "acme", "test": true}})
}

/// A server that tells of each request, and answers each one for which it was let go.
struct Gate {
    server: Rough,
    arrived: mpsc::UnboundedReceiver<usize>,
    open: Arc<Semaphore>,
}

async fn gate() -> Gate {
    let (tell, arrived) = mpsc::unbounded_channel();
    let open = Arc::new(Semaphore::new(0));
    let waits = Arc::clone(&open);
    let server = Rough::by(move |number| {
        let waits = Arc::clone(&waits);
        tell.send(number).unwrap();
        async move {
            waits.acquire().await.unwrap().forget();
            Reply::Json(site())
        }
    })
    .await;
    Gate {
        server,
        arrived,
        open,
    }
}

#[tokio::test]
async fn a_call_beyond_the_limit_waits_and_is_not_sent_when_its_time_is_over() {
    let mut gate = gate().await;
    let mut settings = gate.server.settings();
    settings.at_once = 2;
    let client = Client::new(settings).unwrap();
    let mut running = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let client = client.clone();
        running.spawn(async move { client.site().await });
        gate.arrived.recv().await.unwrap();
    }
    let hurried = client.call_by(Instant::now() + Duration::from_millis(50));
    let error = hurried.site().await.unwrap_err();
    assert!(
        matches!(&error, Error::NotSent(not_sent) if not_sent.waited && not_sent.operation == "site"),
        "{error:?}"
    );
    assert_eq!(error.class(), Class::NotSent);
    assert_eq!(gate.server.requests(), 2);

    let patient = tokio::spawn(async move { client.site().await });
    gate.open.add_permits(3);
    while let Some(ended) = running.join_next().await {
        ended.unwrap().unwrap();
    }
    patient.await.unwrap().unwrap();
    assert_eq!(gate.server.requests(), 3);
}

#[tokio::test]
async fn a_call_that_is_too_late_from_the_beginning_takes_no_slot() {
    let service = Service::json(200, site()).await;
    let slots = Arc::new(Counting::default());
    let client = service.client().with_slots(Arc::<Counting>::clone(&slots));
    let late = client.call_by(Instant::now());
    let later = late.call_by(Instant::now() + Duration::from_secs(3600));
    for client in [late, later] {
        let error = client.site().await.unwrap_err();
        assert!(matches!(error, Error::NotSent(not_sent) if !not_sent.waited));
    }
    assert_eq!(slots.taken.load(Ordering::SeqCst), 0);
    assert!(service.requests().await.is_empty());
}

#[tokio::test]
async fn a_call_that_could_end_after_the_deadline_is_not_sent() {
    let service = Service::json(200, site()).await;
    let client = service.client();
    let needed = client.settings().call_timeout;
    let soon = client.until(Instant::now() + needed / 2);
    assert_eq!(soon.site().await.unwrap_err().code(), "not_sent");
    assert!(service.requests().await.is_empty());
    let later = client.until(Instant::now() + needed + Duration::from_secs(60));
    later.site().await.unwrap();
}

#[derive(Default)]
struct Counting {
    taken: AtomicUsize,
    given_back: Arc<AtomicUsize>,
}

struct GiveBack(Arc<AtomicUsize>);

impl Drop for GiveBack {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Slots for Counting {
    async fn take(&self) -> Result<Slot, SlotsError> {
        self.taken.fetch_add(1, Ordering::SeqCst);
        Ok(Slot::holding(GiveBack(Arc::clone(&self.given_back))))
    }
}

#[tokio::test]
async fn an_applications_own_slots_are_asked_and_get_each_one_back() {
    let service = Service::json(200, site()).await;
    let slots = Arc::new(Counting::default());
    let client = service.client().with_slots(Arc::<Counting>::clone(&slots));
    client.site().await.unwrap();
    client.product_by_handle("x").await.unwrap_err();
    assert_eq!(slots.taken.load(Ordering::SeqCst), 2);
    assert_eq!(slots.given_back.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_call_that_is_given_up_gives_its_slot_back() {
    let mut gate = gate().await;
    let slots = Arc::new(Counting::default());
    let client = gate
        .server
        .client()
        .with_slots(Arc::<Counting>::clone(&slots));
    let call = tokio::spawn(async move { client.site().await });
    gate.arrived.recv().await.unwrap();
    assert_eq!(slots.given_back.load(Ordering::SeqCst), 0);
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(slots.given_back.load(Ordering::SeqCst), 1);
}

struct Broken;

#[async_trait]
impl Slots for Broken {
    async fn take(&self) -> Result<Slot, SlotsError> {
        Err(SlotsError::new("the store is away"))
    }
}

#[tokio::test]
async fn without_a_slot_nothing_is_sent() {
    let service = Service::json(201, site()).await;
    let client = service.client().with_slots(Arc::new(Broken));
    let john = maxio::NewCustomer::new("John", "Doe", "contact@acmecorp.example");
    let error = client.create_customer(&john).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert_eq!(error.failure().unwrap().trouble, Trouble::NoSlot);
    assert!(error.to_string().contains("the store is away"), "{error}");
    assert!(service.requests().await.is_empty());
}

/// Lets an hour go by before it gives the slot.
struct Slow;

#[async_trait]
impl Slots for Slow {
    async fn take(&self) -> Result<Slot, SlotsError> {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(3600)).await;
        tokio::time::resume();
        Ok(Slot::holding(()))
    }
}

#[tokio::test]
async fn the_timeout_begins_when_the_slot_is_had() {
    let service = Service::json(200, site()).await;
    let client = service.client().with_slots(Arc::new(Slow));
    assert!(client.settings().call_timeout < Duration::from_secs(3600));
    assert!(client.site().await.unwrap().test);
}

#[tokio::test]
async fn a_slot_that_comes_too_late_is_not_used() {
    let service = Service::json(200, site()).await;
    let client = service.client().with_slots(Arc::new(Slow));
    let hurried = client.call_by(Instant::now() + Duration::from_secs(1800));
    let error = hurried.site().await.unwrap_err();
    assert!(matches!(error, Error::NotSent(not_sent) if not_sent.waited));
    assert!(service.requests().await.is_empty());
}
