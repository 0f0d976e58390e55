//! `/api/internal/customers`: MicroBima's customers and whether their contacts are in step.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use garde::Validate;
use pugmark_queue::db::{Conn, DbError, Ts};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::cursor;
use crate::crm::record_link;
use crate::http::AppState;
use crate::http::auth::Caller;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope, Page, Pagination};
use crate::http::parameters::{Parameters, PathId, search};
use crate::store::change_log;
use crate::store::customers::{self, Customer, CustomerFilter, CustomerView, NewCustomer};
use crate::store::links::SyncStatus;

const LARGEST_PAGE: u32 = 200;

/// The routes of this resource.
pub fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, patch))
}

/// A customer as the API shows it. Words for gender and documents are those of MicroBima's API.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerBody {
    /// UUID.
    pub id: String,
    /// First name.
    pub first_name: String,
    /// Middle name.
    pub middle_name: Option<String>,
    /// Last name.
    pub last_name: String,
    /// E-mail.
    pub email: Option<String>,
    /// Phone number as typed.
    pub phone_number: String,
    /// `YYYY-MM-DD`.
    pub date_of_birth: Option<String>,
    /// `male`, `female`, or what the database holds.
    pub gender: Option<String>,
    /// `national`, `alien`, `passport`, `birth_certificate`, `military`, or what the database holds.
    pub id_type: String,
    /// Number of the document.
    pub id_number: String,
    /// Label of MicroBima's `CustomerStatus`.
    pub status: String,
    /// Test customers never reach the CRM.
    pub is_test_user: bool,
    /// RFC 3339 in UTC.
    pub created_at: String,
    /// RFC 3339 in UTC.
    pub updated_at: String,
    /// Id of the contact in vTiger.
    pub vtiger_contact_id: Option<String>,
    /// Address of the contact in vTiger.
    pub vtiger_contact_url: Option<String>,
    /// Whether the contact is in step; `null` when it never has to be (a test customer).
    pub vtiger_sync_status: Option<SyncStatus>,
    /// When both sides last agreed, RFC 3339 in UTC.
    pub vtiger_last_synced_at: Option<String>,
    /// Why it is not in step.
    pub vtiger_sync_error: Option<String>,
    /// The code of that reason, explained in docs/errors.md.
    pub vtiger_sync_error_code: Option<String>,
    /// What vTiger cannot keep as it is and was adapted.
    #[schema(value_type = Vec<Object>)]
    pub vtiger_warnings: serde_json::Value,
}

impl CustomerBody {
    fn of(view: CustomerView, state: &AppState) -> Self {
        let CustomerView {
            customer,
            place: _,
            vtiger_id,
            sync_status,
            last_synced_at,
            sync_error,
            sync_error_code,
            warnings,
        } = view;
        CustomerBody {
            vtiger_contact_url: vtiger_id
                .as_deref()
                .and_then(|id| record_link(state.crm.as_deref()?, "Contacts", id)),
            vtiger_contact_id: vtiger_id,
            vtiger_sync_status: sync_status.as_deref().and_then(SyncStatus::parse),
            vtiger_last_synced_at: last_synced_at.map(|at| at.timestamp().to_string()),
            vtiger_sync_error: sync_error,
            vtiger_sync_error_code: sync_error_code,
            vtiger_warnings: warnings
                .and_then(|text| serde_json::from_str(&text).ok())
                .unwrap_or_else(|| serde_json::Value::Array(Vec::new())),
            gender: customer
                .gender
                .as_deref()
                .map(|label| word_of(&GENDERS, label)),
            id_type: word_of(&ID_TYPES, &customer.id_type),
            id: customer.id,
            first_name: customer.first_name,
            middle_name: customer.middle_name,
            last_name: customer.last_name,
            email: customer.email,
            phone_number: customer.phone_number,
            date_of_birth: customer.date_of_birth,
            id_number: customer.id_number,
            status: customer.status,
            is_test_user: customer.is_test_user,
            created_at: customer.created_at.timestamp().to_string(),
            updated_at: customer.updated_at.timestamp().to_string(),
        }
    }
}

/// Words of MicroBima's API and labels of its database.
const GENDERS: [(&str, &str); 3] = [
    ("male", "MALE"),
    ("female", "FEMALE"),
    ("prefer_not_to_say", "PREFER_NOT_TO_SAY"),
];
const ID_TYPES: [(&str, &str); 5] = [
    ("national", "NATIONAL_ID"),
    ("alien", "ALIEN"),
    ("passport", "PASSPORT"),
    ("birth_certificate", "BIRTH_CERTIFICATE"),
    ("military", "MILITARY"),
];

