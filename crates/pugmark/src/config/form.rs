//! The onboarding form: what is asked, and which field of the CRM each answer goes to.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::ConfigProblem;
use super::values::duration;

/// Longest answer to one question, in characters, whatever the CRM's field holds.
const LONGEST: u32 = 10_000;
/// Most questions of one form.
const MOST_FIELDS: usize = 200;
/// The name by which a portal says whose form it is; no question can have it.
const CLIENT: &str = "clientId";

/// Settings of the onboarding form.
#[derive(Debug, Clone)]
pub struct Form {
    /// Whose form it is; `None`: nobody is named.
    pub company: Option<String>,
    /// Whom people ask who cannot go on.
    pub help: Option<String>,
    /// How long a portal that submits a form waits for the CRM.
    pub wait: Duration,
    /// How long a link works.
    pub link_for: Duration,
    /// Whether people may correct what they sent.
    pub corrections: bool,
    /// How long drafts and forms that are written are kept.
    pub keep: Duration,
    /// What is asked, in order.
    pub fields: Vec<FormField>,
}

impl Form {
    /// The question of this name.
    pub fn field(&self, name: &str) -> Option<&FormField> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormField {
    /// What the portal calls it.
    pub name: String,
    /// Fields of the lead or contact by API name, label, or `cf_` and the label's words; the first one there is counts.
    pub to: Vec<String>,
    /// What people read.
    pub label: String,
    /// A line of help.
    pub hint: Option<String>,
    /// What several questions of a section have in common.
    pub group: Option<String>,
    /// Where it stands.
    pub section: Section,
    /// What kind of answer it takes.
    pub kind: FieldKind,
    /// Whether the page insists on an answer.
    pub required: bool,
    /// Most characters.
    pub max: u32,
    /// What can be chosen, unless the CRM's picklist says it.
    pub choices: Vec<String>,
}

/// A part of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// The company itself.
    Company,
    /// People to speak to.
    Contacts,
    /// The account that is debited.
    Bank,
    /// Hours and pay.
    Hours,
    /// What employees are promised.
    Policies,
    /// The beginning, and everything else.
    Start,
}

impl Section {
    /// Every section, in the order of the page.
    pub const ALL: [Section; 6] = [
        Section::Company,
        Section::Contacts,
        Section::Bank,
        Section::Hours,
        Section::Policies,
        Section::Start,
    ];

    /// The word in settings and in addresses of the page.
    pub fn as_str(self) -> &'static str {
        match self {
            Section::Company => "company",
            Section::Contacts => "contacts",
            Section::Bank => "bank",
            Section::Hours => "hours",
            Section::Policies => "policies",
            Section::Start => "start",
        }
    }
}

/// What kind of answer a question takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// One line.
    Text,
    /// Several lines.
    Lines,
    /// An e-mail address.
    Email,
    /// A telephone number.
    Phone,
    /// An International Bank Account Number (ISO 13616).
    Iban,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A whole number, zero or more.
    Number,
    /// One of several.
    Choice,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FormFile {
    company: String,
    help: String,
    wait: String,
    link_for: String,
    corrections: bool,
    keep: String,
    /// Read one by one, so that each mistake can be told.
    fields: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FieldFile {
    name: String,
    to: OneOrMore,
    label: String,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    group: String,
    section: Section,
    kind: FieldKind,
    #[serde(default)]
    required: bool,
    max: Option<u32>,
    #[serde(default)]
    choices: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

/// Checks these settings.
pub(super) fn check(file: &FormFile, problems: &mut Vec<ConfigProblem>) -> Form {
    let wait = duration("onboarding.form.wait", &file.wait, problems);
    if wait > Duration::from_secs(50) {
        problems.push(ConfigProblem::new(
            "onboarding.form.wait",
            format!("`{}` is too long", file.wait),
            "Use 50s or less: the server itself gives a request up after a minute",
        ));
    }
    let link_for = duration("onboarding.form.link_for", &file.link_for, problems);
    if link_for < Duration::from_secs(60) {
        problems.push(ConfigProblem::new(
            "onboarding.form.link_for",
            format!("`{}` is too short", file.link_for),
            "Use 1m or more, for example 720h for thirty days",
        ));
    }
    Form {
        company: given(&file.company),
        help: given(&file.help),
        wait,
        link_for,
        corrections: file.corrections,
        keep: duration("onboarding.form.keep", &file.keep, problems),
        fields: check_fields(&file.fields, problems),
    }
}

fn check_fields(values: &[Value], problems: &mut Vec<ConfigProblem>) -> Vec<FormField> {
    let mut fields = Vec::new();
    let mut names = BTreeSet::new();
    if values.is_empty() || values.len() > MOST_FIELDS {
        problems.push(ConfigProblem::new(
            "onboarding.form.fields",
            format!("{} questions are asked", values.len()),
            format!("Ask 1 to {MOST_FIELDS}"),
        ));
    }
    for (index, value) in values.iter().enumerate() {
        let named = value.get("name").and_then(Value::as_str);
        let setting = format!(
            "onboarding.form.fields[{}]",
            named.map_or_else(|| (index + 1).to_string(), str::to_owned)
        );
        match check_field(value, &mut names) {
            Ok(field) => fields.push(field),
            Err(what) => problems.push(ConfigProblem::new(setting, what, LOOK_IT_UP)),
        }
    }
    fields
}

const LOOK_IT_UP: &str =
    "`pugmark config` prints every question that is asked by default, with what each word means";

fn check_field(value: &Value, names: &mut BTreeSet<String>) -> Result<FormField, String> {
    let file = FieldFile::deserialize(value).map_err(|error| error.to_string())?;
    let name = file.name.trim().to_owned();
    let usable = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.len() <= 64;
    if !usable || name == CLIENT {
        return Err(format!(
            "`{name}` is no name for a question: letters and digits, beginning with a letter, and not {CLIENT}"
        ));
    }
    if !names.insert(name.clone()) {
        return Err("another question has this name".to_owned());
    }
    let to = match file.to {
        OneOrMore::One(one) => vec![one],
        OneOrMore::More(more) => more,
    };
    let to: Vec<String> = to.iter().filter_map(|name| given(name)).collect();
    if to.is_empty() {
        return Err("`to` names no field of the CRM".to_owned());
    }
    let label = given(&file.label).ok_or("`label` is empty")?;
    let choices: Vec<String> = file.choices.iter().filter_map(|one| given(one)).collect();
    if !choices.is_empty() && file.kind != FieldKind::Choice {
        return Err("`choices` belong to the kind choice".to_owned());
    }
    Ok(FormField {
        to,
        label,
        hint: given(&file.hint),
        group: given(&file.group),
        section: file.section,
        kind: file.kind,
        required: file.required,
        max: file.max.unwrap_or(LONGEST).clamp(1, LONGEST),
        choices,
        name,
    })
}

fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
