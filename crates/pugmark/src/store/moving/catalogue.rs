//! What is to be copied: the source's tables, with the types that their columns have in PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use pugmark_queue::db::Conn;
use pugmark_queue::on;

use super::MoveError;
use super::sides::postgres;

/// Tables that belong to one store and not to what is in it.
pub const LEFT_BEHIND: [&str; 4] = [
    "_sqlx_migrations",
    "processes",
    "store_moves",
    "store_move_tables",
];

/// Tables into which the migrations themselves write rows. A store with rows in other tables has been used.
pub const SEEDED: [&str; 6] = [
    "leader_lease",
    "maxio_slots",
    "packages",
    "partners",
    "settings",
    "vtiger_custom_field_mapping",
];

/// A table as PostgreSQL has it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Its schema there.
    pub schema: String,
    pub name: String,
    /// Without columns that the database computes.
    pub columns: Vec<Column>,
    /// Names of the primary key's columns, in its order.
    pub key: Vec<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
    /// Its numbers come from a sequence.
    pub numbered: bool,
}

/// What a column holds in PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, of at most so many characters.
    Text {
        most: Option<usize>,
    },
    /// A whole number of so many bytes.
    Whole {
        bytes: u8,
    },
    /// A decimal number with so many digits after the point.
    Amount {
        digits: u32,
    },
    Flag,
    Uuid,
    Bytes,
    /// An instant with so many digits after the second, as `timestamptz` or as `timestamp` in UTC.
    Instant {
        digits: u32,
        zoned: bool,
    },
    Date,
    /// JSON that keeps its text (`json`), or its meaning alone (`jsonb`).
    Json {
        binary: bool,
    },
    /// One of these words; the type's quoted name.
    Word {
        type_name: String,
        words: Vec<String>,
    },
}

impl Table {
    /// Its name in statements to PostgreSQL.
    pub(super) fn full_name(&self) -> String {
        format!("{}.\"{}\"", self.schema, self.name)
    }
}

#[derive(sqlx::FromRow)]
struct Described {
    schema: String,
    table_name: String,
    column_name: String,
    declared: String,
    computed: bool,
    numbered: bool,
    key_position: Option<i32>,
    enum_name: Option<String>,
    words: Option<Vec<String>>,
}

const DESCRIBE: &str = "SELECT n.nspname::text AS schema, c.relname::text AS table_name, a.attname::text AS column_name, \
     format_type(a.atttypid, a.atttypmod) AS declared, a.attgenerated <> '' AS computed, \
     pg_get_serial_sequence(format('%I.%I', n.nspname, c.relname), a.attname::text) IS NOT NULL AS numbered, \
     array_position(k.conkey, a.attnum)::int AS key_position, \
     CASE t.typtype WHEN 'e' THEN format('%I.%I', tn.nspname, t.typname) END AS enum_name, \
     (SELECT array_agg(e.enumlabel::text) FROM pg_enum e WHERE e.enumtypid = t.oid) AS words \
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid \
     JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace \
     LEFT JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p' \
     WHERE n.nspname IN ('pugmark', 'public') AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped \
     ORDER BY n.nspname, c.relname, a.attnum";

