//! Sessions and their refresh tokens.

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

/// A session: one sign-in, kept up by refreshing.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) id: Uuid,
    pub(super) user: Uuid,
    pub(super) signed_in_at: Timestamp,
    /// Refresh tokens in the order of their issue; only the last one is good, and the one before it once more.
    tokens: Vec<String>,
    /// A token that was long used up was presented: none is good any more.
    compromised: bool,
}

/// What a refresh token is good for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The newest one: a new one is issued.
    Active,
    /// The one before: its successor may have been lost on its way, so that is given out once more.
    Superseded(String),
    /// An older one: somebody may have stolen it.
    Used,
}

/// All living sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    living: HashMap<Uuid, Session>,
    by_token: HashMap<String, Uuid>,
}

impl Sessions {
    pub(super) fn begin(&mut self, id: Uuid, user: Uuid, token: String, now: Timestamp) {
        self.by_token.insert(token.clone(), id);
        let session = Session {
            id,
            user,
            signed_in_at: now,
            tokens: vec![token],
            compromised: false,
        };
        self.living.insert(id, session);
    }

    pub(super) fn get(&self, id: Uuid) -> Option<&Session> {
        self.living.get(&id)
    }

    pub(super) fn of_token(&self, token: &str) -> Option<&Session> {
        self.living.get(self.by_token.get(token)?)
    }

    pub(super) fn count_of(&self, user: Uuid) -> usize {
        self.living
            .values()
            .filter(|session| session.user == user)
            .count()
    }

    /// Adds a refresh token in place of the newest one.
    pub(super) fn rotate(&mut self, id: Uuid, token: String) {
        if let Some(session) = self.living.get_mut(&id) {
            session.tokens.push(token.clone());
            self.by_token.insert(token, id);
        }
    }

    /// No refresh token of the session is good any more.
    pub(super) fn compromise(&mut self, id: Uuid) {
        if let Some(session) = self.living.get_mut(&id) {
            session.compromised = true;
        }
    }

    /// Ends a session; gives how many ended.
    pub(super) fn end(&mut self, id: Uuid) -> usize {
        self.end_where(|session| session.id == id)
    }

    /// Ends the sessions of a user, except this one; gives how many ended.
    pub(super) fn end_all_of(&mut self, user: Uuid, except: Option<Uuid>) -> usize {
        self.end_where(|session| session.user == user && Some(session.id) != except)
    }

    fn end_where(&mut self, ends: impl Fn(&Session) -> bool) -> usize {
        let before = self.living.len();
        self.living.retain(|_, session| !ends(session));
        let living = &self.living;
        self.by_token.retain(|_, id| living.contains_key(id));
        before - living.len()
    }
}

impl Session {
    pub(super) fn standing(&self, token: &str) -> Standing {
        let newest = self.tokens.len() - 1;
        match self.tokens.iter().position(|known| known == token) {
            _ if self.compromised => Standing::Used,
            Some(at) if at == newest => Standing::Active,
            Some(at) if at + 1 == newest => Standing::Superseded(self.tokens[newest].clone()),
            _ => Standing::Used,
        }
    }
}
