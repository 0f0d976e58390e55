//! The recordings as files.

use std::path::Path;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::server::{Answer, Reply};

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Recording {
    pub(crate) name: String,
    /// How the server differed from a fresh installation.
    pub(crate) variant: Option<String>,
    pub(crate) request: RecordedRequest,
    pub(crate) response: RecordedResponse,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedRequest {
    pub(crate) method: String,
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) query: Map<String, Json>,
    #[serde(default)]
    pub(crate) form: Map<String, Json>,
    pub(crate) body: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct RecordedResponse {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    /// JSON if it was JSON, else text.
    pub(crate) body: Json,
}

static ALL: LazyLock<Vec<Recording>> = LazyLock::new(read_all);

/// Every recording of the project, in order.
pub(crate) fn all() -> &'static [Recording] {
    &ALL
}

fn read_all() -> Vec<Recording> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/vtiger8");
    let mut paths: Vec<_> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

/// The recording whose name begins so.
pub(crate) fn named(start: &str) -> &'static Recording {
    all()
        .iter()
        .find(|recording| recording.name.starts_with(start))
        .unwrap_or_else(|| panic!("no {start}"))
}

/// The description of a module by a server of this variant, if it was recorded.
pub(crate) fn description_of(module: &str, variant: Option<&str>) -> Option<&'static Recording> {
    if (module, variant) == ("Users", Some("roleid-db-fix")) {
        return Some(named("230-users-fix-describe"));
    }
    let end = format!("-meta-describe-{module}");
    all()
        .iter()
        .find(|recording| recording.name.ends_with(&end) && recording.result().is_some())
}

fn read(path: &Path) -> Recording {
    let text = std::fs::read_to_string(path).unwrap();
    let mut recording: Recording =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // The file name carries the number and the group.
    recording.name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    recording
}

impl Recording {
    pub(crate) fn group(&self) -> &str {
        self.name.split('-').nth(1).unwrap()
    }

    /// A parameter, wherever it was sent.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.request
            .query
            .get(name)
            .or_else(|| self.request.form.get(name))
            .and_then(Json::as_str)
    }

    pub(crate) fn operation(&self) -> &str {
        self.param("operation").unwrap_or_default()
    }

    /// The `element` parameter as a JSON object.
    pub(crate) fn element(&self) -> Option<Map<String, Json>> {
        match serde_json::from_str(self.param("element")?) {
            Ok(Json::Object(element)) => Some(element),
            _ => None,
        }
    }

    /// The `result` of a successful answer without noise.
    pub(crate) fn result(&self) -> Option<&Json> {
        self.response.body.get("result")
    }

    pub(crate) fn reply(&self) -> Reply {
        let body = match &self.response.body {
            Json::String(text) => text.clone(),
            json => json.to_string(),
        };
        let content_type = self.response.content_type.as_deref().unwrap_or("text/html");
        Answer::new(self.response.status, content_type, body).into()
    }
}
