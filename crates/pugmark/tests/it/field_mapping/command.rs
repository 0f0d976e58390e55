//! `pugmark mapping` and `pugmark queue` for many, through the real binary.

use pugmark_sandbox::FaultPlan;
use serde_json::{Value, json};

use super::{PARTNER, listed, spacious};
use crate::harness::{
    Session, TOKEN, World, eventually, insert_statement, new_id, on_both_databases,
};
use crate::http::Api;
use crate::program::{Ended, pugmark, run};

on_both_databases!(
    the_mapping_commands_show_try_change_and_apply,
    the_queue_commands_deal_with_many,
);

async fn command(api: &Api, arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = pugmark(folder.path(), arguments);
    command
        .env("PUGMARK_SERVER", api.address())
        .env("APP_SECRET_TOKEN", TOKEN);
    run(command).await
}

async fn mapping(api: &Api, arguments: &[&str]) -> Ended {
    command(api, &[&["mapping"], arguments].concat()).await
}

fn assert_said(ended: &Ended, parts: &[&str]) {
    assert_eq!(ended.code, 0, "{ended:?}");
    for part in parts {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
}

async fn the_mapping_commands_show_try_change_and_apply(world: World) {
    let world = spacious(world).await;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let customer = program.insert_customer("Otieno").await;
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;

    let list = mapping(&api, &["list"]).await;
    assert_said(&list, &["idNumber", "cf_id_number", "ID Number", "yes"]);
    assert_said(
        &mapping(&api, &["sources"]).await,
        &["partnerName", "by itself"],
    );
    let tried = mapping(
        &api,
        &["dry-run", "partnerName", "Partner", "--customer", &customer],
    )
    .await;
    assert_said(&tried, &[&customer, "Direct", "nothing was written"]);
    assert_said(
        &mapping(&api, &["dry-run"]).await,
        &["1 customer(s), 0 contact(s) would change"],
    );

    let refused = mapping(&api, &["add", "partnerName", "mobile"]).await;
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("PUG-2105"), "{}", refused.stderr);
    let added = mapping(
        &api,
        &["add", "partnerName", "Partner", "--reason", "asked for"],
    )
    .await;
    assert_said(&added, &["partnerName", PARTNER, "yes"]);
    assert_said(&mapping(&api, &["apply"]).await, &["running"]);
    eventually("the end of the run", || async {
        let progress = mapping(&api, &["apply", "--progress"]).await;
        progress
            .stdout
            .starts_with("finished: 1 of 1")
            .then_some(())
    })
    .await;
    let contact = world.contact_of(&customer).expect("it is there");
    assert_eq!(contact.value(PARTNER), "Direct");
    let shown = mapping(&api, &["list", "--json"]).await;
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    assert!(shown["data"]["items"].is_array());

    let number = listed(&api, "partnerName").await.expect("it is there")["id"].to_string();
    assert_said(
        &mapping(&api, &["remove", &number]).await,
        &["removed: partnerName -> Partner"],
    );
    assert_eq!(listed(&api, "partnerName").await, None);
    running.shutdown().await;
}

async fn the_queue_commands_deal_with_many(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let mut session = Session::open(&world).await;
    world.crm.set_unique("Contacts", "email", true);
    world.crm.faults().set(FaultPlan::new(1));
    for number in 0..3 {
        let email = format!("taken{number}@example.co.ke");
        world
            .crm
            .insert_as_ui("Contacts", &[("lastname", "Other"), ("email", &email)])
            .expect("a person makes a contact");
        // Both at once: a customer who was delivered without the address would die of an update, and this is about creates.
        let id = new_id();
        let insert = insert_statement(&id, "Were");
        session
            .run(&format!(
                "BEGIN; {insert}; UPDATE customers SET \"email\" = '{email}' WHERE \"id\" = '{id}'; COMMIT"
            ))
            .await;
    }
    program.wait_until_idle().await;
    let queue = async |arguments: &[&str]| command(&api, &[&["queue"], arguments].concat()).await;

    assert_said(
        &queue(&["dead"]).await,
        &["customer.create", "PUG-2006", "3 in all"],
    );
    let nothing = queue(&["retry"]).await;
    assert_eq!(nothing.code, 2, "{nothing:?}");
    world.crm.set_unique("Contacts", "email", false);
    let some = queue(&[
        "retry",
        "--kind",
        "customer.create",
        "--batch",
        "1",
        "--json",
    ])
    .await;
    let some: Value = serde_json::from_str(&some.stdout).expect("JSON");
    assert_eq!(some["data"]["done"], json!(3));
    program.wait_until_idle().await;
    assert_said(
        &queue(&["discard", "--all", "--reason", "none left"]).await,
        &["0 operation(s)"],
    );
    assert_said(&queue(&["dead"]).await, &["0 in all"]);
    running.shutdown().await;
}