const STATUSES: [&str; 8] = [
    "PENDING_KYC",
    "KYC_VERIFIED",
    "ACTIVE",
    "SUSPENDED",
    "TERMINATED",
    "PENDING_ACTIVATION",
    "DELETED",
    "DEACTIVATED",
];

fn word_of(words: &[(&str, &str)], label: &str) -> String {
    words
        .iter()
        .find(|(_, known)| *known == label)
        .map_or_else(|| label.to_owned(), |(word, _)| (*word).to_owned())
}

fn label_of(words: &[(&str, &str)], word: &str) -> Option<String> {
    words
        .iter()
        .find(|(known, label)| known.eq_ignore_ascii_case(word) || label.eq_ignore_ascii_case(word))
        .map(|(_, label)| (*label).to_owned())
}

/// A new customer. What is required and left out is reported with everything else that is wrong, not by itself.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewCustomerBody {
    /// First name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    first_name: String,
    /// Middle name, up to 50 characters.
    middle_name: Option<String>,
    /// Last name, 1 to 50 characters.
    #[serde(default)]
    #[schema(required = true)]
    last_name: String,
    /// E-mail.
    email: Option<String>,
    /// 9 to 15 digits, with `+`, spaces, dashes and brackets as people write them.
    #[serde(default)]
    #[schema(required = true)]
    phone_number: String,
    /// `YYYY-MM-DD`, not in the future.
    date_of_birth: Option<String>,
    /// `male`, `female` or `prefer_not_to_say`.
    gender: Option<String>,
    /// `national`, `alien`, `passport`, `birth_certificate` or `military`.
    #[serde(default)]
    #[schema(required = true)]
    id_type: String,
    /// 5 to 9 characters.
    #[serde(default)]
    #[schema(required = true)]
    id_number: String,
    /// Partner the customer belongs to; 1 when left out.
    #[serde(default = "first_partner")]
    partner_id: i32,
    /// Test customers never reach the CRM.
    #[serde(default)]
    is_test_user: bool,
}

/// Changes to a customer: what is left out stays, `null` clears.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CustomerPatchBody {
    /// First name.
    #[serde(deserialize_with = "given")]
    first_name: Option<String>,
    /// Middle name; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    middle_name: Option<Option<String>>,
    /// Last name.
    #[serde(deserialize_with = "given")]
    last_name: Option<String>,
    /// E-mail; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// Phone number.
    #[serde(deserialize_with = "given")]
    phone_number: Option<String>,
    /// Birth date; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    date_of_birth: Option<Option<String>>,
    /// Gender; `null` clears.
    #[serde(deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    gender: Option<Option<String>>,
    /// Kind of document.
    #[serde(deserialize_with = "given")]
    id_type: Option<String>,
    /// Number of the document.
    #[serde(deserialize_with = "given")]
    id_number: Option<String>,
    /// Label of MicroBima's `CustomerStatus`.
    #[serde(deserialize_with = "given")]
    status: Option<String>,
    /// Whether this is a test customer.
    #[serde(deserialize_with = "given")]
    is_test_user: Option<bool>,
}

/// The editable columns of a customer as they would be after the request: the same rules for a new and a changed one.
#[derive(Debug, Validate)]
struct Edited {
    #[garde(custom(is_name))]
    first_name: String,
    #[garde(inner(custom(is_name)))]
    middle_name: Option<String>,
    #[garde(custom(is_name))]
    last_name: String,
    #[garde(inner(custom(is_email)))]
    email: Option<String>,
    #[garde(custom(is_phone))]
    phone_number: String,
    #[garde(inner(custom(is_birth_date)))]
    date_of_birth: Option<String>,
    #[garde(inner(custom(is_gender)))]
    gender: Option<String>,
    #[garde(custom(is_id_type))]
    id_type: String,
    #[garde(custom(is_id_number))]
    id_number: String,
    #[garde(custom(is_status))]
    status: String,
    #[garde(skip)]
    is_test_user: bool,
}

impl NewCustomerBody {
    fn edited(&self) -> Edited {
        Edited {
            first_name: self.first_name.trim().to_owned(),
            middle_name: blank_is_none(self.middle_name.clone()),
            last_name: self.last_name.trim().to_owned(),
            email: blank_is_none(self.email.clone()),
            phone_number: self.phone_number.trim().to_owned(),
            date_of_birth: blank_is_none(self.date_of_birth.clone()),
            gender: blank_is_none(self.gender.clone()),
            id_type: self.id_type.trim().to_owned(),
            id_number: self.id_number.trim().to_owned(),
            // What MicroBima's application writes; the column's default is never used there.
            status: "PENDING_ACTIVATION".to_owned(),
            is_test_user: self.is_test_user,
        }
    }
}

