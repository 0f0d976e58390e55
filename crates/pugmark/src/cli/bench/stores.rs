//! Throwaway stores: SQLite files in a temporary folder, and databases on a PostgreSQL server that are dropped again.

use std::cell::RefCell;

use pugmark_queue::db::Engine;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use tempfile::TempDir;
use url::Url;

use crate::cli::CliError;

pub(super) struct Stores {
    folder: TempDir,
    postgres: Option<Url>,
    made: RefCell<Vec<String>>,
}

impl Stores {
    /// # Errors
    /// When there can be no temporary folder, or `postgres` is no URL.
    pub(super) fn new(postgres: Option<String>) -> Result<Self, CliError> {
        let folder = tempfile::Builder::new()
            .prefix("pugmark-bench-")
            .tempdir()
            .map_err(|error| {
                CliError::Other(format!("no temporary folder can be made: {error}"))
            })?;
        // The URL may hold a password, so the message does not repeat it.
        let postgres = postgres
            .map(|url| Url::parse(&url))
            .transpose()
            .map_err(|error| {
                CliError::Other(format!(
                    "--postgres: {error}; expected postgres://user:password@host:port/database"
                ))
            })?;
        Ok(Stores {
            folder,
            postgres,
            made: RefCell::default(),
        })
    }

    /// The databases that can be measured.
    pub(super) fn engines(&self) -> Vec<Engine> {
        let postgres = self.postgres.iter().map(|_| Engine::Postgres);
        std::iter::once(Engine::Sqlite).chain(postgres).collect()
    }

    /// The address of a new, empty store.
    pub(super) async fn fresh(&self, engine: Engine) -> Result<String, CliError> {
        // With the number of the process in it, so that one can tell whose a database is.
        let (process, id) = (std::process::id(), uuid::Uuid::now_v7().simple());
        let name = format!("pugmark_bench_{process}_{id}");
        match (engine, &self.postgres) {
            (Engine::Postgres, Some(server)) => {
                on_server(server, &format!("CREATE DATABASE {name}")).await?;
                let mut url = server.clone();
                url.set_path(&name);
                self.made.borrow_mut().push(name);
                Ok(url.into())
            }
            _ => {
                let path = self.folder.path().join(format!("{name}.db"));
                Ok(format!("sqlite:{}", path.display()))
            }
        }
    }

    /// A folder that goes with the stores.
    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Drops what was made on the server; the folder goes by itself.
    ///
    /// # Errors
    /// When a database could not be dropped; it is named.
    pub(super) async fn remove(&self) -> Result<(), CliError> {
        let Some(server) = &self.postgres else {
            return Ok(());
        };
        for name in self.made.take() {
            on_server(
                server,
                &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            )
            .await
            .map_err(|error| {
                CliError::Other(format!("the database {name} was left behind: {error}"))
            })?;
        }
        Ok(())
    }
}

async fn on_server(server: &Url, sql: &str) -> Result<(), CliError> {
    let mut connection = PgConnectOptions::from_url(server)?.connect().await?;
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await?;
    Ok(connection.close().await?)
}
