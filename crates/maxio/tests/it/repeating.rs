//! Reads are tried once more when there was no connection; writes never are.

use maxio::{Class, NewCustomer};
use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::rough::{Reply, Rough};

#[tokio::test]
async fn a_read_survives_one_lost_connection() {
    let server = Rough::by(|number| async move {
        match number {
            1 => Reply::Close,
            _ => Reply::Json(json!({"site": {"subdomain": "acme"}})),
        }
    })
    .await;
    let site = server.client().site().await.unwrap();
    assert_eq!(site.subdomain.as_deref(), Some("acme"));
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_read_is_repeated_once_and_not_more() {
    let server = Rough::always(Reply::Close).await;
    let error = server.client().site().await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_write_is_never_repeated() {
    let server = Rough::always(Reply::Close).await;
    let john = NewCustomer::new("John", "Doe", "contact@acmecorp.example");
    let error = server.client().create_customer(&john).await.unwrap_err();
    assert_eq!(error.class(), Class::Unknown);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_read_is_not_repeated_when_it_could_not_begin_in_time() {
    let first_ends_at = std::sync::Arc::new(tokio::sync::Notify::new());
    let go = std::sync::Arc::clone(&first_ends_at);
    let server = Rough::by(move |_number| {
        let go = std::sync::Arc::clone(&go);
        async move {
            go.notified().await;
            Reply::Close
        }
    })
    .await;
    let latest = Instant::now() + Duration::from_secs(1);
    let client = server.client().call_by(latest);
    let (read, ()) = tokio::join!(client.site(), async {
        tokio::time::sleep_until(latest).await;
        first_ends_at.notify_one();
    });
    let error = read.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{error:?}");
    assert_eq!(server.requests(), 1);
}