impl CustomerPatchBody {
    /// The customer with the changes laid over it, and the names of the fields the request speaks of: an old row may
    /// hold values that today's rules refuse, and those must not stand in the way of another field's change.
    fn edited(self, row: &Customer) -> (Edited, Vec<&'static str>) {
        let mut touched = Vec::new();
        let mut text = |name: &'static str, given: Option<String>, old: &str| match given {
            Some(given) => {
                touched.push(name);
                given.trim().to_owned()
            }
            None => old.to_owned(),
        };
        let first_name = text("firstName", self.first_name, &row.first_name);
        let last_name = text("lastName", self.last_name, &row.last_name);
        let phone_number = text("phoneNumber", self.phone_number, &row.phone_number);
        let id_type = text("idType", self.id_type, &row.id_type);
        let id_number = text("idNumber", self.id_number, &row.id_number);
        let status = text("status", self.status, &row.status);
        let mut optional =
            |name: &'static str, given: Option<Option<String>>, old: &Option<String>| match given {
                Some(given) => {
                    touched.push(name);
                    blank_is_none(given)
                }
                None => old.clone(),
            };
        let edited = Edited {
            middle_name: optional("middleName", self.middle_name, &row.middle_name),
            email: optional("email", self.email, &row.email),
            date_of_birth: optional("dateOfBirth", self.date_of_birth, &row.date_of_birth),
            gender: optional("gender", self.gender, &row.gender),
            is_test_user: self.is_test_user.unwrap_or(row.is_test_user),
            first_name,
            last_name,
            phone_number,
            id_type,
            id_number,
            status,
        };
        (edited, touched)
    }
}

impl Edited {
    /// # Errors
    /// 422 with every field that breaks a rule; of a change, only the fields it speaks of.
    fn check(&self, touched: Option<&[&str]>) -> Result<(), ApiError> {
        let Err(report) = self.validate() else {
            return Ok(());
        };
        let details: BTreeMap<String, String> = report
            .iter()
            .map(|(path, error)| (camel_case(&path.to_string()), error.message().to_owned()))
            .filter(|(name, _)| touched.is_none_or(|touched| touched.contains(&name.as_str())))
            .collect();
        if details.is_empty() {
            Ok(())
        } else {
            Err(ApiError::validation(details))
        }
    }

    /// Labels of the database for words of the API; labels that are none of ours stay as they are.
    fn gender_label(&self) -> Option<String> {
        self.gender
            .as_deref()
            .map(|word| label_of(&GENDERS, word).unwrap_or_else(|| word.to_owned()))
    }

    fn id_type_label(&self) -> String {
        label_of(&ID_TYPES, &self.id_type).unwrap_or_else(|| self.id_type.clone())
    }
}

fn is_name(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, 50)
}

fn is_id_number(value: &str, (): &()) -> garde::Result {
    is_text(value, 5, 9)
}

/// The longest address that mail can be sent to, RFC 5321.
const LONGEST_EMAIL: usize = 254;

fn is_email(value: &str, (): &()) -> garde::Result {
    is_text(value, 1, LONGEST_EMAIL)?;
    if email_address::EmailAddress::is_valid(value) {
        return Ok(());
    }
    Err(garde::Error::new(
        "must be an e-mail address such as achieng@example.co.ke",
    ))
}

fn is_text(value: &str, shortest: usize, longest: usize) -> garde::Result {
    if value.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    if !(shortest..=longest).contains(&value.chars().count()) {
        return Err(garde::Error::new(format!(
            "must have {shortest} to {longest} characters"
        )));
    }
    if value.chars().any(char::is_control) {
        return Err(garde::Error::new(
            "must not contain control characters such as line breaks",
        ));
    }
    Ok(())
}

fn is_phone(value: &str, (): &()) -> garde::Result {
    if value.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    let digits = value.chars().filter(char::is_ascii_digit).count();
    let spelled = value
        .chars()
        .all(|letter| letter.is_ascii_digit() || "+-() ".contains(letter));
    if !spelled || !(9..=15).contains(&digits) || value.len() > 20 {
        return Err(garde::Error::new(
            "must be a phone number of 9 to 15 digits, at most 20 characters, such as 0712345678",
        ));
    }
    Ok(())
}

