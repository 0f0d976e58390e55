//! Recorded exchanges, as they lie in the repository.

use std::path::Path;

use serde_json::{Map, Value};

/// One exchange.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// File name without extension.
    pub(crate) name: String,
    /// Second word of the name.
    pub(crate) group: String,
    /// State of repair of the server it was recorded from; empty for stock.
    pub(crate) variant: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) form: Vec<(String, String)>,
    /// A body that is no form.
    pub(crate) body: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) status: u16,
    pub(crate) content_type: String,
    /// JSON where it was JSON, else text.
    pub(crate) answer: Value,
}

impl Recording {
    /// All of them, in the order in which they were made.
    pub(crate) fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vtiger8");
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        files.sort();
        files.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let recorded: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let (request, response) = (&recorded["request"], &recorded["response"]);
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Self {
            group: name.split('-').nth(1).unwrap_or_default().to_owned(),
            name,
            variant: text_of(&recorded["variant"]),
            method: text_of(&request["method"]),
            path: text_of(&request["path"]),
            query: pairs(request["query"].as_object()),
            form: pairs(request["form"].as_object()),
            body: request["body"].as_str().map(str::to_owned),
            headers: pairs(request["headers"].as_object()),
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            content_type: text_of(&response["content_type"]),
            answer: response["body"].clone(),
        }
    }

    /// Its running number.
    pub(crate) fn number(&self) -> u32 {
        self.name
            .split('-')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or_default()
    }

    /// A parameter from wherever it was sent.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let all = self.form.iter().chain(&self.query);
        all.filter(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .next()
    }

    pub(crate) fn operation(&self) -> &str {
        self.parameter("operation").unwrap_or_default()
    }

    /// The id of the record that the answer shows, if it shows one.
    pub(crate) fn answered_record(&self) -> Option<&Map<String, Value>> {
        self.answer["result"]
            .as_object()
            .filter(|record| record.contains_key("id") && record.len() > 10)
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn pairs(map: Option<&Map<String, Value>>) -> Vec<(String, String)> {
    map.into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), text_of(value)))
        .collect()
}
