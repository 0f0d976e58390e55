//! Looking customers up as people do: by id, phone in any spelling, e-mail, document, vTiger id, or the beginnings of names; and
//! all that stand in one status. Each is answered along an index, however many customers there are.

use std::collections::BTreeSet;

use pugmark_queue::db::{Conn, DbError, Engine};
use pugmark_queue::on;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{CustomerView, LINK_JOIN, SYNC_STATUS, view_columns};
use crate::crm::CONTACTS;
use crate::store::dialect;
use crate::store::links::{self, SyncStatus};
use crate::store::page::{Place, Wanted};

/// Digits of a phone number that say which one it is: what stands before them is spelled in several ways.
const NATIONAL: usize = 9;
/// Most words of a search that are heeded.
const WORDS: usize = 6;
/// Candidates looked at together for a list of one status.
const BATCH: u32 = 200;
/// Batches looked at for one page.
const BATCHES: u32 = 25;

/// What is looked for. All of the conditions have to hold, each by one of its forms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sought {
    conditions: Vec<Vec<Form>>,
}

/// One way in which a customer can be what is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    /// The customer with this id.
    Id(String),
    /// The customer of this contact.
    Contact(String),
    /// The customer of the contact whose id ends with this number, as vTiger's addresses have it.
    Record(String),
    /// The last digits of the phone.
    Phone(String),
    /// The document's number, in capital letters.
    Document(String),
    /// The beginning of the e-mail address, in small letters.
    Email(String),
    /// The beginning of one of the names, in small letters.
    Name(String),
}

impl Sought {
    /// Reads what somebody typed. Nothing typed means everybody.
    pub fn typed(text: &str) -> Self {
        let text = text.trim();
        let conditions = match one_thing(text) {
            Some(forms) => vec![forms],
            None => words(text),
        };
        Sought { conditions }
    }

    /// As [`typed`](Self::typed), for somebody who may not see personal data: only ids are looked for, because a search by names
    /// or numbers would tell letter by letter what is masked. `None` when something else was typed.
    pub fn typed_without_personal(text: &str) -> Option<Self> {
        let forms = match one_thing(text.trim()) {
            None if text.trim().is_empty() => return Some(Sought::default()),
            forms => forms?,
        };
        let ids = |form: &Form| matches!(form, Form::Id(_) | Form::Contact(_));
        forms.iter().all(ids).then(|| Sought {
            conditions: vec![forms],
        })
    }

    /// Whether everybody is meant.
    pub fn is_everybody(&self) -> bool {
        self.conditions.is_empty()
    }
}

/// What the whole text is, where it is no name.
fn one_thing(text: &str) -> Option<Vec<Form>> {
    if text.is_empty() {
        return None;
    }
    if let Ok(id) = Uuid::parse_str(text) {
        return Some(vec![Form::Id(id.to_string())]);
    }
    if text.parse::<vtiger::RecordId>().is_ok() {
        return Some(vec![Form::Contact(text.to_owned())]);
    }
    if text.contains('@') {
        return Some(vec![Form::Email(text.to_lowercase())]);
    }
    let spelled = |letter: char| letter.is_ascii_digit() || "+-(). ".contains(letter);
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.is_empty() || !text.chars().all(spelled) {
        return None;
    }
    let mut forms = vec![Form::Document(text.replace(' ', ""))];
    if digits.len() >= NATIONAL {
        let national = &digits[digits.len() - NATIONAL..];
        forms.push(Form::Phone(national.to_owned()));
    }
    if digits == text {
        forms.push(Form::Record(digits));
    }
    Some(forms)
}

fn words(text: &str) -> Vec<Vec<Form>> {
    let words: Vec<&str> = text.split_whitespace().take(WORDS).collect();
    let alone = words.len() == 1;
    let forms = words.into_iter().map(|word| {
        let mut forms = vec![Form::Name(word.to_lowercase())];
        if alone {
            forms.push(Form::Document(word.to_uppercase()));
        }
        forms
    });
    forms.collect()
}

/// A statement in the making: every parameter is a text.
struct Statement {
    engine: Engine,
    sql: String,
    parameters: Vec<String>,
}

impl Statement {
    fn parameter(&mut self, text: String) -> u8 {
        self.parameters.push(text);
        u8::try_from(self.parameters.len()).unwrap_or(u8::MAX)
    }

