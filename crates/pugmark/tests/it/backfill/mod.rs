//! The first sync of a base that is there on both sides: nothing is guessed, nothing made twice, nothing overwritten unseen.

mod command;
mod extension;

use pugmark::config::Mode;
use pugmark_sandbox::{Fault, FaultPlan};
use serde_json::{Value, json};

use crate::harness::{World, Writer, eventually, on_both_databases};
use crate::http::Api;

on_both_databases!(
    a_dry_run_says_what_would_happen_and_what_it_costs_and_changes_nothing,
    what_is_certain_is_linked_what_is_missing_is_created_and_what_is_ambiguous_waits_for_a_person,
    no_contact_is_created_while_it_is_being_found_out_whose_is_whose,
    one_contact_for_two_customers_is_ambiguous_for_both,
    a_first_sync_that_was_interrupted_goes_on_where_it_was_in_another_process,
    what_cannot_be_done_is_refused_with_the_reason,
);

const PATH: &str = "/api/internal/vtiger/backfill";

/// Customers and contacts that were there before Pugmark.
struct Base {
    /// Known by the reference field.
    by_reference: (String, String),
    /// Known by the document, under another name.
    by_id: (String, String),
    /// Known by the e-mail.
    by_email: (String, String),
    /// Two contacts have its e-mail.
    ambiguous: String,
    /// Nobody in the CRM but somebody with the same phone number.
    fresh: String,
}

impl Base {
    async fn make(world: &World, program: &Writer) -> Self {
        let contact = |fields: &[(&str, &str)]| {
            let made = world.crm.insert_as_ui("Contacts", fields);
            made.expect("a person makes a contact")
        };
        let mut ids = Vec::new();
        for name in ["Reference", "Document", "Mail", "Ambiguous", "Fresh"] {
            let id = program.insert_customer(name).await;
            if ["Mail", "Ambiguous"].contains(&name) {
                let mail = format!("'{}@Example.org'", name.to_lowercase());
                program.set(&id, "email", &mail).await;
            }
            ids.push(id);
        }
        let [by_reference, by_id, by_email, ambiguous, fresh] = ids.try_into().expect("five");
        let (reference, kind, number) = (
            world.reference(),
            world.field("ID Type"),
            world.field("ID Number"),
        );
        let carried = by_reference.to_uppercase();
        let one = contact(&[("lastname", "Reference"), (&reference, &carried)]);
        let spaced = format!("{} {}", &by_id[..4], &by_id[4..8]);
        let two = contact(&[
            ("lastname", "Old Name"),
            ("email", "kept@example.org"),
            (&kind, "National ID"),
            (&number, &spaced),
        ]);
        let three = contact(&[("lastname", "Mail"), ("email", "MAIL@example.org")]);
        for _ in 0..2 {
            contact(&[
                ("lastname", "Ambiguous"),
                ("email", "ambiguous@example.org"),
            ]);
        }
        contact(&[("lastname", "Neighbour"), ("mobile", "0712345678")]);
        Base {
            by_reference: (by_reference, one),
            by_id: (by_id, two),
            by_email: (by_email, three),
            ambiguous,
            fresh,
        }
    }
}

async fn begun(api: &Api, body: &Value) {
    let begun = api.post(PATH, body).await;
    assert_eq!(begun.status, 202, "{}", begun.text);
}

/// Waits until the run is in this state.
async fn until(api: &Api, state: &str) -> Value {
    eventually(state, || async {
        let run = api.get(PATH).await.data().clone();
        (run["state"] == state).then_some(run)
    })
    .await
}

async fn matches(api: &Api, outcome: &str) -> Vec<Value> {
    let page = api.get(&format!("{PATH}/matches?outcome={outcome}")).await;
    page.data()["items"].as_array().expect("a list").clone()
}

fn numbers(run: &Value) -> [i64; 4] {
    ["matched", "changing", "ambiguous", "fresh"].map(|name| run[name].as_i64().expect("a number"))
}