fn is_birth_date(value: &str, (): &()) -> garde::Result {
    let date: jiff::civil::Date = value
        .parse()
        .map_err(|_| garde::Error::new("must be a date of the calendar in the form YYYY-MM-DD"))?;
    let tomorrow = jiff::Zoned::now()
        .date()
        .saturating_add(jiff::Span::new().days(1));
    if date > tomorrow || date.year() < 1850 {
        return Err(garde::Error::new(
            "must be a day on which a living person can have been born",
        ));
    }
    Ok(())
}

fn is_gender(value: &str, (): &()) -> garde::Result {
    one_of(&GENDERS, value)
}

fn is_status(value: &str, (): &()) -> garde::Result {
    if STATUSES.contains(&value) {
        return Ok(());
    }
    Err(garde::Error::new(format!(
        "must be one of {}",
        STATUSES.join(", ")
    )))
}

fn is_id_type(value: &str, (): &()) -> garde::Result {
    one_of(&ID_TYPES, value)
}

fn one_of(words: &[(&str, &str)], value: &str) -> garde::Result {
    if label_of(words, value).is_some() {
        return Ok(());
    }
    if value.is_empty() {
        return Err(garde::Error::new("is required"));
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    Err(garde::Error::new(format!(
        "must be one of {}",
        known.join(", ")
    )))
}

fn first_partner() -> i32 {
    1
}

fn blank_is_none(value: Option<String>) -> Option<String> {
    value
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
}

/// Tells `null` (clear) from a field that was left out (keep).
fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be left out (keep) but not `null`: it cannot be cleared.
fn given<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// The library names fields as Rust does; callers know them as JSON does. The `[]` of an optional field is dropped.
fn camel_case(path: &str) -> String {
    let mut name = String::new();
    let mut upper = false;
    for letter in path.trim_end_matches("[]").chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                name.extend(letter.to_uppercase());
                upper = false;
            }
            letter => name.push(letter),
        }
    }
    name
}

/// What a list of customers takes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Part of a name, e-mail, phone or id number.
    search: Option<String>,
    /// Only customers in this state: `PENDING`, `SYNCED`, `FAILED`.
    sync_status: Option<String>,
    /// Entries of a page, 1 to 200; 50 when left out.
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    cursor: Option<String>,
}

/// Lists customers, newest first.
#[utoipa::path(get, path = "/api/internal/customers", tag = "customers", params(ListParameters),
    responses((status = 200, body = Envelope<Page<CustomerBody>>), (status = 422, body = ErrorEnvelope)))]
async fn list(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let sync_status = match parameters.sync_status.as_deref() {
        None => None,
        Some(word) => Some(SyncStatus::parse(&word.to_uppercase()).ok_or_else(|| {
            let what = "must be one of PENDING, SYNCING, SYNCED, FAILED".to_owned();
            ApiError::validation([("syncStatus".to_owned(), what)].into())
        })?),
    };
    let page_size = parameters.limit.unwrap_or(50).clamp(1, LARGEST_PAGE);
    let filter = CustomerFilter {
        search: search(parameters.search)?,
        sync_status: sync_status.map(SyncStatus::as_str),
        after: parameters
            .cursor
            .as_deref()
            .map(|cursor| cursor::decode(cursor, state.db.engine()))
            .transpose()?,
        limit: page_size + 1,
    };
    let mut conn = state.db.read().await?;
    let mut found = customers::list(&mut conn, &filter).await?;
    let has_next_page = found.len() > page_size as usize;
    found.truncate(page_size as usize);
    let next_cursor = found
        .last()
        .filter(|_| has_next_page)
        .map(|last| cursor::encode(&last.place, &last.customer.id));
    let items = found
        .into_iter()
        .map(|view| CustomerBody::of(view, &state))
        .collect();
    let page = Page {
        items,
        pagination: Pagination {
            page_size,
            has_next_page,
            next_cursor,
        },
    };
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Customers",
        page,
    ))
}

/// One customer.
#[utoipa::path(get, path = "/api/internal/customers/{id}", tag = "customers",
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 200, body = Envelope<CustomerBody>), (status = 404, body = ErrorEnvelope)))]
async fn read(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    PathId(id): PathId,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let mut conn = state.db.read().await?;
    let view = customers::view(&mut conn, &id)
        .await?
        .ok_or_else(|| ApiError::not_found("customer", &id))?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Customer",
        CustomerBody::of(view, &state),
    ))
}

