//! Webhooks of the hosted edition's workflows.

use pugmark_sandbox::{
    CustomField, CustomFieldKind, Edition, HexSignature, UserSpec, VtigerSandbox, Workflow,
};
use serde_json::json;

use crate::receiver::Receiver;

const URL: &str = "http://127.0.0.1:9/hooks";

async fn sandbox() -> VtigerSandbox {
    VtigerSandbox::builder()
        .edition(Edition::Cloud)
        .user(UserSpec::admin("owner@example.com", "k1"))
        .user(UserSpec::standard("agent@example.com", "k2"))
        .start()
        .await
        .unwrap()
}

fn mapped(workflow: Workflow) -> Workflow {
    workflow
        .constant("event", "lead.converted")
        .parameter("data.lastname", "lastname")
        .parameter("data.phone", "mobile")
        .parameter("assigned_to", "assigned_user_id")
        .parameter("company", "account_id")
        .parameter("opted_out", "emailoptout")
}

fn contact(crm: &VtigerSandbox) -> String {
    let account = crm
        .insert_as_ui("Accounts", &[("accountname", "Were & Sons")])
        .unwrap();
    let fields = [
        ("lastname", "Were é"),
        ("mobile", "+1 2"),
        ("account_id", &account),
        ("assigned_user_id", "19x5"),
    ];
    crm.insert_as_ui("Contacts", &fields).unwrap()
}

#[tokio::test]
async fn a_json_body_nests_and_shows_values_otherwise_than_the_web_service() {
    let crm = sandbox().await;
    assert!(crm.add_workflow(mapped(Workflow::on_creation("Contacts", URL)).json()));
    let id = contact(&crm);
    let sent = crm.take_webhooks();
    let body: serde_json::Value = serde_json::from_slice(&sent[0].body).unwrap();
    let expected = json!({
        "event": "lead.converted", "data": {"lastname": "Were é", "phone": "+1 2"}, "assigned_to": "5",
        "assigned_to_username": "agent@example.com", "company": "Were & Sons", "opted_out": "0", "id": id,
    });
    assert_eq!(body, expected);
    assert_eq!(body["id"], json!("4x3"));
    assert_eq!(sent[0].header("content-type"), Some("application/json"));
    assert_eq!(
        sent[0].header("x-vtiger-signature"),
        None,
        "a workflow signs nothing"
    );
    assert!(crm.take_webhooks().is_empty());
}

#[tokio::test]
async fn a_form_body_has_the_same_pairs() {
    let crm = sandbox().await;
    crm.add_workflow(mapped(Workflow::on_creation("Contacts", URL)).put());
    contact(&crm);
    let sent = crm.take_webhooks();
    assert_eq!(sent[0].method, "PUT");
    assert_eq!(
        String::from_utf8(sent[0].body.clone()).unwrap(),
        "event=lead.converted&data%5Blastname%5D=Were+%C3%A9&data%5Bphone%5D=%2B1+2&assigned_to=5\
         &assigned_to_username=agent%40example.com&company=Were+%26+Sons&opted_out=0&id=4x3"
    );
}

#[tokio::test]
async fn a_group_is_a_bare_number_without_a_name() {
    let crm = sandbox().await;
    crm.add_workflow(
        Workflow::on_creation("Contacts", URL)
            .parameter("owner", "assigned_user_id")
            .json(),
    );
    crm.insert_as_ui(
        "Contacts",
        &[("lastname", "Group"), ("assigned_user_id", "20x2")],
    )
    .unwrap();
    let body: serde_json::Value = serde_json::from_slice(&crm.take_webhooks()[0].body).unwrap();
    assert_eq!(body, json!({"owner": "2", "id": "4x2"}));
}

