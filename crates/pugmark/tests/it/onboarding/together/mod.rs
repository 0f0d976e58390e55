//! Leads that are taken in together: nothing may differ from taking each in by itself but the time it takes.

mod alike;
mod aside;
mod trouble;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use pugmark::config::Onboarding;
use pugmark::http::webhooks::lead_status::{
    Arrived, Effect, Means, Pace, Together, take_in_singly,
};
use pugmark::http::webhooks::proof::{Kind, Proven};
use pugmark::http::webhooks::reading::Letter;
use pugmark::store;
use pugmark_queue::db::{Db, DbError};
use pugmark_queue::{Queue, QueueError, QueueOptions, Sealer};
use serde_json::json;
use tokio::sync::oneshot;

/// A store and who takes leads into it.
struct Taking {
    means: Means,
    together: Arc<Together>,
}

impl Taking {
    async fn of(db: &Db) -> Self {
        store::migrate(db).await.expect("migrated");
        Taking::over(db.clone())
    }

    fn over(db: Db) -> Self {
        let queue = Queue::new(db.clone(), QueueOptions::default());
        Taking {
            means: Means {
                db,
                queue,
                onboarding: Arc::new(Onboarding::default()),
                sealer: Some(Arc::new(sealer())),
            },
            together: Arc::default(),
        }
    }

    /// Everything is set aside, and stays there.
    fn setting_aside(self) -> Self {
        let for_ever = Duration::from_secs(3_600);
        let pace = Pace {
            many: 1,
            quiet: for_ever,
            patience: for_ever,
        };
        Taking {
            together: Arc::new(Together::at(pace)),
            ..self
        }
    }

    async fn singly(&self, sent: &[Sent]) -> Vec<Result<Effect, QueueError>> {
        let mut effects = Vec::new();
        for sent in sent {
            effects.push(take_in_singly(&self.means, Arc::new(sent.arrived(&self.means))).await);
        }
        effects
    }

    /// All of these while the store is busy, so that they wait for the same commit; until everything is stored that they lead to.
    async fn together(&self, sent: &[Sent]) -> Vec<Result<Effect, QueueError>> {
        let effects = self.answered(sent).await;
        self.together.stored().await;
        effects
    }

    /// The same, until they are answered.
    async fn answered(&self, sent: &[Sent]) -> Vec<Result<Effect, QueueError>> {
        let busy = Busy::keep(&self.means.db).await;
        let taking = self.handed_over(sent).await;
        busy.end().await;
        join_all(taking).await
    }

    /// Hands these over, in this order, without waiting for what comes of them.
    async fn handed_over<'a>(&'a self, sent: &[Sent]) -> Vec<TakingIn<'a>> {
        let mut taking: Vec<TakingIn<'a>> = Vec::new();
        for sent in sent {
            let arrived = sent.arrived(&self.means);
            let mut one: TakingIn<'a> = Box::pin(self.together.take_in(&self.means, arrived));
            assert!(
                futures::poll!(one.as_mut()).is_pending(),
                "the store is busy"
            );
            taking.push(one);
        }
        taking
    }
}

type TakingIn<'a> = Pin<Box<dyn Future<Output = Result<Effect, QueueError>> + Send + 'a>>;

/// A member of a group commit that lasts as long as the test wants.
struct Busy {
    end: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<Result<(), DbError>>,
}

impl Busy {
    async fn keep(db: &Db) -> Self {
        let ((began, begun), (end, told)) = (oneshot::channel(), oneshot::channel::<()>());
        let written = db.write("keep busy", move |_| {
            Box::pin(async move {
                began.send(()).expect("the test waits");
                told.await.expect("the test says when");
                Ok::<_, DbError>(())
            })
        });
        let ended = tokio::spawn(written);
        begun.await.expect("the member runs");
        Busy { end, ended }
    }

    async fn end(self) {
        self.end.send(()).expect("the member waits");
        self.ended.await.expect("no panic").expect("committed");
    }
}

fn sealer() -> Sealer {
    Sealer::new(1, &[7; 32]).expect("a key")
}

/// A delivery as a sender made it.
#[derive(Debug, Clone)]
struct Sent {
    body: String,
    form: bool,
    /// The sender's own id, covered by the proof.
    id: Option<String>,
    correlation_id: String,
}

impl Sent {
    fn lead(lead: &str) -> Self {
        Sent {
            body: json!({ "event": "record.update", "record_id": lead, "data": { "cf_iban": super::sending::IBAN } })
                .to_string(),
            form: false,
            id: None,
            correlation_id: format!("request of {lead}"),
        }
    }

    fn arrived(&self, means: &Means) -> Arrived {
        let content_type = match self.form {
            true => "application/x-www-form-urlencoded",
            false => "application/json",
        };
        let letter = Letter {
            body: self.body.as_bytes(),
            content_type: Some(content_type),
            parameters: None,
            conversion: false,
            max_depth: 32,
        };
        let kind = match self.id {
            Some(_) => Kind::Standard,
            None => Kind::Hmac,
        };
        let proven = Proven {
            kind,
            secret_number: 1,
            id: self.id.clone(),
        };
        Arrived::of(means, &letter, &proven, &self.correlation_id)
    }
}

/// Different leads, each new.
fn leads(many: usize) -> Vec<Sent> {
    (0..many)
        .map(|number| Sent::lead(&format!("2x{number}")))
        .collect()
}