    /// `AND c."id" IN (...)` for a condition.
    fn demand(&mut self, forms: &[Form]) {
        let subqueries: Vec<String> = forms.iter().map(|form| self.ids(form)).collect();
        self.sql.push_str(&format!(
            " AND c.\"id\" IN ({})",
            subqueries.join(" UNION ")
        ));
    }

    fn ids(&mut self, form: &Form) -> String {
        let engine = self.engine;
        let select = "SELECT x.\"id\" FROM customers x WHERE ";
        match form {
            Form::Id(id) => {
                let number = self.parameter(id.clone());
                format!(
                    "{select}x.\"id\" = {}",
                    dialect::uuid_parameter(engine, number)
                )
            }
            // Resolved before a statement is made.
            Form::Contact(_) | Form::Record(_) => format!("{select}1 = 0"),
            Form::Phone(digits) => {
                let number = self.parameter(digits.clone());
                format!("{select}{} = ${number}", phone(engine))
            }
            Form::Document(id) => {
                let number = self.parameter(id.clone());
                format!("{select}upper(x.\"idNumber\") = ${number}")
            }
            Form::Email(begin) => format!("{select}{}", self.begins("x.\"email\"", begin)),
            Form::Name(begin) if begin.is_ascii() => {
                let columns = ["x.\"firstName\"", "x.\"middleName\"", "x.\"lastName\""];
                columns
                    .map(|column| format!("{select}{}", self.begins(column, begin)))
                    .join(" UNION ")
            }
            // The databases disagree on the cases of letters beyond ASCII, so no index has them.
            Form::Name(part) => {
                let names = "x.\"firstName\" || ' ' || COALESCE(x.\"middleName\" || ' ', '') || x.\"lastName\"";
                let number = self.parameter(dialect::containing(engine, part));
                format!("{select}{}", dialect::contains(engine, names, number))
            }
        }
    }

    /// Whether a column begins with this text in small letters, as a range that an index answers.
    fn begins(&mut self, column: &str, begin: &str) -> String {
        let folded = match self.engine {
            Engine::Sqlite => format!("lower({column})"),
            Engine::Postgres => format!("lower({column}) COLLATE \"C\""),
        };
        let (from, to) = (
            self.parameter(begin.to_owned()),
            // Sorts behind everything that begins so: no text holds this character.
            self.parameter(format!("{begin}\u{10ffff}")),
        );
        format!("({folded} >= ${from} AND {folded} < ${to})")
    }
}

/// The last digits of the phone, as the index has them.
fn phone(engine: Engine) -> &'static str {
    match engine {
        Engine::Sqlite => {
            "substr(replace(replace(replace(replace(replace(replace(x.\"phoneNumber\", \
             ' ', ''), '-', ''), '(', ''), ')', ''), '+', ''), '.', ''), -9)"
        }
        Engine::Postgres => "right(translate(x.\"phoneNumber\", ' -()+.', ''), 9)",
    }
}

fn statement(
    engine: Engine,
    sought: &Sought,
    status: Option<SyncStatus>,
    wanted: &Wanted,
) -> Statement {
    let mut made = Statement {
        engine,
        sql: format!(
            "SELECT {} FROM customers c {LINK_JOIN} WHERE 1 = 1",
            view_columns(engine)
        ),
        parameters: Vec::new(),
    };
    for forms in &sought.conditions {
        made.demand(forms);
    }
    if let Some(status) = status {
        made.sql
            .push_str(&format!(" AND {SYNC_STATUS} = '{}'", status.as_str()));
    }
    if let (Some((place, _)), (Some(at), Some(id))) = (&wanted.after, wanted.parameters()) {
        let (at, id) = (made.parameter(at), made.parameter(id.to_owned()));
        made.sql.push_str(&format!(
            " AND (c.\"createdAt\", c.\"id\") < ({}, {})",
            dialect::place_parameter(engine, at, matches!(place, Place::Text(_))),
            dialect::uuid_parameter(engine, id),
        ));
    }
    made.sql.push_str(&format!(
        " ORDER BY c.\"createdAt\" DESC, c.\"id\" DESC LIMIT {}",
        wanted.limit
    ));
    made
}

/// The statements of searches, by name, each with its parameters as literals, for tests of their plans.
pub fn hot_searches(engine: Engine) -> Vec<(&'static str, String, String)> {
    let wanted = Wanted {
        after: None,
        limit: 51,
    };
    let searches = [
        ("by id", "00000000-0000-4000-8000-000000000100"),
        ("by phone", "+254 799 000 100"),
        ("by document", "A100"),
        ("by e-mail", "nobody@example.org"),
        ("by name", "wanjiru"),
    ];
    let searches = searches.map(|(name, text)| {
        let made = statement(engine, &Sought::typed(text), None, &wanted);
        let literals: Vec<String> = made.parameters.iter().map(|it| format!("'{it}'")).collect();
        (name, made.sql, literals.join(", "))
    });
    searches.into()
}

