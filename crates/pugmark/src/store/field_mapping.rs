//! `vtiger_custom_field_mapping`: which column goes to which field.

use pugmark_queue::db::{Conn, DbError, Engine, Ts};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident, $default:ident, $($(#[doc = $about:literal])+ $variant:ident = $word:literal),+) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[doc = $about])+ $variant,)+
        }

        impl $name {
            /// Every word, as stored and shown.
            pub const WORDS: &[&str] = &[$($word),+];

            /// The word stored and shown.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word),+ }
            }

            /// Reads the word, in letters of any case.
            pub fn parse(word: &str) -> Option<Self> {
                let word = word.trim();
                $(if word.eq_ignore_ascii_case($word) { return Some($name::$variant); })+
                None
            }

            /// Reads a stored word. The columns have a CHECK; another one can only come from a newer program.
            fn stored(word: &str) -> Self {
                $name::parse(word).unwrap_or($name::$default)
            }
        }
    };
}

words! {
    /// Kind of value a mapped field holds.
    FieldKind, Text,
    /// Text, or a picklist.
    Text = "TEXT",
    /// A number.
    Number = "NUMBER",
    /// A calendar date.
    Date = "DATE",
    /// Yes or no.
    Boolean = "BOOLEAN"
}

words! {
    /// Which way the values of a mapping go.
    Direction, ToCrm,
    /// From MicroBima to the CRM.
    ToCrm = "to_crm",
    /// From the CRM to MicroBima.
    FromCrm = "from_crm",
    /// Both ways.
    Both = "both"
}

words! {
    /// What happens when both sides changed the value.
    OnConflict, Microbima,
    /// MicroBima's value wins.
    Microbima = "microbima",
    /// The CRM's value wins.
    Vtiger = "vtiger",
    /// The newer one wins.
    Newest = "newest",
    /// A person decides.
    Ask = "ask"
}

/// One mapping as delivering needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMapping {
    /// A source by the names of [`SOURCES`](crate::flows::insurance::sources::SOURCES): a column of MicroBima, `link`, ...
    pub microbima_field: String,
    /// API name or label of the field in vTiger, resolved through describe.
    pub vtiger_field_name: String,
    /// Kind of value.
    pub kind: FieldKind,
    /// API name of the field when the mapping was last checked.
    pub checked_field: Option<String>,
}

/// One mapping as the operator keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Number of the mapping; 0 before it is stored.
    pub id: i64,
    /// What goes where.
    pub field: FieldMapping,
    /// Module of the field.
    pub module: String,
    /// Whether it is used.
    pub is_active: bool,
    /// Which way.
    pub direction: Direction,
    /// What happens when both sides changed.
    pub on_conflict: OnConflict,
    /// When it was last checked against the CRM.
    pub checked_at: Option<Ts>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    microbima_field: String,
    vtiger_field_name: String,
    vtiger_module: String,
    field_type: String,
    direction: String,
    on_conflict: String,
    is_active: bool,
    checked_field: Option<String>,
    checked_at: Option<Ts>,
}

impl From<Row> for Mapping {
    fn from(row: Row) -> Self {
        Mapping {
            id: row.id,
            field: FieldMapping {
                microbima_field: row.microbima_field,
                vtiger_field_name: row.vtiger_field_name,
                kind: FieldKind::stored(&row.field_type),
                checked_field: row.checked_field,
            },
            module: row.vtiger_module,
            is_active: row.is_active,
            direction: Direction::stored(&row.direction),
            on_conflict: OnConflict::stored(&row.on_conflict),
            checked_at: row.checked_at,
        }
    }
}

const COLUMNS: &str = "id, microbima_field, vtiger_field_name, vtiger_module, field_type, direction, on_conflict, \
     is_active, checked_field, checked_at";

/// The active mappings of a module that carry values to the CRM, in the order in which they were made.
///
/// # Errors
/// Whatever the database says.
pub async fn to_crm(conn: &mut Conn, module: &str) -> Result<Vec<FieldMapping>, DbError> {
    let mappings = list(conn).await?;
    Ok(mappings
        .into_iter()
        .filter(|mapping| mapping.module == module && mapping.carries_to_crm())
        .map(|mapping| mapping.field)
        .collect())
}

/// The active mappings of a module, whichever way their values go, in the order in which they were made.
///
/// # Errors
/// Whatever the database says.
pub async fn active(conn: &mut Conn, module: &str) -> Result<Vec<Mapping>, DbError> {
    let mut mappings = list(conn).await?;
    mappings.retain(|mapping| mapping.module == module && mapping.is_active);
    Ok(mappings)
}

/// Sets who wins where both sides change the field of a source, and says whether there is such a mapping.
///
/// # Errors
/// Whatever the database says.
pub async fn set_on_conflict(
    conn: &mut Conn,
    module: &str,
    source: &str,
    winner: OnConflict,
) -> Result<bool, DbError> {
    let changed = on!(conn, |c| {
        sqlx::query(
        "UPDATE vtiger_custom_field_mapping SET on_conflict = $3 WHERE vtiger_module = $1 AND microbima_field = $2"
    )
    .bind(module)
    .bind(source)
    .bind(winner.as_str())
    .execute(c)
    .await
    .map(|done| done.rows_affected())
    })?;
    Ok(changed > 0)
}

