//! What an observer is told of a call.

use std::sync::{Arc, Mutex};

use maxio::{
    BankDetails, CallObserver, CallReport, Class, Client, CustomerId, NewBankAccount, NewCustomer,
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use wiremock::ResponseTemplate;

use crate::rough::{Reply, Rough};
use crate::service::{API_KEY, IBAN, Service, bank_account, customer, json_answer};

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

fn observed(client: Client) -> (Client, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let observer: Arc<dyn CallObserver> = Arc::<Notes>::clone(&notes);
    (client.with_observer(observer), notes)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_call_is_told_with_question_and_answer() {
    let service = Service::json(201, json!({"customer": customer()})).await;
    let (client, notes) = observed(service.client());
    let john = NewCustomer::new("John", "Doe", "contact@acmecorp.example");
    client.create_customer(&john).await.unwrap();
    let report = notes.only();
    assert_eq!((report.operation, report.writes), ("create_customer", true));
    assert_eq!(
        (report.class, report.code, report.http_status),
        (Class::Done, None, Some(201))
    );
    assert_eq!(parsed(&report.request)["customer"]["last_name"], "Doe");
    let answer = parsed(report.answer.as_deref().unwrap());
    assert_eq!(answer["customer"]["id"], 88_833_369);
}

#[tokio::test]
async fn parameters_are_told_and_nothing_found_is_no_failure() {
    let service = Service::answering(ResponseTemplate::new(404)).await;
    let (client, notes) = observed(service.client());
    client.customer_by_reference("10x456").await.unwrap();
    let report = notes.only();
    assert!(!report.writes);
    assert_eq!(
        (report.class, report.code),
        (Class::Refused, Some("not_found"))
    );
    assert_eq!(parsed(&report.request), json!({"reference": "10x456"}));
    assert_eq!(report.answer, None);
}

#[tokio::test]
async fn bank_data_are_masked_on_both_sides() {
    let mut shown = bank_account(1);
    shown["vault_token"] = json!("another");
    shown["note"] = json!(format!("IE29 AIBK 9311 5212 3456 78 by {API_KEY}"));
    shown["number"] = json!(55_779_911);
    let service = Service::json(201, json!({"payment_profile": shown})).await;
    let (client, notes) = observed(service.client());
    let account = NewBankAccount {
        customer_id: CustomerId::from(88_833_369),
        bank: BankDetails {
            bank_account_number: Some("55779911".into()),
            ..BankDetails::iban(IBAN.into())
        },
    };
    client.create_bank_account(&account).await.unwrap();
    let report = notes.only();
    let request = &parsed(&report.request)["payment_profile"];
    assert_eq!(request["bank_iban"], "***");
    assert_eq!(request["bank_account_number"], "***");
    assert_eq!(request["customer_id"], 88_833_369);
    let answer = &parsed(report.answer.as_deref().unwrap())["payment_profile"];
    assert_eq!(answer["vault_token"], "***");
    assert_eq!(answer["note"], "*** by ***");
    assert_eq!(answer["number"], "***");
    assert_eq!(answer["masked_bank_account_number"], "XXXX5678");
    assert_eq!(answer["customer_vault_token"], Value::Null);
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_told_in_part() {
    let long = format!("<html>{}", "x".repeat(20_000));
    let page = ResponseTemplate::new(500).set_body_raw(long, "text/html");
    let broken =
        ResponseTemplate::new(500).set_body_raw(format!("{{\"iban\":\"{IBAN}"), "text/json");
    let huge = json_answer(500, &json!({"x": "y".repeat(20_000)}));
    for (answer, least, most) in [(page, 900, 1_100), (broken, 1, 30), (huge, 16_000, 16_400)] {
        let service = Service::answering(answer).await;
        let (client, notes) = observed(service.client());
        client.site().await.unwrap_err();
        let report = notes.only();
        assert_eq!(report.code, Some("server_error"));
        let told = report.answer.unwrap();
        assert!((least..=most).contains(&told.len()), "{}", told.len());
        assert!(!told.contains(IBAN));
    }
}

#[tokio::test]
async fn a_read_that_is_repeated_is_two_calls() {
    let server = Rough::always(Reply::Close).await;
    let (client, notes) = observed(server.client());
    client.site().await.unwrap_err();
    let codes: Vec<_> = notes.0.lock().unwrap().iter().map(|one| one.code).collect();
    assert_eq!(codes, [Some("cut"), Some("cut")]);
}

#[tokio::test]
async fn a_write_that_is_given_up_is_unknown() {
    let (tell, mut arrived) = mpsc::unbounded_channel();
    let server = Rough::by(move |number| {
        tell.send(number).unwrap();
        async { Reply::Hang }
    })
    .await;
    let (client, notes) = observed(server.client());
    let john = NewCustomer::new("John", "Doe", "contact@acmecorp.example");
    let call = tokio::spawn(async move { client.create_customer(&john).await });
    arrived.recv().await.unwrap();
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let report = notes.only();
    assert_eq!(
        (report.class, report.code),
        (Class::Unknown, Some("abandoned"))
    );
}
