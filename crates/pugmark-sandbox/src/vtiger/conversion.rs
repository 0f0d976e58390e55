//! Converting a lead: `convertlead` of the web service, and what a person does in the pages.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::catalogue::ModuleIndex;
use super::extension::Kind;
use super::failure::{Answer, Failure};
use super::records::Call;
use super::values::Input;
use crate::journal::JournalKind;

/// The field of a lead and that of the record made of it, as a fresh installation maps them.
const TO_CONTACT: [(&str, &str); 18] = [
    ("salutationtype", "salutationtype"),
    ("firstname", "firstname"),
    ("lastname", "lastname"),
    ("phone", "phone"),
    ("mobile", "mobile"),
    ("fax", "fax"),
    ("designation", "title"),
    ("email", "email"),
    ("secondaryemail", "secondaryemail"),
    ("leadsource", "leadsource"),
    ("emailoptout", "emailoptout"),
    ("lane", "mailingstreet"),
    ("pobox", "mailingpobox"),
    ("code", "mailingzip"),
    ("city", "mailingcity"),
    ("state", "mailingstate"),
    ("country", "mailingcountry"),
    ("description", "description"),
];

const TO_ACCOUNT: [(&str, &str); 16] = [
    ("company", "accountname"),
    ("industry", "industry"),
    ("phone", "phone"),
    ("fax", "fax"),
    ("rating", "rating"),
    ("email", "email1"),
    ("website", "website"),
    ("lane", "bill_street"),
    ("pobox", "bill_pobox"),
    ("code", "bill_code"),
    ("city", "bill_city"),
    ("state", "bill_state"),
    ("country", "bill_country"),
    ("annualrevenue", "annual_revenue"),
    ("noofemployees", "employees"),
    ("description", "description"),
];

/// What vTiger writes where a mandatory field of the new record has no value.
const NOTHING_KNOWN: &str = "????";

/// What a lead is to become.
#[derive(Debug, Default)]
pub(super) struct Wish {
    /// Values for the new account; none when there is to be no account.
    account: Option<Map<String, Value>>,
    /// Values for the new contact; none when there is to be no contact.
    contact: Option<Map<String, Value>>,
    /// Id of the new records' owner; empty for the caller.
    owner: String,
    /// Whether comments and tasks go to the account, not to the contact.
    related_to_account: bool,
}

/// What a lead became: record numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Became {
    pub(super) account: Option<u64>,
    pub(super) contact: Option<u64>,
}

impl Wish {
    /// What the element of `convertlead` asks for. Deals are not modelled: a block for one is read over.
    fn read(element: &Map<String, Value>) -> Self {
        let block = |name: &str| {
            let block = element.get("entities")?.get(name)?.as_object()?;
            let wanted = block.get("create").is_some_and(is_true);
            wanted.then(|| block.clone())
        };
        Self {
            account: block("Accounts"),
            contact: block("Contacts"),
            owner: text(element, "assignedTo"),
            related_to_account: text(element, "transferRelatedRecordsTo") == "Accounts",
        }
    }

    /// A contact alone, as a person asks for it who unticks the account.
    pub(super) fn contact(values: Map<String, Value>) -> Self {
        Self {
            contact: Some(values),
            ..Self::default()
        }
    }
}

