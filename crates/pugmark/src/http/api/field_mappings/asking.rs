//! Asking the CRM which fields it has, while somebody waits for the answer.

use std::sync::Arc;

use axum::http::StatusCode;
use vtiger::{Client, Module};

use crate::crm::CONTACTS;
use crate::crm::calls::CallLog;
use crate::http::AppState;
use crate::http::correlation::CorrelationId;
use crate::http::envelope::ApiError;
use crate::problem::Code;

/// What the CRM said of its contacts, or why it could not be asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked(Result<Arc<Module>, String>);

impl Asked {
    /// What is known, which may be some minutes old.
    pub(crate) async fn kept(state: &AppState, correlation_id: &CorrelationId) -> Self {
        match client(state, correlation_id) {
            Some(client) => Asked::from(&client).await,
            None => Asked(Err("no CRM is configured".to_owned())),
        }
    }

    /// What the CRM says now: a field that was made a moment ago counts.
    pub(crate) async fn anew(state: &AppState, correlation_id: &CorrelationId) -> Self {
        if let Some(crm) = &state.vtiger {
            crm.client.forget_descriptions();
        }
        Asked::kept(state, correlation_id).await
    }

    async fn from(client: &Client) -> Self {
        Asked(
            client
                .describe(CONTACTS)
                .await
                .map_err(|error| error.to_string()),
        )
    }

    /// The description, when there is one.
    pub(crate) fn module(&self) -> Option<&Module> {
        self.0.as_deref().ok()
    }

    /// The same, to be kept.
    pub(crate) fn into_module(self) -> Result<Arc<Module>, ApiError> {
        self.0.map_err(|why| not_asked(&why))
    }

    /// Why the CRM could not be asked.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.0.as_ref().err().map(String::as_str)
    }

    /// Lets a change pass only when the CRM was asked, or the caller wants it all the same.
    pub(crate) fn or_unchecked(&self, unchecked: bool) -> Result<(), ApiError> {
        match &self.0 {
            Err(why) if !unchecked => Err(not_asked(why)),
            _ => Ok(()),
        }
    }
}

/// The CRM for one request: each call is noted and carries the request's correlation id.
pub(crate) fn client(state: &AppState, correlation_id: &CorrelationId) -> Option<Client> {
    let crm = state.vtiger.as_ref()?;
    let calls = CallLog::new(crm.breaker.clone());
    Some(
        crm.client
            .clone()
            .with_observer(calls)
            .with_correlation_id(&correlation_id.to_string()),
    )
}

pub(crate) fn not_asked(why: &str) -> ApiError {
    let mut error = ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "CRM_UNAVAILABLE",
        format!(
            "vTiger could not be asked, so nothing was stored ({why}). Try again, or add unchecked=true to a change that shall be stored unchecked [{}]",
            Code::MappingUnchecked
        ),
    );
    error.retry_after = Some(10);
    error
}
