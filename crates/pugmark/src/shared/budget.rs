//! The calls that vTiger Cloud allows an instance per minute and per day, counted for all processes together.
//!
//! What the last answers said was used, and what is under way and not answered yet, is what may have been used by now. A call is
//! made only if that leaves one. Where a call is refused, the processes hold one another back through their breakers as well.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use redis::Script;
use uuid::Uuid;
use vtiger::{CallBudget, OverBudget, Quota, Spent};

use super::link::Link;
use super::{key, milliseconds};

/// Calls of all processes that may be under way while nobody knows how many this minute allows.
const UNKNOWN: u32 = 2;
/// How often one who waits for the answers to these looks again.
const LOOK: Duration = Duration::from_millis(30);
/// Clocks of Redis and vTiger that differ by less cannot make a minute begin too early.
const SKEW: Duration = Duration::from_secs(2);
/// With no call left in the day, one is made so often: the day rolls, and only answers tell.
const DAY_LOOK: Duration = Duration::from_secs(60);
/// A CRM whose answers name no limit is not asked again about it for so long.
const SILENT: Duration = Duration::from_secs(60);

/// Asks for leave. `KEYS`: what is known, and the calls under way with the time at which they are given up. `ARGV`: this call's
/// id, how long it may take, [`UNKNOWN`], [`SKEW`], [`DAY_LOOK`], all in milliseconds. Gives what was decided, and a time to wait.
static SPEND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
        local calls = redis.call('ZCARD', KEYS[2])
        local known = redis.call('HMGET', KEYS[1], 'limit', 'used', 'reset', 'day', 'looked', 'silent')
        local limit, used, reset = tonumber(known[1]), tonumber(known[2]), tonumber(known[3])
        local day, looked, silent = tonumber(known[4]), tonumber(known[5]), tonumber(known[6])
        local function leave()
            redis.call('ZADD', KEYS[2], now + ARGV[2], ARGV[1])
            redis.call('PEXPIRE', KEYS[2], ARGV[2] * 2)
            return { 'leave', 0 }
        end
        if day and day > 0 and day <= calls then return { 'wait', 0 } end
        if day and day <= 0 then
            local again = (looked or 0) + ARGV[5]
            if again > now then return { 'day', again - now } end
            redis.call('HSET', KEYS[1], 'looked', now)
        end
        if silent and silent > now then return leave() end
        local over = not reset or now >= reset * 1000 + ARGV[4]
        if not over then
            if used + calls < limit then return leave() end
            -- The answers to those under way may show that they are counted already.
            if used < limit and calls > 0 then return { 'wait', 0 } end
            return { 'minute', reset * 1000 + ARGV[4] - now }
        end
        if calls < tonumber(ARGV[3]) and calls < (limit or calls + 1) then return leave() end
        return { 'wait', 0 }
        ",
    )
});

/// Tells what an answer said. `ARGV`: the call's id, limit, remaining and reset of the minute, remaining of the day (each -1 where it
/// says nothing), [`SILENT`], the time after which all of it is forgotten.
static ANSWERED: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        redis.call('ZREM', KEYS[2], ARGV[1])
        local limit, left, reset = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
        local day = tonumber(ARGV[5])
        local time = redis.call('TIME')
        if limit < 0 or left < 0 or reset < 0 then
            if redis.call('HEXISTS', KEYS[1], 'limit') == 0 then
                redis.call('HSET', KEYS[1], 'silent', time[1] * 1000 + ARGV[6])
            end
        else
            local known = tonumber(redis.call('HGET', KEYS[1], 'reset') or '0')
            local used = math.max(limit - left, 0)
            if reset == known then
                used = math.max(used, tonumber(redis.call('HGET', KEYS[1], 'used')))
                day = math.min(day, tonumber(redis.call('HGET', KEYS[1], 'day') or day))
            end
            if reset >= known then
                redis.call('HSET', KEYS[1], 'limit', limit, 'used', used, 'reset', reset)
                redis.call('HDEL', KEYS[1], 'silent')
                if day >= 0 then redis.call('HSET', KEYS[1], 'day', day) end
                if day == 0 then redis.call('HSET', KEYS[1], 'looked', time[1] * 1000) end
            end
        end
        redis.call('PEXPIRE', KEYS[1], ARGV[7])
        ",
    )
});

/// The budget of an instance.
#[derive(Clone)]
pub(super) struct SharedBudget(Arc<Inner>);

struct Inner {
    link: Link,
    known: String,
    under_way: String,
    call: Duration,
}

impl SharedBudget {
    /// For the instance at this endpoint, whose calls take so long at most.
    pub(super) fn new(link: Link, endpoint: &str, call: Duration) -> Self {
        Self(Arc::new(Inner {
            known: key(&link, "budget", &[endpoint]),
            under_way: key(&link, "calls", &[endpoint]),
            link,
            call,
        }))
    }

    /// Without Redis leave is given: each process then goes by what answers tell it.
    async fn ask(&self, id: &str) -> (String, Duration) {
        let inner = &self.0;
        let mut spend = SPEND.key(&inner.known);
        spend.key(&inner.under_way).arg(id);
        spend.arg(milliseconds(inner.call)).arg(UNKNOWN);
        spend.arg(milliseconds(SKEW)).arg(milliseconds(DAY_LOOK));
        let asked = inner.link.ask::<(String, u64)>(&spend).await;
        let (said, wait) = asked.unwrap_or_else(|_| ("leave".to_owned(), 0));
        (said, Duration::from_millis(wait))
    }
}

#[async_trait]
impl CallBudget for SharedBudget {
    async fn spend(&self) -> Result<Box<dyn Spent>, OverBudget> {
        let id = Uuid::new_v4().to_string();
        loop {
            let (said, wait) = self.ask(&id).await;
            let limit = match said.as_str() {
                "minute" => "call limit of this minute",
                "day" => "call limit of the day",
                "wait" => {
                    tokio::time::sleep(LOOK.mul_f64(rand::random_range(0.5..1.5))).await;
                    continue;
                }
                _ => {
                    let budget = self.clone();
                    return Ok(Box::new(Leave { budget, id }));
                }
            };
            return Err(OverBudget { limit, wait });
        }
    }
}

/// Leave for a call. One that is never answered counts as under way until its time is over.
struct Leave {
    budget: SharedBudget,
    id: String,
}

impl Spent for Leave {
    fn answered(self: Box<Self>, quota: &Quota) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let count = |number: Option<u64>| number.and_then(|number| i64::try_from(number).ok());
        let said = [
            count(quota.minute_limit),
            count(quota.minute_remaining),
            quota.minute_reset.map(|reset| reset.as_second()),
            count(quota.day_remaining),
        ]
        .map(|number| number.unwrap_or(-1));
        runtime.spawn(async move {
            let inner = &self.budget.0;
            let mut answered = ANSWERED.key(&inner.known);
            answered.key(&inner.under_way).arg(&self.id);
            for number in said {
                answered.arg(number);
            }
            // A minute and the looks of a day are far shorter.
            let forgotten = Duration::from_secs(3_600);
            answered
                .arg(milliseconds(SILENT))
                .arg(milliseconds(forgotten));
            drop(inner.link.ask::<()>(&answered).await);
        });
    }
}
