//! Looking customers up as people do: by id, phone in any spelling, e-mail, document, vTiger id, or the beginnings of names. Each is
//! answered along an index, however many customers there are.

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
/// So many at most are found along an index and sorted for a page.
const FEW: i64 = 2_000;
/// Customers looked at for one page where more fulfil every condition.
const LOOKED_AT: u32 = 20_000;

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

    /// `AND c."id" IN (...)`: what an index finds of a condition.
    fn demand_found(&mut self, forms: &[Form]) {
        let found = self.found(forms, " UNION ");
        // They are known to be few; the limit tells PostgreSQL, too.
        self.sql
            .push_str(&format!(" AND c.\"id\" IN ({found} LIMIT {})", FEW + 1));
    }

    /// `AND (... OR ...)`: a condition, asked of each row that is looked at.
    fn demand_each(&mut self, forms: &[Form]) {
        let tests: Vec<String> = forms
            .iter()
            .flat_map(|form| self.tests(form, "c"))
            .collect();
        self.sql.push_str(&format!(" AND ({})", tests.join(" OR ")));
    }

    /// The ids of those who fulfil one of these, each found along an index.
    fn found(&mut self, forms: &[Form], joined: &str) -> String {
        let tests: Vec<String> = forms
            .iter()
            .flat_map(|form| self.tests(form, "x"))
            .map(|test| format!("SELECT x.\"id\" FROM customers x WHERE {test}"))
            .collect();
        tests.join(joined)
    }

    /// What a row has to fulfil, one of these: for all but names beyond ASCII an index answers each.
    fn tests(&mut self, form: &Form, row: &str) -> Vec<String> {
        let engine = self.engine;
        match form {
            Form::Id(id) => {
                let number = self.parameter(id.clone());
                let id = dialect::uuid_parameter(engine, number);
                vec![format!("{row}.\"id\" = {id}")]
            }
            // Resolved before a statement is made.
            Form::Contact(_) | Form::Record(_) => vec!["1 = 0".to_owned()],
            Form::Phone(digits) => {
                let number = self.parameter(digits.clone());
                vec![format!("{} = ${number}", phone(engine, row))]
            }
            Form::Document(id) => {
                let number = self.parameter(id.clone());
                vec![format!("upper({row}.\"idNumber\") = ${number}")]
            }
            Form::Email(begin) => vec![self.begins(&format!("{row}.\"email\""), begin)],
            Form::Name(begin) if begin.is_ascii() => ["firstName", "middleName", "lastName"]
                .map(|name| self.begins(&format!("{row}.\"{name}\""), begin))
                .into(),
            // The databases disagree on the cases of letters beyond ASCII, so no index has them.
            Form::Name(part) => {
                let names = format!(
                    "{row}.\"firstName\" || ' ' || COALESCE({row}.\"middleName\" || ' ', '') || {row}.\"lastName\""
                );
                let number = self.parameter(dialect::containing(engine, part));
                vec![dialect::contains(engine, &names, number)]
            }
        }
    }

    /// `AND (createdAt, id) < (...)`, or another comparison with a place in the list.
    fn compared_with(&mut self, comparison: &str, place: &Place, id: &str) {
        let (text, is_text) = match place {
            Place::Instant(micros) => (micros.to_string(), false),
            Place::Text(text) => (text.clone(), true),
        };
        let (at, id) = (self.parameter(text), self.parameter(id.to_owned()));
        self.sql.push_str(&format!(
            " AND (c.\"createdAt\", c.\"id\") {comparison} ({}, {})",
            dialect::place_parameter(self.engine, at, is_text),
            dialect::uuid_parameter(self.engine, id),
        ));
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
fn phone(engine: Engine, row: &str) -> String {
    match engine {
        Engine::Sqlite => format!(
            "substr(replace(replace(replace(replace(replace(replace({row}.\"phoneNumber\", \
             ' ', ''), '-', ''), '(', ''), ')', ''), '+', ''), '.', ''), -9)"
        ),
        Engine::Postgres => format!("right(translate({row}.\"phoneNumber\", ' -()+.', ''), 9)"),
    }
}

/// How the conditions of a search are answered.
#[derive(Debug, Clone, Default)]
struct Plan {
    /// Few fulfil these: an index finds them.
    found: Vec<Vec<Form>>,
    /// Many fulfil these: rows are asked, the newest first.
    each: Vec<Vec<Form>>,
    /// The last row that is asked for one page.
    floor: Option<(Place, String)>,
}

fn statement(
    engine: Engine,
    plan: &Plan,
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
    plan.found.iter().for_each(|forms| made.demand_found(forms));
    plan.each.iter().for_each(|forms| made.demand_each(forms));
    if let Some(status) = status {
        made.sql
            .push_str(&format!(" AND {SYNC_STATUS} = '{}'", status.as_str()));
    }
    if let Some((place, id)) = &wanted.after {
        made.compared_with("<", place, id);
    }
    if let Some((place, id)) = &plan.floor {
        made.compared_with(">=", place, id);
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
        let plan = Plan {
            found: Sought::typed(text).conditions,
            ..Plan::default()
        };
        let made = statement(engine, &plan, None, &wanted);
        let literals: Vec<String> = made.parameters.iter().map(|it| format!("'{it}'")).collect();
        (name, made.sql, literals.join(", "))
    });
    searches.into()
}