/// Customers who are what is looked for, newest first. `status`: only those whose badge shows it.
///
/// # Errors
/// Whatever the database says.
pub async fn find(
    conn: &mut Conn,
    sought: &Sought,
    status: Option<SyncStatus>,
    wanted: &Wanted,
) -> Result<Vec<CustomerView>, DbError> {
    let sought = resolved(conn, sought).await?;
    let made = statement(conn.engine(), &sought, status, wanted);
    Ok(on!(conn, |c| {
        let mut query = sqlx::query_as(AssertSqlSafe(made.sql));
        for parameter in made.parameters {
            query = query.bind(parameter);
        }
        query.fetch_all(c).await
    })?)
}

/// The same with ids of customers in place of ids of contacts.
async fn resolved(conn: &mut Conn, sought: &Sought) -> Result<Sought, DbError> {
    let mut conditions = Vec::with_capacity(sought.conditions.len());
    for forms in &sought.conditions {
        let mut resolved = Vec::with_capacity(forms.len());
        for form in forms {
            let contact = match form {
                Form::Contact(id) => Some(id.clone()),
                Form::Record(number) => with_prefix(conn, number).await?,
                _ => None,
            };
            let linked = match contact {
                Some(contact) => links::of_record(conn, CONTACTS, &contact).await?,
                None => None,
            };
            let customer = linked.and_then(|(_, id)| Uuid::parse_str(&id).ok());
            resolved.push(customer.map_or_else(|| form.clone(), |id| Form::Id(id.to_string())));
        }
        conditions.push(resolved);
    }
    Ok(Sought { conditions })
}

/// The id of the contact with this number: all contacts of an installation have the same prefix, so any of them tells it.
async fn with_prefix(conn: &mut Conn, number: &str) -> Result<Option<String>, DbError> {
    let sql = "SELECT vtiger_id FROM crm_links WHERE module = $1 AND vtiger_id IS NOT NULL LIMIT 1";
    let any: Option<String> = on!(conn, |c| sqlx::query_scalar(sql)
        .bind(CONTACTS)
        .fetch_optional(c)
        .await)?;
    let prefix = any.and_then(|id| Some(id.split_once('x')?.0.to_owned()));
    Ok(prefix.map(|prefix| format!("{prefix}x{number}")))
}

/// Customers whose badge shows this status, in the order of their ids.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The customers.
    pub customers: Vec<CustomerView>,
    /// The id behind which the next page begins; `None` on the last one.
    pub next: Option<String>,
}

/// A page of the customers whose badge shows `status`, in the order of their ids, behind `after`: a list newest first would read
/// all customers for a status that few of them have.
///
/// # Errors
/// Whatever the database says.
pub async fn standing(
    conn: &mut Conn,
    status: SyncStatus,
    after: &str,
    limit: u32,
) -> Result<Standing, DbError> {
    let mut found: Vec<CustomerView> = Vec::new();
    let mut place = after.to_owned();
    for _ in 0..BATCHES {
        let candidates = candidates(conn, status, &place).await?;
        let ended = candidates.len() < BATCH as usize;
        if let Some(last) = candidates.last() {
            place.clone_from(last);
        }
        let mut batch = with_badge(conn, status, &candidates).await?;
        batch.sort_by(|one, other| one.customer.id.cmp(&other.customer.id));
        found.append(&mut batch);
        if found.len() > limit as usize {
            found.truncate(limit as usize);
            let next = found.last().map(|last| last.customer.id.clone());
            return Ok(Standing {
                customers: found,
                next,
            });
        }
        if ended {
            return Ok(Standing {
                customers: found,
                next: None,
            });
        }
    }
    Ok(Standing {
        customers: found,
        next: Some(place),
    })
}

