//! Changing the mapping, the same for the API and the console: checked, stored, noted in the audit log and in the history of the
//! mapping, in one commit.

use pugmark_queue::db::{Conn, DbError, Ts};
use vtiger::Module;

use super::asking::Asked;
use super::bodies::{ChangedMapping, NewMapping};
use super::refused;
use crate::crm::CONTACTS;
use crate::desk::mapping_history::{self, Difference, KeptMapping};
use crate::desk::{self, Actor};
use crate::flows::insurance::mapping_check::{self, Wrong};
use crate::flows::insurance::plan::CUSTOMER;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::store::field_mapping::{self, Mapping};
use crate::store::mapping_versions;

/// How a change is to be made.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    /// Also when the CRM cannot be asked whether it can work.
    pub(crate) unchecked: bool,
    /// Who makes it, and why.
    pub(crate) actor: Actor,
}

/// Adds a mapping, when it can work.
pub(crate) async fn add(
    state: &AppState,
    correlation_id: &CorrelationId,
    body: NewMapping,
    way: Way,
) -> Result<(Mapping, Asked), ApiError> {
    let new = body.into_mapping()?;
    let asked = asked_for(state, correlation_id, &new, way.unchecked).await?;
    let change = Change {
        action: "mapping.create",
        removes: None,
    };
    let stored = change_in_store(state, asked.clone(), change, way.actor, move |_| {
        Ok(Some(new.clone()))
    })
    .await?;
    Ok((stored, asked))
}

/// Changes what is named of a mapping.
pub(crate) async fn change_one(
    state: &AppState,
    correlation_id: &CorrelationId,
    id: i64,
    body: ChangedMapping,
    way: Way,
) -> Result<(Mapping, Asked), ApiError> {
    let before = found(&field_mapping::list(&mut state.db.read().await?).await?, id)?;
    let draft = body.laid_over(before)?;
    let asked = asked_for(state, correlation_id, &draft, way.unchecked).await?;
    let change = Change {
        action: "mapping.update",
        removes: None,
    };
    let stored = change_in_store(state, asked.clone(), change, way.actor, move |mappings| {
        // Laid over the mapping as it is now: somebody else may have changed another part of it.
        body.laid_over(found(mappings, id)?).map(Some)
    })
    .await?;
    Ok((stored, asked))
}

/// Removes a mapping, and gives it as it was.
pub(crate) async fn remove_one(
    state: &AppState,
    correlation_id: &CorrelationId,
    id: i64,
    way: Way,
) -> Result<(Mapping, Asked), ApiError> {
    let before = found(&field_mapping::list(&mut state.db.read().await?).await?, id)?;
    let asked = Asked::anew(state, correlation_id).await;
    asked.or_unchecked(way.unchecked)?;
    let change = Change {
        action: "mapping.delete",
        removes: Some(id),
    };
    change_in_store(state, asked.clone(), change, way.actor, |_| Ok(None)).await?;
    Ok((before, asked))
}

/// What would differ if the mapping were brought back to a version, and that version's mapping as a whole.
///
/// # Errors
/// 404 when there is no such version.
pub(crate) async fn differs(
    conn: &mut Conn,
    version: i64,
) -> Result<(Vec<Difference>, Vec<Mapping>), ApiError> {
    let missing = || ApiError::not_found("version of the mapping", &version.to_string());
    let kept = mapping_versions::get(conn, version)
        .await?
        .ok_or_else(missing)?;
    let target = mapping_history::kept(&kept);
    let now: Vec<KeptMapping> = field_mapping::list(conn)
        .await?
        .iter()
        .map(KeptMapping::from)
        .collect();
    let mappings: Option<Vec<Mapping>> = target.iter().map(KeptMapping::to_mapping).collect();
    let mappings = mappings.ok_or_else(|| {
        ApiError::conflict(
            "This version was kept by a newer Pugmark, and cannot be read by this one",
        )
    })?;
    Ok((mapping_history::differences(&now, &target), mappings))
}