/// A page of customers, newest first.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The customers.
    pub customers: Vec<CustomerView>,
    /// Behind which place and id the next page begins; `None` on the last one.
    pub next: Option<(String, String)>,
    /// The page ended because enough was looked at, not because it was full: there may be more, further back.
    pub cut_short: bool,
}

/// Customers who are what is looked for, newest first. `status`: only those whose badge shows it.
///
/// What few customers fulfil is found along its index. Where many fulfil every condition, the list is walked instead, for one page no
/// further than 20,000 customers: finding and sorting all of them would take the longer the more there are.
///
/// # Errors
/// Whatever the database says.
pub async fn find(
    conn: &mut Conn,
    sought: &Sought,
    status: Option<SyncStatus>,
    wanted: &Wanted,
) -> Result<Found, DbError> {
    let sought = resolved(conn, sought).await?;
    let plan = planned(conn, sought, wanted).await?;
    let size = wanted.limit as usize;
    let one_more = Wanted {
        limit: wanted.limit.saturating_add(1),
        ..wanted.clone()
    };
    let made = statement(conn.engine(), &plan, status, &one_more);
    let mut customers: Vec<CustomerView> = on!(conn, |c| {
        let mut query = sqlx::query_as(AssertSqlSafe(made.sql));
        for parameter in made.parameters {
            query = query.bind(parameter);
        }
        query.fetch_all(c).await
    })?;
    let full = customers.len() > size;
    customers.truncate(size);
    let last = customers.last().filter(|_| full);
    let last = last.map(|last| (last.place.clone(), last.customer.id.clone()));
    let floor = plan.floor.map(|(place, id)| (place.to_string(), id));
    Ok(Found {
        cut_short: !full && floor.is_some(),
        next: last.or(floor),
        customers,
    })
}

/// Which conditions an index finds, and how far the list is walked where none does.
async fn planned(conn: &mut Conn, sought: Sought, wanted: &Wanted) -> Result<Plan, DbError> {
    let mut plan = Plan::default();
    for forms in sought.conditions {
        match is_common(conn, &forms).await? {
            true => plan.each.push(forms),
            false => plan.found.push(forms),
        }
    }
    if plan.found.is_empty() && !plan.each.is_empty() {
        plan.floor = floor(conn, wanted).await?;
    }
    Ok(plan)
}

/// Whether more customers fulfil one of these than are to be found and sorted for a page. Counted no further than that.
async fn is_common(conn: &mut Conn, forms: &[Form]) -> Result<bool, DbError> {
    let beyond_ascii = |form: &Form| matches!(form, Form::Name(name) if !name.is_ascii());
    if forms.iter().any(beyond_ascii) {
        return Ok(true);
    }
    let mut made = Statement {
        engine: conn.engine(),
        sql: String::new(),
        parameters: Vec::new(),
    };
    let found = made.found(forms, " UNION ALL ");
    let sql = format!(
        "SELECT COUNT(*) FROM ({found} LIMIT {}) AS counted",
        FEW + 1
    );
    let counted: i64 = on!(conn, |c| {
        let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
        for parameter in made.parameters {
            query = query.bind(parameter);
        }
        query.fetch_one(c).await
    })?;
    Ok(counted > FEW)
}

/// The last of the customers that are looked at for one page; `None` when those are all there are.
async fn floor(conn: &mut Conn, wanted: &Wanted) -> Result<Option<(Place, String)>, DbError> {
    let engine = conn.engine();
    let mut made = Statement {
        engine,
        sql: format!(
            "SELECT {}, CAST(c.\"id\" AS TEXT) FROM customers c WHERE 1 = 1",
            dialect::place(engine, "c.\"createdAt\"")
        ),
        parameters: Vec::new(),
    };
    if let Some((place, id)) = &wanted.after {
        made.compared_with("<", place, id);
    }
    made.sql.push_str(&format!(
        " ORDER BY c.\"createdAt\" DESC, c.\"id\" DESC LIMIT 1 OFFSET {}",
        LOOKED_AT - 1
    ));
    let last: Option<(String, String)> = on!(conn, |c| {
        let mut query = sqlx::query_as(AssertSqlSafe(made.sql));
        for parameter in made.parameters {
            query = query.bind(parameter);
        }
        query.fetch_optional(c).await
    })?;
    Ok(last.and_then(|(place, id)| Some((Place::parse(&place, engine)?, id))))
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
