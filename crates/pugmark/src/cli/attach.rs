//! `pugmark attach` and `pugmark detach`.

use std::process::ExitCode;

use clap::Args;
use pugmark_queue::db::{Db, Engine};

use super::CliError;
use crate::capture::attach::{self, AttachError};
use crate::capture::triggers::Step;
use crate::config::{self, Settings};
use crate::store;

/// Watches a PostgreSQL database that MicroBima made: schema pugmark, one capture function per watched table, and two triggers
/// on each. Looks at rights, row level security and the connection first, and changes nothing when something is in the way.
#[derive(Debug, Args)]
pub(super) struct AttachArgs {
    /// Print the SQL that would run, and run nothing. Prints nothing when nothing is to do.
    #[arg(long)]
    dry_run: bool,
}

/// Removes every trigger and function that `pugmark attach` has made. Schema pugmark stays, with all that is known of the CRM,
/// so that attaching again goes on where it was.
#[derive(Debug, Args)]
pub(super) struct DetachArgs {
    /// Print the SQL that would run, and run nothing. Prints nothing when nothing is to do.
    #[arg(long)]
    dry_run: bool,
    /// Drop schema pugmark, too: queue, history, and which contact belongs to which customer.
    #[arg(long)]
    purge: bool,
    /// Do not ask before --purge.
    #[arg(long, requires = "purge")]
    yes: bool,
}

/// Attaches.
///
/// # Errors
/// Everything that is in the way, in one list.
pub(super) async fn attach(args: AttachArgs, settings: Settings) -> Result<ExitCode, CliError> {
    let Some(db) = open(&settings).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let planned = attach::plan(&db).await;
    let Some(steps) = unless_standalone(planned)? else {
        return Ok(ExitCode::SUCCESS);
    };
    if args.dry_run {
        print(&steps);
    } else if steps.is_empty() {
        println!("Already attached; nothing was to do.");
    } else {
        let done: Vec<String> = steps.iter().map(|step| step.what.clone()).collect();
        attach::attach(&db, steps).await.map_err(other)?;
        done.iter().for_each(|what| println!("done: {what}"));
        println!(
            "{} is attached. `pugmark doctor` looks at it, `pugmark serve` begins.",
            config::mask_url(&settings.database.url)
        );
    }
    if !args.dry_run {
        tell_warnings(&db).await?;
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Detaches.
///
/// # Errors
/// Everything that is in the way, in one list.
pub(super) async fn detach(args: DetachArgs, settings: Settings) -> Result<ExitCode, CliError> {
    let Some(db) = open(&settings).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    let planned = attach::plan_detach(&db, args.purge).await;
    let Some(steps) = unless_standalone(planned)? else {
        return Ok(ExitCode::SUCCESS);
    };
    if args.dry_run {
        print(&steps);
    } else if steps.is_empty() {
        println!("Nothing of Pugmark's is left; nothing was to do.");
    } else if args.purge && !args.yes {
        return Err(CliError::Other(
            "--purge removes the queue, its history, and which contact belongs to which customer; attaching again would have \
             to find every contact anew. Add --yes if that is meant, or leave --purge out. Nothing was changed"
                .to_owned(),
        ));
    } else {
        let done: Vec<String> = steps.iter().map(|step| step.what.clone()).collect();
        attach::detach(&db, steps).await.map_err(other)?;
        done.iter().for_each(|what| println!("done: {what}"));
        if !args.purge {
            println!(
                "Schema pugmark stays, so that `pugmark attach` can go on; --purge removes it."
            );
        }
    }
    db.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Opens the store, unless it is one that needs no attaching. A pooler in transaction mode is refused before anything is asked
/// through it.
async fn open(settings: &Settings) -> Result<Option<Db>, CliError> {
    if store::sqlite_path(&settings.database.url).is_some() {
        println!(
            "This store is SQLite: Pugmark made its tables, and `pugmark migrate` and `pugmark serve` install capture by \
             themselves. There is nothing to attach or detach."
        );
        return Ok(None);
    }
    if let Some(pooled) = attach::probe(&settings.database.url).await {
        return Err(other(AttachError::Refused(vec![pooled])));
    }
    let db = store::open(&settings.database).await?;
    debug_assert_eq!(db.engine(), Engine::Postgres);
    Ok(Some(db))
}

/// A standalone store is told apart from an error: what was asked for is so already.
fn unless_standalone(
    planned: Result<Vec<Step>, AttachError>,
) -> Result<Option<Vec<Step>>, CliError> {
    match planned {
        Ok(steps) => Ok(Some(steps)),
        Err(AttachError::Standalone) => {
            println!("{}.", AttachError::Standalone);
            Ok(None)
        }
        Err(error) => Err(other(error)),
    }
}

fn other(error: AttachError) -> CliError {
    CliError::Other(error.to_string())
}

fn print(steps: &[Step]) {
    for step in steps {
        println!("-- {}", step.what);
        for statement in &step.statements {
            println!("{statement};");
        }
        println!();
    }
}

async fn tell_warnings(db: &Db) -> Result<(), CliError> {
    let mut conn = db.read().await?;
    for warning in attach::check(&mut conn).await?.warnings {
        println!("note: {warning}");
    }
    Ok(())
}
