//! The connection to Redis: one loop that connects, proves that it may write, and asks for a sign of life until anything fails.
//!
//! While there is none, whoever asks is told so at once and goes on by itself; only the first question that finds the server
//! silent waits for the timeout. The library's own reconnecting would make every one of them wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ErrorKind, FromRedisValue, RedisError, Script, ScriptInvocation,
};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::config::Redis;
use crate::problem::Code;

/// A server that is there but slow to greet is worth waiting for: nobody else waits meanwhile.
const CONNECT: Duration = Duration::from_secs(2);
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A handle on the connection; clones share it.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

struct Inner {
    settings: Redis,
    state: Mutex<State>,
    standing: watch::Sender<Standing>,
    lost: Notify,
}

#[derive(Default)]
struct State {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that a late failure of an old one is not taken for one of the new.
    number: u64,
}

/// How this process stands with Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The first connection is being made.
    Connecting,
    /// It is used.
    Up {
        /// Since when.
        since: Timestamp,
    },
    /// It is not used: each process goes on by itself.
    Away {
        /// Since when.
        since: Timestamp,
        /// What is in the way.
        why: Trouble,
    },
}

/// Why Redis cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct Trouble {
    /// [`Code::RedisUnavailable`] or [`Code::RedisRefused`].
    pub code: Code,
    said: String,
}

/// Redis cannot be asked at the moment.
#[derive(Debug)]
pub(super) struct Away;

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        let refused = error.kind() == ErrorKind::AuthenticationFailed
            || matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM"));
        Self {
            code: if refused {
                Code::RedisRefused
            } else {
                Code::RedisUnavailable
            },
            said: error.to_string(),
        }
    }
}

impl Link {
    pub(super) fn new(settings: Redis) -> Self {
        Self(Arc::new(Inner {
            settings,
            state: Mutex::default(),
            standing: watch::Sender::new(Standing::Connecting),
            lost: Notify::new(),
        }))
    }

    pub(super) fn settings(&self) -> &Redis {
        &self.0.settings
    }

    pub(super) fn standing(&self) -> Standing {
        self.0.standing.borrow().clone()
    }

    /// Done when the first attempt to connect has ended, however it did.
    pub(super) async fn first_attempt(&self) {
        let mut standing = self.0.standing.subscribe();
        let tried = standing.wait_for(|standing| *standing != Standing::Connecting);
        // It cannot fail: the sender is ours.
        drop(tried.await);
    }

    /// Runs a script. Whatever goes wrong, Redis counts as away from then on, until the loop has connected anew.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Away> {
        let (mut connection, number) = self.connection().ok_or(Away)?;
        match script.invoke_async(&mut connection).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                self.fail(number, error.into());
                Err(Away)
            }
        }
    }

    /// Whether there is a connection to ask over.
    pub(super) fn is_up(&self) -> bool {
        self.lock().connection.is_some()
    }

    fn connection(&self) -> Option<(MultiplexedConnection, u64)> {
        let state = self.lock();
        state.connection.clone().map(|open| (open, state.number))
    }

    fn fail(&self, number: u64, why: Trouble) {
        {
            let mut state = self.lock();
            if state.number != number || state.connection.take().is_none() {
                return;
            }
        }
        self.away(why);
        self.0.lost.notify_one();
    }

    fn away(&self, why: Trouble) {
        tracing::debug!(%why, "Redis cannot be used");
        self.0.standing.send_modify(|standing| match standing {
            // Since when it is away is not changed by another reason.
            Standing::Away { why: last, .. } => *last = why,
            Standing::Connecting | Standing::Up { .. } => {
                tracing::warn!(code = %why.code, %why, "Redis cannot be used: this process goes on by itself");
                let since = Timestamp::now();
                *standing = Standing::Away { since, why };
            }
        });
    }

    /// Connects, now and whenever it has to be.
    pub(super) async fn run(self, cancelled: CancellationToken) {
        cancelled
            .run_until_cancelled(async {
                let mut pause = FIRST_PAUSE;
                loop {
                    match connect(self.settings()).await {
                        Ok(connection) => {
                            self.up(connection);
                            pause = FIRST_PAUSE;
                            self.watch().await;
                        }
                        Err(why) => self.away(why),
                    }
                    // All processes lose it at the same moment, and need not all come back at one.
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            })
            .await;
    }

    fn up(&self, connection: MultiplexedConnection) {
        {
            let mut state = self.lock();
            state.number += 1;
            state.connection = Some(connection);
        }
        let since = Timestamp::now();
        tracing::info!(url = %self.settings().url, "Redis is used");
        self.0.standing.send_replace(Standing::Up { since });
    }

    /// Done when the connection is lost.
    async fn watch(&self) {
        while let Some((mut connection, number)) = self.connection() {
            tokio::select! {
                () = self.0.lost.notified() => {}
                () = tokio::time::sleep(SIGN_OF_LIFE) => {
                    let ping = redis::cmd("PING").query_async::<String>(&mut connection).await;
                    if let Err(error) = ping {
                        self.fail(number, error.into());
                    }
                }
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connects and proves that scripts may write here. Answers that come too late count as none.
///
/// # Errors
/// Why Redis cannot be used.
pub(super) async fn connect(settings: &Redis) -> Result<MultiplexedConnection, Trouble> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT))
        .set_response_timeout(Some(settings.timeout));
    let client = settings.url.client()?;
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let key = format!("{}:hello", settings.prefix);
    Script::new("return redis.call('SET', KEYS[1], '1', 'PX', 1000)")
        .key(key)
        .invoke_async::<()>(&mut connection)
        .await?;
    Ok(connection)
}
