//! Breakers of several processes: what one learns is told to the others and obeyed there.
//!
//! Each process decides by its own breaker, in memory. This loop tells Redis of what changes there, at once, and takes over what
//! others told, twice a second; claims and calls never wait for it.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Script;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::link::{Away, Link};
use super::{key, milliseconds};
use crate::crm::breaker::{Breaker, Pause, Word};

/// How often it is looked whether others told something.
const LOOK: Duration = Duration::from_millis(500);
/// How long others can hear that a pause has ended; longer than any pause.
const ENDED: Duration = Duration::from_secs(300);

/// `KEYS`: the pause and the wish. `ARGV`: what the pause is (`ended` or how many there were, empty for nothing new), for how
/// many milliseconds, and how many are left of the wish. No word shortens what another one said.
static TELL: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local function left(key)
            return redis.call('PTTL', key)
        end
        if tonumber(ARGV[3]) > left(KEYS[2]) and ARGV[3] ~= '0' then
            redis.call('SET', KEYS[2], '1', 'PX', ARGV[3])
        end
        if ARGV[1] == '' then return end
        local known = redis.call('GET', KEYS[1])
        local newer = ARGV[1] == 'ended' or not known or known == 'ended'
        if newer or tonumber(ARGV[2]) > left(KEYS[1]) then
            redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
        end
        ",
    )
});

static HEAR: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local told = redis.call('GET', KEYS[1])
        return { told or '', redis.call('PTTL', KEYS[1]), redis.call('PTTL', KEYS[2]) }
        ",
    )
});

/// A breaker that is shared.
struct Watched {
    breaker: Arc<Breaker>,
    pause: String,
    asked: String,
}

/// The breakers that are shared.
pub(super) struct Pauses {
    link: Link,
    watched: Vec<Watched>,
    news: Arc<Notify>,
}

impl Pauses {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            watched: Vec::new(),
            news: Arc::default(),
        }
    }

    /// Shares the breaker of a system, told apart by its address and the user there.
    pub(super) fn watch(&mut self, system: &str, whose: &[&str], breaker: Arc<Breaker>) {
        breaker.tell(self.news.clone());
        self.watched.push(Watched {
            breaker,
            pause: key(&self.link, &format!("pause:{system}"), whose),
            asked: key(&self.link, &format!("asked:{system}"), whose),
        });
    }

    /// Tells and hears until it is cancelled.
    pub(super) async fn run(self, cancelled: CancellationToken) {
        cancelled
            .run_until_cancelled(async {
                loop {
                    for watched in &self.watched {
                        // Without Redis each process goes by what it learns itself; what it has to tell waits.
                        drop(self.exchange(watched).await);
                    }
                    tokio::select! {
                        () = self.news.notified() => {}
                        () = tokio::time::sleep(LOOK) => {}
                    }
                }
            })
            .await;
    }

    async fn exchange(&self, watched: &Watched) -> Result<(), Away> {
        if let Some((word, number)) = watched.breaker.untold() {
            self.tell(watched, word).await?;
            watched.breaker.was_told(number);
        }
        watched.breaker.heard(self.hear(watched).await?);
        Ok(())
    }

    async fn tell(&self, watched: &Watched, word: Word) -> Result<(), Away> {
        let (what, time) = match word.pause {
            Pause::Nothing => (String::new(), Duration::ZERO),
            Pause::Ended => ("ended".to_owned(), ENDED),
            Pause::Open { remaining, pauses } => (pauses.to_string(), remaining),
        };
        let mut tell = TELL.key(&watched.pause);
        tell.key(&watched.asked).arg(what);
        // Redis knows no time to live of zero.
        tell.arg(milliseconds(time).max(1));
        tell.arg(word.asked.map_or(0, milliseconds));
        self.link.ask(&tell).await
    }

    async fn hear(&self, watched: &Watched) -> Result<Word, Away> {
        let (what, pause, asked): (String, i64, i64) = self
            .link
            .ask(HEAR.key(&watched.pause).key(&watched.asked))
            .await?;
        let left = |milliseconds: i64| {
            let left = u64::try_from(milliseconds).ok()?;
            (left > 0).then(|| Duration::from_millis(left))
        };
        Ok(Word {
            pause: match (what.as_str(), left(pause)) {
                ("ended", _) => Pause::Ended,
                (pauses, Some(remaining)) => Pause::Open {
                    remaining,
                    pauses: pauses.parse().unwrap_or_default(),
                },
                (_, None) => Pause::Nothing,
            },
            asked: left(asked),
        })
    }
}
