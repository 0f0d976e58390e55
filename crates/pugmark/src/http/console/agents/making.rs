//! A new agent: login, agent and, unless told otherwise, a user in vTiger, with one password.

use std::collections::BTreeMap;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{caller, refused, said, shown};
use crate::http::AppState;
use crate::http::api::users::{self, NewUserBody};
use crate::http::console::frame::{Frame, go, show, store_down};
use crate::http::console::person::Person;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::store::products::{self, Partner};

/// What the form says. An unticked box sends nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Typed {
    first_name: String,
    last_name: String,
    email: String,
    phone: String,
    partner: String,
    rate: String,
    password: Option<SecretString>,
    again: Option<SecretString>,
    role_agent: String,
    role_care: String,
    role_admin: String,
    create_vtiger_user: String,
    /// Made with the form, so that a form that is sent twice makes one account.
    key: String,
}

impl Typed {
    fn fresh() -> Self {
        Typed {
            role_agent: "on".to_owned(),
            create_vtiger_user: "on".to_owned(),
            key: uuid::Uuid::new_v4().to_string(),
            ..Typed::default()
        }
    }

    fn roles(&self) -> Vec<String> {
        let boxes = [
            (&self.role_agent, "brand_ambassador"),
            (&self.role_care, "customer_care"),
            (&self.role_admin, "registration_admin"),
        ];
        let ticked = boxes.iter().filter(|(ticked, _)| !ticked.is_empty());
        ticked.map(|(_, role)| (*role).to_owned()).collect()
    }
}

#[derive(Template)]
#[template(path = "console/agents/new.html")]
struct Page {
    frame: Frame,
    typed: Typed,
    partners: Vec<Partner>,
    /// What is wrong, by the API's name of the field.
    wrong: BTreeMap<String, String>,
    /// What is wrong with no field.
    message: Option<String>,
}

impl Page {
    /// What is wrong with a field.
    fn of(&self, field: &str) -> Option<&String> {
        self.wrong.get(field)
    }
}

/// `GET /agents/new`
pub(in crate::http::console) async fn form(
    State(state): State<AppState>,
    frame: Frame,
) -> Response {
    shown_again(&state, frame, Typed::fresh(), None).await
}

async fn shown_again(
    state: &AppState,
    frame: Frame,
    typed: Typed,
    error: Option<&ApiError>,
) -> Response {
    let partners = match state.db.read().await {
        Ok(mut conn) => products::partners(&mut conn).await,
        Err(error) => Err(error),
    };
    let partners = match partners {
        Ok(partners) => partners,
        Err(error) => return store_down(&frame, &error),
    };
    let page = Page {
        frame,
        typed,
        partners,
        wrong: error.map(|error| error.details.clone()).unwrap_or_default(),
        message: error.map(said),
    };
    let response = show(&page);
    match error {
        Some(_) => (StatusCode::UNPROCESSABLE_ENTITY, response).into_response(),
        None => response,
    }
}

/// `POST /agents/new`
pub(in crate::http::console) async fn make(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    frame: Frame,
    person: Person,
    Form(mut typed): Form<Typed>,
) -> Response {
    let (password, again) = (typed.password.take(), typed.again.take());
    let body = match body(&typed, password, again.as_ref()) {
        Ok(body) => body,
        Err(error) => return shown_again(&state, frame, typed, Some(&error)).await,
    };
    let key = uuid::Uuid::parse_str(&typed.key).ok();
    let key = Ok(key.map(|key| key.to_string()));
    match users::make(&state, &correlation_id, caller(&person), key, body).await {
        Ok(answered) => {
            let operation = answered.body.operation_id;
            let operation = operation.map_or_else(String::new, |id| format!("?operation={id}"));
            let path = format!("/agents/{}{operation}", answered.body.user_id);
            // Until the ambassador is made there is no page for it yet.
            let page = made(&state, &answered.body.user_id).await;
            let path = if page { path } else { "/agents".to_owned() };
            go(&path, &format!("{}.", answered.message))
        }
        Err(error) if error.status == StatusCode::UNPROCESSABLE_ENTITY => {
            // The next try is another request.
            typed.key = uuid::Uuid::new_v4().to_string();
            shown_again(&state, frame, typed, Some(&error)).await
        }
        Err(error) => refused(&frame, &error),
    }
}

async fn made(state: &AppState, user: &str) -> bool {
    match state.db.read().await {
        Ok(mut conn) => {
            let found = crate::store::ambassadors::get(&mut conn, user).await;
            matches!(found, Ok(Some(_)))
        }
        Err(_) => false,
    }
}

/// The request of the API. A password is always typed: a page never shows one that was made.
fn body(
    typed: &Typed,
    password: Option<SecretString>,
    again: Option<&SecretString>,
) -> Result<NewUserBody, ApiError> {
    let mut wrong = BTreeMap::new();
    let password = password.filter(|password| !password.expose_secret().is_empty());
    match (&password, again) {
        (None, _) => {
            wrong.insert("password".to_owned(), "is required".to_owned());
        }
        (Some(first), second)
            if second.map(ExposeSecret::expose_secret) != Some(first.expose_secret()) =>
        {
            let what = "is not the same in both fields".to_owned();
            wrong.insert("password".to_owned(), what);
        }
        _ => {}
    }
    let rate = shown::cents(&typed.rate);
    if rate.is_none() {
        let what = "must be an amount in shillings such as 50 or 50.25".to_owned();
        wrong.insert("perRegistrationRateCents".to_owned(), what);
    }
    let partner = typed.partner.parse();
    if partner.is_err() {
        wrong.insert("partnerId".to_owned(), "must be chosen".to_owned());
    }
    if !wrong.is_empty() {
        return Err(ApiError::validation(wrong));
    }
    Ok(NewUserBody {
        first_name: typed.first_name.clone(),
        last_name: typed.last_name.clone(),
        email: typed.email.clone(),
        password,
        phone_number: typed.phone.clone(),
        partner_id: partner.unwrap_or_default(),
        per_registration_rate_cents: rate.unwrap_or_default(),
        roles: Some(typed.roles()),
        create_vtiger_user: !typed.create_vtiger_user.is_empty(),
    })
}
