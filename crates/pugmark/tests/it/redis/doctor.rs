//! What `pugmark doctor` finds at Redis, through the real binary.

use serde_json::Value;

use super::*;
use crate::program::{configured, run};

with_a_redis!(doctor_says_whether_redis_is_used_and_never_fails_for_it);

const SEAL_KEY: (&str, &str) = (
    "PUGMARK_SEAL_KEY",
    "0707070707070707070707070707070707070707070707070707070707070707",
);

/// What is said of Redis, mark by mark.
async fn said(site: &Site, variables: &[(&str, &str)]) -> (String, i32) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(&site.world, folder.path(), &["doctor", "--json"]);
    command.envs(variables.iter().copied());
    let ended = run(command).await;
    assert!(!format!("{ended:?}").contains("very-secret"), "{ended:?}");
    let findings: Vec<Value> = serde_json::from_str(&ended.stdout).expect("JSON");
    let lines = findings
        .iter()
        .filter(|finding| {
            finding["what"]
                .as_str()
                .unwrap_or_default()
                .starts_with("Redis")
        })
        .map(|finding| {
            let [mark, said] =
                ["mark", "said"].map(|key| finding[key].as_str().unwrap_or_default());
            format!("{mark} {said}\n")
        });
    (lines.collect(), ended.code)
}

async fn doctor_says_whether_redis_is_used_and_never_fails_for_it(site: Site) {
    let (words, without) = said(&site, &[]).await;
    assert!(words.starts_with("ok not configured"), "{words}");

    let url = site.redis.url();
    let (words, code) = said(&site, &[("REDIS_URL", &url), SEAL_KEY]).await;
    assert_eq!(words, format!("ok {url}, used\n"));
    assert_eq!(code, without);

    let (words, code) = said(&site, &[("REDIS_URL", &url)]).await;
    assert!(words.contains("warning PUG-6503"), "{words}");
    assert_eq!(code, without);

    let (words, code) = said(&site, &[("REDIS_URL", &nobody().await), SEAL_KEY]).await;
    assert!(
        words.starts_with("warning PUG-6501: redis://***@127.0.0.1:"),
        "{words}"
    );
    assert_eq!(code, without);

    let wrong = url.replace("redis://", "redis://nobody:very-secret@");
    let (words, code) = said(&site, &[("REDIS_URL", &wrong), SEAL_KEY]).await;
    assert!(words.starts_with("warning PUG-6502"), "{words}");
    assert_eq!(code, without);
}