async fn a_dry_run_says_what_would_happen_and_what_it_costs_and_changes_nothing(mut world: World) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    assert_eq!(api.get(PATH).await.status, 404, "never made");
    let program = world.other_program().await;
    let base = Base::make(&world, &program).await;
    let before = world.traffic();

    begun(&api, &json!({ "dryRun": true })).await;
    let run = until(&api, "finished").await;

    assert_eq!(numbers(&run), [3, 3, 1, 1], "{run}");
    assert_eq!(
        (&run["contacts"], &run["estimatedCalls"]),
        (&json!(6), &json!(4))
    );
    let made = world.traffic() - before;
    assert_eq!(
        (made.create, made.revise, made.query),
        (0, 0, 2),
        "a count and one page"
    );
    assert_eq!(
        program.count("crm_links WHERE vtiger_id IS NOT NULL").await,
        0
    );
    let matched = matches(&api, "matched").await;
    let of = |customer: &str| {
        let mut found = matched.iter().filter(|item| item["customerId"] == customer);
        found.next().expect("it is matched").clone()
    };
    for (customer, contact, key) in [
        (&base.by_reference.0, &base.by_reference.1, "reference"),
        (&base.by_id.0, &base.by_id.1, "id"),
        (&base.by_email.0, &base.by_email.1, "email"),
    ] {
        let found = of(customer);
        assert_eq!(found["vtigerContactId"], json!(contact), "{found}");
        assert_eq!(found["matchedBy"], key, "{found}");
    }
    let overwritten = of(&base.by_id.0)["overwrites"].clone();
    let names: Vec<_> = overwritten
        .as_array()
        .expect("a list")
        .iter()
        .map(|field| {
            (
                field["field"].as_str().unwrap_or_default(),
                field["theirs"].as_str().unwrap_or_default(),
            )
        })
        .collect();
    assert!(names.contains(&("lastname", "Old Name")), "{overwritten}");
    assert!(
        !names.iter().any(|(field, _)| *field == "email"),
        "MicroBima has none: {overwritten}"
    );
    let ambiguous = matches(&api, "ambiguous").await;
    assert_eq!(ambiguous[0]["customerId"], json!(base.ambiguous));
    assert_eq!(ambiguous[0]["contacts"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        matches(&api, "new").await[0]["customerId"],
        json!(base.fresh)
    );
    running.shutdown().await;
}

async fn what_is_certain_is_linked_what_is_missing_is_created_and_what_is_ambiguous_waits_for_a_person(
    mut world: World,
) {
    // As the manual says: everything is captured and queued, nothing is sent, when the first sync is made.
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let program = world.other_program().await;
    let base = Base::make(&world, &program).await;
    let api = Api::of(&running);
    begun(&api, &json!({ "confirmed": true })).await;
    let run = until(&api, "delivering").await;
    assert_eq!(
        (&run["done"], &run["sending"]),
        (&json!(4), &json!(false)),
        "{run}"
    );
    running.shutdown().await;

    world.crm_settings().enabled = true;
    let running = world.start().await;
    let api = Api::of(&running);
    for (customer, contact) in [&base.by_reference, &base.by_id, &base.by_email] {
        let linked = world
            .wait_for_contact(customer, |contact| contact.value("mobile") == "0712345678")
            .await;
        assert_eq!(&linked.id, contact, "the contact that was there");
    }
    let renamed = world.crm.record(&base.by_id.1).expect("it is there");
    assert_eq!(renamed.value("lastname"), "Document");
    assert_eq!(renamed.value("email"), "kept@example.org", "not wiped");
    world.wait_for_contact(&base.fresh, |_| true).await;
    let run = until(&api, "finished").await;
    assert_eq!((&run["delivered"], &run["failed"]), (&json!(4), &json!(0)));
    program.wait_for_trouble(&base.ambiguous, "PUG-3502").await;
    assert_eq!(world.crm.records("Contacts").len(), 7, "one was created");
    assert_eq!(world.traffic().create, 1);

    let strange = api
        .post(
            &format!("{PATH}/release"),
            &json!({ "customerId": base.fresh }),
        )
        .await;
    assert_eq!(strange.wrong_fields(), ["customerId"]);
    let released = api
        .post(
            &format!("{PATH}/release"),
            &json!({ "customerId": base.ambiguous }),
        )
        .await;
    assert_eq!(released.status, 202, "{}", released.text);
    world.wait_for_contact(&base.ambiguous, |_| true).await;
    program.wait_until_idle().await;
    assert_eq!(world.crm.records("Contacts").len(), 8);
    running.shutdown().await;
}

async fn no_contact_is_created_while_it_is_being_found_out_whose_is_whose(world: World) {
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    begun(&api, &json!({})).await;
    until(&api, "ready").await;
    let customer = program.insert_customer("Later").await;
    program.wait_for_trouble(&customer, "PUG-3502").await;
    assert_eq!(world.traffic().create, 0);

    let again = api.post(PATH, &json!({})).await;
    assert_eq!(again.status, 409, "{}", again.text);
    let stopped = api.delete(PATH).await;
    assert_eq!(stopped.data()["state"], "stopped", "{}", stopped.text);
    // It goes on at once, not at its next look.
    world.wait_for_contact(&customer, |_| true).await;
    program.wait_until_idle().await;
    let late = api.post(&format!("{PATH}/confirm"), &json!({})).await;
    assert_eq!(late.status, 409, "{}", late.text);
    running.shutdown().await;
}