impl Call<'_> {
    /// `convertlead`.
    pub(super) fn convert_lead(&mut self, element: &Value) -> Answer {
        let element = super::records::fields_of(element)?;
        let wish = Wish::read(&element);
        let (module, lead) = self.resolve(&text(&element, "leadId"))?;
        if self.state.catalogue.module(module).name != "Leads" {
            return Err(Failure::wrong_id());
        }
        if self.state.converted.contains(&lead) {
            return Err(Failure::refused(
                "LEAD_ALREADY_CONVERTED",
                "Lead is already converted",
            ));
        }
        if wish.account.is_none() && wish.contact.is_none() {
            return Ok(Value::Null);
        }
        let became = self.make_of_lead(module, lead, &wish)?;
        self.finish_conversion(module, lead, became, wish.related_to_account);
        let shown = self.names_of(became);
        Ok(shown
            .into_iter()
            .map(|(module, number)| (module.to_owned(), json!(self.dialect.id(module, number))))
            .collect::<Map<_, _>>()
            .into())
    }

    /// The first half of a conversion: the new records are there, the lead is as before.
    pub(super) fn make_of_lead(
        &mut self,
        leads: ModuleIndex,
        lead: u64,
        wish: &Wish,
    ) -> Result<Became, Failure> {
        let mut became = Became::default();
        if let Some(values) = &wish.account {
            let fields = self.fields_for("Accounts", &TO_ACCOUNT, (leads, lead), values, wish)?;
            became.account = Some(match self.account_named(&text(&fields, "accountname")) {
                Some(existing) => existing,
                None => self.make("Accounts", fields)?,
            });
        }
        if let Some(values) = &wish.contact {
            let mut fields =
                self.fields_for("Contacts", &TO_CONTACT, (leads, lead), values, wish)?;
            if let Some(account) = became.account {
                let account = self.dialect.id("Accounts", account);
                fields.insert("account_id".into(), json!(account));
            }
            became.contact = Some(self.make("Contacts", fields)?);
        }
        Ok(became)
    }

    /// The second half: comments and tasks move, and the lead is marked.
    pub(super) fn finish_conversion(
        &mut self,
        leads: ModuleIndex,
        lead: u64,
        became: Became,
        related_to_account: bool,
    ) {
        let to_account = became.account.filter(|_| related_to_account);
        if let Some(account) = to_account.or(became.account.filter(|_| became.contact.is_none())) {
            self.move_links("ModComments", "related_to", lead, "related_to", account);
            self.move_links("Calendar", "parent_id", lead, "parent_id", account);
        } else if let Some(contact) = became.contact {
            self.move_links("ModComments", "related_to", lead, "related_to", contact);
            self.move_links("Calendar", "parent_id", lead, "contact_id", contact);
        }
        self.stamp(leads, lead);
        self.state.converted.insert(lead);
        let (id, module) = self.named(leads, lead);
        let numbers: BTreeMap<String, u64> = self
            .names_of(became)
            .into_iter()
            .map(|(module, number)| (module.to_owned(), number))
            .collect();
        let into = numbers
            .iter()
            .map(|(module, number)| (module.clone(), self.state.canonical.id(module, *number)))
            .collect();
        self.note(JournalKind::LeadConverted { id, module, into });
        self.saved(Kind::Converted, leads, lead, &numbers);
    }

    fn names_of(&self, became: Became) -> Vec<(&'static str, u64)> {
        [("Accounts", became.account), ("Contacts", became.contact)]
            .into_iter()
            .filter_map(|(module, number)| Some((module, number?)))
            .collect()
    }

    /// The lead's values under the new record's names, those that were sent over them.
    fn fields_for(
        &self,
        target: &str,
        mapped: &[(&str, &str)],
        (leads, lead): (ModuleIndex, u64),
        sent: &Map<String, Value>,
        wish: &Wish,
    ) -> Result<Map<String, Value>, Failure> {
        let mut fields = Map::new();
        for (from, to) in mapped {
            let value = self.state.cell(leads, lead, from);
            fields.insert((*to).to_owned(), json!(value));
        }
        let own = ["create", "name"];
        let sent = sent
            .iter()
            .filter(|(name, value)| !own.contains(&name.as_str()) && !is_empty(value));
        fields.extend(sent.map(|(name, value)| (name.clone(), value.clone())));
        let owner = if wish.owner.is_empty() {
            self.dialect.id("Users", self.actor.number)
        } else {
            wish.owner.clone()
        };
        fields.insert("assigned_user_id".into(), json!(owner));
        fields.insert("isconvertedfromlead".into(), json!("1"));
        let at = self.module_named(target).ok_or_else(Failure::denied)?;
        for field in &self.state.catalogue.module(at).fields {
            let value = fields.get(&field.name);
            if field.is_mandatory(self.dialect) && value.is_none_or(is_empty) {
                fields.insert(field.name.clone(), json!(NOTHING_KNOWN));
            }
        }
        Ok(fields)
    }

    fn make(&mut self, module: &str, mut fields: Map<String, Value>) -> Result<u64, Failure> {
        let at = self.module_named(module).ok_or_else(Failure::denied)?;
        self.check_references(at, &mut fields, true)?;
        self.check_owner_right(at, &fields)?;
        let cells = self.convert(at, &fields, |_, _| true, false)?;
        self.check_unique(at, None, &cells)?;
        let placed = self.insert(at, cells);
        self.after_create(placed.module, placed.number);
        Ok(placed.number)
    }

    fn account_named(&mut self, name: &str) -> Option<u64> {
        let accounts = self.state.catalogue.find("Accounts")?;
        let field = self.state.catalogue.module(accounts).field("accountname")?;
        let named = self.state.store.equal_text(accounts, field, name);
        named.first().copied()
    }

    /// Moves a link past every event, as the SQL of the conversion does: no modification time changes.
    fn move_links(&mut self, module: &str, from: &str, lead: u64, to: &str, target: u64) {
        let Some(at) = self.state.catalogue.find(module) else {
            return;
        };
        let about = self.state.catalogue.module(at);
        let Some((from, to)) = about.field(from).zip(about.field(to)) else {
            return;
        };
        let lead = lead.to_string();
        let linked = self
            .state
            .store
            .rows(at)
            .filter(|(_, row)| row[from].as_deref() == Some(lead.as_str()));
        let linked: Vec<u64> = linked.map(|(number, _)| number).collect();
        for number in linked {
            let store = &mut self.state.store;
            store.set(at, number, from, Some("0".to_owned()));
            store.set(at, number, to, Some(target.to_string()));
        }
    }
}

fn is_true(value: &Value) -> bool {
    match value {
        Value::Bool(yes) => *yes,
        other => !is_empty(other),
    }
}

/// Empty as PHP has it.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.as_str(), "" | "0"),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

fn text(fields: &Map<String, Value>, name: &str) -> String {
    fields
        .get(name)
        .map_or_else(String::new, |value| Input::read(value).text().to_owned())
}
