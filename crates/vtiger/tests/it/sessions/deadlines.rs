//! A call begins only if it can end before its deadline.

use super::*;

#[tokio::test]
async fn a_call_whose_timeout_does_not_fit_before_the_deadline_is_not_sent() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    client.delete(&id(1)).await.unwrap();
    let late =
        client.until(Instant::now() + client.config().call_timeout - Duration::from_millis(1));
    let error = late.delete(&id(2)).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NotSent(not_sent) if not_sent.operation == "delete"),
        "{error}"
    );
    assert_eq!(error.class(), Class::NotSent);
    client
        .until(Instant::now() + client.config().call_timeout * 2)
        .delete(&id(3))
        .await
        .unwrap();
    assert_eq!(crm.lock().unwrap().executed, ["12x1", "12x3"]);
}

#[tokio::test]
async fn a_deadline_that_passes_while_logging_in_keeps_the_write_from_starting() {
    let call_timeout = Duration::from_secs(2);
    let deadline = Instant::now() + Duration::from_millis(3_500);
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let server = Server::start_async(move |request| {
        let seen = Arc::clone(&seen);
        async move {
            if request.operation() == "login" {
                // The login ends in time, but then the delete does not fit any more.
                tokio::time::sleep_until(deadline - call_timeout + Duration::from_millis(50)).await;
            }
            answer(&seen, &request)
        }
    })
    .await;
    let mut config = server.open_source_config();
    config.call_timeout = call_timeout;
    let client = Client::new(config).unwrap();
    let error = client.until(deadline).delete(&id(1)).await.unwrap_err();
    assert!(
        matches!(&error, CallError::NotSent(not_sent) if not_sent.operation == "delete"),
        "{error}"
    );
    assert_eq!(crm.lock().unwrap().executed, Vec::<String>::new());
    assert_eq!(server.requests_of("login").len(), 1);
}

#[tokio::test]
async fn a_call_begins_by_where_a_moving_deadline_stands_then() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    let stands = Arc::new(Mutex::new(Instant::now()));
    let looked_up = Arc::clone(&stands);
    let client = client.until(Deadline::moving(move || *looked_up.lock().unwrap()));
    let error = client.delete(&id(1)).await.unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
    *stands.lock().unwrap() = Instant::now() + client.config().call_timeout * 10;
    client.delete(&id(2)).await.unwrap();
    *stands.lock().unwrap() = Instant::now();
    let error = client.delete(&id(3)).await.unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
    assert_eq!(crm.lock().unwrap().executed, ["12x2"]);
}

#[tokio::test]
async fn waiting_for_a_session_ends_when_the_call_could_no_longer_start() {
    let arrived = Arc::new(Notify::new());
    let signal = Arc::clone(&arrived);
    let server = Server::open_source(move |_| {
        signal.notify_one();
        Reply::Hang
    })
    .await;
    let mut config = server.open_source_config();
    config.sessions = 1;
    config.call_timeout = Duration::from_secs(20);
    let client = Client::new(config).unwrap();
    let holder = tokio::spawn({
        let client = client.clone();
        async move { client.delete(&id(1)).await }
    });
    arrived.notified().await;
    let deadline = Instant::now() + Duration::from_millis(20_200);
    let error = client.until(deadline).delete(&id(2)).await.unwrap_err();
    assert_eq!(error.class(), Class::NotSent);
    assert_eq!(server.requests_of("delete").len(), 1);
    holder.abort();
}

#[tokio::test]
async fn the_earlier_of_two_deadlines_holds() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    let timeout = client.config().call_timeout;
    let strict = client
        .until(Instant::now())
        .until(Instant::now() + timeout * 10);
    assert_eq!(
        strict
            .create("Contacts", &Element::new())
            .await
            .unwrap_err()
            .class(),
        Class::NotSent
    );
    assert_eq!(server.requests().len(), 0);
}
