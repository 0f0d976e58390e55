//! Faults at work: what becomes of a call that the fault plan strikes.

use std::sync::Arc;
use std::time::Duration;

use super::crm::{Crm, Done, Interface};
use super::release::Release;
use super::{cloud, noise, operations, webservice};
use crate::fault::Fault;
use crate::journal::{Moment, Outcome};
use crate::wire::{Delivery, PHP_HTML, Reply, Request};

impl Crm {
    pub(super) async fn spoiled(
        self: &Arc<Self>,
        interface: Interface,
        request: &Arc<Request>,
        number: u64,
        operation: &str,
        fault: Option<Fault>,
    ) -> (Reply, Outcome, Option<String>) {
        let Some(fault) = fault else {
            let done = self
                .execute(interface, request, number, operation, Duration::ZERO)
                .await;
            return (done.reply, done.outcome, done.user);
        };
        let note = |moment| self.note_fault(number, operation, &fault, moment);
        match &fault {
            Fault::RefuseConnection
            | Fault::Http(_)
            | Fault::TooMany { .. }
            | Fault::HangBeforeEffect(_) => {
                note(Moment::BeforeEffect);
                let (reply, outcome) = instead(&fault);
                (reply, outcome, None)
            }
            Fault::CutBody {
                after_effect: false,
            } => {
                note(Moment::BeforeEffect);
                let page = Reply::web_server_page(200);
                (
                    Reply {
                        delivery: Delivery::HalfBody,
                        ..page
                    },
                    Outcome::Spoiled,
                    None,
                )
            }
            Fault::EmptyPage => {
                note(Moment::BeforeEffect);
                (
                    self.success(interface, &serde_json::json!([])),
                    Outcome::Spoiled,
                    None,
                )
            }
            Fault::LateCommit { delay } => {
                note(Moment::BeforeEffect);
                self.execute_later(interface, request, number, operation, *delay);
                (Reply::nothing(), Outcome::NoAnswer, None)
            }
            Fault::DropSession => {
                note(Moment::BeforeEffect);
                if let Some(session) = operations::session_of(request) {
                    self.state().auth.drop_session(session);
                }
                let done = self
                    .execute(interface, request, number, operation, Duration::ZERO)
                    .await;
                (done.reply, done.outcome, done.user)
            }
            Fault::Slow(delay) => {
                note(Moment::BeforeEffect);
                let done = self
                    .execute(interface, request, number, operation, *delay)
                    .await;
                (done.reply, done.outcome, done.user)
            }
            Fault::HttpAfterEffect(_)
            | Fault::HangAfterEffect
            | Fault::CutAfterEffect
            | Fault::CutBody { after_effect: true }
            | Fault::HtmlAfterEffect
            | Fault::SuccessFalseAfterEffect
            | Fault::NullResultAfterEffect
            | Fault::DisplayErrorsNoise => {
                let done = self
                    .execute(interface, request, number, operation, Duration::ZERO)
                    .await;
                note(Moment::AfterEffect);
                let user = done.user.clone();
                let (reply, outcome) = self.afterwards(interface, &fault, operation, done);
                (reply, outcome, user)
            }
        }
    }

    fn afterwards(
        &self,
        interface: Interface,
        fault: &Fault,
        operation: &str,
        done: Done,
    ) -> (Reply, Outcome) {
        match fault {
            Fault::HttpAfterEffect(status) => (Reply::web_server_page(*status), Outcome::Spoiled),
            Fault::HangAfterEffect => {
                let held = Delivery::Held(self.config.hang_limit);
                (
                    Reply {
                        delivery: held,
                        ..Reply::nothing()
                    },
                    Outcome::NoAnswer,
                )
            }
            Fault::CutAfterEffect => (Reply::nothing(), Outcome::NoAnswer),
            Fault::CutBody { .. } => (
                Reply {
                    delivery: Delivery::HalfBody,
                    ..done.reply
                },
                Outcome::Spoiled,
            ),
            Fault::HtmlAfterEffect => {
                let body = "<!DOCTYPE html><html><head><title>Vtiger</title></head><body>Loading...</body></html>";
                (Reply::new(200, PHP_HTML, body.to_owned()), Outcome::Spoiled)
            }
            Fault::SuccessFalseAfterEffect => (self.unknown_error(interface), Outcome::Spoiled),
            Fault::NullResultAfterEffect => (
                self.success(interface, &serde_json::Value::Null),
                Outcome::Spoiled,
            ),
            _ => {
                let mut reply = done.reply;
                noise::add(&mut reply, operation, done.failure.as_ref());
                (reply, done.outcome)
            }
        }
    }

    fn success(&self, interface: Interface, result: &serde_json::Value) -> Reply {
        let (content_type, release) = match interface {
            Interface::Rest => ("text/json", Release::default()),
            Interface::WebService => ("application/json", self.config.release),
        };
        Reply::new(200, content_type, webservice::success(release, result))
    }

    fn unknown_error(&self, interface: Interface) -> Reply {
        match interface {
            Interface::WebService => {
                Reply::new(200, "application/json", webservice::unknown_error())
            }
            Interface::Rest => cloud::refused(
                400,
                "INTERNAL_SERVER_ERROR",
                "Unknown Error while processing request",
            ),
        }
    }

    /// The connection is gone; the program on the server does not know and goes on.
    fn execute_later(
        self: &Arc<Self>,
        interface: Interface,
        request: &Arc<Request>,
        number: u64,
        operation: &str,
        delay: Duration,
    ) {
        let (crm, request, operation) =
            (Arc::clone(self), Arc::clone(request), operation.to_owned());
        tokio::spawn(async move {
            crm.execute(interface, &request, number, &operation, delay)
                .await;
        });
    }

    /// Some faults make sense for some calls only; one that does not apply costs nothing.
    pub(super) fn applies(&self, fault: &Fault, operation: &str, interface: Interface) -> bool {
        let applies = match fault {
            Fault::EmptyPage => matches!(operation, "query" | "query_related" | "retrieve_related"),
            Fault::DropSession => {
                interface == Interface::WebService && !matches!(operation, "getchallenge" | "login")
            }
            _ => true,
        };
        if !applies {
            self.faults().give_back();
        }
        applies
    }
}

/// What is answered in place of executing the call.
fn instead(fault: &Fault) -> (Reply, Outcome) {
    match fault {
        Fault::Http(status) => (Reply::web_server_page(*status), Outcome::Spoiled),
        Fault::TooMany { retry_after } => {
            let mut reply = Reply::web_server_page(429);
            reply
                .headers
                .extend(retry_after.map(|seconds| ("retry-after", seconds.to_string())));
            (reply, Outcome::Spoiled)
        }
        Fault::HangBeforeEffect(time) => (
            Reply {
                delivery: Delivery::Held(*time),
                ..Reply::nothing()
            },
            Outcome::NoAnswer,
        ),
        _ => (Reply::nothing(), Outcome::NoAnswer),
    }
}
