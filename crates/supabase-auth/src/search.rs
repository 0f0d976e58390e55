//! Finding a user by address, for which the server has no call.

use std::collections::HashSet;

use serde_json::Value as Json;
use uuid::Uuid;

use crate::client::Client;
use crate::error::{CallError, Failure};
use crate::user::User;

/// Users asked for at once while searching.
const PER_PAGE: u32 = 200;

/// What a walk through the list came to.
enum Walk {
    Found(Box<User>),
    /// Every page was seen. Whether every user was depends on what the server makes of the filter.
    NotFound {
        /// Somebody was listed who does not match the filter, so it was ignored, and everybody was listed.
        filter_ignored: bool,
    },
    /// The pages ended before the number of users the server gave was reached.
    Incomplete {
        seen: usize,
        total: u64,
    },
}

impl Client {
    /// Finds the user with this address, in whatever case.
    ///
    /// Asks with the server's filter, which is not documented, and compares exactly. If nobody is found that way, the
    /// whole list is paged through: only that proves absence, and it takes a call for every 200 users. Keep your own
    /// mapping between ids and addresses, and use this to mend it.
    ///
    /// # Errors
    /// As every read; [`CallError::Unreadable`] when the pages do not add up to a complete list.
    pub async fn find_by_email(&self, email: &str) -> Result<Option<User>, CallError> {
        let wanted = email.trim().to_lowercase();
        if wanted.is_empty() {
            return Ok(None);
        }
        match self.walk(&wanted, Some(&wanted)).await? {
            Walk::Found(user) => return Ok(Some(*user)),
            Walk::NotFound {
                filter_ignored: true,
            } => return Ok(None),
            Walk::NotFound { .. } | Walk::Incomplete { .. } => {}
        }
        match self.walk(&wanted, None).await? {
            Walk::Found(user) => Ok(Some(*user)),
            Walk::NotFound { .. } => Ok(None),
            Walk::Incomplete { seen, total } => Err(paging(format!(
                "the pages held {seen} users, the server counts {total}"
            ))),
        }
    }

    async fn walk(&self, wanted: &str, filter: Option<&str>) -> Result<Walk, CallError> {
        let mut seen: HashSet<Uuid> = HashSet::new();
        let mut filter_ignored = false;
        for page in 1.. {
            let listed = self.list_filtered(page, PER_PAGE, filter).await?;
            let (count, total) = (listed.users.len(), listed.total.unwrap_or(0));
            let known = seen.len();
            for user in listed.users {
                if user.has_email(wanted) {
                    return Ok(Walk::Found(Box::new(user)));
                }
                filter_ignored |= !could_match(&user, wanted);
                seen.insert(user.id);
            }
            let missing = (seen.len() as u64) < total;
            if count == 0 && missing {
                let seen = seen.len();
                return Ok(Walk::Incomplete { seen, total });
            }
            // A server that allows fewer users per page than asked for never fills one.
            if count < PER_PAGE as usize && !missing {
                break;
            }
            if seen.len() == known {
                return Err(paging(format!("page {page} repeats the ones before")));
            }
        }
        Ok(Walk::NotFound { filter_ignored })
    }
}

/// Whether the server's filter would let this user through: part of the address or of the full name.
fn could_match(user: &User, wanted: &str) -> bool {
    let name = user.user_metadata.get("full_name").and_then(Json::as_str);
    [user.email.as_deref(), name]
        .into_iter()
        .flatten()
        .any(|text| text.to_lowercase().contains(wanted))
}

fn paging(message: String) -> CallError {
    CallError::Unreadable(Failure {
        operation: "list_users",
        code: "PAGING".to_owned(),
        message,
        http_status: Some(200),
        hint: None,
    })
}
