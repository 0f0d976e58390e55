//! Faults at work: what becomes of a call that the fault plan strikes.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::account;
use super::call::Call;
use super::project::{Done, Project, Received};
use super::refusal::{Refusal, answer};
use super::routes::Operation;
use super::state::Stage;
use crate::fault::Fault;
use crate::journal::{Moment, Outcome};
use crate::wire::{Delivery, Reply};

impl Project {
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
            Fault::DropSession => {
                note(Moment::BeforeEffect);
                self.drop_session(received);
                self.execute(received, Duration::ZERO).await
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
                let mut reply = self.refused(received, &Refusal::too_many());
                reply
                    .headers
                    .extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
                spoiled(reply)
            }
            Fault::CutBody { .. } => spoiled(cut(Reply::web_server_page(200))),
            Fault::EmptyPage => {
                let nobody = json!({ "users": [], "aud": "authenticated" });
                spoiled(answer(200, &nobody))
            }
            Fault::HangBeforeEffect(time) => unanswered(held(*time)),
            _ => unanswered(Reply::nothing()),
        }
    }

    /// What is answered in place of the truth about an executed call.
    fn afterwards(&self, received: &Received, fault: &Fault, done: Done) -> Done {
        let told = match fault {
            Fault::HttpAfterEffect(status) => spoiled(self.error_page(received, *status)),
            Fault::CutBody { .. } => spoiled(cut(done.reply)),
            Fault::CutAfterEffect => unanswered(Reply::nothing()),
            Fault::HtmlAfterEffect => {
                let page = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body></body></html>";
                spoiled(Reply::new(200, "text/html; charset=UTF-8", page.to_owned()))
            }
            Fault::NullResultAfterEffect => spoiled(answer(200, &Value::Null)),
            _ => unanswered(held(self.config.hang_limit)),
        };
        Done {
            user: done.user,
            ..told
        }
    }

    /// The server speaks for itself at 429 and 500; other errors come from what stands in front of it.
    fn error_page(&self, received: &Received, status: u16) -> Reply {
        match status {
            429 => self.refused(received, &Refusal::too_many()),
            500 => self.refused(received, &Refusal::Panic),
            other => Reply::web_server_page(other),
        }
    }

    /// The connection is gone; the server does not know and goes on.
    fn execute_later(self: &Arc<Self>, received: &Arc<Received>, delay: Duration) {
        let (project, received) = (Arc::clone(self), Arc::clone(received));
        tokio::spawn(async move {
            project.execute(&received, delay).await;
        });
    }

    fn drop_session(&self, received: &Received) {
        let mut state = self.state();
        let stage = self.stage(&mut state, Some(received.number));
        let Ok(call) = self.admitted(&stage, received) else {
            return;
        };
        let session = match received.operation {
            Operation::Refresh => session_to_refresh(&stage, &call),
            _ => call.session(&stage),
        };
        if let Some(session) = session {
            stage.state.sessions.end(session);
        }
    }

    /// Some faults make sense for some calls only; one that does not apply costs nothing.
    pub(super) fn applies(&self, fault: &Fault, operation: &Operation) -> bool {
        let applies = match fault {
            Fault::EmptyPage => *operation == Operation::List,
            Fault::DropSession => matches!(
                operation,
                Operation::Refresh | Operation::GetUser | Operation::UpdateUser | Operation::Logout
            ),
            Fault::DisplayErrorsNoise | Fault::SuccessFalseAfterEffect => false,
            _ => true,
        };
        if !applies {
            self.faults().give_back();
        }
        applies
    }
}

fn session_to_refresh(stage: &Stage<'_>, call: &Call<'_>) -> Option<uuid::Uuid> {
    let token = account::token_to_refresh(call)?;
    Some(stage.state.sessions.of_token(&token)?.id)
}

fn spoiled(reply: Reply) -> Done {
    Done {
        reply,
        outcome: Outcome::Spoiled,
        user: None,
    }
}

fn unanswered(reply: Reply) -> Done {
    Done {
        reply,
        outcome: Outcome::NoAnswer,
        user: None,
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
