//! The journal: an append-only list of every call, every effect and every injected fault.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::fault::Fault;

/// One line of the journal.
#[derive(Clone, Debug, Serialize)]
pub struct JournalEntry {
    /// Running number, from 1, without gaps.
    pub seq: u64,
    /// When, by the sandbox's clock.
    pub at: Timestamp,
    /// Which HTTP request caused it (from 1); none when a test or a person in the user interface did it.
    pub request_no: Option<u64>,
    /// Who did it, where that is known: the login name of a user, his e-mail address, or the role of a service.
    pub user: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub kind: JournalKind,
}

/// A field's value before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Value before.
    pub old: String,
    /// Value after, as stored.
    pub new: String,
}

/// What happened. Passwords, access keys, tokens and session names are never noted.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum JournalKind {
    /// A call ended. Noted after its effects.
    Call {
        /// Operation in lower case; empty when the request named none.
        operation: String,
        /// HTTP status answered; 0 when no answer was sent.
        http: u16,
        /// How it ended.
        outcome: Outcome,
        /// Time from request read to answer ready.
        duration: Duration,
        /// What the caller sent as header `x-correlation-id`.
        correlation_id: Option<String>,
    },
    /// A call's turn came, and work on it began. Noted by Maxio only, whose limit makes calls wait.
    Begun {
        /// Operation in lower case; empty when the request named none.
        operation: String,
        /// How many calls were in progress, this one and those that waited among them.
        in_progress: usize,
    },
    /// A record was stored.
    Created {
        /// Record id: `<prefix>x<number>`, the UUID of a user of Supabase Auth (module `users`), or a number of Maxio's
        /// (modules `customers`, `payment_profiles`, `subscriptions`).
        id: String,
        /// Module name.
        module: String,
        /// Values as stored (what `retrieve` shows), those that are empty left out.
        fields: BTreeMap<String, String>,
    },
    /// A record was changed by `revise` or by a person.
    Revised {
        /// Record id.
        id: String,
        /// Module name.
        module: String,
        /// Fields whose stored value really changed, without the modification time.
        changed: BTreeMap<String, Change>,
    },
    /// A record was changed by `update`, whoever asked for it.
    Updated {
        /// Record id.
        id: String,
        /// Module name.
        module: String,
        /// Fields whose stored value really changed, without the modification time.
        changed: BTreeMap<String, Change>,
    },
    /// A record was deleted.
    Deleted {
        /// Record id.
        id: String,
        /// Module name.
        module: String,
    },
    /// A deleted record was taken out of the recycle bin.
    Restored {
        /// Record id.
        id: String,
        /// Module name.
        module: String,
    },
    /// A lead was converted; the records made of it were noted before.
    LeadConverted {
        /// Record id of the lead.
        id: String,
        /// Module name of the lead.
        module: String,
        /// By module name, the ids of the records it became.
        into: BTreeMap<String, String>,
    },
    /// A user's password was set: once more, when it is the same. What it is, is never noted.
    PasswordSet {
        /// Record id of the user.
        id: String,
        /// Module name.
        module: String,
    },
    /// A session began.
    LoggedIn {
        /// The user's id.
        user_id: String,
    },
    /// Sessions ended, because the user left or because of what was done to the user.
    LoggedOut {
        /// The user's id.
        user_id: String,
        /// How many.
        sessions: usize,
    },
    /// A fault of the plan struck the request.
    FaultInjected {
        /// Operation struck.
        operation: String,
        /// The fault.
        fault: Fault,
        /// On which side of the effect.
        moment: Moment,
    },
}

/// On which side of the effect a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The call has no effect, or had none yet.
    BeforeEffect,
    /// The effect is stored.
    AfterEffect,
}

/// How a call ended, as the sandbox sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "code", rename_all = "snake_case")]
pub enum Outcome {
    /// As asked: `success:true`, or a status of the 200s.
    Done,
    /// An error of the application with this code.
    Refused(String),
    /// A dead program: HTTP 500 with an empty body, or with nothing but "Internal Server Error".
    Fatal,
    /// An answer that is not what the call deserved, made by a fault.
    Spoiled,
    /// No answer was sent.
    NoAnswer,
    /// Answered by the web server or the gateway in front (401, 404, 413, ...).
    WebServer,
}

#[derive(Debug, Default)]
struct Entries {
    list: Vec<Arc<JournalEntry>>,
    /// Positions of the entries that concern a record.
    by_record: HashMap<String, Vec<usize>>,
    calls: u64,
    calls_by_operation: HashMap<String, u64>,
    created_by_module: HashMap<String, u64>,
}

#[derive(Debug)]
struct Shared {
    entries: RwLock<Entries>,
    length: watch::Sender<u64>,
}

/// A live, cheap handle on the journal: clones see what is appended later.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                entries: RwLock::default(),
                length: watch::Sender::new(0),
            }),
        }
    }
}

