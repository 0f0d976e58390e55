use tokio::sync::watch;

use super::BrokerError;
use crate::db::Ts;

/// How one connection stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Link {
    /// It is being made for the first time.
    Connecting,
    /// It stands, and the topology is declared.
    Up {
        /// Since when, by this host's clock.
        since: Ts,
        /// The broker takes no messages for the moment, for instance for want of memory, and why.
        blocked: Option<String>,
    },
    /// It does not stand; it is tried again.
    Down {
        /// Since when, by this host's clock.
        since: Ts,
        /// What was in the way the last time.
        why: BrokerError,
    },
}

impl Link {
    /// Whether it stands.
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up { .. })
    }
}

/// How a process stands with the broker.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerState {
    /// The connection over which wake-ups are published.
    pub publishing: Link,
    /// The connection over which messages come; `None` in processes without a worker.
    pub consuming: Option<Link>,
}

impl BrokerState {
    /// Whether all connections stand.
    pub fn is_up(&self) -> bool {
        self.publishing.is_up() && self.consuming.as_ref().is_none_or(Link::is_up)
    }

    /// The connection that stands worst.
    pub fn worst(&self) -> &Link {
        match &self.consuming {
            Some(consuming) if self.publishing.is_up() => consuming,
            _ => &self.publishing,
        }
    }
}

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Publishing,
    Consuming,
}

/// The state, for those who show it and those who wait for it.
pub(super) struct States(watch::Sender<BrokerState>);

impl States {
    pub(super) fn new() -> Self {
        let state = BrokerState {
            publishing: Link::Connecting,
            consuming: None,
        };
        Self(watch::Sender::new(state))
    }

    pub(super) fn now(&self) -> BrokerState {
        self.0.borrow().clone()
    }

    pub(super) async fn until(&self, wanted: impl Fn(&BrokerState) -> bool) -> BrokerState {
        let mut states = self.0.subscribe();
        match states.wait_for(|state| wanted(state)).await {
            Ok(state) => state.clone(),
            Err(_) => self.now(),
        }
    }

    pub(super) fn consumes(&self) {
        self.0
            .send_modify(|state| state.consuming = Some(Link::Connecting));
    }

    pub(super) fn up(&self, side: Side) {
        self.set(side, |_| Link::Up {
            since: Ts::now(),
            blocked: None,
        });
    }

    pub(super) fn blocked(&self, side: Side, why: Option<String>) {
        self.set(side, |link| match link {
            Link::Up { since, .. } => Link::Up {
                since,
                blocked: why,
            },
            other => other,
        });
    }

    pub(super) fn is_up(&self, side: Side) -> bool {
        let state = self.0.borrow();
        match side {
            Side::Publishing => state.publishing.is_up(),
            Side::Consuming => state.consuming.as_ref().is_some_and(Link::is_up),
        }
    }

    /// Tells whether that is news, or never was.
    pub(super) fn down(&self, side: Side, why: BrokerError) -> bool {
        let mut news = true;
        self.set(side, |link| match link {
            Link::Down { since, why: before } => {
                news = before != why;
                Link::Down { since, why }
            }
            Link::Connecting | Link::Up { .. } => Link::Down {
                since: Ts::now(),
                why,
            },
        });
        news
    }

    fn set(&self, side: Side, change: impl FnOnce(Link) -> Link) {
        self.0.send_modify(|state| {
            let link = match side {
                Side::Publishing => &mut state.publishing,
                Side::Consuming => state.consuming.get_or_insert(Link::Connecting),
            };
            *link = change(link.clone());
        });
    }
}
