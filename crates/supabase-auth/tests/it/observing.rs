//! What an observer is told, and what it is never told.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use supabase_auth::{CallObserver, CallReport, Changes, Class, Client, Effect, NewUser, with_role};
use tokio::sync::mpsc;

use crate::server::{ADMIN_KEY, AMINA, Answer, PUBLIC_KEY, Reply, Server, amina};

#[derive(Default)]
struct Notes(Mutex<Vec<CallReport>>);

impl CallObserver for Notes {
    fn call_finished(&self, report: &CallReport) {
        self.0.lock().unwrap().push(report.clone());
    }
}

impl Notes {
    fn only(&self) -> CallReport {
        let reports = self.0.lock().unwrap();
        assert_eq!(reports.len(), 1, "{reports:?}");
        reports[0].clone()
    }
}

async fn observed(reply: impl Into<Reply>) -> (Server, Client, Arc<Notes>) {
    let server = Server::always(reply).await;
    let notes = Arc::new(Notes::default());
    let client = server.client().with_observer(notes.clone());
    (server, client, notes)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_done_call_is_reported_with_request_and_answer() {
    let (_server, client, notes) = observed(Answer::ok(&amina())).await;
    let changes = Changes {
        user_metadata: [("roles".to_owned(), with_role(&json!([]), "a", true).into())]
            .into_iter()
            .collect(),
        ..Changes::password("S3cret-Pass!".into())
    };
    client.update_user(AMINA, &changes).await.unwrap();
    let report = notes.only();
    assert_eq!(
        (report.operation, report.user_id),
        ("update_user", Some(AMINA))
    );
    assert_eq!(
        (report.effect, report.class, report.code, report.http_status),
        (Effect::Write, Class::Done, None, Some(200))
    );
    assert_eq!(
        json(&report.request),
        json!({"password": "***", "user_metadata": {"roles": ["a"]}})
    );
    assert_eq!(json(&report.answer.unwrap()), amina());
}

#[tokio::test]
async fn a_refused_call_is_reported_with_class_code_and_what_was_said() {
    let body = json!({"code": "weak_password", "message": "weak", "weak_password": {"reasons": ["length"]}});
    let (_server, client, notes) = observed(Answer::json(422, &body)).await;
    let changes = Changes::password("S3cret-Pass!".into());
    client.update_user(AMINA, &changes).await.unwrap_err();
    let report = notes.only();
    assert_eq!(
        (report.class, report.code.as_deref(), report.http_status),
        (Class::Refused, Some("weak_password"), Some(422))
    );
    assert_eq!(
        json(&report.answer.unwrap()),
        body,
        "why a password is weak is no secret"
    );
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_not_reported_as_done() {
    let (_server, client, notes) =
        observed(Answer::new(200, "text/html", "<html>hello</html>")).await;
    client.ban(AMINA).await.unwrap_err();
    let report = notes.only();
    assert_eq!(
        (report.class, report.code.as_deref()),
        (Class::Unknown, Some("GARBLED"))
    );
    assert_eq!(report.answer.as_deref(), Some("<html>hello</html>"));
}

#[tokio::test]
async fn parameters_are_part_of_the_request() {
    let (_server, client, notes) = observed(Answer::ok(&json!({"users": []}))).await;
    client.list_users(2, 50).await.unwrap();
    let report = notes.only();
    assert_eq!(
        (report.operation, report.effect),
        ("list_users", Effect::Read)
    );
    assert_eq!(report.request, r#"{"page":"2","per_page":"50"}"#);
}

#[tokio::test]
async fn what_is_refused_before_sending_is_not_reported() {
    let (_server, client, notes) = observed(Answer::ok(&amina())).await;
    let changes = Changes::password("x".into());
    client.update_user(AMINA, &changes).await.unwrap_err();
    assert!(notes.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tokens_of_a_session_are_masked_in_request_and_answer() {
    let session = json!({
        "access_token": "eyJ.access.sig", "expires_in": 3600, "refresh_token": "v1s4kq2hbn6t", "user": amina(),
        "provider_token": "other-secret", "weak_password": {"message": "m", "reasons": ["length"]}
    });
    let (_server, client, notes) = observed(Answer::ok(&session)).await;
    let password = r#"Pa"ss\word-1"#;
    client
        .sign_in("amina@example.com", &password.into())
        .await
        .unwrap();
    client.refresh(&"old-refresh".into()).await.unwrap();
    client.user(&"eyJ.users.own".into()).await.unwrap_err();
    let shown = format!("{:?}", notes.0.lock().unwrap());
    for secret in [
        "eyJ.access.sig",
        "v1s4kq2hbn6t",
        "other-secret",
        "old-refresh",
        "eyJ.users.own",
        "ss\\\\word-1",
        "word-1",
    ] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("amina@example.com") && shown.contains("grant_type"));
    assert!(shown.contains("length"), "{shown}");
}

#[tokio::test]
async fn secrets_are_masked_wherever_an_answer_repeats_them() {
    let password = r#"Pa"ss\word-1"#;
    let raw = format!("<html>bad request: {password} {ADMIN_KEY} {PUBLIC_KEY}</html>");
    let quoted = Value::from(password).to_string();
    let answers = [
        Answer::new(400, "text/html", raw),
        Answer::new(400, "text/plain", format!("cannot parse {quoted}")),
        Answer::json(
            400,
            &json!({"code": "bad_json", "message": format!("at {password}")}),
        ),
    ];
    for answer in answers {
        let (_server, client, notes) = observed(answer).await;
        let user = NewUser {
            password: Some(password.into()),
            ..NewUser::new("amina@example.com")
        };
        let error = client.create_user(&user).await.unwrap_err();
        let report = notes.only();
        let shown = format!(
            "{report:?} {error} {error:?} {user:?} {:?}",
            Changes::password(password.into())
        );
        for secret in ["word-1", ADMIN_KEY, PUBLIC_KEY] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
        assert!(report.answer.unwrap().contains("***"));
    }
}

#[tokio::test]
async fn broken_json_which_cannot_be_masked_by_field_is_not_shown() {
    let broken = r#"{"access_token":"eyJ.access.sig","refresh_"#;
    let (_server, client, notes) = observed(Answer::new(200, "application/json", broken)).await;
    client
        .sign_in("amina@example.com", &"S3cret-Pass!".into())
        .await
        .unwrap_err();
    assert_eq!(notes.only().answer.as_deref(), Some("(unreadable JSON)"));
}

#[tokio::test]
async fn a_secret_where_a_text_is_cut_short_does_not_show_half() {
    let password = "S3cret-Pass-that-is-long";
    let at = |length: usize| format!("{}{password}", "x".repeat(length - 12));
    let answers = [
        Answer::new(400, "text/plain", at(1000)),
        Answer::json(400, &json!({"code": "bad_json", "message": at(500)})),
    ];
    for answer in answers {
        let (_server, client, notes) = observed(answer).await;
        let changes = Changes::password(password.into());
        let error = client.update_user(AMINA, &changes).await.unwrap_err();
        let shown = format!("{:?} {error:?}", notes.only());
        assert!(!shown.contains("S3cret"), "{shown}");
    }
}

#[tokio::test]
async fn long_answers_are_cut_short_between_characters() {
    let mut user = amina();
    user["user_metadata"]["note"] = json!("ä".repeat(20_000));
    let (_server, client, notes) = observed(Answer::ok(&user)).await;
    client.get_user(AMINA).await.unwrap();
    let answer = notes.only().answer.unwrap();
    assert!(answer.len() < 17_000 && answer.ends_with('…'));
}

#[tokio::test]
async fn a_call_given_up_by_its_caller_is_reported_as_abandoned() {
    struct Sender(mpsc::UnboundedSender<CallReport>);
    impl CallObserver for Sender {
        fn call_finished(&self, report: &CallReport) {
            let _ = self.0.send(report.clone());
        }
    }
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let server = Server::start(move |_| {
        let _ = arrived.send(());
        Reply::Hang
    })
    .await;
    let (sender, mut reports) = mpsc::unbounded_channel();
    let client = server.client().with_observer(Arc::new(Sender(sender)));
    let call = tokio::spawn(async move { client.ban(AMINA).await });
    arrivals.recv().await.unwrap();
    call.abort();
    let report = reports.recv().await.unwrap();
    assert_eq!(
        (report.class, report.code.as_deref()),
        (Class::Unknown, Some("ABANDONED"))
    );
}