/// Brings the whole mapping back to a version, in one commit, when every part of it can work now. Gives how many mappings differ
/// from before.
///
/// # Errors
/// As a change; 409 when it is so already.
pub(crate) async fn restore(
    state: &AppState,
    correlation_id: &CorrelationId,
    version: i64,
    way: Way,
) -> Result<usize, ApiError> {
    let asked = Asked::anew(state, correlation_id).await;
    asked.or_unchecked(way.unchecked)?;
    let crm = state.crm.clone();
    let actor = way.actor;
    let write = state.db.write("restore mapping", move |conn| {
        Box::pin(async move {
            field_mapping::hold(conn).await?;
            let now = Ts::now();
            mapping_history::before(conn, now).await?;
            let (differences, target) = differs(conn, version).await?;
            if differences.is_empty() {
                return Err(ApiError::conflict(
                    "The mapping is as in this version already",
                ));
            }
            let current = field_mapping::list(conn).await?;
            let linked = field_mapping::linked(conn, CUSTOMER).await?;
            let filled = |field: &str| {
                crm.as_ref()
                    .is_some_and(|crm| crm.contact_defaults.contains_key(field))
            };
            let touched = |kept: &KeptMapping| {
                let mut all = current.iter();
                all.find(|one| KeptMapping::from(*one) == *kept).cloned()
            };
            // What goes makes room for what comes: a field may pass from one source to another.
            for difference in &differences {
                let (from, to) = match difference {
                    Difference::Removed(from) => (from, None),
                    Difference::Changed { from, to } => (from, to.to_mapping()),
                    Difference::Added(_) => continue,
                };
                let Some(before) = touched(from) else {
                    continue;
                };
                if let Some(module) = asked.module() {
                    mapping_check::check_change(module, &before, to.as_ref(), filled, linked)
                        .map_err(refused)?;
                }
                field_mapping::delete(conn, before.id).await?;
            }
            for difference in &differences {
                let (Difference::Added(kept) | Difference::Changed { to: kept, .. }) = difference
                else {
                    continue;
                };
                let Some(mapping) = kept.to_mapping() else {
                    continue;
                };
                mapping_check::check_alone(&mapping).map_err(refused)?;
                let others: Vec<Mapping> = target
                    .iter()
                    .filter(|other| other.field.microbima_field != mapping.field.microbima_field)
                    .map(|other| Mapping {
                        id: -1,
                        ..other.clone()
                    })
                    .collect();
                let mapping = checked(mapping, asked.module(), &others).map_err(refused)?;
                field_mapping::insert(conn, &mapping).await?;
            }
            let subject = format!("{CONTACTS} mapping, back to version {version}");
            desk::note(conn, "mapping.restore", &subject, &actor).await?;
            let act = (&*actor.name, "mapping.restore");
            let reason = Some(actor.reason.as_str());
            mapping_history::after(conn, act, reason, &actor.correlation_id, now).await?;
            Ok(differences.len())
        })
    });
    write.await
}

struct Change {
    /// Its name in the audit log.
    action: &'static str,
    /// Number of the mapping to be removed.
    removes: Option<i64>,
}

/// What the CRM says now, after what can be judged without it was found right.
async fn asked_for(
    state: &AppState,
    correlation_id: &CorrelationId,
    mapping: &Mapping,
    unchecked: bool,
) -> Result<Asked, ApiError> {
    mapping_check::check_alone(mapping).map_err(refused)?;
    let asked = Asked::anew(state, correlation_id).await;
    asked.or_unchecked(unchecked)?;
    Ok(asked)
}

fn found(mappings: &[Mapping], id: i64) -> Result<Mapping, ApiError> {
    mappings
        .iter()
        .find(|mapping| mapping.id == id)
        .cloned()
        .ok_or_else(|| ApiError::not_found("mapping", &id.to_string()))
}

/// Checks and stores one change. `after` gives the mapping as it shall be, or `None` when the one that the change names is to be
/// removed. Gives the mapping as it is stored, or as it was.
async fn change_in_store(
    state: &AppState,
    asked: Asked,
    change: Change,
    actor: Actor,
    after: impl Fn(&[Mapping]) -> Result<Option<Mapping>, ApiError> + Send + Sync + 'static,
) -> Result<Mapping, ApiError> {
    let crm = state.crm.clone();
    let write = state.db.write("change mapping", move |conn| {
        Box::pin(async move {
            field_mapping::hold(conn).await?;
            let now = Ts::now();
            mapping_history::before(conn, now).await?;
            let mappings = field_mapping::list(conn).await?;
            let after = after(&mappings)?;
            let id = change.removes.or(after.as_ref().map(|after| after.id));
            let before = mappings.iter().find(|mapping| Some(mapping.id) == id);
            if let (Some(module), Some(before)) = (asked.module(), before) {
                let linked = field_mapping::linked(conn, CUSTOMER).await?;
                let filled = |field: &str| {
                    crm.as_ref()
                        .is_some_and(|crm| crm.contact_defaults.contains_key(field))
                };
                mapping_check::check_change(module, before, after.as_ref(), filled, linked)
                    .map_err(refused)?;
            }
            let stored = match (after, before) {
                (Some(after), _) => {
                    let after = checked(after, asked.module(), &mappings).map_err(refused)?;
                    store(conn, after).await?
                }
                (None, Some(before)) => {
                    field_mapping::delete(conn, before.id).await?;
                    before.clone()
                }
                (None, None) => {
                    let id = change.removes.unwrap_or_default().to_string();
                    return Err(ApiError::not_found("mapping", &id));
                }
            };
            let subject = format!("{CONTACTS} mapping {}", stored.id);
            desk::note(conn, change.action, &subject, &actor).await?;
            let act = (&*actor.name, change.action);
            let reason = Some(actor.reason.as_str());
            mapping_history::after(conn, act, reason, &actor.correlation_id, now).await?;
            Ok::<_, ApiError>(stored)
        })
    });
    write.await
}

/// A mapping that may be stored, with the field that was found for it.
fn checked(
    mut mapping: Mapping,
    module: Option<&Module>,
    mappings: &[Mapping],
) -> Result<Mapping, Wrong> {
    mapping_check::check_others(module, &mapping, mappings)?;
    let field = match module {
        // A mapping that is switched off may name what is not there (any more).
        Some(module) if mapping.is_active => Some(mapping_check::check_field(module, &mapping)?),
        _ => None,
    };
    mapping.checked_at = field.map(|_| Ts::now());
    mapping.field.checked_field = field.map(|field| field.name.clone());
    Ok(mapping)
}

async fn store(conn: &mut Conn, mut mapping: Mapping) -> Result<Mapping, DbError> {
    if mapping.id == 0 {
        mapping.id = field_mapping::insert(conn, &mapping).await?;
    } else {
        field_mapping::update(conn, &mapping).await?;
    }
    Ok(mapping)
}
