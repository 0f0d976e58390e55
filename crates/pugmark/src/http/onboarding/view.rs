//! What the page shows, as the templates need it.

use std::collections::BTreeMap;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::{Desk, texts};
use crate::config::{FieldKind, FormField, Section};
use crate::flows::onboarding::form::answers::{choices, longest};
use crate::flows::onboarding::form::draft::Draft;
use crate::flows::onboarding::form::modules::Modules;

/// Names and words that every page has.
pub(super) struct Frame {
    pub(super) title: &'static str,
    pub(super) company: String,
    pub(super) help: String,
}

impl Frame {
    pub(super) fn of(desk: &Desk) -> Self {
        let form = &desk.forms.settings;
        Frame {
            title: texts::TITLE,
            company: form.company.clone().unwrap_or_default(),
            help: form.help.clone().unwrap_or_else(|| texts::HELP.to_owned()),
        }
    }

    fn help_is_email(&self) -> bool {
        self.help.parse::<email_address::EmailAddress>().is_ok()
    }
}

/// The form.
#[derive(Template)]
#[template(path = "onboarding/form.html")]
pub(super) struct FormPage {
    pub(super) frame: Frame,
    pub(super) token: String,
    /// Idempotency key of this sending.
    pub(super) key: String,
    pub(super) sections: Vec<SectionView>,
    pub(super) problems: Vec<Mistake>,
    pub(super) words: &'static [(&'static str, &'static str)],
    /// It was sent before and is being corrected.
    pub(super) correcting: bool,
    /// Answers that are required.
    pub(super) required: usize,
}

/// An answer that is not right.
pub(super) struct Mistake {
    pub(super) name: String,
    pub(super) label: String,
    pub(super) what: String,
}

pub(super) struct SectionView {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) lead: &'static str,
    pub(super) groups: Vec<GroupView>,
}

/// Questions that belong together; without a name they stand alone.
pub(super) struct GroupView {
    pub(super) name: Option<String>,
    pub(super) fields: Vec<FieldView>,
}

pub(super) struct FieldView {
    pub(super) name: String,
    pub(super) label: String,
    /// With its group, for lists of mistakes.
    pub(super) full_label: String,
    pub(super) hint: Option<String>,
    pub(super) value: String,
    pub(super) mistake: Option<String>,
    pub(super) required: bool,
    pub(super) max: u32,
    /// `text`, `email`, `tel`, `date`; `area` and `select` are elements of their own.
    pub(super) input: &'static str,
    pub(super) is_iban: bool,
    /// Last characters of an account that was sent before.
    pub(super) sent: Option<String>,
    pub(super) numeric: bool,
    pub(super) autocomplete: &'static str,
    pub(super) wide: bool,
    pub(super) options: Vec<String>,
}

impl FieldView {
    /// Ids of what describes the input, for `aria-describedby`.
    fn described_by(&self) -> String {
        let mut ids = Vec::new();
        if self.hint.is_some() {
            ids.push(format!("h-{}", self.name));
        }
        if self.sent.is_some() {
            ids.push(format!("s-{}", self.name));
        }
        ids.push(format!("e-{}", self.name));
        ids.join(" ")
    }
}

/// The questions with what was typed and what is wrong with it.
pub(super) fn sections(
    desk: &Desk,
    modules: Option<&Modules>,
    client: &str,
    draft: &Draft,
    wrong: &BTreeMap<String, String>,
) -> Vec<SectionView> {
    let module = modules
        .zip(client.parse().ok())
        .and_then(|(modules, id)| modules.of_id(&id).cloned());
    let module = module.as_deref();
    let mut sections = Vec::new();
    for section in Section::ALL {
        let asked = desk.forms.settings.fields.iter();
        let mut groups: Vec<GroupView> = Vec::new();
        for question in asked.filter(|question| question.section == section) {
            let view = field(question, module, draft, wrong.get(&question.name));
            match groups.last_mut() {
                Some(group) if group.name == question.group => group.fields.push(view),
                _ => groups.push(GroupView {
                    name: question.group.clone(),
                    fields: vec![view],
                }),
            }
        }
        if groups.is_empty() {
            continue;
        }
        let (title, lead) = texts::section(section);
        sections.push(SectionView {
            id: section.as_str(),
            title,
            lead,
            groups,
        });
    }
    sections
}

fn field(
    question: &FormField,
    module: Option<&vtiger::Module>,
    draft: &Draft,
    mistake: Option<&String>,
) -> FieldView {
    let name = question.name.clone();
    let value = draft.typed.get(&name).cloned().unwrap_or_default();
    let mut options = choices(question, module);
    let has_options = !options.is_empty();
    // What was typed stays, also when the picklist has changed since; it is judged when it is sent.
    if has_options && !value.is_empty() && !options.contains(&value) {
        options.push(value.clone());
    }
    let sent = draft.sent.get(&name).cloned();
    FieldView {
        full_label: match &question.group {
            Some(group) => format!("{group}: {}", question.label),
            None => question.label.clone(),
        },
        label: question.label.clone(),
        hint: question.hint.clone(),
        mistake: mistake.cloned(),
        required: question.required && sent.is_none(),
        max: longest(question, module),
        input: match question.kind {
            _ if has_options => "select",
            FieldKind::Lines => "area",
            FieldKind::Email => "email",
            FieldKind::Phone => "tel",
            FieldKind::Date => "date",
            _ => "text",
        },
        is_iban: question.kind == FieldKind::Iban,
        numeric: question.kind == FieldKind::Number,
        autocomplete: autocomplete(question),
        wide: matches!(question.kind, FieldKind::Lines | FieldKind::Iban),
        sent,
        options,
        value,
        name,
    }
}

/// What browsers may fill in, in the words of the HTML standard. Never bank data.
fn autocomplete(question: &FormField) -> &'static str {
    match (question.name.as_str(), question.kind) {
        ("companyLegalName", _) => "organization",
        ("street", _) => "street-address",
        ("city", _) => "address-level2",
        ("postalCode", _) => "postal-code",
        ("country", _) => "country-name",
        ("contactName", _) => "name",
        ("contactEmail", _) => "email",
        ("contactPhone", _) => "tel",
        _ => "off",
    }
}

/// The page after it was sent.
#[derive(Template)]
#[template(path = "onboarding/done.html")]
pub(super) struct DonePage {
    pub(super) frame: Frame,
    pub(super) token: String,
    pub(super) tracking_id: String,
    /// It is in the CRM.
    pub(super) saved: bool,
    /// A person on our side has to see to it.
    pub(super) stuck: bool,
    pub(super) corrections: bool,
}

#[derive(Template)]
#[template(path = "onboarding/problem.html")]
struct ProblemPage<'a> {
    frame: Frame,
    problem: &'a texts::Problem,
}

/// A page that says what is wrong and what to do.
pub(super) fn problem(desk: &Desk, status: StatusCode, problem: &texts::Problem) -> Response {
    let frame = Frame::of(desk);
    (status, render(&ProblemPage { frame, problem })).into_response()
}

/// Renders a page. None of them is for search engines or for anybody's cache.
pub(super) fn render(template: &impl Template) -> Response {
    let mut response = match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(
        "x-robots-tag",
        HeaderValue::from_static("noindex, nofollow"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