/// Every table of the source, described by the target.
pub(super) async fn read(source: &mut Conn, target: &mut Conn) -> Result<Vec<Table>, MoveError> {
    let wanted = tables_of(source).await?;
    let described: Vec<Described> = sqlx::query_as(DESCRIBE)
        .fetch_all(postgres(target)?)
        .await?;
    let mut tables: BTreeMap<String, (Table, Vec<(i32, String)>)> = BTreeMap::new();
    for column in described {
        if !wanted.contains_key(&column.table_name) || column.computed {
            continue;
        }
        let (table, key) = tables.entry(column.table_name.clone()).or_insert_with(|| {
            let table = Table {
                schema: column.schema.clone(),
                name: column.table_name.clone(),
                columns: Vec::new(),
                key: Vec::new(),
            };
            (table, Vec::new())
        });
        if let Some(position) = column.key_position {
            key.push((position, column.column_name.clone()));
        }
        table.columns.push(Column {
            kind: kind_of(&column)?,
            name: column.column_name,
            numbered: column.numbered,
        });
    }
    let mut ready = Vec::new();
    for (name, columns) in &wanted {
        let Some((mut table, mut key)) = tables.remove(name) else {
            return Err(MoveError::differing_tables(name));
        };
        let there: BTreeSet<&str> = table
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        if key.is_empty() || there != columns.iter().map(String::as_str).collect() {
            return Err(MoveError::differing_tables(name));
        }
        key.sort();
        table.key = key.into_iter().map(|(_, name)| name).collect();
        ready.push(table);
    }
    Ok(ready)
}

/// The tables of a SQLite store that are copied, with their columns.
pub(super) async fn tables_of(
    source: &mut Conn,
) -> Result<BTreeMap<String, Vec<String>>, MoveError> {
    let sql = "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_xinfo(t.name) c \
               WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite!_%' ESCAPE '!' AND c.hidden = 0";
    let rows: Vec<(String, String)> = on!(source, |c| sqlx::query_as(sql).fetch_all(c).await)?;
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in rows {
        if !LEFT_BEHIND.contains(&table.as_str()) {
            tables.entry(table).or_default().push(column);
        }
    }
    Ok(tables)
}

fn kind_of(column: &Described) -> Result<Kind, MoveError> {
    if let (Some(type_name), Some(words)) = (&column.enum_name, &column.words) {
        return Ok(Kind::Word {
            type_name: type_name.clone(),
            words: words.clone(),
        });
    }
    let (name, numbers) = parts(&column.declared);
    let first = numbers.first().copied();
    Ok(match name.as_str() {
        "text" => Kind::Text { most: None },
        "character varying" => Kind::Text {
            most: first.and_then(|most| usize::try_from(most).ok()),
        },
        "smallint" => Kind::Whole { bytes: 2 },
        "integer" => Kind::Whole { bytes: 4 },
        "bigint" => Kind::Whole { bytes: 8 },
        "numeric" if numbers.len() == 2 => Kind::Amount { digits: numbers[1] },
        "boolean" => Kind::Flag,
        "uuid" => Kind::Uuid,
        "bytea" => Kind::Bytes,
        "timestamp with time zone" => Kind::Instant {
            digits: first.unwrap_or(6),
            zoned: true,
        },
        "timestamp without time zone" => Kind::Instant {
            digits: first.unwrap_or(6),
            zoned: false,
        },
        "date" => Kind::Date,
        "json" => Kind::Json { binary: false },
        "jsonb" => Kind::Json { binary: true },
        _ => {
            return Err(MoveError::Refused(format!(
                "{}.{} has the type {}, which migrate-store cannot copy",
                column.table_name, column.column_name, column.declared
            )));
        }
    })
}

/// `timestamp(3) without time zone` as its name and its numbers.
fn parts(declared: &str) -> (String, Vec<u32>) {
    let Some((before, rest)) = declared.split_once('(') else {
        return (declared.to_owned(), Vec::new());
    };
    let (numbers, after) = rest.split_once(')').unwrap_or((rest, ""));
    let numbers = numbers
        .split(',')
        .filter_map(|number| number.trim().parse().ok());
    (format!("{before}{after}"), numbers.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_type_is_split_into_name_and_numbers() {
        let split = |declared| parts(declared);
        assert_eq!(split("text"), ("text".to_owned(), vec![]));
        assert_eq!(split("numeric(10,2)"), ("numeric".to_owned(), vec![10, 2]));
        assert_eq!(
            split("timestamp(3) without time zone"),
            ("timestamp without time zone".to_owned(), vec![3])
        );
    }
}
