//! Faults at work: what becomes of a call that the fault plan strikes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::refusal::{Refusal, answer, too_many};
use super::site::{Done, Received, Site};
use crate::fault::Fault;
use crate::journal::{Moment, Outcome};
use crate::wire::{Delivery, Reply};

/// What a site that is blocked says to everything.
const BLOCKED: &str = "Your trial has ended, please contact sales.";

impl Site {
    pub(super) async fn spoiled(
        self: &Arc<Self>,
        received: &Arc<Received>,
        fault: Option<Fault>,
    ) -> Done {
        let Some(fault) = fault else {
            return self.execute(received, Duration::ZERO).await;
        };
        let note = |moment| self.note_fault(received, &fault, moment);
        match &fault {
            Fault::LateCommit { delay } => {
                note(Moment::BeforeEffect);
                self.execute_later(received, *delay);
                unanswered(Reply::nothing())
            }
            Fault::Slow(delay) => {
                note(Moment::BeforeEffect);
                self.execute(received, *delay).await
            }
            after if after.keeps_effect() => {
                let done = self.execute(received, Duration::ZERO).await;
                note(Moment::AfterEffect);
                self.afterwards(received, after, done)
            }
            before => {
                note(Moment::BeforeEffect);
                self.instead(received, before)
            }
        }
    }

    /// What is answered in place of executing the call.
    fn instead(&self, received: &Received, fault: &Fault) -> Done {
        match fault {
            Fault::Http(status) => spoiled(self.error_page(received, *status)),
            Fault::TooMany { retry_after } => {
                let mut reply = too_many(&self.reference(received));
                reply
                    .headers
                    .extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
                spoiled(reply)
            }
            Fault::CutBody { .. } => spoiled(cut(Reply::web_server_page(200))),
            Fault::EmptyPage => spoiled(answer(200, &json!([]))),
            Fault::HangBeforeEffect(time) => unanswered(held(*time)),
            _ => unanswered(Reply::nothing()),
        }
    }

    /// What is answered in place of the truth about an executed call.
    fn afterwards(&self, received: &Received, fault: &Fault, done: Done) -> Done {
        match fault {
            Fault::HttpAfterEffect(status) => spoiled(self.error_page(received, *status)),
            Fault::CutBody { .. } => spoiled(cut(done.reply)),
            Fault::CutAfterEffect => unanswered(Reply::nothing()),
            Fault::HtmlAfterEffect => {
                let page = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>";
                spoiled(Reply::new(200, "text/html; charset=UTF-8", page.to_owned()))
            }
            Fault::NullResultAfterEffect => spoiled(answer(200, &Value::Null)),
            _ => unanswered(held(self.config.hang_limit)),
        }
    }

    /// Some the application itself answers; the others come from what stands in front of it.
    fn error_page(&self, received: &Received, status: u16) -> Reply {
        match status {
            401 => Refusal::AccessDenied.reply(),
            404 => Refusal::NotFound.reply(),
            409 => Refusal::Duplicate.reply(),
            422 => Refusal::invalid(BLOCKED).reply(),
            429 => too_many(&self.reference(received)),
            other => Reply::web_server_page(other),
        }
    }

    /// The connection is gone; the service does not know and goes on.
    fn execute_later(self: &Arc<Self>, received: &Arc<Received>, delay: Duration) {
        let (site, received) = (Arc::clone(self), Arc::clone(received));
        tokio::spawn(async move {
            site.execute(&received, delay).await;
        });
    }

    /// Some faults make sense for some calls only; one that does not apply costs nothing.
    pub(super) fn applies(&self, fault: &Fault, received: &Received) -> bool {
        let is_list = received
            .found
            .as_ref()
            .is_some_and(|found| found.route.is_list());
        let applies = match fault {
            Fault::EmptyPage => is_list,
            Fault::DropSession | Fault::DisplayErrorsNoise | Fault::SuccessFalseAfterEffect => {
                false
            }
            _ => true,
        };
        if !applies {
            self.faults().give_back();
        }
        applies
    }
}

fn spoiled(reply: Reply) -> Done {
    Done {
        reply,
        outcome: Outcome::Spoiled,
    }
}

fn unanswered(reply: Reply) -> Done {
    Done {
        reply,
        outcome: Outcome::NoAnswer,
    }
}

fn cut(reply: Reply) -> Reply {
    Reply {
        delivery: Delivery::HalfBody,
        ..reply
    }
}

fn held(time: Duration) -> Reply {
    Reply {
        delivery: Delivery::Held(time),
        ..Reply::nothing()
    }
}
