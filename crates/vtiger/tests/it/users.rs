//! Finding users without seeing their secrets, and changing passwords.

use serde_json::{Value as Json, json};
use vtiger::{
    CallError, Class, Edition, Invalid, Module, RecordId, RefusalReason, User, UserCreation,
};

use crate::contract::recording_named;
use crate::server::{Answer, Reply, Request, Server, refusal, success};

const STOCK: &str = "059-meta-describe-Users";
const REPAIRED: &str = "230-users-fix-describe";

fn row(number: u64, user_name: &str) -> Json {
    json!({
        "id": format!("19x{number}"), "user_name": user_name, "first_name": "Amina", "last_name": "Otieno",
        "email1": "amina@example.com", "status": "Active"
    })
}

/// A server that describes its users as recorded.
async fn server(description: &str, query: impl Fn(&str) -> Json + Send + Sync + 'static) -> Server {
    let description = recording_named(description).reply();
    Server::start(move |request: &Request| match request.operation() {
        "describe" => description.clone(),
        "query" => success(query(request.param("query").unwrap())),
        _ => crate::server::login_reply(request).unwrap(),
    })
    .await
}

fn asked(server: &Server) -> Vec<String> {
    let queries = server.requests_of("query");
    queries
        .iter()
        .map(|query| query.param("query").unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_users_of_a_role_are_asked_for_as_the_installation_wants_it() {
    for (description, condition) in [(STOCK, "roleid like '0xH5'"), (REPAIRED, "roleid='H5'")] {
        let server = server(description, |_| json!([row(5, "amina")])).await;
        let users = server
            .open_source_client()
            .active_users_of_role("H5")
            .await
            .unwrap();
        let expected = User {
            id: "19x5".parse().unwrap(),
            user_name: "amina".to_owned(),
            first_name: "Amina".to_owned(),
            last_name: "Otieno".to_owned(),
            email1: "amina@example.com".to_owned(),
            status: "Active".to_owned(),
        };
        assert_eq!(users, [expected]);
        assert_eq!(
            asked(&server),
            [format!(
                "select id,user_name,first_name,last_name,email1,status from Users \
                 where {condition} and status='Active' order by id limit 100;"
            )],
            "nothing but harmless columns"
        );
    }
}

#[tokio::test]
async fn users_are_asked_for_by_id_and_a_group_of_the_same_number_is_none_of_them() {
    let server = server(STOCK, |_| json!([row(5, "amina")])).await;
    let client = server.open_source_client();
    let ids = |texts: &[&str]| -> Vec<RecordId> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    };
    let found = client
        .active_users_among(&ids(&["19x5", "20x6", "19x7"]))
        .await
        .unwrap();
    assert_eq!(found[0].id.as_str(), "19x5");
    assert_eq!(
        asked(&server),
        [
            "select id,user_name,first_name,last_name,email1,status from Users \
             where id in ('19x5','19x7') and status='Active' order by id limit 100;"
        ]
    );
    assert_eq!(
        client.active_users_among(&ids(&["20x6"])).await.unwrap(),
        []
    );
    assert_eq!(asked(&server).len(), 1, "there is nobody to ask for");
}

#[tokio::test]
async fn a_role_is_a_plain_value_on_cloud_whatever_its_type_is_called() {
    for (description, condition) in [(STOCK, "roleid like 'H5'"), (REPAIRED, "roleid='H5'")] {
        let server = server(description, |_| json!([row(5, "amina")])).await;
        server
            .cloud_client()
            .active_users_of_role("H5")
            .await
            .unwrap();
        assert!(asked(&server)[0].contains(&format!("where {condition} and")));
    }
}

#[tokio::test]
async fn more_users_than_a_page_holds_are_all_found() {
    let server = server(STOCK, |query| {
        let first = if query.contains("id>'19x100'") {
            101
        } else {
            1
        };
        (first..=130)
            .take(100)
            .map(|number| row(number, "u"))
            .collect()
    })
    .await;
    let users = server
        .open_source_client()
        .active_users_of_role("H5")
        .await
        .unwrap();
    let numbers: Vec<&str> = users.iter().map(|user| user.id.number()).collect();
    assert_eq!(
        numbers,
        (1..=130)
            .map(|number| number.to_string())
            .collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_role_without_users_is_believed_only_when_a_count_agrees() {
    for (count, believed) in [("0", true), ("3", false)] {
        let server = server(STOCK, move |query| {
            if query.contains("count(*)") {
                json!([{"count": count}])
            } else {
                json!([])
            }
        })
        .await;
        let users = server.open_source_client().active_users_of_role("H4").await;
        assert_eq!(users == Ok(Vec::new()), believed, "{users:?}");
        assert_eq!(
            asked(&server)[1],
            "select count(*) from Users where roleid like '0xH4' and status='Active';"
        );
    }
}

#[tokio::test]
async fn nothing_but_a_role_id_is_asked_for() {
    let server = server(STOCK, |_| json!([])).await;
    for role in ["", "H%", "H_", "H5' or '1'='1", "0xH5 or 1=1"] {
        let error = server
            .open_source_client()
            .active_users_of_role(role)
            .await
            .unwrap_err();
        assert!(
            matches!(error, CallError::Invalid(Invalid::Query { .. })),
            "{role}: {error}"
        );
    }
    assert_eq!(asked(&server).len(), 0);
}

#[tokio::test]
async fn a_user_is_found_by_name_whatever_the_name_holds() {
    let server = server(STOCK, |_| json!([row(5, "O'Brien\\")])).await;
    let found = server
        .open_source_client()
        .find_active_user("O'Brien\\")
        .await
        .unwrap();
    assert_eq!(found.unwrap().id.as_str(), "19x5");
    assert!(
        asked(&server)[0].contains(r"where user_name='O''Brien\\' and status='Active'"),
        "{:?}",
        asked(&server)
    );
}

#[tokio::test]
async fn of_two_users_with_one_name_the_exact_spelling_wins() {
    let server = server(REPAIRED, |_| json!([row(5, "Amina"), row(9, "amina")])).await;
    let client = server.open_source_client();
    assert_eq!(client.active_users_named("amina").await.unwrap().len(), 2);
    let id = |found: Option<User>| found.unwrap().id.number().to_owned();
    assert_eq!(id(client.find_active_user("amina").await.unwrap()), "9");
    assert_eq!(id(client.find_active_user("AMINA").await.unwrap()), "5");
}

#[tokio::test]
async fn a_name_nobody_has_is_none() {
    let server = server(STOCK, |query| {
        if query.contains("count(*)") {
            json!([{"count": "0"}])
        } else {
            json!([])
        }
    })
    .await;
    assert_eq!(
        server.open_source_client().find_active_user("nobody").await,
        Ok(None)
    );
}

fn users(edition: Edition, description: &str, change: impl Fn(&mut Json)) -> Module {
    let mut described = recording_named(description).result().unwrap().clone();
    change(&mut described);
    Module::from_json(edition, &described, |_, _| None).unwrap()
}

#[test]
fn whether_users_can_be_created_is_read_from_their_description() {
    use Edition::{Cloud, OpenSource};
    let creation = |edition, description| users(edition, description, |_| {}).user_creation();
    assert_eq!(creation(OpenSource, STOCK), UserCreation::RoleNotAccepted);
    assert_eq!(creation(OpenSource, REPAIRED), UserCreation::Possible);
    assert_eq!(creation(Cloud, REPAIRED), UserCreation::Undocumented);
    let forbidden = users(OpenSource, REPAIRED, |described| {
        described["createable"] = json!(false)
    });
    assert_eq!(forbidden.user_creation(), UserCreation::NotPermitted);
    let hidden = users(OpenSource, REPAIRED, |described| {
        described["fields"]
            .as_array_mut()
            .unwrap()
            .retain(|field| field["name"] != "roleid");
    });
    assert_eq!(hidden.user_creation(), UserCreation::RoleNotAccepted);
    assert!(matches!(
        hidden.role_is("H5"),
        Err(Invalid::UnknownField { .. })
    ));
}

fn id() -> RecordId {
    "19x5".parse().unwrap()
}

/// How a change of password ends that is answered so; a differing confirmation gets the second answer.
async fn change(
    same: Reply,
    differing: Reply,
    cloud: bool,
) -> (Result<(), CallError>, Vec<Request>) {
    let server = Server::start(move |request| match request.operation() {
        "changePassword" => {
            let new = request.param("newPassword").unwrap();
            let confirmed = request.param("confirmPassword") == Some(new);
            if confirmed {
                same.clone()
            } else {
                differing.clone()
            }
        }
        _ => crate::server::login_reply(request).unwrap(),
    })
    .await;
    let client = if cloud {
        server.cloud_client()
    } else {
        server.open_source_client()
    };
    let result = client.change_password(&id(), &"N3w!pass".into()).await;
    (result, server.requests_of("changePassword"))
}

fn fatal() -> Reply {
    Answer::new(500, "text/html", "").into()
}

fn restricted() -> Reply {
    Answer::new(
        200,
        "text/html",
        "Sorry! Attempt to access restricted file.",
    )
    .into()
}

#[tokio::test]
async fn a_new_password_is_sent_twice_and_no_old_one() {
    let done = success(json!({"message": "Changed password successfully"}));
    let (result, sent) = change(done, fatal(), false).await;
    assert_eq!(result, Ok(()));
    let [sent] = sent.try_into().unwrap();
    let sent: Vec<(&str, &str)> = sent
        .form
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !matches!(*name, "operation" | "sessionName"))
        .collect();
    assert_eq!(
        sent,
        [
            ("id", "19x5"),
            ("newPassword", "N3w!pass"),
            ("confirmPassword", "N3w!pass")
        ]
    );
}

#[tokio::test]
async fn where_the_operation_cannot_work_the_change_is_refused_and_certainly_not_made() {
    for reply in [restricted(), fatal()] {
        let (result, sent) = change(reply.clone(), reply, false).await;
        assert_eq!(
            result.unwrap_err().reason(),
            Some(RefusalReason::NotAvailable)
        );
        assert_eq!(sent.len(), 2);
    }
    let missing: Reply = Answer::new(404, "text/html", "").into();
    let (result, sent) = change(missing.clone(), missing, true).await;
    assert_eq!(
        result.unwrap_err().reason(),
        Some(RefusalReason::NotAvailable)
    );
    assert_eq!(sent.len(), 1, "Cloud says so at once");
}

#[tokio::test]
async fn where_the_operation_can_work_a_broken_change_stays_unknown() {
    let compared = || refusal("CHANGE_PASSWORD_FAILURE", "Failed to change password");
    for reply in [restricted(), fatal(), Reply::Close] {
        let (result, _) = change(reply, compared(), false).await;
        assert_eq!(result.unwrap_err().class(), Class::Unknown);
    }
    // Nothing is asked after an answer that is lost for another reason.
    let (result, sent) = change(Reply::Close, fatal(), false).await;
    assert_eq!(
        (result.unwrap_err().class(), sent.len()),
        (Class::Unknown, 1)
    );
}

#[tokio::test]
async fn an_empty_answer_means_that_the_caller_is_no_administrator() {
    let (result, _) = change(success(json!(null)), fatal(), false).await;
    assert_eq!(
        result.unwrap_err().reason(),
        Some(RefusalReason::AccessDenied)
    );
    let (result, _) = change(success(json!({})), fatal(), false).await;
    assert_eq!(result.unwrap_err().class(), Class::Unknown);
}

#[tokio::test]
async fn an_empty_password_is_not_sent() {
    let server = Server::open_source(|_| fatal()).await;
    let error = server
        .open_source_client()
        .change_password(&id(), &"".into())
        .await
        .unwrap_err();
    assert!(matches!(error, CallError::Invalid(_)), "{error}");
    assert_eq!(server.requests().len(), 0);
}

#[tokio::test]
async fn a_dangling_owner_is_still_an_unknown_write() {
    let server = Server::open_source(|_| restricted()).await;
    let element = vtiger::Element::new().with("assigned_user_id", "19x9999");
    let client = server.open_source_client();
    let created = client.create("Contacts", &element).await.unwrap_err();
    let revised = client
        .revise(&"12x1".parse().unwrap(), &element)
        .await
        .unwrap_err();
    for error in [created, revised] {
        assert_eq!(error.class(), Class::Unknown);
        assert_eq!(
            error.refusal().unwrap().field.as_deref(),
            Some("assigned_user_id")
        );
    }
}
