//! `pugmark vtiger-module`: the extension that an administrator installs in an open-source vTiger.

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Args, Subcommand};
use include_dir::{Dir, DirEntry, include_dir};
use secrecy::SecretString;
use vtiger::{CallError, Client, WebhookReceiver};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::CliError;
use crate::app::StartError;
use crate::config::Settings;
use crate::crm::Crm;

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
    /// Make the custom fields that Pugmark fills, and an index on the one that holds the customer's id.
    ///
    /// What is there already is left alone, also under another name with the same label; doing it again does no harm.
    Setup {
        /// Modules that get the fields.
        #[arg(long = "module", value_name = "MODULE", default_values = ["Contacts", "Leads"])]
        modules: Vec<String>,
    },
    /// Have vTiger send what changes there to Pugmark, signed with the first key of VTIGER_WEBHOOK_SIGNING_KEY.
    ///
    /// The system's cron of vTiger must run vtigercron.php, every minute at best.
    Webhook {
        /// Where vTiger reaches Pugmark, for example `https://pugmark.example.org/webhooks/vtiger`.
        #[arg(required_unless_present = "off", conflicts_with = "off")]
        url: Option<String>,
        /// Modules whose changes are sent.
        #[arg(long = "module", value_name = "MODULE", default_values = ["Contacts", "Leads"])]
        modules: Vec<String>,
        /// Send nothing any more; polling goes on.
        #[arg(long)]
        off: bool,
    },
}

/// Runs the command.
///
/// # Errors
/// What is wrong with the folder or the settings, or what vTiger says.
pub(super) async fn run(
    args: VtigerModuleArgs,
    settings: impl FnOnce() -> Result<Settings, CliError>,
) -> Result<ExitCode, CliError> {
    match args.action {
        Action::Build { out } => build(&out),
        Action::Setup { modules } => set_up(&extended(&settings()?).await?, &modules).await,
        Action::Webhook { url, modules, off } => {
            let settings = settings()?;
            let receiver = receiver(&settings, url, modules, off)?;
            let client = extended(&settings).await?;
            client.set_webhook(&receiver).await.map_err(in_words)?;
            match receiver.url {
                Some(url) => println!("vTiger sends its changes to {url}"),
                None => println!("vTiger sends nothing any more"),
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A client of a vTiger that has the extension.
async fn extended(settings: &Settings) -> Result<Client, CliError> {
    let crm = settings.crm.clone().ok_or_else(|| {
        CliError::Other("VTIGER_URL is not set: name the vTiger that has the extension".to_owned())
    })?;
    let client = Crm::new(crm).map_err(StartError::from)?.client;
    match client.extension().await.map_err(in_words)? {
        Some(_) => Ok(client),
        None => Err(CliError::Other(
            "this vTiger has no extension, or its user is no administrator. `pugmark vtiger-module build` writes the archive to install"
                .to_owned(),
        )),
    }
}

async fn set_up(client: &Client, modules: &[String]) -> Result<ExitCode, CliError> {
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let done = client.set_up_extension(&modules, None).await;
    let done = done.map_err(in_words)?;
    for field in &done.fields {
        let what = if field.created {
            "made"
        } else {
            "there already"
        };
        println!("{} {} ({}): {what}", field.module, field.label, field.name);
    }
    let index = if done.index_created {
        "made"
    } else {
        "there already"
    };
    println!("index on the customer's id: {index}");
    Ok(ExitCode::SUCCESS)
}

fn receiver(
    settings: &Settings,
    url: Option<String>,
    modules: Vec<String>,
    off: bool,
) -> Result<WebhookReceiver, CliError> {
    if off {
        return Ok(WebhookReceiver {
            enabled: Some(false),
            ..WebhookReceiver::default()
        });
    }
    let key = settings.webhooks.secrets.signing.first().ok_or_else(|| {
        CliError::Other(
            "VTIGER_WEBHOOK_SIGNING_KEY is not set: `echo whsec_$(openssl rand -base64 32)` makes one; Pugmark needs the same to check \
             what comes"
                .to_owned(),
        )
    })?;
    Ok(WebhookReceiver {
        url,
        secret: Some(SecretString::from(format!(
            "whsec_{}",
            STANDARD.encode(key)
        ))),
        modules: Some(modules),
        enabled: Some(true),
    })
}

fn in_words(error: CallError) -> CliError {
    CliError::Other(error.to_string())
}

fn build(out: &Path) -> Result<ExitCode, CliError> {
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
