//! What `pugmark doctor` says of Maxio and of the fields of leads.

use serde_json::Value;

use super::*;
use crate::program::{configured, run};

/// The findings whose subject begins so, by subject: mark and what was said.
async fn findings(
    site: &Site,
    more: &[(&str, &str)],
) -> std::collections::BTreeMap<String, (String, String)> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = configured(&site.world, folder.path(), &["doctor", "--json"]);
    command
        .env("MAXIO_API_URL", site.maxio.url())
        .env("MAXIO_API_KEY", site.maxio.api_key())
        .envs(more.iter().copied());
    let ended = run(command).await;
    let all: Vec<Value> =
        serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    all.iter()
        .map(|finding| {
            (
                text(finding, "what"),
                (text(finding, "mark"), text(finding, "said")),
            )
        })
        .collect()
}

#[tokio::test]
async fn the_doctor_finds_everything_in_order_or_says_what_is_not() {
    let site = Site::of(World::sqlite().await).await;
    let good = findings(&site, &[("MAXIO_WEBHOOK_SECRET", "key")]).await;
    for what in [
        "Maxio",
        "maxio.product",
        "leads",
        "onboarding.write.customer_id",
        "MAXIO_WEBHOOK_SECRET",
    ] {
        assert_eq!(good[what].0, "ok", "{what}: {good:?}");
    }
    let wrong = [
        ("PUGMARK__MAXIO__PRODUCT", "nobody-sells-this"),
        (
            "PUGMARK__ONBOARDING__WRITE__CUSTOMER_ID",
            "Nobody made this",
        ),
    ];
    let bad = findings(&site, &wrong).await;
    for what in ["maxio.product", "onboarding.write.customer_id"] {
        assert_eq!(bad[what].0, "problem", "{what}: {bad:?}");
    }
    assert!(
        bad["onboarding.write.customer_id"].1.contains("PUG-6104"),
        "{bad:?}"
    );
    assert_eq!(bad["MAXIO_WEBHOOK_SECRET"].0, "warning", "{bad:?}");
    let locked_out = findings(&site, &[("MAXIO_API_KEY", "wrong")]).await;
    assert!(locked_out["Maxio"].1.contains("PUG-6204"), "{locked_out:?}");
}
