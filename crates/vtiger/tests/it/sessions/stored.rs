//! Sessions that clients hand on to each other through a store.

use super::*;

/// A store that several clients share, or one that is away.
#[derive(Default)]
struct Store {
    sessions: Mutex<Vec<IdleSession>>,
    away: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl SessionStore for Store {
    async fn take(&self) -> Option<IdleSession> {
        self.sessions.lock().unwrap().pop()
    }

    async fn put_back(&self, session: IdleSession) -> Option<IdleSession> {
        if self.away.load(Ordering::SeqCst) {
            return Some(session);
        }
        self.sessions.lock().unwrap().push(session);
        None
    }
}

#[tokio::test]
async fn a_client_that_starts_uses_the_session_that_another_one_left() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    let client = || {
        server
            .open_source_client()
            .with_session_store(store.clone())
    };
    let first = client();
    first.delete(&id(1)).await.unwrap();
    first.share_idle_sessions(Duration::ZERO).await;

    let second = client();
    let user = second.user_id().await.unwrap();
    second.delete(&id(2)).await.unwrap();
    assert_eq!(user.as_str(), "19x1");
    assert_eq!(server.requests_of("login").len(), 1);
    assert!(store.sessions.lock().unwrap().is_empty(), "it is in use");
    // The first one has none any more.
    first.delete(&id(3)).await.unwrap();
    assert_eq!(server.requests_of("login").len(), 2);
}

#[tokio::test]
async fn a_session_that_died_in_the_store_is_renewed_and_the_call_repeated() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    store.sessions.lock().unwrap().push(IdleSession {
        name: "forgotten".to_owned().into(),
        user_id: "19x1".parse().unwrap(),
        idle: Duration::from_secs(600),
    });
    let client = server
        .open_source_client()
        .with_session_store(store.clone());
    client.delete(&id(1)).await.unwrap();
    assert_eq!(crm.lock().unwrap().executed, ["12x1"]);
    assert_eq!(server.requests_of("login").len(), 1);
}

#[tokio::test]
async fn sessions_that_the_store_does_not_take_stay_where_they_are() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    let client = server
        .open_source_client()
        .with_session_store(store.clone());
    client.delete(&id(1)).await.unwrap();
    store.away.store(true, Ordering::SeqCst);
    client.share_idle_sessions(Duration::ZERO).await;
    client.delete(&id(2)).await.unwrap();
    assert_eq!(server.requests_of("login").len(), 1);
}

#[tokio::test]
async fn a_session_in_use_is_not_shared() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let store = Arc::new(Store::default());
    let client = server
        .open_source_client()
        .with_session_store(store.clone());
    client.delete(&id(1)).await.unwrap();
    client.share_idle_sessions(Duration::from_secs(3_600)).await;
    assert!(
        store.sessions.lock().unwrap().is_empty(),
        "it was just used"
    );
    assert_eq!(client.user_id().await.unwrap().as_str(), "19x1");
    assert_eq!(server.requests_of("login").len(), 1);
}
