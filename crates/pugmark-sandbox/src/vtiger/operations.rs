//! The operations of `webservice.php` by name: which parameters they take, from where, and whether they work at all.

use serde_json::{Value, json};

use super::auth;
use super::config::Config;
use super::dialect::Dialect;
use super::failure::{Answer, Failure};
use super::principals::Actor;
use super::records::{Call, Mode};
use super::registry::{Health, Source};
use super::state::State;
use super::sync::Since;
use super::user_operations::{self, PasswordChange};
use super::{extension, related, vtql};
use crate::journal::{Journal, JournalKind};
use crate::wire::{Param, Params, Request};

/// An executed call: its answer and who made it.
pub(super) struct Executed {
    pub(super) answer: Answer,
    pub(super) user: Option<String>,
}

/// Where a call is executed.
pub(super) struct Stage<'a> {
    pub(super) state: &'a mut State,
    pub(super) journal: &'a Journal,
    pub(super) config: &'a Config,
    pub(super) now: jiff::Timestamp,
    pub(super) request_no: u64,
    /// See [`Call::began_at`].
    pub(super) began_at: u64,
}

/// The operation's name in lower case; empty when there is none.
pub(super) fn name_of(request: &Request) -> String {
    request
        .either("operation")
        .unwrap_or_default()
        .to_ascii_lowercase()
}

/// The session a request names. `null`, in any case, counts as none.
pub(super) fn session_of(request: &Request) -> Option<&str> {
    let named = request
        .either("sessionName")
        .filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case("null"));
    if named.is_none() && name_of(request) == "extendsession" {
        return request
            .either("PHPSESSID")
            .or_else(|| request.cookie("PHPSESSID"));
    }
    named
}

/// Executes a request of `webservice.php`.
pub(super) fn execute(stage: Stage<'_>, request: &Request) -> Executed {
    let name = name_of(request);
    let Some((source, health)) = stage.state.registry.find(&name) else {
        return nobody(Err(Failure::Fatal));
    };
    if request
        .either("format")
        .is_some_and(|format| !format.is_empty() && !format.eq_ignore_ascii_case("json"))
    {
        return nobody(Err(Failure::Fatal));
    }
    let params = if source == Source::Get {
        &request.query
    } else {
        &request.form
    };
    match name.as_str() {
        "getchallenge" => nobody(auth::challenge(
            stage.state,
            params.text("username"),
            stage.now,
        )),
        "login" => log_in(stage, params),
        "extendsession" if request.form.get("operation").is_none() => {
            nobody(Err(authentication_required()))
        }
        "extendsession" => nobody(auth::extend(stage.state, session_of(request), stage.now)),
        _ => in_session(stage, request, &name, params, health),
    }
}

fn nobody(answer: Answer) -> Executed {
    Executed { answer, user: None }
}

fn authentication_required() -> Failure {
    Failure::refused("AUTHENTICATION_REQUIRED", "Authencation required")
}

fn log_in(stage: Stage<'_>, params: &Params) -> Executed {
    match auth::login(
        stage.state,
        params.text("username"),
        params.text("accessKey"),
        stage.now,
    ) {
        Ok((answer, user)) => {
            let user_id = Dialect::OpenSource.id("Users", user.number);
            let kind = JournalKind::LoggedIn { user_id };
            stage.journal.append(
                stage.now,
                Some(stage.request_no),
                Some(user.name.clone()),
                kind,
            );
            Executed {
                answer: Ok(answer),
                user: Some(user.name),
            }
        }
        Err(failure) => nobody(Err(failure)),
    }
}

