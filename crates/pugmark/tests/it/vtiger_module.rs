//! `pugmark vtiger-module` through the real binary, and the extension's own tests.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use pugmark_sandbox::VtigerSandbox;

use crate::harness::{World, sandbox};
use crate::program::{configured, pugmark, run};

/// Every file of the archive.
fn opened(archive: &Path) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(archive).expect("the archive is there");
    let mut archive = zip::ZipArchive::new(file).expect("an archive");
    (0..archive.len())
        .map(|index| {
            let mut file = archive.by_index(index).expect("a file");
            let mut contents = Vec::new();
            file.read_to_end(&mut contents).expect("its contents");
            let name = file.name().expect("a name in UTF-8").into_owned();
            (name, contents)
        })
        .collect()
}

/// Every file below this folder by its path from there.
fn below(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            below(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("below the root");
            let name = name.to_string_lossy().replace('\\', "/");
            files.insert(name, std::fs::read(&path).expect("a file"));
        }
    }
}

#[tokio::test]
async fn the_archive_holds_the_whole_package_with_the_manifest_at_its_root_and_is_always_the_same()
{
    let folder = tempfile::tempdir().expect("a folder");
    let mut archives = Vec::new();
    for out in ["one", "other/deeper"] {
        let out = folder.path().join(out);
        let arguments = [
            "vtiger-module",
            "build",
            "--out",
            out.to_str().expect("text"),
        ];
        let built = run(pugmark(folder.path(), &arguments)).await;
        assert_eq!(built.code, 0, "{built:?}");
        let path = Path::new(built.stdout.trim()).to_owned();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        assert!(
            name.starts_with("Pugmark-") && name.ends_with(".zip"),
            "{name}"
        );
        archives.push(path);
    }
    let bytes = |path: &Path| std::fs::read(path).expect("the archive");
    assert_eq!(bytes(&archives[0]), bytes(&archives[1]));

    let files = opened(&archives[0]);
    let manifest = String::from_utf8_lossy(&files["manifest.xml"]).into_owned();
    assert!(manifest.contains("<name>Pugmark</name>"), "{manifest}");
    let version = archives[0].file_stem().expect("a name").to_string_lossy();
    let version = version.trim_start_matches("Pugmark-").to_owned();
    assert!(
        manifest.contains(&format!("<version>{version}</version>")),
        "{version}"
    );
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vtiger-module/package");
    let mut wanted = BTreeMap::new();
    below(&package, &package, &mut wanted);
    assert_eq!(files, wanted, "every file, and nothing else");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_to_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, "no folder").expect("a file");
    let arguments = [
        "vtiger-module",
        "build",
        "--out",
        file.to_str().expect("text"),
    ];
    let failed = run(pugmark(folder.path(), &arguments)).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.stderr.contains("file"), "{}", failed.stderr);
}

/// `pugmark` with a world's CRM, and with a signing key.
fn with_crm(world: &World, folder: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = configured(world, folder, arguments);
    command.env("VTIGER_WEBHOOK_SIGNING_KEY", SIGNING_KEY);
    command
}

const SIGNING_KEY: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

#[tokio::test]
async fn set_up_makes_the_fields_once_and_says_which() {
    let world = World::sqlite().await;
    let world = world
        .before(VtigerSandbox::builder().with_extension())
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let first = run(with_crm(&world, folder.path(), &["vtiger-module", "setup"])).await;
    assert_eq!(first.code, 0, "{first:?}");
    for line in [
        "Contacts Microbima Customer Id (cf_microbima_customer_id): made",
        "Leads ID Number (cf_id_number): made",
        "index on the customer's id: made",
    ] {
        assert!(first.stdout.contains(line), "{line}: {}", first.stdout);
    }
    let again = run(with_crm(&world, folder.path(), &["vtiger-module", "setup"])).await;
    assert_eq!(again.code, 0, "{again:?}");
    assert!(!again.stdout.contains(": made"), "{}", again.stdout);
}

#[tokio::test]
async fn webhooks_are_sent_from_the_command_on_and_until_they_are_switched_off() {
    let world = World::sqlite().await;
    let world = world.before(sandbox().with_extension()).await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = "https://pugmark.example.org/webhooks/vtiger";
    let on = run(with_crm(
        &world,
        folder.path(),
        &["vtiger-module", "webhook", url],
    ))
    .await;
    assert_eq!(on.code, 0, "{on:?}");
    assert!(on.stdout.contains(url), "{}", on.stdout);
    let names = [("lastname", "Otieno")];
    world
        .crm
        .insert_as_ui("Contacts", &names)
        .expect("a contact");
    let sent = world.crm.take_outbox();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].url, url);

    let off = run(with_crm(
        &world,
        folder.path(),
        &["vtiger-module", "webhook", "--off"],
    ))
    .await;
    assert_eq!(off.code, 0, "{off:?}");
    world
        .crm
        .insert_as_ui("Contacts", &names)
        .expect("a contact");
    assert_eq!(world.crm.take_outbox().len(), 0);
}

#[tokio::test]
async fn what_is_missing_for_webhooks_is_named() {
    let world = World::sqlite().await;
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "vtiger-module",
        "webhook",
        "https://p.example.org/webhooks/vtiger",
    ];
    let without_key = run(configured(&world, folder.path(), &arguments)).await;
    assert_eq!(without_key.code, 1, "{without_key:?}");
    assert!(without_key.stderr.contains("VTIGER_WEBHOOK_SIGNING_KEY"));
    let stock = run(with_crm(&world, folder.path(), &arguments)).await;
    assert_eq!(stock.code, 1, "{stock:?}");
    assert!(stock.stderr.contains("no extension"), "{}", stock.stderr);
}

mod php {
    use std::path::Path;
    use std::process::Command;

    /// The PHP that the test command found.
    const PHP: &str = "PUGMARK_TEST_PHP";

    /// On doubles of vTiger; where `PUGMARK_TEST_VTIGER_TREE` names one, on a real one as well.
    #[test]
    fn the_extensions_own_tests_pass() {
        let Some(php) = std::env::var_os(PHP) else {
            let required = std::env::var("PUGMARK_REQUIRE").unwrap_or_default();
            let required = required.split(',').any(|service| service.trim() == "php");
            assert!(!required, "{PHP} is not set");
            return;
        };
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vtiger-module/tests/run.php");
        let ended = Command::new(php).arg(tests).output().expect("PHP starts");
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.contains("passed, 0 failed"),
            "{said}{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
}
