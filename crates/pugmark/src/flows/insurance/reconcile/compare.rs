//! Customers compared with their contacts, by the same description and the same difference as a delivery.

mod beside;

pub use beside::{Beside, FieldBeside};

use std::collections::{BTreeMap, HashMap};

use pugmark_queue::QueueError;
use pugmark_queue::db::{Db, DbError};
use serde_json::{Value, json};
use vtiger::{CallError, Client, Condition, Query, Record, RecordId, RefusalReason};

use crate::crm::contact_fields::ContactFields;
use crate::crm::{CONTACTS, Crm};
use crate::delivery::difference::difference;
use crate::delivery::{Shape, Subject};
use crate::flows::insurance::customer::{Contact, Setting};
use crate::store::field_mapping::{self, Direction, Mapping};
use crate::store::standing::{self, Standing};

/// Most characters of a value that are kept for people.
const SHOWN: usize = 120;

/// Why a comparison came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The store did not answer.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The CRM did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What was to be repaired could not be queued.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// No contact can carry our reference here.
    #[error(
        "vTiger's contacts have no field for the MicroBima customer id; `pugmark doctor` names the fix"
    )]
    NoReferenceField,
}

/// Compares customers with their contacts.
pub struct Comparer<'a> {
    db: &'a Db,
    client: &'a Client,
    setting: &'a Setting,
    defaults: &'a BTreeMap<String, String>,
    /// Every field that is mapped, whichever way its values go.
    fields: ContactFields,
    mappings: Vec<Mapping>,
}

/// What comparing one customer came to.
#[derive(Debug, Clone)]
pub struct Compared {
    /// How the customer stood when its row was read, before the CRM was asked.
    pub standing: Standing,
    /// What was found.
    pub verdict: Verdict,
}

/// How a contact stands towards its customer.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It holds what it should.
    Equal,
    /// A change was under way, so nothing can be said.
    UnderWay,
    /// It holds something else, and nothing is under way that would explain it.
    Different(Different),
    /// It is gone, or out of our sight: two questions agree.
    Gone,
    /// The row cannot be read: the reason.
    Unreadable(String),
}

/// In what a contact differs.
#[derive(Debug, Clone, Default)]
pub struct Different {
    /// The fields.
    pub fields: Vec<DifferentField>,
    /// What both sides last agreed on.
    pub snapshot: BTreeMap<String, String>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DifferentField {
    /// API name.
    pub field: String,
    /// What people call it.
    pub label: String,
    /// Which way its values go.
    pub direction: Direction,
    /// What the row would have there, as vTiger would show it.
    pub ours: String,
    /// What the contact holds.
    pub theirs: String,
    /// Whether the contact holds something else than both sides last agreed on: somebody edited it in the CRM.
    pub edited_there: bool,
}

impl DifferentField {
    /// Whether our value is to be put back: the field is ours alone, or nobody edited it in the CRM.
    pub fn is_ours(&self) -> bool {
        match self.direction {
            Direction::ToCrm => true,
            Direction::Both => !self.edited_there,
            Direction::FromCrm => false,
        }
    }

    fn shown(&self) -> Value {
        let short = |text: &str| text.chars().take(SHOWN).collect::<String>();
        json!({
            "field": self.field,
            "label": self.label,
            "direction": self.direction.as_str(),
            "ours": short(&self.ours),
            "theirs": short(&self.theirs),
            "editedInCrm": self.edited_there,
        })
    }
}

impl Different {
    /// What people need to know of it.
    pub fn detail(&self) -> Value {
        json!({ "fields": self.fields.iter().map(DifferentField::shown).collect::<Vec<_>>() })
    }
}

impl<'a> Comparer<'a> {
    /// Gets ready: reads the mapping and asks for the description of contacts.
    ///
    /// # Errors
    /// When store or CRM do not answer.
    pub async fn new(
        db: &'a Db,
        crm: &'a Crm,
        client: &'a Client,
        setting: &'a Setting,
    ) -> Result<Self, CompareError> {
        let mut conn = db.read().await?;
        let mappings: Vec<Mapping> = field_mapping::list(&mut conn)
            .await?
            .into_iter()
            .filter(|mapping| mapping.module == CONTACTS && mapping.is_active)
            .collect();
        drop(conn);
        let module = client.describe(CONTACTS).await?;
        let named: Vec<_> = mappings
            .iter()
            .map(|mapping| mapping.field.clone())
            .collect();
        Ok(Comparer {
            db,
            client,
            setting,
            defaults: &crm.settings.contact_defaults,
            fields: ContactFields::resolve(module, &named),
            mappings,
        })
    }

    /// The fields of this CRM that are mapped.
    pub fn fields(&self) -> &ContactFields {
        &self.fields
    }

    /// Compares these customers, at most 100, with one query; customers without a contact are left out. A contact that the
    /// query does not show is asked for once more by itself.
    ///
    /// # Errors
    /// When store or CRM do not answer.
    pub async fn compare(&self, customers: &[String]) -> Result<Vec<Compared>, CompareError> {
        let mut loaded = Vec::new();
        for customer in customers {
            if let Some(read) = self.load(customer).await? {
                loaded.push(read);
            }
        }
        let ids: Vec<RecordId> = loaded.iter().filter_map(Loaded::record_id).collect();
        let mut records = self.records(&ids).await?;
        let mut compared = Vec::new();
        for read in loaded {
            let record = read.record_id().and_then(|id| records.remove(id.as_str()));
            let verdict = self.judge(&read, record).await?;
            compared.push(Compared {
                standing: read.standing,
                verdict,
            });
        }
        Ok(compared)
    }

