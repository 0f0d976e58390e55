//! `POST .../field-mappings/dry-run`: what a mapping would do to real contacts. Writes nothing, here or in the CRM.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asking::{Asked, client, not_asked};
use super::bodies::NewMapping;
use super::refused;
use crate::crm::CONTACTS;
use crate::flows::insurance::mapping_check;
use crate::flows::insurance::mapping_trial::{Trial, TrialError, Tried, TriedField};
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::body::JsonBody;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::{ApiError, Envelope, ErrorEnvelope};
use crate::store::field_mapping::{self, Mapping};

/// Customers tried when the request does not say.
const SOME: u32 = 5;
/// Each costs a call, and somebody waits.
const MOST: u32 = 50;

/// What is to be tried.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct DryRunRequest {
    /// Mappings to try, as they would be posted. One whose source is mapped already stands in for that one. Without any, the
    /// mappings are tried as they are.
    mappings: Vec<NewMapping>,
    /// How many customers, 1 to 50 (those delivered last), or a list of ids. 5 when left out.
    #[schema(value_type = Object)]
    customers: Customers,
}

/// On whom.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Customers {
    /// So many of those delivered last.
    Some(u32),
    /// Those with these ids.
    These(Vec<String>),
}

impl Default for Customers {
    fn default() -> Self {
        Customers::Some(SOME)
    }
}

/// What would happen.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DryRunBody {
    /// Customers tried.
    pub(crate) customers: usize,
    /// Contacts on which people would see another value than now.
    pub(crate) would_change: usize,
    /// Values that would not be sent, or not as they are.
    pub(crate) warnings: usize,
    /// Each of them.
    pub(crate) items: Vec<TriedBody>,
}

/// What would happen to one contact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TriedBody {
    /// Id of the customer.
    pub(crate) customer_id: String,
    /// Id of the contact; `null` when there is none yet: everything would be sent with the first delivery.
    pub(crate) vtiger_contact_id: Option<String>,
    /// What kept this one from being tried.
    pub(crate) problem: Option<String>,
    /// What would happen to each field.
    pub(crate) fields: Vec<TriedFieldBody>,
    /// Values that would not be sent, or not as they are, each with its field and the reason.
    pub(crate) warnings: Vec<String>,
}

/// What would happen to one field.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TriedFieldBody {
    /// The source.
    pub(crate) microbima_field: String,
    /// API name of the field.
    pub(crate) vtiger_field: String,
    /// What people see.
    pub(crate) label: String,
    /// What the contact holds now.
    pub(crate) now: Option<String>,
    /// What would be sent; `null` when the field would be left as it is.
    pub(crate) would_send: Option<String>,
    /// What vTiger would show afterwards.
    pub(crate) would_show: Option<String>,
    /// Whether people would see another value than now.
    pub(crate) changes: bool,
}

impl From<Tried> for TriedBody {
    fn from(tried: Tried) -> Self {
        TriedBody {
            customer_id: tried.customer,
            vtiger_contact_id: tried.contact,
            problem: tried.problem,
            fields: tried.fields.into_iter().map(TriedFieldBody::from).collect(),
            warnings: tried.warnings,
        }
    }
}

impl From<TriedField> for TriedFieldBody {
    fn from(field: TriedField) -> Self {
        TriedFieldBody {
            microbima_field: field.source,
            vtiger_field: field.field,
            label: field.label,
            now: field.now,
            would_send: field.would_send,
            would_show: field.would_show,
            changes: field.changes,
        }
    }
}

/// Shows for real customers what their contacts hold now and what would be sent. Writes nothing.
#[utoipa::path(post, path = "/api/internal/vtiger/field-mappings/dry-run", tag = "field mappings",
    request_body = DryRunRequest,
    responses((status = 200, body = Envelope<DryRunBody>), (status = 422, body = ErrorEnvelope),
              (status = 503, body = ErrorEnvelope)))]
pub(crate) async fn dry_run(
    State(state): State<AppState>,
    correlation_id: CorrelationId,
    body: Option<JsonBody<DryRunRequest>>,
) -> Result<Response, ApiError> {
    let request = body.map(|JsonBody(body)| body).unwrap_or_default();
    let given: Vec<Mapping> = request
        .mappings
        .into_iter()
        .map(NewMapping::into_mapping)
        .collect::<Result<_, _>>()?;
    let body = try_out(&state, &correlation_id, &given, None, request.customers).await?;
    Ok(Envelope::of(
        StatusCode::OK,
        &correlation_id,
        "Dry run: nothing was written",
        body,
    ))
}

