//! `sync`, where it works: beyond what was recorded.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pugmark_sandbox::{Clock, Edition, ManualClock, UserSpec, Variant, VtigerSandbox};
use serde_json::Value;

use crate::raw::{self, Caller};

const START: i64 = 1_795_248_000;

async fn sandbox(edition: Edition) -> (VtigerSandbox, ManualClock) {
    let clock = ManualClock::new(jiff::Timestamp::from_second(START).unwrap());
    let crm = VtigerSandbox::builder()
        .edition(edition)
        .variant(Variant::Repaired)
        .time_zone_offset(3 * 3600)
        .clock(Clock::Manual(clock.clone()))
        .user(UserSpec::admin("admin", "k1"))
        .user(UserSpec::standard("agent", "k2"))
        .start()
        .await
        .unwrap();
    (crm, clock)
}

async fn sync(caller: &Caller, since: i64, scope: &str) -> Value {
    let since = since.to_string();
    let pairs = [
        ("modifiedTime", since.as_str()),
        ("elementType", "Leads"),
        ("syncType", scope),
    ];
    caller.get("sync", &pairs).await.result()
}

fn count(answer: &Value, list: &str) -> usize {
    answer[list].as_array().unwrap().len()
}

#[tokio::test]
async fn records_of_one_second_come_in_one_answer_however_many() {
    let (crm, clock) = sandbox(Edition::OpenSource).await;
    let caller = Caller::log_in(&crm).await;
    for _ in 0..126 {
        crm.insert_as_ui("Leads", &[("lastname", "Same")]).unwrap();
    }
    clock.advance(Duration::from_secs(1));
    let late = crm.insert_as_ui("Leads", &[("lastname", "Late")]).unwrap();
    let first = sync(&caller, 1, "application").await;
    assert_eq!(
        (count(&first, "updated"), &first["more"]),
        (126, &Value::Bool(true))
    );
    assert_eq!(
        first["lastModifiedTime"], START,
        "whatever the server's time zone"
    );
    let second = sync(&caller, START, "application").await;
    assert_eq!(
        (count(&second, "updated"), &second["more"]),
        (1, &Value::Bool(false))
    );
    assert_eq!(second["updated"][0]["id"], late.as_str());
}

#[tokio::test]
async fn deleted_and_converted_leads_are_listed_until_they_are_restored() {
    let (crm, clock) = sandbox(Edition::OpenSource).await;
    let caller = Caller::log_in(&crm).await;
    let made =
        ["a", "b", "c"].map(|name| crm.insert_as_ui("Leads", &[("lastname", name)]).unwrap());
    clock.advance(Duration::from_secs(1));
    crm.remove(&made[0]);
    crm.convert_lead(&made[1], &[]).unwrap();
    let answer = sync(&caller, START, "application").await;
    assert_eq!(answer["deleted"], serde_json::json!(made[..2]));
    assert_eq!(count(&answer, "updated"), 0);
    clock.advance(Duration::from_secs(1));
    crm.restore(&made[0]);
    let answer = sync(&caller, START + 1, "application").await;
    assert_eq!(
        (count(&answer, "deleted"), count(&answer, "updated")),
        (0, 1)
    );
}

#[tokio::test]
async fn who_is_no_administrator_sees_the_own_records_alone() {
    let (crm, _) = sandbox(Edition::OpenSource).await;
    crm.insert_as_ui("Leads", &[("lastname", "Admin's")])
        .unwrap();
    crm.insert_as_ui(
        "Leads",
        &[("lastname", "Agent's"), ("assigned_user_id", "19x5")],
    )
    .unwrap();
    let login = raw::log_in(crm.port(), "agent", "k2").await.result();
    let agent = Caller {
        port: crm.port(),
        session: login["sessionName"].as_str().unwrap().to_owned(),
    };
    let own = sync(&agent, 1, "user").await;
    assert_eq!(
        (count(&own, "updated"), &own["updated"][0]["lastname"]),
        (1, &Value::from("Agent's"))
    );
    let pairs = [
        ("modifiedTime", "1"),
        ("elementType", "Leads"),
        ("syncType", "application"),
    ];
    assert_eq!(agent.get("sync", &pairs).await.code(), "ACCESS_DENIED");
}

#[tokio::test]
async fn the_hosted_edition_syncs_and_converts_unrepaired() {
    let (crm, _) = sandbox(Edition::Cloud).await;
    let lead = crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    let credentials = STANDARD.encode("admin:k1");
    let authorization = format!("Basic {credentials}");
    let headers = [("Authorization", authorization.as_str()), raw::FORM];
    let element = format!(
        "{{\"leadId\":\"{lead}\",\"entities\":{{\"Contacts\":{{\"create\":true,\"name\":\"Contacts\"}}}}}}"
    );
    let body = raw::form(&[("element", element.as_str())]);
    let path = "/restapi/v1/vtiger/default";
    let target = format!("{path}/convertlead");
    let made = raw::exchange(crm.port(), "POST", &target, &headers, body.as_bytes()).await;
    assert_eq!(made.result(), serde_json::json!({"Contacts": "4x3"}));
    let target = format!("{path}/sync?modifiedTime=1&elementType=Leads&syncType=application");
    let answer = raw::exchange(crm.port(), "GET", &target, &headers, b"")
        .await
        .result();
    assert_eq!(answer["deleted"], serde_json::json!([lead]));
}
