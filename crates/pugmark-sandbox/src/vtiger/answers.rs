//! Records as answers show them, which after a write is not always what was stored.

use serde_json::{Map, Value, json};

use super::catalogue::{Kind, Module, ModuleIndex};
use super::dialect::Dialect;
use super::entities;
use super::records::Call;
use super::saving::Placed;
use super::values::Input;

impl Call<'_> {
    /// A whole record, with its label. The id is echoed as it was asked for.
    pub(super) fn whole_record(
        &self,
        module: ModuleIndex,
        number: u64,
        asked: Option<&str>,
    ) -> Value {
        let mut record = self.record_without_label(module, number);
        if let (Some(asked), true) = (asked, record.contains_key("id")) {
            record.insert("id".into(), json!(asked));
        }
        record.insert("label".into(), json!(self.state.label(module, number)));
        Value::Object(record)
    }

    pub(super) fn record_without_label(
        &self,
        module: ModuleIndex,
        number: u64,
    ) -> Map<String, Value> {
        let about = self.state.catalogue.module(module);
        let mut record = Map::new();
        for at in about.order(self.reader()) {
            let name = &about.fields[at].name;
            record.extend(undescribed(&about.name, name));
            let shown = self
                .state
                .shown_in_record(self.reader(), module, number, at);
            record.insert(name.clone(), shown);
        }
        record
    }

    /// The answer of a write: the record as its program believes it to be. `asked_in` is the module called, which is not always
    /// the one that the record was placed in.
    pub(super) fn written(
        &self,
        asked_in: ModuleIndex,
        placed: &Placed,
        element: &Map<String, Value>,
        asked: Option<&str>,
        odd: impl Fn(&Module, usize) -> bool,
    ) -> Value {
        let Value::Object(mut kept) = self.whole_record(placed.module, placed.number, asked) else {
            return Value::Null;
        };
        kept.extend(
            placed
                .lost
                .iter()
                .map(|(name, value)| (name.clone(), json!(value))),
        );
        let about = self.state.catalogue.module(asked_in);
        let mut record = Map::new();
        for at in about.order(self.reader()) {
            let field = &about.fields[at];
            record.extend(undescribed(&about.name, &field.name));
            let shown = kept.get(&field.name);
            let truth = shown.and_then(Value::as_str).unwrap_or_default();
            let odd = self.dialect == Dialect::OpenSource
                && matches!(field.kind, Kind::Text(_))
                && odd(about, at);
            let sent = element.get(&field.name).filter(|_| odd && field.editable);
            let answered = match sent {
                Some(sent) => json!(overdecoded(truth, sent)),
                None => shown.cloned().unwrap_or_else(|| json!("")),
            };
            record.insert(field.name.clone(), answered);
        }
        if asked_in != placed.module {
            record.insert(
                "id".into(),
                json!(self.dialect.id(&about.name, placed.number)),
            );
        }
        record.insert(
            "label".into(),
            kept.get("label").cloned().unwrap_or_default(),
        );
        Value::Object(record)
    }
}

/// A field that records have in front of this one although `describe` does not name it; it is always empty.
fn undescribed(module: &str, field: &str) -> Option<(String, Value)> {
    ((module, field) == ("HelpDesk", "hours")).then(|| ("update_log".to_owned(), json!("")))
}

/// The field whose value a create answers once too often decoded: the name that every record must have.
pub(super) fn is_name_field(module: &Module, field: usize) -> bool {
    module.label_fields.contains(&field) && module.fields[field].mandatory
}

/// What a write's answer shows for a text it wrote: not cut to the column's width, and decoded once more where the whole
/// text reads as one that was encoded already.
fn overdecoded(truth: &str, sent: &Value) -> String {
    let sent = Input::read(sent).text().to_owned();
    let was_cut = !truth.is_empty() && sent.len() > truth.len() && sent.starts_with(truth);
    let believed = if was_cut { sent.as_str() } else { truth };
    let decoded = entities::decode(believed);
    if entities::encode(&decoded) == believed {
        decoded
    } else {
        believed.to_owned()
    }
}