/// What mappings would do to real contacts; `instead`: the whole mapping as it would be, where more than the given ones differs.
///
/// # Errors
/// 422 when they cannot work, 503 when the CRM cannot be asked.
pub(crate) async fn try_out(
    state: &AppState,
    correlation_id: &CorrelationId,
    given: &[Mapping],
    instead: Option<Vec<Mapping>>,
    customers: Customers,
) -> Result<DryRunBody, ApiError> {
    for mapping in given {
        mapping_check::check_alone(mapping).map_err(refused)?;
    }
    let (stored, customers) = {
        let mut conn = state.db.read().await?;
        let customers = match customers {
            Customers::Some(number) => {
                let number = number.clamp(1, MOST);
                field_mapping::samples(&mut conn, CUSTOMER, number).await?
            }
            Customers::These(ids) => checked_ids(ids)?,
        };
        (field_mapping::list(&mut conn).await?, customers)
    };
    let asked = Asked::anew(state, correlation_id).await;
    let Some(client) = client(state, correlation_id) else {
        return Err(not_asked("no CRM is configured"));
    };
    let module = asked.into_module()?;
    let all = match instead {
        Some(all) => all,
        None => laid_over(stored, given),
    };
    for mapping in given {
        mapping_check::check_others(Some(&module), mapping, &all).map_err(refused)?;
        mapping_check::check_field(&module, mapping).map_err(refused)?;
    }
    let defaults = state
        .crm
        .as_ref()
        .map(|crm| crm.contact_defaults.clone())
        .unwrap_or_default();
    let trial = Trial {
        db: &state.db,
        client: &client,
        module,
        mappings: all
            .into_iter()
            .filter(|mapping| mapping.module == CONTACTS && mapping.carries_to_crm())
            .map(|mapping| mapping.field)
            .collect(),
        shown: given
            .iter()
            .map(|mapping| mapping.field.microbima_field.clone())
            .collect(),
        defaults: &defaults,
        setting: &state.contacts,
    };
    let items = tried(&trial, &customers).await?;
    Ok(DryRunBody {
        customers: items.len(),
        would_change: count(&items, |item| item.fields.iter().any(|field| field.changes)),
        warnings: items.iter().map(|item| item.warnings.len()).sum(),
        items,
    })
}

async fn tried(trial: &Trial<'_>, customers: &[String]) -> Result<Vec<TriedBody>, ApiError> {
    let mut items = Vec::with_capacity(customers.len());
    for customer in customers {
        let tried = trial.on(customer).await.map_err(|error| match error {
            TrialError::Db(error) => error.into(),
            TrialError::Call(error) => not_asked(&error.to_string()),
        })?;
        items.push(tried.into());
    }
    Ok(items)
}

/// The mappings as they would be: a given one stands in for the stored one of the same source.
fn laid_over(stored: Vec<Mapping>, given: &[Mapping]) -> Vec<Mapping> {
    let mut all: BTreeMap<String, Mapping> = stored
        .into_iter()
        .map(|mapping| (mapping.field.microbima_field.clone(), mapping))
        .collect();
    for mapping in given {
        let source = mapping.field.microbima_field.clone();
        let id = all.get(&source).map_or(0, |stored| stored.id);
        all.insert(
            source,
            Mapping {
                id,
                ..mapping.clone()
            },
        );
    }
    all.into_values().collect()
}

fn checked_ids(ids: Vec<String>) -> Result<Vec<String>, ApiError> {
    let refused = |what: String| ApiError::validation([("customers".to_owned(), what)].into());
    if ids.is_empty() || ids.len() > MOST as usize {
        return Err(refused(format!(
            "must be a number or a list of 1 to {MOST} ids"
        )));
    }
    let ids: Result<BTreeSet<String>, ApiError> = ids
        .into_iter()
        .map(|id| match uuid::Uuid::parse_str(id.trim()) {
            Ok(id) => Ok(id.to_string()),
            Err(_) => Err(refused(format!("`{id}` is no UUID"))),
        })
        .collect();
    Ok(ids?.into_iter().collect())
}

fn count(items: &[TriedBody], wanted: impl Fn(&TriedBody) -> bool) -> usize {
    items.iter().filter(|item| wanted(item)).count()
}
