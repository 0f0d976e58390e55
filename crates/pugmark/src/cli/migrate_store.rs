//! `pugmark migrate-store`: moves the whole store from SQLite to PostgreSQL.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use pugmark_queue::db::{Db, DbOptions, StoreLock};

use super::CliError;
use crate::app::StartError;
use crate::config::{self, Settings};
use crate::problem::Code;
use crate::store;
use crate::store::moving::{Doing, Ended, Move, MoveError, Options, Report, TableReport};

/// Moves the whole store from SQLite to PostgreSQL: every table, with what waits, what failed and all history.
///
/// Stop `pugmark serve` first; look with --dry-run; run it; then set DATABASE_URL to the PostgreSQL store and start `pugmark serve` again.
/// The target is an empty database; it is migrated by this command. It may be stopped or killed at any moment: run again, it goes on
/// where it was. At the end both sides are compared by rows and checksums; only if all are equal the SQLite store is marked as moved.
/// Until then it can be served again as if nothing had happened. Use the direct address of PostgreSQL, not that of a pooler.
#[derive(Debug, Args)]
pub(super) struct MigrateStoreArgs {
    /// The store to move, sqlite:PATH; without it DATABASE_URL, if that is SQLite.
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// The empty database to move it to, postgres://user:password@host:5432/name; without it DATABASE_URL, if that is PostgreSQL. The
    /// environment keeps the password out of the list of processes.
    #[arg(
        long,
        value_name = "URL",
        env = "PUGMARK_MIGRATE_STORE_TO",
        hide_env_values = true
    )]
    to: Option<String>,
    /// Read and check everything, write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Only compare both sides of a move again. Once the target is served, it differs of course.
    #[arg(long, conflicts_with_all = ["dry_run", "restart"])]
    verify: bool,
    /// Throw away what an earlier run copied, and begin anew.
    #[arg(long, conflicts_with = "dry_run")]
    restart: bool,
    /// Rows in one transaction.
    #[arg(long, value_name = "ROWS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Where the report is written, as JSON; without it beside the SQLite file, as FILE.move-report.json. A dry run writes none.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command. Exit code 1 when something could not be copied or differs.