impl Journal {
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.read().list.len()
    }

    /// Whether nothing has happened yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Every entry so far.
    pub fn entries(&self) -> Vec<Arc<JournalEntry>> {
        self.read().list.clone()
    }

    /// Entries with a number above `seq`, to go on reading where one stopped.
    pub fn entries_since(&self, seq: u64) -> Vec<Arc<JournalEntry>> {
        let read = self.read();
        let from = usize::try_from(seq)
            .unwrap_or(usize::MAX)
            .min(read.list.len());
        read.list[from..].to_vec()
    }

    /// Every call that ended.
    pub fn calls(&self) -> Vec<Arc<JournalEntry>> {
        self.select(|kind| matches!(kind, JournalKind::Call { .. }))
    }

    /// How many calls ended: of one operation (lower case), or of all. Does not grow with the journal's length.
    pub fn count_calls(&self, operation: Option<&str>) -> u64 {
        let read = self.read();
        match operation {
            Some(name) => read.calls_by_operation.get(name).copied().unwrap_or(0),
            None => read.calls,
        }
    }

    /// Calls of one operation (lower case) that ended.
    pub fn calls_of(&self, operation: &str) -> Vec<Arc<JournalEntry>> {
        self.select(
            |kind| matches!(kind, JournalKind::Call { operation: name, .. } if name == operation),
        )
    }

    /// Everything stored, changed or deleted under this record id, in order.
    pub fn effects_on(&self, id: &str) -> Vec<Arc<JournalEntry>> {
        let read = self.read();
        let positions = read
            .by_record
            .get(id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        positions
            .iter()
            .map(|&position| Arc::clone(&read.list[position]))
            .collect()
    }

    /// Every record ever created in a module, also those deleted later.
    pub fn created(&self, module: &str) -> Vec<Arc<JournalEntry>> {
        self.select(
            |kind| matches!(kind, JournalKind::Created { module: name, .. } if name == module),
        )
    }

    /// How many records were ever created in a module. Does not grow with the journal's length.
    pub fn count_created(&self, module: &str) -> u64 {
        self.read()
            .created_by_module
            .get(module)
            .copied()
            .unwrap_or(0)
    }

    /// Every fault injected.
    pub fn faults(&self) -> Vec<Arc<JournalEntry>> {
        self.select(|kind| matches!(kind, JournalKind::FaultInjected { .. }))
    }

    /// Groups every record ever created in a module (also one deleted later: it was made all the same) by the last
    /// value its field had. A value with more than one id is a duplicate; records whose field stayed empty are left out.
    pub fn count_distinct_by(&self, module: &str, field: &str) -> BTreeMap<String, Vec<String>> {
        let read = self.read();
        let mut last: Vec<(&str, Option<&str>)> = Vec::new();
        let mut position: HashMap<&str, usize> = HashMap::new();
        for entry in &read.list {
            match &entry.kind {
                JournalKind::Created {
                    id,
                    module: name,
                    fields,
                } if name == module => {
                    position.insert(id, last.len());
                    last.push((id, fields.get(field).map(String::as_str)));
                }
                JournalKind::Revised { id, changed, .. }
                | JournalKind::Updated { id, changed, .. } => {
                    if let (Some(&at), Some(change)) =
                        (position.get(id.as_str()), changed.get(field))
                    {
                        last[at].1 = Some(change.new.as_str());
                    }
                }
                _ => {}
            }
        }
        let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (id, value) in last {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                groups
                    .entry(value.to_owned())
                    .or_default()
                    .push(id.to_owned());
            }
        }
        groups
    }

    /// Waits until `condition` holds, looking again whenever something is appended; says whether it came to hold
    /// within `timeout`.
    pub async fn wait_until(
        &self,
        mut condition: impl FnMut(&Journal) -> bool,
        timeout: Duration,
    ) -> bool {
        let mut length = self.shared.length.subscribe();
        let wait = async {
            loop {
                length.borrow_and_update();
                if condition(self) {
                    return true;
                }
                if length.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.unwrap_or(false)
    }

    /// The whole journal as a JSON array.
    pub fn to_json(&self) -> serde_json::Value {
        let read = self.read();
        serde_json::Value::Array(
            read.list
                .iter()
                .map(|entry| serde_json::to_value(&**entry).unwrap_or_default())
                .collect(),
        )
    }

    pub(crate) fn append(
        &self,
        at: Timestamp,
        request_no: Option<u64>,
        user: Option<String>,
        kind: JournalKind,
    ) {
        let length = {
            let mut entries = self
                .shared
                .entries
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let position = entries.list.len();
            let seq = position as u64 + 1;
            entries.count(&kind, position);
            entries.list.push(Arc::new(JournalEntry {
                seq,
                at,
                request_no,
                user,
                kind,
            }));
            seq
        };
        self.shared.length.send_replace(length);
    }

    fn select(&self, wanted: impl Fn(&JournalKind) -> bool) -> Vec<Arc<JournalEntry>> {
        self.read()
            .list
            .iter()
            .filter(|entry| wanted(&entry.kind))
            .cloned()
            .collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, Entries> {
        self.shared
            .entries
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn count(&mut self, kind: &JournalKind, position: usize) {
        match kind {
            JournalKind::Call { operation, .. } => {
                self.calls += 1;
                *self
                    .calls_by_operation
                    .entry(operation.clone())
                    .or_default() += 1;
            }
            JournalKind::Created { id, module, .. } => {
                *self.created_by_module.entry(module.clone()).or_default() += 1;
                self.by_record.entry(id.clone()).or_default().push(position);
            }
            JournalKind::Revised { id, .. }
            | JournalKind::Updated { id, .. }
            | JournalKind::Deleted { id, .. }
            | JournalKind::Restored { id, .. }
            | JournalKind::LeadConverted { id, .. }
            | JournalKind::PasswordSet { id, .. } => {
                self.by_record.entry(id.clone()).or_default().push(position);
            }
            JournalKind::Begun { .. }
            | JournalKind::LoggedIn { .. }
            | JournalKind::LoggedOut { .. }
            | JournalKind::FaultInjected { .. } => {}
        }
    }
}
