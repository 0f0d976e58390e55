//! Pugmark with a real Redis: a server of each test's own.

mod doctor;
mod processes;
mod status;

use std::time::Duration;

use pugmark::config::{Redis, RedisUrl, SealKey};
use pugmark_queue::testing::TestRedis;

use crate::harness::World;

/// Makes `mod sqlite` and `mod postgres`, each with a test for every case named. A case takes a [`Site`].
macro_rules! with_a_redis {
    ($($case:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $case() {
                    let world = $crate::harness::World::sqlite().await;
                    if let Some(site) = $crate::redis::Site::of(world).await {
                        super::$case(site).await;
                    }
                }
            )+
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $case() {
                    if let Some(world) = $crate::harness::World::postgres().await
                        && let Some(site) = $crate::redis::Site::of(world).await
                    {
                        super::$case(site).await;
                    }
                }
            )+
        }
    };
}
pub(crate) use with_a_redis;

/// A world and a Redis beside it.
pub(crate) struct Site {
    redis: TestRedis,
    world: World,
}

impl Site {
    pub(crate) async fn of(mut world: World) -> Option<Self> {
        let redis = TestRedis::start().await?;
        world.settings.redis = Some(settings(&redis.url()));
        world.settings.seal_key = Some(SealKey::of([7; 32]));
        Some(Self { redis, world })
    }
}

pub(crate) fn settings(url: &str) -> Redis {
    Redis {
        url: RedisUrl::parse(url).expect("an address"),
        prefix: "pugmark".to_owned(),
        timeout: Duration::from_secs(2),
        sessions_for: Duration::from_secs(600),
    }
}

/// Where nobody listens, with a password that must not be shown.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    format!("redis://pugmark:very-secret@{address}/0")
}