///
/// # Errors
/// What is in the way, with what to do about it.
pub(super) async fn run(
    args: MigrateStoreArgs,
    settings: impl Fn() -> Result<Settings, CliError>,
) -> Result<ExitCode, CliError> {
    let (from, to) = addresses(&args, settings)?;
    let path = store::sqlite_path(&from)
        .ok_or_else(|| refused("--from names no SQLite store; use sqlite:PATH"))?
        .to_owned();
    if store::sqlite_path(&to).is_some() {
        return Err(refused(
            "--to is SQLite too; name an empty PostgreSQL database",
        ));
    }
    if !path.exists() {
        return Err(refused(&format!("{} does not exist", path.display())));
    }
    let _lock = StoreLock::acquire(&path).map_err(StartError::from)?;
    let options = DbOptions {
        readers: 2,
        create: false,
        ..DbOptions::default()
    };
    let source = Db::open(&from, options.clone()).await?;
    let target = Db::open(&to, options).await?;
    let moving = Options {
        from_shown: config::mask_url(&from),
        to_shown: config::mask_url(&to),
        batch: args.batch,
        restart: args.restart,
    };
    let done = carry_out(&args, Move::new(&source, &target, moving)).await;
    target.close().await;
    source.close().await;
    let report = done.map_err(|error| CliError::Other(error.to_string()))?;
    if !args.dry_run && report.ended != Ended::WasMoved {
        write(&args, &path, &report)?;
    }
    print(&args, &report)?;
    Ok(match report.ended {
        Ended::Different => ExitCode::FAILURE,
        _ if report.unfit.is_empty() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn addresses(
    args: &MigrateStoreArgs,
    settings: impl Fn() -> Result<Settings, CliError>,
) -> Result<(String, String), CliError> {
    if let (Some(from), Some(to)) = (&args.from, &args.to) {
        return Ok((from.clone(), to.clone()));
    }
    let configured = settings()?.database.url;
    let is_sqlite = store::sqlite_path(&configured).is_some();
    let side = |given: &Option<String>, fits: bool, missing: &str| match given {
        Some(url) => Ok(url.clone()),
        None if fits => Ok(configured.clone()),
        None => Err(refused(missing)),
    };
    Ok((
        side(
            &args.from,
            is_sqlite,
            "name the SQLite store: --from sqlite:PATH",
        )?,
        side(
            &args.to,
            !is_sqlite,
            "name the PostgreSQL database: --to postgres://user@host:5432/name, or PUGMARK_MIGRATE_STORE_TO",
        )?,
    ))
}

fn refused(what: &str) -> CliError {
    CliError::Other(format!("{}: {what}", Code::MoveRefused))
}

async fn carry_out(args: &MigrateStoreArgs, moving: Move<'_>) -> Result<Report, MoveError> {
    let bar = Arc::new(bar(args.json));
    let shown = bar.clone();
    let mut watch = move |doing: Doing, table: &str, done: u64, all: u64| {
        shown.set_prefix(match doing {
            Doing::Looking => "reading",
            Doing::Copying => "copying",
            Doing::Comparing => "comparing",
        });
        shown.set_length(all);
        shown.set_position(done);
        shown.set_message(table.to_owned());
    };
    let done = match (args.dry_run, args.verify) {
        (true, _) => moving.look(&mut watch).await,
        (_, true) => moving.verify(&mut watch).await,
        _ => moving.run(&mut watch).await,
    };
    bar.finish_and_clear();
    done
}

fn bar(hidden: bool) -> ProgressBar {
    if hidden {
        return ProgressBar::hidden();
    }
    // A template that cannot be read would be a defect of this file; the bar then shows its default.
    let style = ProgressStyle::with_template("{prefix} {bar:30} {pos}/{len} {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn write(
    args: &MigrateStoreArgs,
    source: &std::path::Path,
    report: &Report,
) -> Result<(), CliError> {
    let path = args.report.clone().unwrap_or_else(|| {
        let mut name = source.as_os_str().to_owned();
        name.push(".move-report.json");
        name.into()
    });
    let written = serde_json::to_vec_pretty(report)
        .map_err(std::io::Error::other)
        .and_then(|text| std::fs::write(&path, text));
    written.map_err(|error| {
        CliError::Other(format!(
            "the report cannot be written to {}: {error}",
            path.display()
        ))
    })?;
    eprintln!("The report is in {}.", path.display());
    Ok(())
}

fn print(args: &MigrateStoreArgs, report: &Report) -> Result<(), CliError> {
    if args.json {
        let text =
            serde_json::to_string(report).map_err(|error| CliError::Other(error.to_string()))?;
        println!("{text}");
        return Ok(());
    }
    for table in &report.tables {
        println!(
            "{:<28} {:>10} rows  {}",
            table.table,
            table.rows,
            judged(table)
        );
    }
    for unfit in &report.unfit {
        println!(
            "{}: {} [{}], {}: {}",
            Code::MoveUnfit,
            unfit.table,
            unfit.row,
            unfit.column,
            unfit.why
        );
    }
    for note in &report.notes {
        println!("note: {note}.");
    }
    let rows: u64 = report.tables.iter().map(|table| table.rows).sum();
    match report.ended {
        Ended::Moved => println!(
            "{} was moved to {}: {} tables, {rows} rows, all equal. Set DATABASE_URL to it and start `pugmark serve`.",
            report.from,
            report.to,
            report.tables.len()
        ),
        Ended::WasMoved => println!(
            "{} was moved to {} before; nothing is left to do.",
            report.from, report.to
        ),
        Ended::Different => println!(
            "{}: {} and {} differ in {}. Nothing is marked as moved by this run; begin anew with --restart.",
            Code::MoveDiffers,
            report.from,
            report.to,
            differing(report)
        ),
        Ended::Looked if args.verify => println!(
            "Both sides are equal: {} tables, {rows} rows.",
            report.tables.len()
        ),
        Ended::Looked => println!(
            "{} tables, {rows} rows; nothing was written.",
            report.tables.len()
        ),
    }
    Ok(())
}

fn judged(table: &TableReport) -> String {
    match (&table.copied_checksum, table.is_equal()) {
        (None, _) => table.checksum.clone(),
        (Some(_), true) => format!("{} equal", table.checksum),
        (Some(copied), false) => format!(
            "{} DIFFERS: {} rows  {copied}",
            table.checksum,
            table.copied_rows.unwrap_or_default()
        ),
    }
}

fn differing(report: &Report) -> String {
    let tables = report.tables.iter().filter(|table| !table.is_equal());
    tables
        .map(|table| table.table.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
