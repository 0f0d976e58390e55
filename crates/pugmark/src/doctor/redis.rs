//! Can Redis be used, and what is shared through it? Nothing depends on it, so nothing here is a problem.

use super::Findings;
use crate::config::Settings;
use crate::problem::Code;
use crate::shared::{Trouble, look};

pub(super) async fn check(settings: &Settings, findings: &mut Findings) {
    let Some(redis) = &settings.redis else {
        findings.ok(
            "Redis",
            "not configured (REDIS_URL): each process logs in and counts its calls by itself",
        );
        return;
    };
    match look(redis).await {
        Ok(()) => findings.ok("Redis", format!("{}, used", redis.url)),
        Err(why) => {
            let said = format!("{}: {}: {why}", why.code, redis.url);
            findings.warning("Redis", said, fix(&why));
        }
    }
    if settings.seal_key.is_none() {
        let code = Code::SessionsNotShared;
        findings.warning(
            "Redis sessions",
            format!("{code}: sessions of vTiger are not shared: there is no key to seal them under"),
            "Set PUGMARK_SEAL_KEY, the same for all processes; without it each process logs in by itself",
        );
    }
}

fn fix(why: &Trouble) -> &'static str {
    match why.code {
        Code::RedisRefused => {
            "Check user and password in REDIS_URL, and that the user may run scripts on the keys of redis.prefix; docs/redis.md has the rule"
        }
        _ => {
            "Check REDIS_URL, the server and the firewall. Until then each process goes on by itself"
        }
    }
}
