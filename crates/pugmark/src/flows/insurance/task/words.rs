//! What people read on a task.

use super::super::wording::{column_name, words_of};

/// Most characters of each name in a subject, so that all of it stays within vTiger's 255.
const LONGEST_NAME: usize = 70;
const LONGEST_FIELD: usize = 50;
const LONGEST_KIND: usize = 20;

/// What a task is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Label of `RegistrationEntityKind`.
    pub entity_kind: String,
    /// Name of that person, when known, with whatever spaces the row has.
    pub person: Option<String>,
    /// The field that is blank, for example `dateOfBirth`.
    pub field_path: String,
    /// Name of the customer.
    pub customer: String,
    /// `customers.id`.
    pub customer_id: String,
    /// Where people find the customer.
    pub page: Option<String>,
}

impl About {
    /// "Missing Date of birth for child Zuri Otieno (customer Achieng O'Brien-Otieno)", in at most 255 characters.
    pub fn subject(&self) -> String {
        let field = clipped(&self.field(), LONGEST_FIELD);
        let customer = clipped(&tidy(&self.customer), LONGEST_NAME);
        match self.whose(LONGEST_NAME) {
            Some(whose) => format!("Missing {field} for {whose} (customer {customer})"),
            None => format!("Missing {field} for customer {customer}"),
        }
    }

    /// The same at length, with the names of rows and columns and the way to the customer.
    pub fn description(&self) -> String {
        let customer = tidy(&self.customer);
        let whose = self
            .whose(usize::MAX)
            .unwrap_or_else(|| format!("customer {customer}"));
        let mut lines = vec![
            format!("{} of {whose} is missing.", self.field()),
            format!("Field: {} {}", self.entity_kind, self.field_path),
            format!("Customer: {customer} ({})", self.customer_id),
        ];
        lines.extend(self.page.clone());
        lines.join("\n")
    }

    /// "Date of birth" for `dateOfBirth`, also where a path leads there.
    fn field(&self) -> String {
        let last = self.field_path.rsplit('.').next();
        column_name(last.unwrap_or_default())
    }

    /// "child Zuri Otieno", or "a child" without a name; `None` when it is the customer's own field.
    fn whose(&self, longest: usize) -> Option<String> {
        if self.entity_kind == "CUSTOMER" {
            return None;
        }
        let kind = clipped(&words_of(&self.entity_kind).to_lowercase(), LONGEST_KIND);
        let name = self.person.as_deref().map(tidy).unwrap_or_default();
        Some(match name.as_str() {
            "" => format!("a {kind}"),
            name => format!("{kind} {}", clipped(name, longest)),
        })
    }
}

/// Without spaces at the ends and with single ones between.
fn tidy(name: &str) -> String {
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters, with an ellipsis where some were cut off.
fn clipped(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept: String = text.chars().take(longest - 1).collect();
    format!("{}…", kept.trim_end())
}