/// Where customers of a status are found, each in the order of the customers' ids: the link says it, or what is in the queue.
pub fn candidates_sql(engine: Engine, status: SyncStatus) -> Vec<String> {
    let collated = match engine {
        Engine::Sqlite => "entity_id",
        Engine::Postgres => "entity_id COLLATE \"C\"",
    };
    let links = format!(
        "SELECT entity_id FROM crm_links WHERE entity_type = 'CUSTOMER' AND sync_status = '{}' AND {collated} > $1 \
         ORDER BY {collated} LIMIT {BATCH}",
        status.as_str()
    );
    // Ids begin with digits and the letters up to f.
    let lanes = |condition: &str| {
        format!(
            "SELECT substr(lane, 10) FROM vtiger_sync_queue WHERE {condition} AND lane > 'customer:' || $1 \
             AND lane < 'customer:g' ORDER BY lane LIMIT {BATCH}"
        )
    };
    match status {
        SyncStatus::Synced => vec![links],
        SyncStatus::Pending => vec![links, lanes("head = 1")],
        SyncStatus::Syncing => vec![lanes("status = 'PROCESSING'")],
        SyncStatus::Failed => vec![
            links,
            format!(
                "SELECT DISTINCT entity_id FROM vtiger_sync_queue WHERE status = 'FAILED' AND dead_at IS NOT NULL AND heir IS NULL \
                 AND lane_seq >= 0 AND entity_type = 'CUSTOMER' AND entity_id > $1 ORDER BY entity_id LIMIT {BATCH}"
            ),
        ],
    }
}

async fn candidates(
    conn: &mut Conn,
    status: SyncStatus,
    after: &str,
) -> Result<Vec<String>, DbError> {
    let mut all = BTreeSet::new();
    for sql in candidates_sql(conn.engine(), status) {
        let ids: Vec<String> = on!(conn, |c| sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(after)
            .fetch_all(c)
            .await)?;
        all.extend(ids);
    }
    Ok(all.into_iter().take(BATCH as usize).collect())
}

async fn with_badge(
    conn: &mut Conn,
    status: SyncStatus,
    candidates: &[String],
) -> Result<Vec<CustomerView>, DbError> {
    let engine = conn.engine();
    // PostgreSQL reads them as UUIDs.
    let ids: Vec<&String> = candidates
        .iter()
        .filter(|id| Uuid::parse_str(id).is_ok())
        .collect();
    let sql = format!(
        "SELECT {} FROM customers c {LINK_JOIN} WHERE {} AND {SYNC_STATUS} = '{}'",
        view_columns(engine),
        dialect::uuid_in(engine, "c.\"id\"", 1),
        status.as_str(),
    );
    let ids = dialect::json_text(&ids)?;
    Ok(on!(conn, |c| sqlx::query_as(AssertSqlSafe(sql))
        .bind(ids)
        .fetch_all(c)
        .await)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(text: &str) -> Vec<Vec<Form>> {
        Sought::typed(text).conditions
    }

    #[test]
    fn what_is_typed_is_taken_for_what_it_looks_like() {
        let id = "7f000000-0000-4000-8000-000000000007";
        assert_eq!(forms(&id.to_uppercase()), [[Form::Id(id.to_owned())]]);
        assert_eq!(forms("12x345"), [[Form::Contact("12x345".to_owned())]]);
        assert_eq!(
            forms(" Achieng@Example.org "),
            [[Form::Email("achieng@example.org".to_owned())]]
        );
        assert_eq!(
            forms("wanjiru otieno"),
            [
                [Form::Name("wanjiru".to_owned())],
                [Form::Name("otieno".to_owned())]
            ]
        );
        assert_eq!(
            forms("a1234567"),
            [[
                Form::Name("a1234567".to_owned()),
                Form::Document("A1234567".to_owned())
            ]]
        );
        assert!(Sought::typed("  ").is_everybody());
    }

    #[test]
    fn a_phone_is_the_same_however_it_is_spelled() {
        for typed in [
            "0712345678",
            "254712345678",
            "+254 (712) 345-678",
            "712 345 678",
        ] {
            let all = forms(typed);
            let phone = Form::Phone("712345678".to_owned());
            assert!(all[0].contains(&phone), "{typed}: {all:?}");
        }
        assert!(
            forms("12345678")[0]
                .iter()
                .all(|form| !matches!(form, Form::Phone(_)))
        );
    }

    #[test]
    fn who_sees_no_personal_data_finds_nobody_by_it() {
        let may = |text: &str| Sought::typed_without_personal(text).is_some();
        assert!(may("") && may("12x345") && may("7f000000-0000-4000-8000-000000000007"));
        for text in ["wanjiru", "0712345678", "12345678", "a@example.org"] {
            assert!(!may(text), "{text}");
        }
    }
}
