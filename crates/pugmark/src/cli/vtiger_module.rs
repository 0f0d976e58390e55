//! `pugmark vtiger-module`: the extension that an administrator installs in an open-source vTiger.

use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use include_dir::{Dir, DirEntry, include_dir};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::CliError;

/// The package as it is installed; its root is the archive's root.
static PACKAGE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../vtiger-module/package");

/// Deals with the extension for an open-source vTiger. Pugmark works without it; docs/setup.md says what it adds.
#[derive(Debug, Args)]
pub(super) struct VtigerModuleArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write the archive for vTiger's Module Manager (Settings, Module Manager, Import Module from Zip).
    ///
    /// The same program always writes the same bytes.
    Build {
        /// Folder to write it to.
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the folder.
pub(super) fn run(args: &VtigerModuleArgs) -> Result<ExitCode, CliError> {
    let Action::Build { out } = &args.action;
    let archive = archive()
        .map_err(|error| CliError::Other(format!("the archive cannot be made: {error}")))?;
    let path = out.join(format!("Pugmark-{}.zip", version()));
    let not_written = |error: std::io::Error| {
        CliError::Other(format!("{} cannot be written: {error}", path.display()))
    };
    std::fs::create_dir_all(out).map_err(not_written)?;
    // A file of that name is replaced as a whole or not at all: an administrator must never upload half of it.
    let mut file = tempfile::NamedTempFile::new_in(out).map_err(not_written)?;
    file.write_all(&archive).map_err(not_written)?;
    open_to_all(&file).map_err(not_written)?;
    file.persist(&path)
        .map_err(|error| not_written(error.error))?;
    println!("{}", path.display());
    eprintln!("Install it in vTiger: Settings, Module Manager, Import Module from Zip.");
    Ok(ExitCode::SUCCESS)
}

/// A temporary file is readable by its owner alone; an archive need not be.
#[cfg(unix)]
fn open_to_all(file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn open_to_all(_file: &tempfile::NamedTempFile) -> std::io::Result<()> {
    Ok(())
}

/// The version that the extension's manifest names.
fn version() -> &'static str {
    PACKAGE
        .get_file("manifest.xml")
        .and_then(|manifest| manifest.contents_utf8())
        .and_then(|manifest| manifest.split_once("<version>")?.1.split_once("</version>"))
        .map_or(env!("CARGO_PKG_VERSION"), |(version, _)| version.trim())
}

/// The whole package. Names are in order and times the same, so that equal packages make equal archives; nothing is compressed,
/// which every PHP can read.
fn archive() -> zip::result::ZipResult<Vec<u8>> {
    let mut files = Vec::new();
    collect(&PACKAGE, &mut files);
    files.sort_unstable();
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, contents) in files {
        archive.start_file(name, options)?;
        archive.write_all(contents)?;
    }
    Ok(archive.finish()?.into_inner())
}

/// Every file with its name in the archive, which has slashes on every system.
fn collect(folder: &Dir<'static>, files: &mut Vec<(String, &'static [u8])>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(folder) => collect(folder, files),
            DirEntry::File(file) => {
                let name = file.path().to_string_lossy().replace('\\', "/");
                files.push((name, file.contents()));
            }
        }
    }
}
