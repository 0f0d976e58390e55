//! The registry of `webservice.php`: which operations there are, where each finds its parameters, and whether it works.

use super::config::{Config, Variant};
use super::extension;

/// From where an operation reads its own parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The URL.
    Get,
    /// The form body.
    Post,
}

/// Whether an operation works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Works,
    /// Its registered parameter names are not those of its function.
    Dies,
    /// Its registered file does not exist.
    FileMissing,
}

/// What an administrator made of the registry of a fresh installation.
#[derive(Debug)]
pub(super) struct Registry {
    /// The parameter names of `logout`, `convertlead`, `sync` and `wsapp_register` are those of their functions.
    parameters_fit: bool,
    /// `changePassword` and `deleteUser` lead to files that exist.
    user_files_found: bool,
    /// Pugmark's extension is installed.
    extension: bool,
    /// Operations of the administrator's own, each of which creates a user from its `element`.
    own: Vec<String>,
}

impl Registry {
    pub(super) fn new(config: &Config) -> Self {
        let repaired = config.variant == Variant::Repaired;
        Self {
            parameters_fit: repaired,
            user_files_found: repaired,
            extension: config.extension,
            own: config.user_operations.clone(),
        }
    }

    /// Corrects the paths of `changePassword` and `deleteUser`.
    pub(super) fn repair_user_files(&mut self) {
        self.user_files_found = true;
    }

    /// Installs Pugmark's extension, or removes it.
    pub(super) fn set_extension(&mut self, installed: bool) {
        self.extension = installed;
    }

    /// Whether Pugmark's extension is installed.
    pub(super) fn has_extension(&self) -> bool {
        self.extension
    }

    /// Whether this is an operation of the administrator's own.
    pub(super) fn is_own(&self, name: &str) -> bool {
        self.own.iter().any(|own| own == name)
    }

    /// The registered operation of this name, given in lower case; none for an unknown one.
    pub(super) fn find(&self, name: &str) -> Option<(Source, Health)> {
        let works_if = |repaired, otherwise| if repaired { Health::Works } else { otherwise };
        Some(match name {
            "getchallenge" | "listtypes" | "describe" | "retrieve" | "query" | "relatedtypes"
            | "retrieve_related" | "query_related" => (Source::Get, Health::Works),
            "login" | "extendsession" | "create" | "update" | "revise" | "delete"
            | "add_related" => (Source::Post, Health::Works),
            "logout" | "convertlead" | "wsapp_register" => {
                (Source::Post, works_if(self.parameters_fit, Health::Dies))
            }
            "changepassword" | "deleteuser" => {
                let health = works_if(self.user_files_found, Health::FileMissing);
                (Source::Post, health)
            }
            "sync" => (Source::Get, works_if(self.parameters_fit, Health::Dies)),
            "retrieve_inventory" | "files_retrieve" => (Source::Get, Health::Dies),
            "wsapp_get" | "wsapp_put" | "wsapp_deregister" => (Source::Post, Health::Dies),
            other if self.is_own(other) => (Source::Post, Health::Works),
            other if self.extension => (extension::source(other)?, Health::Works),
            _ => return None,
        })
    }
}