async fn one_contact_for_two_customers_is_ambiguous_for_both(mut world: World) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let api = Api::of(&running);
    let program = world.other_program().await;
    let (one, two) = (
        program.insert_customer("One").await,
        program.insert_customer("Two").await,
    );
    program.set(&one, "email", "'shared@example.org'").await;
    let kind = world.field("ID Type");
    let number = world.field("ID Number");
    let fields = [
        ("lastname", "Shared"),
        ("email", "shared@example.org"),
        (kind.as_str(), "National ID"),
        (number.as_str(), &two[..8]),
    ];
    let contact = world
        .crm
        .insert_as_ui("Contacts", &fields)
        .expect("a contact");

    begun(
        &api,
        &json!({ "dryRun": true, "matchBy": ["reference", "id"] }),
    )
    .await;
    let run = until(&api, "finished").await;
    assert_eq!(
        numbers(&run),
        [1, 1, 0, 1],
        "without e-mails only one is known: {run}"
    );

    // The first one's document is another, so its e-mail proves nothing.
    begun(&api, &json!({ "dryRun": true })).await;
    let run = until(&api, "finished").await;
    assert_eq!(numbers(&run), [1, 1, 1, 0], "{run}");

    assert!(world.crm.edit(&contact, &[(&number, "")]));
    program.set(&two, "email", "'SHARED@example.org '").await;
    begun(&api, &json!({ "dryRun": true })).await;
    let run = until(&api, "finished").await;
    assert_eq!(numbers(&run), [0, 0, 2, 0], "{run}");
    for found in matches(&api, "ambiguous").await {
        assert_eq!(found["contacts"], json!([contact]), "{found}");
        assert_eq!(found["why"], "the contact is that of several customers");
        assert_eq!(found["vtigerContactId"], Value::Null);
    }
    running.shutdown().await;
}

async fn a_first_sync_that_was_interrupted_goes_on_where_it_was_in_another_process(
    mut world: World,
) {
    world.crm_settings().enabled = false;
    let running = world.start().await;
    let program = world.other_program().await;
    for number in 0..130 {
        let name = format!("Were {number}");
        world
            .crm
            .insert_as_ui("Contacts", &[("lastname", &name)])
            .expect("a contact");
    }
    let customer = program.insert_customer("Last").await;
    let carried = [("lastname", "Last"), (&*world.reference(), &*customer)];
    world
        .crm
        .insert_as_ui("Contacts", &carried)
        .expect("a contact");
    let faults = (3..200).fold(FaultPlan::new(1), |plan, nth| {
        plan.nth("query", nth, Fault::Http(503))
    });
    world.crm.faults().set(faults);
    let api = Api::of(&running);
    begun(&api, &json!({ "dryRun": true })).await;
    let held = eventually("it to be held up", || async {
        let run = api.get(PATH).await.data().clone();
        run["trouble"].is_string().then_some(run)
    })
    .await;
    assert_eq!(held["contacts"], 100, "{held}");
    running.shutdown().await;
    world.crm.faults().set(FaultPlan::new(1));

    let before = world.traffic();
    let running = world.start().await;
    let run = until(&Api::of(&running), "finished").await;
    assert_eq!(
        (&run["contacts"], &run["trouble"]),
        (&json!(131), &Value::Null)
    );
    assert_eq!(numbers(&run)[0], 1, "{run}");
    assert_eq!(
        (world.traffic() - before).query,
        1,
        "the first page is not read again"
    );
    running.shutdown().await;
}

async fn what_cannot_be_done_is_refused_with_the_reason(mut world: World) {
    world.settings.mode = Mode::Shadow;
    let running = world.start().await;
    let api = Api::of(&running);
    let shadow = api.post(PATH, &json!({})).await;
    assert_eq!(shadow.status, 409, "{}", shadow.text);
    let phone = api
        .post(PATH, &json!({ "dryRun": true, "matchBy": ["phone"] }))
        .await;
    assert!(phone.detail("matchBy").contains("phone"), "{}", phone.text);
    begun(&api, &json!({ "dryRun": true })).await;
    until(&api, "finished").await;
    running.shutdown().await;
}
