//! One web service call, described.

use std::fmt;

use crate::error::Invalid;
use crate::redact::Secrets;

/// How an operation is registered on the server; its parameters are read from the URL or from the form accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Parameters in the query string.
    Get,
    /// Parameters in the form body.
    Post,
}

/// What a call may change; decides how an answer that proves nothing is classified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing: it can be repeated freely.
    Read,
    /// Something: after sending, only a readable answer settles whether it happened.
    Write,
}

/// One web service call: operation name, HTTP method and parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct Operation {
    pub(crate) name: String,
    pub(crate) method: Method,
    pub(crate) effect: Effect,
    pub(crate) parameters: Vec<(String, String)>,
}

impl fmt::Debug for Operation {
    /// Masks secrets in the parameters.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} {} {}",
            self.method,
            self.name,
            Secrets::of(self).parameters(self)
        )
    }
}

impl Operation {
    /// An operation registered as GET that changes nothing.
    pub fn read(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            method: Method::Get,
            effect: Effect::Read,
            parameters: Vec::new(),
        }
    }

    /// An operation registered as POST that changes something.
    pub fn write(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            method: Method::Post,
            effect: Effect::Write,
            parameters: Vec::new(),
        }
    }

    /// Sets the HTTP method the operation is registered with.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Adds a parameter.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// The operation's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the call may change.
    #[must_use]
    pub fn effect(&self) -> Effect {
        self.effect
    }

    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the call names one record, so that a bare "denied" may mean that the record is gone.
    pub(crate) fn concerns_a_record(&self) -> bool {
        matches!(
            self.name.as_str(),
            "retrieve"
                | "revise"
                | "update"
                | "delete"
                | "deleteUser"
                | "convertlead"
                | "query_related"
                | "retrieve_related"
                | "reopen"
        )
    }

    /// Checks that the name is one and that no parameter collides with what the client adds itself.
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let problem = |problem: &str| Invalid::Operation {
            operation: self.name.chars().take(60).collect(),
            problem: problem.to_owned(),
        };
        let named = !self.name.is_empty()
            && self
                .name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'));
        if !named {
            return Err(problem("this is not an operation name"));
        }
        if self
            .parameters
            .iter()
            .any(|(name, _)| matches!(name.as_str(), "operation" | "sessionName" | "format"))
        {
            return Err(problem(
                "`operation`, `sessionName` and `format` are set by the client",
            ));
        }
        Ok(())
    }
}
