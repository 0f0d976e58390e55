//! Who the client is, and what the server's clock says.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::classify::unexpected_result;
use crate::client::Client;
use crate::config::Edition;
use crate::error::CallError;
use crate::id::RecordId;
use crate::operation::Operation;
use crate::session::text_of;

/// The calling user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's record id (`19x1`).
    pub user_id: RecordId,
    /// The login name.
    pub user_name: String,
    /// Whether the user is an administrator; `None` where the login does not tell (vTiger 7.x).
    pub is_admin: Option<bool>,
    /// The version of the web service (`0.22`); empty on Cloud.
    pub version: String,
    /// The version of vTiger (`8.0.0`), where told.
    pub vtiger_version: Option<String>,
    /// First and last name, where told.
    pub full_name: Option<String>,
    /// The e-mail address, where told.
    pub email: Option<String>,
    /// The user's own time zone, where told; it has no effect on the web service.
    pub time_zone: Option<String>,
}

/// The server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerTime {
    /// What the server's clock showed, to the second, some time during the call.
    pub server: Timestamp,
    /// How long the call took; the clock difference is known to no more than this.
    pub round_trip: Duration,
}

impl Identity {
    /// Reads the answer of `login` (vTiger 7.x sends only `sessionName, userId, version, vtigerVersion`).
    pub(crate) fn from_login(answer: &Json, configured_name: &str) -> Option<Self> {
        Some(Self {
            user_id: text_of(answer, "userId")?.parse().ok()?,
            user_name: text_of(answer, "username").unwrap_or_else(|| configured_name.to_owned()),
            is_admin: text_of(answer, "is_admin").map(|flag| flag == "on"),
            version: text_of(answer, "version").unwrap_or_default(),
            vtiger_version: text_of(answer, "vtigerVersion"),
            full_name: full_name(answer),
            email: text_of(answer, "email"),
            time_zone: text_of(answer, "time_zone"),
        })
    }

    /// Reads the answer of Cloud's `me`.
    fn from_me(answer: &Json, vtiger_version: Option<String>) -> Option<Self> {
        Some(Self {
            user_id: text_of(answer, "id")?.parse().ok()?,
            user_name: text_of(answer, "user_name")?,
            is_admin: text_of(answer, "is_admin").map(|flag| flag == "on"),
            version: String::new(),
            vtiger_version,
            full_name: full_name(answer),
            email: text_of(answer, "email1"),
            time_zone: text_of(answer, "time_zone"),
        })
    }
}

fn full_name(answer: &Json) -> Option<String> {
    let part = |name| text_of(answer, name).unwrap_or_default();
    let name = format!("{} {}", part("first_name"), part("last_name"))
        .trim()
        .to_owned();
    (!name.is_empty()).then_some(name)
}

impl Client {
    /// The server's clock, without needing valid credentials on open source (`getchallenge`); on Cloud the `Date` header
    /// of `me`.
    ///
    /// # Errors
    /// As every read; [`CallError::Refused`] with `Credentials` when the user name is unknown.
    pub async fn server_time(&self) -> Result<ServerTime, CallError> {
        match self.config().edition {
            Edition::OpenSource => {
                // A challenge voids the one before, so it takes its turn with the logins.
                let _turn = self.enter_login_gate().await?;
                let start = Instant::now();
                let challenge = self.challenge().await?;
                let server = Timestamp::from_second(challenge.server_time).map_err(|_| {
                    unexpected_result(&Operation::read("getchallenge"), "serverTime is no time")
                })?;
                Ok(ServerTime {
                    server,
                    round_trip: start.elapsed(),
                })
            }
            Edition::Cloud => {
                let operation = Operation::read("me");
                let start = Instant::now();
                let (_, meta) = self.call_cloud(&operation).await?;
                let server = meta.date.ok_or_else(|| {
                    unexpected_result(&operation, "the answer has no Date header")
                })?;
                Ok(ServerTime {
                    server,
                    round_trip: start.elapsed(),
                })
            }
        }
    }

    /// Logs in afresh (Cloud: `me`) and tells who the calling user is.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `Credentials` for a wrong key, an unknown or an inactive user.
    pub async fn identify(&self) -> Result<Identity, CallError> {
        match self.config().edition {
            Edition::OpenSource => self.log_in_anew().await,
            Edition::Cloud => {
                let operation = Operation::read("me");
                let (answer, meta) = self.call_cloud(&operation).await?;
                Identity::from_me(&answer, meta.vtiger_version)
                    .ok_or_else(|| unexpected_result(&operation, "the answer holds no user"))
            }
        }
    }

    /// The calling user's id, without a login of its own where a session is at hand that told it.
    ///
    /// # Errors
    /// As [`Client::identify`].
    pub async fn user_id(&self) -> Result<RecordId, CallError> {
        match self.config().edition {
            Edition::OpenSource => self.user_of_sessions().await,
            Edition::Cloud => Ok(self.identify().await?.user_id),
        }
    }
}
