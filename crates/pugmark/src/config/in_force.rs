//! The settings in force, and where each value comes from, for people to look at. Secrets are never among them.

use config::{Value, ValueKind};
use serde_json::Value as Json;

use super::mask_url;
use super::sources::{Environment, NAMES, SECRETS};

/// Most characters of a value that are shown.
const LONGEST: usize = 400;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The program's own defaults.
    Default,
    /// The file of settings at this path.
    File(String),
    /// A variable of the environment with this name.
    Variable(String),
    /// A secret that nobody has set.
    Missing,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its name: `queue.lease`, or a secret's variable.
    pub setting: String,
    /// Its value, with passwords in addresses masked; `None` for secrets.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Every setting in the order of the file, then every secret.
pub(super) fn list(
    values: &Json,
    given: &Value,
    file: &str,
    environment: &Environment,
) -> Vec<InForce> {
    let mut all = Vec::new();
    flatten(values, String::new(), &mut |setting, value| {
        let origin = match environment.sets(&setting) {
            Some(variable) => Origin::Variable(variable),
            None if is_given(given, &setting) => Origin::File(file.to_owned()),
            None => Origin::Default,
        };
        all.push(InForce {
            setting,
            value: Some(shown(value)),
            origin,
        });
    });
    all.extend(SECRETS.into_iter().map(|name| {
        InForce {
            setting: name.to_owned(),
            value: None,
            origin: environment
                .holds(name)
                .map_or(Origin::Missing, Origin::Variable),
        }
    }));
    all
}

fn flatten(value: &Json, path: String, found: &mut impl FnMut(String, &Json)) {
    match value {
        Json::Object(fields) => {
            for (key, value) in fields {
                let below = match path.is_empty() {
                    true => key.clone(),
                    false => format!("{path}.{key}"),
                };
                flatten(value, below, found);
            }
        }
        value => found(path, value),
    }
}

fn is_given(given: &Value, setting: &str) -> bool {
    let mut at = given;
    for key in setting.split('.') {
        let ValueKind::Table(table) = &at.kind else {
            return false;
        };
        match table.get(key) {
            Some(inner) => at = inner,
            None => return false,
        }
    }
    true
}

fn shown(value: &Json) -> String {
    let text = match masked(value) {
        Json::String(text) => text,
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// No setting is a secret, but an address may hold a password.
fn masked(value: &Json) -> Json {
    match value {
        Json::String(text) => Json::String(mask_url(text)),
        Json::Array(entries) => entries.iter().map(masked).collect(),
        Json::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), masked(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other.clone(),
    }
}

impl Environment {
    /// The variable that sets this setting, if one does.
    fn sets(&self, setting: &str) -> Option<String> {
        let named = NAMES.iter().find(|(_, known)| *known == setting);
        if let Some((name, _)) = named
            && self.has(name)
        {
            return Some((*name).to_owned());
        }
        let prefixed = format!("PUGMARK__{}", setting.replace('.', "__"));
        self.name_like(&prefixed)
    }

    /// The variable that holds a secret, or names the file it is in.
    fn holds(&self, secret: &str) -> Option<String> {
        [secret.to_owned(), format!("{secret}_FILE")]
            .into_iter()
            .find(|name| self.has(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;

    #[test]
    fn each_setting_says_where_it_comes_from_and_no_secret_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pugmark.toml");
        std::fs::write(
            &file,
            "[queue]\nmax_retries = 7\n[vtiger.contact_defaults]\nleadsource = \"Web\"\n",
        )
        .unwrap();
        let environment = Environment::of([
            ("DATABASE_URL", "postgres://pugmark:tiger-pw@db/pugmark"),
            ("PUGMARK__SUMMARY__DAY", "friday"),
            ("APP_SECRET_TOKEN", "a-very-secret-token"),
        ]);
        let settings = load(Some(&file), &environment).unwrap();
        let of = |name: &str| {
            let found = settings.in_force.iter().find(|one| one.setting == name);
            let found = found.unwrap_or_else(|| panic!("{name} is listed"));
            (found.value.as_deref(), found.origin.clone())
        };
        let path = file.display().to_string();
        assert_eq!(
            of("queue.max_retries"),
            (Some("7"), Origin::File(path.clone()))
        );
        assert_eq!(
            of("vtiger.contact_defaults.leadsource"),
            (Some("Web"), Origin::File(path))
        );
        assert_eq!(
            of("summary.day"),
            (
                Some("friday"),
                Origin::Variable("PUGMARK__SUMMARY__DAY".to_owned())
            )
        );
        assert_eq!(
            of("database.url"),
            (
                Some("postgres://pugmark:***@db/pugmark"),
                Origin::Variable("DATABASE_URL".to_owned())
            )
        );
        assert_eq!(of("queue.lease").1, Origin::Default);
        assert_eq!(
            of("APP_SECRET_TOKEN"),
            (None, Origin::Variable("APP_SECRET_TOKEN".to_owned()))
        );
        assert_eq!(of("MAXIO_API_KEY"), (None, Origin::Missing));
        let all = format!("{:?}", settings.in_force);
        assert!(
            !all.contains("tiger-pw") && !all.contains("very-secret"),
            "{all}"
        );
    }
}