impl Mapping {
    /// Whether values are sent by it.
    pub fn carries_to_crm(&self) -> bool {
        self.is_active && self.direction != Direction::FromCrm
    }
}

/// Every mapping, in the order in which they were made.
///
/// # Errors
/// Whatever the database says.
pub async fn list(conn: &mut Conn) -> Result<Vec<Mapping>, DbError> {
    let sql = format!("SELECT {COLUMNS} FROM vtiger_custom_field_mapping ORDER BY id");
    let rows: Vec<Row> = on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .fetch_all(c)
        .await)?;
    Ok(rows.into_iter().map(Mapping::from).collect())
}

/// Stores a new mapping and gives its number.
///
/// # Errors
/// [`DbError`] with the violated constraint when the source or the field is mapped already.
pub async fn insert(conn: &mut Conn, new: &Mapping) -> Result<i64, DbError> {
    Ok(on!(conn, |c| {
        sqlx::query_scalar(
            "INSERT INTO vtiger_custom_field_mapping (microbima_field, vtiger_field_name, vtiger_module, field_type, \
             direction, on_conflict, is_active, checked_field, checked_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id",
        )
        .bind(&new.field.microbima_field)
        .bind(&new.field.vtiger_field_name)
        .bind(&new.module)
        .bind(new.field.kind.as_str())
        .bind(new.direction.as_str())
        .bind(new.on_conflict.as_str())
        .bind(new.is_active)
        .bind(new.field.checked_field.as_deref())
        .bind(new.checked_at)
        .fetch_one(c)
        .await
    })?)
}

/// Writes a mapping and says whether it was there.
///
/// # Errors
/// [`DbError`] with the violated constraint when the source or the field is mapped already.
pub async fn update(conn: &mut Conn, mapping: &Mapping) -> Result<bool, DbError> {
    let changed = on!(conn, |c| {
        sqlx::query(
            "UPDATE vtiger_custom_field_mapping SET microbima_field = $2, vtiger_field_name = $3, vtiger_module = $4, \
             field_type = $5, direction = $6, on_conflict = $7, is_active = $8, checked_field = $9, checked_at = $10 \
             WHERE id = $1",
        )
        .bind(mapping.id)
        .bind(&mapping.field.microbima_field)
        .bind(&mapping.field.vtiger_field_name)
        .bind(&mapping.module)
        .bind(mapping.field.kind.as_str())
        .bind(mapping.direction.as_str())
        .bind(mapping.on_conflict.as_str())
        .bind(mapping.is_active)
        .bind(mapping.field.checked_field.as_deref())
        .bind(mapping.checked_at)
        .execute(c)
        .await
        .map(|done| done.rows_affected())
    })?;
    Ok(changed == 1)
}

/// Removes a mapping and says whether it was there.
///
/// # Errors
/// Whatever the database says.
pub async fn delete(conn: &mut Conn, id: i64) -> Result<bool, DbError> {
    let gone = on!(conn, |c| sqlx::query(
        "DELETE FROM vtiger_custom_field_mapping WHERE id = $1"
    )
    .bind(id)
    .execute(c)
    .await
    .map(|done| done.rows_affected()))?;
    Ok(gone == 1)
}

/// Holds the whole mapping until the transaction ends, so that two people who change it at once see each other's change.
///
/// # Errors
/// Whatever the database says.
pub async fn hold(conn: &mut Conn) -> Result<(), DbError> {
    match conn.engine() {
        // The one writer there is holds everything.
        Engine::Sqlite => Ok(()),
        Engine::Postgres => {
            let sql = "LOCK TABLE vtiger_custom_field_mapping IN SHARE ROW EXCLUSIVE MODE";
            Ok(on!(conn, |c| sqlx::query(sql).execute(c).await.map(drop))?)
        }
    }
}

/// Customers to try a mapping on: linked ones, those first that were last delivered.
///
/// # Errors
/// Whatever the database says.
pub async fn samples(
    conn: &mut Conn,
    entity_type: &str,
    limit: u32,
) -> Result<Vec<String>, DbError> {
    let sql = "SELECT entity_id FROM crm_links WHERE entity_type = $1 AND vtiger_id IS NOT NULL AND NOT withdrawn \
               ORDER BY last_synced_at IS NULL, last_synced_at DESC, entity_id LIMIT $2";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(entity_type)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// Which of the ids are linked to a record of the CRM and not withdrawn, from the place on, in the order of ids.
///
/// # Errors
/// Whatever the database says.
pub async fn linked_behind(
    conn: &mut Conn,
    entity_type: &str,
    place: &str,
    limit: u32,
) -> Result<Vec<String>, DbError> {
    let sql = "SELECT entity_id FROM crm_links WHERE entity_type = $1 AND entity_id > $2 AND vtiger_id IS NOT NULL \
               AND NOT withdrawn ORDER BY entity_id LIMIT $3";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(entity_type)
        .bind(place)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await)?)
}

/// How many records of a type are linked and not withdrawn.
///
/// # Errors
/// Whatever the database says.
pub async fn linked(conn: &mut Conn, entity_type: &str) -> Result<i64, DbError> {
    let sql = "SELECT COUNT(*) FROM crm_links WHERE entity_type = $1 AND vtiger_id IS NOT NULL AND NOT withdrawn";
    Ok(on!(conn, |c| sqlx::query_scalar(sql)
        .bind(entity_type)
        .fetch_one(c)
        .await)?)
}
