//! Calls share the sessions fairly, log in one at a time, and renew what is lost.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_tasks_share_four_sessions_and_logins_never_overlap() {
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let sessions = Arc::new(watch::Sender::new(0));
    let server = Server::start_async(move |request| {
        let (crm, sessions) = (Arc::clone(&seen), Arc::clone(&sessions));
        async move {
            let reply = busily(&crm, &request).await;
            sessions.send_replace(crm.lock().unwrap().sessions.len());
            if request.operation() == "retrieve" {
                // No call ends before all four sessions exist, so that all of them are needed.
                sessions
                    .subscribe()
                    .wait_for(|count| *count == 4)
                    .await
                    .unwrap();
            }
            reply
        }
    })
    .await;
    let gate = CountingGate::new();
    let client = server.open_source_client().with_login_gate(gate.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for number in 1..=64 {
        let client = client.clone();
        tasks.spawn(async move { client.retrieve(&id(number)).await });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    let crm = crm.lock().unwrap();
    assert_eq!(crm.executed.len(), 64);
    assert_eq!(crm.sessions.len(), 4, "one login per session is enough");
    assert_eq!(crm.tokens_made, 4, "no challenge was voided by another");
    assert_eq!(crm.most_busy, 1, "a session had two calls at once");
    assert_eq!(gate.most.load(Ordering::SeqCst), 1, "logins overlapped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_one_user_in_one_process_do_not_void_each_others_challenges() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let clients: Vec<Client> = (0..16).map(|_| server.open_source_client()).collect();
    let mut tasks = tokio::task::JoinSet::new();
    for (number, client) in clients.into_iter().enumerate() {
        tasks.spawn(async move {
            match number % 4 {
                0 => client.server_time().await.map(|_| ()),
                _ => client.identify().await.map(|_| ()),
            }
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap().unwrap();
    }
    assert_eq!(
        crm.lock().unwrap().tokens_made,
        16,
        "a login had to be repeated"
    );
}

#[tokio::test]
async fn a_challenge_voided_by_another_program_is_asked_for_once_more() {
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let server = Server::start(move |request| {
        let reply = answer(&seen, request);
        if request.operation() == "getchallenge" && seen.lock().unwrap().tokens_made == 1 {
            // Another program's challenge, right after ours.
            seen.lock().unwrap().token = Some("foreign".to_owned());
        }
        reply
    })
    .await;
    server.open_source_client().identify().await.unwrap();
    assert_eq!(crm.lock().unwrap().tokens_made, 2);
}

#[tokio::test]
async fn wrong_credentials_are_believed_the_second_time() {
    let server = Server::start(|request| match request.operation() {
        "login" => refusal("INVALID_USER_CREDENTIALS", "Invalid username or password"),
        _ => login_reply(request).unwrap(),
    })
    .await;
    let error = server
        .open_source_client()
        .retrieve(&id(1))
        .await
        .unwrap_err();
    assert_eq!(error.reason(), Some(RefusalReason::Credentials));
    assert_eq!(server.requests_of("login").len(), 2);
    assert_eq!(server.requests_of("retrieve").len(), 0);
}

#[tokio::test]
async fn a_lost_session_is_renewed_once_and_the_call_repeated_exactly_once() {
    let crm = Shared::default();
    let server = start(&crm).await;
    let client = server.open_source_client();
    client.delete(&id(1)).await.unwrap();
    crm.lock().unwrap().sessions.clear();
    client.delete(&id(2)).await.unwrap();
    assert_eq!(crm.lock().unwrap().executed, ["12x1", "12x2"]);
    assert_eq!(
        server.requests_of("delete").len(),
        3,
        "one call refused for want of a session, then repeated"
    );
    assert_eq!(server.requests_of("login").len(), 2);
}

#[tokio::test]
async fn a_session_lost_again_right_after_renewal_ends_the_call() {
    let server = Server::open_source(|_| {
        refusal(
            "INVALID_SESSIONID",
            "Session Identifier provided is Invalid",
        )
    })
    .await;
    let error = server
        .open_source_client()
        .delete(&id(1))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::SessionLost, "INVALID_SESSIONID")
    );
    assert_eq!(server.requests_of("delete").len(), 2);
}

#[tokio::test]
async fn a_session_whose_call_timed_out_is_not_used_again_because_the_server_may_still_hold_its_lock()
 {
    let crm = Shared::default();
    let seen = Arc::clone(&crm);
    let server = Server::start(move |request| match request.param("id") {
        Some("12x666") => Reply::Hang,
        _ => answer(&seen, request),
    })
    .await;
    let mut config = server.open_source_config();
    config.call_timeout = Duration::from_millis(1_500);
    config.sessions = 1;
    let client = Client::new(config).unwrap();
    client.delete(&id(1)).await.unwrap();
    assert_eq!(
        client.delete(&id(666)).await.unwrap_err().class(),
        Class::Unknown
    );
    client.delete(&id(2)).await.unwrap();
    let used: Vec<_> = server
        .requests_of("delete")
        .iter()
        .map(|request| request.param("sessionName").unwrap().to_owned())
        .collect();
    assert_eq!(used, ["session1", "session1", "session2"]);
}

#[tokio::test]
async fn a_call_given_up_by_its_caller_frees_its_seat() {
    let arrived = Arc::new(Notify::new());
    let signal = Arc::clone(&arrived);
    let server = Server::open_source(move |request| match request.param("id") {
        Some("12x666") => {
            signal.notify_one();
            Reply::Hang
        }
        _ => success(json!({"status": "successful"})),
    })
    .await;
    let mut config = server.open_source_config();
    config.sessions = 1;
    let client = Client::new(config).unwrap();
    let stuck = tokio::spawn({
        let client = client.clone();
        async move { client.delete(&id(666)).await }
    });
    arrived.notified().await;
    stuck.abort();
    tokio::time::timeout(Duration::from_secs(20), client.delete(&id(1)))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn waiting_callers_are_served_in_the_order_they_came() {
    let doors = Arc::new(Semaphore::new(0));
    let inside = Arc::clone(&doors);
    let order: Arc<Mutex<Vec<String>>> = Arc::default();
    let served = Arc::clone(&order);
    let server = Server::start_async(move |request| {
        let (inside, served) = (Arc::clone(&inside), Arc::clone(&served));
        async move {
            if let Some(reply) = login_reply(&request) {
                return reply;
            }
            inside.acquire().await.unwrap().forget();
            served
                .lock()
                .unwrap()
                .push(request.param("id").unwrap().to_owned());
            success(json!({"status": "successful"}))
        }
    })
    .await;
    let mut config = server.open_source_config();
    config.sessions = 1;
    let client = Client::new(config).unwrap();
    let mut waiting = futures::stream::FuturesUnordered::new();
    for number in 1..=8 {
        let client = client.clone();
        let mut call = Box::pin(async move { client.delete(&id(number)).await });
        // One poll puts the call into the queue.
        assert!(futures::poll!(&mut call).is_pending());
        waiting.push(call);
    }
    doors.add_permits(8);
    while let Some(result) = futures::StreamExt::next(&mut waiting).await {
        result.unwrap();
    }
    let wanted: Vec<String> = (1..=8).map(|number| format!("12x{number}")).collect();
    assert_eq!(*order.lock().unwrap(), wanted);
}

#[tokio::test]
async fn a_gate_that_fails_makes_the_call_unavailable() {
    struct Broken;
    #[async_trait]
    impl LoginGate for Broken {
        async fn enter(&self, _user: &LoginUser) -> Result<Box<dyn LoginTurn>, GateError> {
            Err(GateError {
                message: "Redis is away".to_owned(),
            })
        }
    }
    let crm = Shared::default();
    let server = start(&crm).await;
    let error = server
        .open_source_client()
        .with_login_gate(Arc::new(Broken))
        .delete(&id(1))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.code()),
        (Class::Unavailable, "LOGIN_GATE")
    );
    assert!(error.to_string().contains("Redis is away"), "{error}");
}