#[tokio::test]
async fn a_workflow_acts_on_the_save_that_meets_its_conditions() {
    let crm = sandbox().await;
    let ready = Workflow::on_every_save("Leads", URL).when_changed_to("leadstatus", "Ready");
    assert!(crm.add_workflow(ready.when("city", "Kisumu")));
    let lead = crm
        .insert_as_ui("Leads", &[("lastname", "Were"), ("city", "Kisumu")])
        .unwrap();
    crm.insert_as_ui("Leads", &[("lastname", "Other"), ("leadstatus", "Ready")])
        .unwrap();
    assert!(crm.take_webhooks().is_empty());
    crm.edit(&lead, &[("leadstatus", "Ready")]);
    assert_eq!(crm.take_webhooks().len(), 1);
    crm.edit(&lead, &[("mobile", "1")]);
    assert!(crm.take_webhooks().is_empty(), "it was Ready before");
    crm.edit(&lead, &[("leadstatus", "Cold")]);
    crm.edit(&lead, &[("leadstatus", "Ready")]);
    assert_eq!(crm.take_webhooks().len(), 1, "coming back counts again");
    crm.set_user_status("19x5", "Inactive");
    crm.edit(&lead, &[("leadstatus", "Cold")]);
    crm.edit(
        &lead,
        &[("leadstatus", "Ready"), ("assigned_user_id", "19x5")],
    );
    assert!(crm.take_webhooks().is_empty(), "its owner is suspended");
}

#[tokio::test]
async fn a_converted_lead_shows_as_a_new_contact_that_says_so() {
    let crm = sandbox().await;
    crm.add_workflow(
        Workflow::on_creation("Contacts", URL)
            .when("isconvertedfromlead", "1")
            .json(),
    );
    crm.insert_as_ui("Contacts", &[("lastname", "Plain")])
        .unwrap();
    let lead = crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    let contact = crm.convert_lead(&lead, &[]).unwrap();
    let sent = crm.take_webhooks();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].body, format!("{{\"id\":\"{contact}\"}}").as_bytes());
}

#[tokio::test]
async fn signatures_and_secrets_come_as_headers() {
    let crm = sandbox().await;
    let signature = || HexSignature::new("key");
    let plain = || {
        Workflow::on_creation("Leads", URL)
            .constant("a", "b")
            .json()
    };
    crm.add_workflow(plain().signed(signature()));
    crm.add_workflow(
        plain()
            .signed(signature().prefixed())
            .header("X-Secret", "s3cret"),
    );
    crm.add_workflow(plain().spaced_json().signed(signature()));
    crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    let sent = crm.take_webhooks();
    let header = |at: usize| sent[at].header("x-vtiger-signature").unwrap().to_owned();
    // Made with: printf '{"a":"b","id":"2x2"}' | openssl dgst -sha256 -hmac key
    let expected = "395434cd12b5212c483a788d5cebc11ebcb0e8e7839ac09133aa602601f202e8";
    assert_eq!(header(0), expected);
    assert_eq!(header(1), format!("sha256={expected}"));
    assert_eq!(sent[1].header("x-secret"), Some("s3cret"));
    assert_eq!(header(2), expected, "of the same without line breaks");
    assert_ne!(sent[2].body, sent[0].body);
    assert!(!format!("{:?} {:?}", sent[1], signature()).contains("s3cret"));
}

#[tokio::test]
async fn webhooks_are_sent_once_whatever_is_answered() {
    let receiver = Receiver::start().await;
    let crm = sandbox().await;
    crm.add_workflow(Workflow::on_creation("Leads", &receiver.url()).json());
    crm.insert_as_ui("Leads", &[("lastname", "Were")]).unwrap();
    receiver.answer(500);
    assert_eq!(crm.send_workflow_webhooks().await, [Some(500)]);
    assert!(crm.send_workflow_webhooks().await.is_empty());
    let received = receiver.take();
    assert_eq!(
        (received.len(), received[0].json()),
        (1, json!({"id": "2x2"}))
    );
}

#[tokio::test]
async fn open_source_has_no_such_workflows_and_fields_must_exist() {
    let crm = VtigerSandbox::builder().start().await.unwrap();
    assert!(!crm.add_workflow(Workflow::on_creation("Leads", URL)));
    let cloud = sandbox().await;
    assert!(!cloud.add_workflow(Workflow::on_creation("Nope", URL)));
    assert!(!cloud.add_workflow(Workflow::on_creation("Leads", URL).parameter("a", "nothing")));
}