    /// Row and link as they are now; `None` for a customer without a contact.
    async fn load(&self, customer: &str) -> Result<Option<Loaded>, CompareError> {
        let mut conn = self.db.read().await?;
        let standing = standing::of(&mut conn, customer).await?;
        if standing.vtiger_id.is_none() {
            return Ok(None);
        }
        let contact = match Contact::load(&mut conn, customer, self.setting).await {
            Ok(contact) => contact,
            Err(DbError::Sql(error)) => return Ok(Some(Loaded::unreadable(standing, &error))),
            Err(error) => return Err(error.into()),
        };
        let shaped = contact
            .shape_of(self.fields.clone(), self.defaults, &mut conn)
            .await;
        let shape = match shaped {
            Ok(shape) => Ok(shape),
            Err(DbError::Sql(error)) => return Ok(Some(Loaded::unreadable(standing, &error))),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(Loaded {
            standing,
            shape,
            snapshot: contact.target().link.snapshot.clone(),
        }))
    }

    async fn records(&self, ids: &[RecordId]) -> Result<HashMap<String, Record>, CompareError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let query = Query::select(CONTACTS)
            .fields(self.fields.names())
            .filter(Condition::ids(ids))
            .limit(vtiger::MAX_ROWS);
        let found = self.client.query_with(&self.fields.module, &query).await?;
        Ok(found
            .into_iter()
            .map(|record| (record.id.to_string(), record))
            .collect())
    }

    async fn judge(&self, read: &Loaded, record: Option<Record>) -> Result<Verdict, CompareError> {
        let shape = match &read.shape {
            Ok(shape) => shape,
            Err(reason) => return Ok(Verdict::Unreadable(reason.clone())),
        };
        if read.standing.unfinished {
            return Ok(Verdict::UnderWay);
        }
        // A page may hide what its query did not find for another reason; a second question is of another shape.
        let record = match (record, read.record_id()) {
            (Some(record), _) => Some(record),
            (None, Some(id)) => self.retrieve(&id).await?,
            (None, None) => None,
        };
        let verdict = match record {
            None => Verdict::Gone,
            Some(record) => match self.differing(shape, &read.snapshot, &record) {
                fields if fields.is_empty() => return Ok(Verdict::Equal),
                fields => Verdict::Different(Different {
                    fields,
                    snapshot: read.snapshot.clone(),
                }),
            },
        };
        // What was read of both sides belongs together only if nothing has moved in between.
        let mut conn = self.db.read().await?;
        let now = standing::of(&mut conn, &read.standing.id).await?;
        Ok(if now.is_quiet_since(&read.standing) {
            verdict
        } else {
            Verdict::UnderWay
        })
    }

    async fn retrieve(&self, id: &RecordId) -> Result<Option<Record>, CompareError> {
        match self.client.retrieve(id).await {
            Ok(record) => Ok(Some(record)),
            Err(error) if says_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The fields in which the contact would be changed, had it been read before its delivery.
    fn differing(
        &self,
        shape: &Shape,
        snapshot: &BTreeMap<String, String>,
        record: &Record,
    ) -> Vec<DifferentField> {
        let held: BTreeMap<String, String> = shape
            .names
            .iter()
            .filter_map(|name| Some((name.clone(), record.get(name)?.to_owned())))
            .collect();
        let found = difference(shape, &held);
        let same = |name: &str, one: &str, other: &str| {
            shape
                .module
                .field(name)
                .map_or(one == other, |field| field.same_value(one, other))
        };
        found
            .changed
            .iter()
            .map(|(name, _)| {
                let theirs = held.get(name).cloned().unwrap_or_default();
                DifferentField {
                    field: name.to_owned(),
                    label: self.label(name),
                    direction: self.direction(name),
                    ours: found.adapted.stored.get(name).cloned().unwrap_or_default(),
                    edited_there: snapshot
                        .get(name)
                        .is_none_or(|agreed| !same(name, agreed, &theirs)),
                    theirs,
                }
            })
            .collect()
    }

    fn label(&self, name: &str) -> String {
        let field = self.fields.module.field(name);
        field.map_or_else(|| name.to_owned(), |field| field.label.clone())
    }

    fn direction(&self, name: &str) -> Direction {
        let source = self
            .fields
            .targets()
            .find(|(_, target)| target.field == name)
            .map(|(source, _)| source);
        self.mappings
            .iter()
            .find(|mapping| Some(mapping.field.microbima_field.as_str()) == source)
            .map_or(Direction::ToCrm, |mapping| mapping.direction)
    }
}

/// A customer as it was read before the CRM was asked.
struct Loaded {
    standing: Standing,
    /// What the contact should hold, or why that cannot be said.
    shape: Result<Shape, String>,
    snapshot: BTreeMap<String, String>,
}

impl Loaded {
    fn unreadable(standing: Standing, error: &sqlx::Error) -> Self {
        Loaded {
            standing,
            shape: Err(error.to_string()),
            snapshot: BTreeMap::new(),
        }
    }

    fn record_id(&self) -> Option<RecordId> {
        self.standing.vtiger_id.as_deref()?.parse().ok()
    }
}

/// vTiger answers alike for a record that was deleted, that never was, and that we may not see.
fn says_missing(error: &CallError) -> bool {
    matches!(
        error.reason(),
        Some(
            RefusalReason::MissingOrForbidden
                | RefusalReason::NotFound
                | RefusalReason::AccessDenied
                | RefusalReason::InvalidId
        )
    )
}