fn in_session(
    stage: Stage<'_>,
    request: &Request,
    name: &str,
    params: &Params,
    health: Health,
) -> Executed {
    let Some(session) = session_of(request) else {
        return nobody(Err(authentication_required()));
    };
    let user = stage
        .state
        .auth
        .enter(session, stage.now)
        .and_then(|number| Actor::find(stage.state, number));
    let Some(actor) = user else {
        return nobody(Err(Failure::refused(
            "INVALID_SESSIONID",
            "Session Identifier provided is Invalid",
        )));
    };
    let user = Some(actor.name.clone());
    let answer = match health {
        Health::Dies => Err(Failure::Fatal),
        Health::FileMissing => Err(Failure::Restricted),
        Health::Works => {
            let mut call = Call {
                state: stage.state,
                journal: stage.journal,
                actor,
                dialect: Dialect::OpenSource,
                now: stage.now,
                request_no: Some(stage.request_no),
                began_at: stage.began_at,
                source: "WEBSERVICE",
                bulk: false,
            };
            dispatch(&mut call, name, params, session, stage.config)
        }
    };
    Executed { answer, user }
}

fn dispatch(
    call: &mut Call<'_>,
    name: &str,
    params: &Params,
    session: &str,
    config: &Config,
) -> Answer {
    // PHP's text functions die on an array.
    let own = [
        "element",
        "elementType",
        "id",
        "query",
        "fieldTypeList",
        "relatedLabel",
    ];
    if own
        .iter()
        .any(|parameter| params.get(parameter) == Some(&Param::Array))
    {
        return Err(Failure::Fatal);
    }
    let text = |parameter: &str| params.text(parameter).unwrap_or_default();
    let element = || config.release.element(params);
    match name {
        "listtypes" => Ok(list_types(call, text("fieldTypeList"))),
        "describe" => call.describe(text("elementType")),
        "create" => call.create(text("elementType"), &element()?),
        "retrieve" => call.retrieve(text("id")),
        "revise" => call.change(&element()?, Mode::Revise),
        "update" => call.change(&element()?, Mode::Update),
        "delete" => call.delete(text("id")),
        "query" => query(call, text("query")),
        "relatedtypes" => related::types(call, text("elementType")),
        "retrieve_related" => related::retrieve(call, text("id"), text("relatedLabel")),
        "query_related" => related::query(call, text("query"), text("id"), text("relatedLabel")),
        "add_related" => related::add(call, text("sourceRecordId")),
        "sync" => call.sync(&Since {
            moment: text("modifiedTime"),
            module: text("elementType"),
            scope: text("syncType"),
        }),
        "wsapp_register" => call.register_app(),
        "convertlead" => call.convert_lead(&element()?),
        "logout" => log_out(call, params, session),
        "changepassword" => user_operations::change_password(
            call,
            &PasswordChange {
                id: text("id"),
                old: text("oldPassword"),
                new: text("newPassword"),
                confirmation: text("confirmPassword"),
            },
        ),
        "deleteuser" => user_operations::delete_user(call, text("id"), text("newOwnerId")),
        own if call.state.registry.is_own(own) => user_operations::create_user(call, &element()?),
        other => extension::dispatch(call, other, params, element, config),
    }
}

/// `listtypes`, restricted to modules with a field of one of these types when a JSON list of type names is given.
pub(super) fn list_types(call: &Call<'_>, types: &str) -> Value {
    let types: Option<Vec<String>> = serde_json::from_str(types).unwrap_or_default();
    call.state
        .catalogue
        .list_types(types.as_deref(), call.dialect, call.actor.admin, &[])
}

/// `query`.
pub(super) fn query(call: &mut Call<'_>, text: &str) -> Answer {
    let name = vtql::module_name(text).ok_or_else(|| Failure::denied_for("query"))?;
    let module = call
        .module_named(name)
        .ok_or_else(|| Failure::denied_for(&format!("name : {name}")))?;
    if name == "Users" {
        call.administrators_only()?;
    }
    let parsed = vtql::parse(call.dialect, text)?;
    let reader = call.reader();
    vtql::run(
        call.state,
        reader,
        module,
        &parsed,
        &vtql::Scope::Everything,
    )
}

fn log_out(call: &mut Call<'_>, params: &Params, session: &str) -> Answer {
    if params.text("sessionName").is_none() {
        return Err(Failure::refused(
            "OPERATION_NOT_SUPPORTED",
            "Permission to perform the operation is denied",
        ));
    }
    call.state.auth.drop_session(session);
    Ok(json!({ "message": "successfull" }))
}
