//! The typed calls of operations that work on a repaired server alone.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use vtiger::{Client, LeadConversion, RecordId, SyncBatch, SyncScope};

use super::compare::{same, same_records};
use super::expect::{difference, expected};
use super::recording::Recording;
use super::replay::{Way, raw, typed_element};

pub(super) async fn sync(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let scope = match recording.param("syncType") {
        Some("application") => SyncScope::Application,
        Some("userandgroup") => SyncScope::UserAndGroup,
        _ => return raw(client, recording).await,
    };
    let since = recording.param("modifiedTime").unwrap().parse().unwrap();
    let since = jiff::Timestamp::from_second(since).unwrap();
    let Some(module) = recording.param("elementType") else {
        return raw(client, recording).await;
    };
    let actual = client.sync(module, since, scope).await;
    let same_batch = |result: &Json, batch: &SyncBatch| {
        same_records(&result["updated"], &batch.updated)?;
        let deleted: Vec<&str> = batch.deleted.iter().map(RecordId::as_str).collect();
        same(&result["deleted"], &Json::from(deleted))?;
        same(&result["more"], &Json::from(batch.more))?;
        let last = &result["lastModifiedTime"];
        let last = last.as_i64().or_else(|| last.as_str()?.parse().ok());
        same(
            &Json::from(last),
            &Json::from(batch.last_modified.as_second()),
        )
    };
    let difference = difference(&expected(recording, false), &actual, same_batch);
    (Way::Typed, difference)
}

pub(super) async fn convert_lead(client: &Client, recording: &Recording) -> (Way, Option<String>) {
    let asked = recording.element().and_then(|element| {
        let id = |name: &str| element.get(name)?.as_str()?.parse().ok();
        let entities = element.get("entities")?.as_object()?.iter();
        Some(LeadConversion {
            lead: id("leadId")?,
            assigned_to: id("assignedTo")?,
            transfer_related_to: element
                .get("transferRelatedRecordsTo")?
                .as_str()?
                .to_owned(),
            entities: entities
                .map(|(module, block)| {
                    let mut fields = block.as_object()?.clone();
                    fields.retain(|name, _| name != "create" && name != "name");
                    Some((module.clone(), typed_element(fields)?))
                })
                .collect::<Option<_>>()?,
        })
    });
    let Some(asked) = asked else {
        return raw(client, recording).await;
    };
    let actual = client.convert_lead(&asked).await;
    let same_ids = |result: &Json, made: &BTreeMap<String, RecordId>| {
        let made: Map<String, Json> = made
            .iter()
            .map(|(module, id)| (module.clone(), Json::from(id.as_str())))
            .collect();
        let none = result.is_null() && made.is_empty();
        if none {
            Ok(())
        } else {
            same(result, &Json::Object(made))
        }
    };
    let difference = difference(&expected(recording, true), &actual, same_ids);
    (Way::Typed, difference)
}
