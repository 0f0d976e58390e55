//! One call, before it is sent.

use http::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use url::Url;

/// A call. It has no `Debug`: its body may hold bank data.
pub(crate) struct Call {
    /// The name of the client's method.
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    pub(crate) body: Option<Map<String, Json>>,
    /// What must not appear in any text, beside the key.
    pub(crate) secrets: Vec<SecretString>,
}

impl Call {
    pub(crate) fn get<'p>(
        operation: &'static str,
        path: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        Self::new(operation, Method::GET, path)
    }

    pub(crate) fn post<'p>(
        operation: &'static str,
        path: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        Self::new(operation, Method::POST, path)
    }

    pub(crate) fn put<'p>(
        operation: &'static str,
        path: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        Self::new(operation, Method::PUT, path)
    }

    fn new<'p>(
        operation: &'static str,
        method: Method,
        path: impl IntoIterator<Item = &'p str>,
    ) -> Self {
        Self {
            operation,
            method,
            path: path.into_iter().map(str::to_owned).collect(),
            query: Vec::new(),
            body: None,
            secrets: Vec::new(),
        }
    }

    /// Whether the call changes nothing, so that it can be repeated at will.
    pub(crate) fn reads(&self) -> bool {
        self.method == Method::GET
    }

    pub(crate) fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// The body: one record, wrapped in its name.
    pub(crate) fn body(self, name: &'static str, record: &impl Serialize) -> Self {
        // Texts, numbers and flags under names: there is nothing in them that could not be written as JSON.
        let record = serde_json::to_value(record).unwrap_or_default();
        self.top_level(name, record)
    }

    /// The body with secrets in it, which appear in no text.
    pub(crate) fn secret_body(mut self, name: &'static str, fields: Fields) -> Self {
        self.secrets.extend(fields.secrets);
        self.top_level(name, Json::Object(fields.json))
    }

    /// A value beside the record.
    pub(crate) fn top_level(mut self, name: &'static str, value: Json) -> Self {
        self.body
            .get_or_insert_default()
            .insert(name.to_owned(), value);
        self
    }

    /// The parameters and the body as one JSON object, secrets included.
    pub(crate) fn shown(&self) -> Json {
        let parameters = self
            .query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Json::from(value.as_str())));
        let body = self.body.clone().unwrap_or_default();
        Json::Object(parameters.chain(body).collect())
    }

    /// The address on this site; each part of the path is escaped, so that it stays one part.
    pub(crate) fn url(&self, site: &Url) -> Url {
        let mut url = site.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(&self.path);
        }
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        url
    }
}

/// The fields of a record, some of them secret. What is `None` is left out.
#[derive(Default)]
pub(crate) struct Fields {
    json: Map<String, Json>,
    secrets: Vec<SecretString>,
}

impl Fields {
    pub(crate) fn put(mut self, name: &str, value: Option<impl Serialize>) -> Self {
        if let Some(value) = value {
            let value = serde_json::to_value(value).unwrap_or_default();
            self.json.insert(name.to_owned(), value);
        }
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: Option<&SecretString>) -> Self {
        if let Some(value) = value {
            self.json
                .insert(name.to_owned(), Json::from(value.expose_secret()));
            self.secrets.push(value.clone());
        }
        self
    }

    /// A record inside of this one.
    pub(crate) fn nested(mut self, name: &str, inner: Self) -> Self {
        self.json.insert(name.to_owned(), Json::Object(inner.json));
        self.secrets.extend(inner.secrets);
        self
    }

    /// The fields of another record beside these.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.json.extend(other.json);
        self.secrets.extend(other.secrets);
        self
    }
}
