//! A port for health alone: processes without the role api have one, too, and it is there while the store is still being
//! migrated and while what is being delivered is finished.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::StartError;
use crate::config;
use crate::http::health::{self, Health};

/// Listens until it is dropped.
pub(super) struct HealthPort {
    pub(super) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

impl HealthPort {
    /// Opens the port, if the settings name one.
    pub(super) async fn open(
        settings: &config::Server,
        health: &Health,
    ) -> Result<Option<Self>, StartError> {
        let Some(address) = settings.health else {
            return Ok(None);
        };
        let listen = |source| StartError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let router = health::routes::<()>(health.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::error!(%error, "health is no longer answered");
            }
        });
        tracing::info!("health at http://{address}/health/ready");
        Ok(Some(HealthPort {
            address,
            _task: AbortOnDropHandle::new(task),
        }))
    }
}