/// Registers a customer. The contact follows by itself, a moment later.
#[utoipa::path(post, path = "/api/internal/customers", tag = "customers", request_body = NewCustomerBody,
    responses((status = 201, body = Envelope<CustomerBody>), (status = 400, body = ErrorEnvelope),
              (status = 422, body = ErrorEnvelope)))]
async fn create(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    JsonBody(body): JsonBody<NewCustomerBody>,
) -> Result<Response, ApiError> {
    let edited = body.edited();
    edited.check(None)?;
    let new = NewCustomer {
        id: uuid::Uuid::new_v4().to_string(),
        gender: edited.gender_label(),
        id_type: edited.id_type_label(),
        first_name: edited.first_name,
        middle_name: edited.middle_name,
        last_name: edited.last_name,
        email: edited.email,
        phone_number: edited.phone_number,
        date_of_birth: edited.date_of_birth,
        id_number: edited.id_number,
        status: edited.status,
        partner_id: body.partner_id,
        is_test_user: edited.is_test_user,
        created_by: Some(caller.name.to_string()),
    };
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let view = state
        .db
        .write("create customer", move |conn| {
            Box::pin(async move {
                customers::insert(conn, &new, now)
                    .await
                    .map_err(refused_by_constraint)?;
                change_log::correlate(conn, "customers", &new.id, &correlation).await?;
                after_write(conn, &new.id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::CREATED,
        &correlation_id,
        "Customer registered",
        CustomerBody::of(view, &state),
    ))
}

/// Changes a customer. What is left out stays, `null` clears. The contact follows by itself.
#[utoipa::path(patch, path = "/api/internal/customers/{id}", tag = "customers", request_body = CustomerPatchBody,
    params(("id" = String, Path, description = "UUID of the customer")),
    responses((status = 200, body = Envelope<CustomerBody>), (status = 400, body = ErrorEnvelope),
              (status = 404, body = ErrorEnvelope), (status = 422, body = ErrorEnvelope)))]
async fn patch(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    Extension(caller): Extension<Caller>,
    PathId(id): PathId,
    JsonBody(body): JsonBody<CustomerPatchBody>,
) -> Result<Response, ApiError> {
    let id = id.to_string();
    let correlation = correlation_id.to_string();
    let now = Ts::now();
    let view = state
        .db
        .write("change customer", move |conn| {
            Box::pin(async move {
                let row = customers::get_for_update(conn, &id)
                    .await?
                    .ok_or_else(|| ApiError::not_found("customer", &id))?;
                let (edited, touched) = body.edited(&row);
                edited.check(Some(&touched))?;
                let changed = Customer {
                    gender: edited.gender_label(),
                    id_type: edited.id_type_label(),
                    first_name: edited.first_name,
                    middle_name: edited.middle_name,
                    last_name: edited.last_name,
                    email: edited.email,
                    phone_number: edited.phone_number,
                    date_of_birth: edited.date_of_birth,
                    id_number: edited.id_number,
                    status: edited.status,
                    is_test_user: edited.is_test_user,
                    ..row
                };
                customers::update(conn, &changed, Some(&caller.name), now)
                    .await
                    .map_err(refused_by_constraint)?;
                change_log::correlate(conn, "customers", &id, &correlation).await?;
                after_write(conn, &id).await
            })
        })
        .await?;
    state.relay.notify_one();
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Customer changed",
        CustomerBody::of(view, &state),
    ))
}

async fn after_write(conn: &mut Conn, id: &str) -> Result<CustomerView, ApiError> {
    customers::view(conn, id)
        .await?
        .ok_or_else(|| ApiError::not_found("customer", id))
}

/// Names the field behind a violated constraint. Both databases put the column's name into the message.
fn refused_by_constraint(error: DbError) -> ApiError {
    if is_foreign_key_violation(&error) {
        let details = [(
            "partnerId".to_owned(),
            "there is no such partner".to_owned(),
        )];
        return ApiError::validation(details.into());
    }
    if !error.is_unique_violation() {
        return error.into();
    }
    let message = error.to_string();
    let refused = |code, what: &str| ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, what);
    if message.contains("email") {
        let what = "Another customer has this e-mail";
        refused("DUPLICATE_EMAIL", what).field("email", what)
    } else {
        let what = "Another customer has this document";
        refused("DUPLICATE_ID_NUMBER", what).field("idNumber", what)
    }
}

/// Standalone there are no partners to point to; in MicroBima's own database there are.
fn is_foreign_key_violation(error: &DbError) -> bool {
    matches!(error, DbError::Sql(error)
        if error.as_database_error().is_some_and(|error| error.is_foreign_key_violation()))
}