/// A hosted CRM whose module has a status and an IBAN; with `Leads`, or with contacts only.
async fn onboarding(module: &str) -> VtigerSandbox {
    let leads = module == "Leads";
    let iban = CustomField::new(module, "IBAN", CustomFieldKind::Text).named("cf_iban");
    let builder = VtigerSandbox::builder()
        .edition(Edition::Cloud)
        .cloud_leads(leads)
        .custom_field(iban);
    let status = || CustomField::new(module, "Lead Status", CustomFieldKind::Text);
    let builder = if leads {
        builder
    } else {
        builder.custom_field(status().named("leadstatus"))
    };
    builder.start().await.unwrap()
}

/// "When its status has changed to Ready for Finance Setup", with the body that the onboarding guide expects.
fn ready(module: &str) -> Workflow {
    let fields = ["leadstatus", "cf_iban", "email", "firstname", "lastname"];
    Workflow::on_every_save(module, URL)
        .when_changed_to("leadstatus", "Ready for Finance Setup")
        .constant("event", "record.update")
        .constant("module", module)
        .record_id("record_id")
        .fields_under("data", &fields)
}

/// Somebody becomes ready; gives the record's id.
fn becomes_ready(crm: &VtigerSandbox, module: &str) -> String {
    let fields = [
        ("firstname", "John"),
        ("lastname", "Doe"),
        ("email", "contact@acmecorp.example"),
        ("cf_iban", "IE29AIBK93115212345678"),
    ];
    let id = crm.insert_as_ui(module, &fields).unwrap();
    assert!(crm.take_webhooks().is_empty(), "it is not ready yet");
    crm.edit(&id, &[("leadstatus", "Ready for Finance Setup")]);
    id
}

#[tokio::test]
async fn a_server_script_sends_the_onboarding_guides_body_and_nothing_else_signed() {
    for module in ["Leads", "Contacts"] {
        let crm = onboarding(module).await;
        assert!(crm.add_workflow(ready(module).by_server_script(HexSignature::new("key"))));
        let id = becomes_ready(&crm, module);
        let sent = crm.take_webhooks();
        let body: serde_json::Value = serde_json::from_slice(&sent[0].body).unwrap();
        let expected = json!({
            "event": "record.update", "module": module, "record_id": id,
            "data": {
                "leadstatus": "Ready for Finance Setup", "cf_iban": "IE29AIBK93115212345678",
                "email": "contact@acmecorp.example", "firstname": "John", "lastname": "Doe",
            },
        });
        assert_eq!(body, expected);
        let signature = HexSignature::new("key").of(&sent[0].body);
        assert_eq!(
            sent[0].header("x-vtiger-signature"),
            Some(signature.as_str())
        );
    }
}

#[tokio::test]
async fn a_plain_workflow_adds_the_id_to_the_guides_body_and_signs_nothing() {
    let crm = onboarding("Contacts").await;
    crm.add_workflow(ready("Contacts").json().header("X-Secret", "s3cret"));
    let id = becomes_ready(&crm, "Contacts");
    let sent = crm.take_webhooks();
    let body: serde_json::Value = serde_json::from_slice(&sent[0].body).unwrap();
    assert_eq!((&body["id"], &body["record_id"]), (&json!(id), &json!(id)));
    assert_eq!(sent[0].header("x-vtiger-signature"), None);
    assert_eq!(sent[0].header("x-secret"), Some("s3cret"));
}

#[tokio::test]
async fn a_workflow_without_parameters_sends_the_id_alone_to_an_address_that_may_hold_a_secret() {
    let crm = onboarding("Leads").await;
    let bare = || {
        Workflow::on_every_save("Leads", "http://127.0.0.1:9/hooks/s3cret")
            .when_changed_to("leadstatus", "Ready for Finance Setup")
    };
    crm.add_workflow(bare().json());
    crm.add_workflow(bare());
    let id = becomes_ready(&crm, "Leads");
    let sent = crm.take_webhooks();
    assert_eq!(sent[0].body, format!("{{\"id\":\"{id}\"}}").as_bytes());
    assert_eq!(sent[1].body, format!("id={id}").as_bytes());
    assert!(sent.iter().all(|one| one.url.ends_with("/hooks/s3cret")));
}

#[tokio::test]
async fn without_leads_no_workflow_is_about_them() {
    let crm = onboarding("Contacts").await;
    assert!(!crm.add_workflow(Workflow::on_creation("Leads", URL)));
    assert!(crm.add_workflow(Workflow::on_creation("Contacts", URL)));
}
