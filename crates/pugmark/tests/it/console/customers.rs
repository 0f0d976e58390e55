//! The screen of customers: who is found, what is shown of whom, the journey, and what can be done.

use pugmark::people::Role;
use pugmark_queue::db::Engine;

use super::Browser;
use super::planted::{api_alone, plant, plant_dead, update, without_worker};
use crate::harness::{World, Writer, on_both_databases};
use crate::rows::insert_policy;
use crate::two_way::linked;

on_both_databases!(
    customers_are_found_as_people_look_for_them,
    a_list_of_one_badge_holds_those_and_no_others,
    pages_of_customers_follow_on,
    a_viewer_sees_nobody_s_data_and_looks_for_ids_alone,
    the_page_of_a_customer_shows_link_family_payments_and_what_is_missing,
    the_journey_tells_both_directions_and_pages_on,
    a_sync_now_is_queued_told_and_audited,
    a_sync_that_repeats_a_failure_needs_a_reason,
    a_test_customer_is_not_synced,
    comparing_shows_both_sides_and_marks_what_differs,
    comparing_says_so_when_there_is_nothing_to_compare_with,
    what_others_wrote_is_escaped,
);

fn rows(page: &str) -> usize {
    page.matches("<th scope=\"row\">").count()
}

async fn customers_are_found_as_people_look_for_them(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let empty = person.get("/customers").await;
    assert!(
        empty.text.contains("There is no customer yet"),
        "{}",
        empty.text
    );
    let (one, contact) = linked(&world, &program, "Wanjiru").await;
    program
        .set(&one, "phoneNumber", "'+254 (799) 000-111'")
        .await;
    program.set(&one, "email", "'Achieng.W@Example.org'").await;
    program.set(&one, "idNumber", "'a77001'").await;
    let other = program.insert_customer("Çelik").await;
    let number = contact.split_once('x').expect("a prefix").1;
    for (typed, found) in [
        ("", 2),
        ("wanj", 1),
        ("ACH WANJIRU", 1),
        ("achieng", 2),
        ("anjiru", 0),
        ("0799000111", 1),
        ("%2B254 799 000 111", 1),
        ("254799000111", 1),
        ("0712345678", 1),
        ("achieng.w@ex", 1),
        ("A77001", 1),
        (contact.as_str(), 1),
        (number, 1),
        (one.as_str(), 1),
        ("çelik", 1),
        ("%25", 0),
        ("%00wanj", 1),
        ("' OR 1=1 --", 0),
    ] {
        let page = person
            .get(&format!("/customers?q={}", typed.replace(' ', "+")))
            .await;
        assert_eq!(
            (page.status, rows(&page.text)),
            (200, found),
            "{typed}: {}",
            page.text
        );
    }
    let page = person.get("/customers?q=wanjiru").await;
    assert!(page.text.contains("Achieng Wanjiru"), "{}", page.text);
    assert!(!page.text.contains(&other));
    running.shutdown().await;
}

async fn a_list_of_one_badge_holds_those_and_no_others(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let mut ids = Vec::new();
    for (name, status) in [
        ("A", "SYNCED"),
        ("B", "SYNCED"),
        ("C", "PENDING"),
        ("D", "FAILED"),
    ] {
        let id = program.insert_customer(name).await;
        program
            .sql(format!(
                "INSERT INTO crm_links (entity_type, entity_id, module, sync_status, created_at, updated_at) \
                 VALUES ('CUSTOMER', '{id}', 'Contacts', '{status}', {now}, {now})",
                now = now(&program)
            ))
            .await;
        ids.push(id);
    }
    // What stands in the queue counts more than what the link says.
    plant_dead(&running, &program, update(&ids[1]), "PUG-2006", "refused").await;
    for (badge, found) in [
        ("synced", 1),
        ("pending", 1),
        ("syncing", 0),
        ("failed", 2),
        ("", 4),
        ("x", 4),
    ] {
        let page = person.get(&format!("/customers?badge={badge}")).await;
        assert_eq!(
            (page.status, rows(&page.text)),
            (200, found),
            "{badge}: {}",
            page.text
        );
    }
    let page = person.get("/customers?badge=failed&q=achieng+b").await;
    assert_eq!(rows(&page.text), 1, "{}", page.text);
    assert!(page.text.contains(&ids[1]), "{}", page.text);
    running.shutdown().await;
}

fn now(program: &Writer) -> &'static str {
    match program.engine() {
        Engine::Sqlite => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
        Engine::Postgres => "now()",
    }
}

async fn pages_of_customers_follow_on(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::Viewer).await;
    let instant = now(&program);
    let mut all = std::collections::BTreeSet::new();
    for number in 0..120 {
        let id = program.insert_customer(&format!("N{number}")).await;
        program
            .sql(format!(
                "INSERT INTO crm_links (entity_type, entity_id, module, sync_status, created_at, updated_at) \
                 VALUES ('CUSTOMER', '{id}', 'Contacts', 'SYNCED', {instant}, {instant})"
            ))
            .await;
        all.insert(id);
    }
    for begin in ["/customers", "/customers?badge=synced"] {
        let mut seen = std::collections::BTreeSet::new();
        let mut address = Some(begin.to_owned());
        let mut pages = 0;
        while let Some(path) = address {
            let page = person.get(&path).await;
            assert_eq!(page.status, 200, "{path}: {}", page.text);
            for link in page.text.split("href=\"/customers/").skip(1) {
                seen.insert(link[..36].to_owned());
            }
            pages += 1;
            address = page.text.contains("rel=\"next\"").then(|| {
                let before = page
                    .text
                    .split_once("\" rel=\"next\"")
                    .expect("a next page")
                    .0;
                let address = before.rsplit_once("href=\"").expect("a link").1;
                address.replace("&#38;", "&").replace("&amp;", "&")
            });
        }
        assert_eq!((pages, &seen), (3, &all), "{begin}");
    }
    running.shutdown().await;
}

async fn a_viewer_sees_nobody_s_data_and_looks_for_ids_alone(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, contact) = linked(&world, &program, "Wanjiru").await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.set(&customer, "lastName", "'Kiprono'").await;
    program.wait_until_idle().await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    for path in [
        "/customers".to_owned(),
        format!("/customers?q={contact}"),
        format!("/customers?q={customer}"),
        format!("/customers/{customer}"),
        format!("/console/customers/{customer}"),
        format!("/customers/{customer}/journey"),
    ] {
        let page = viewer.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(page.text.contains(&customer), "{path}: {}", page.text);
        for personal in [
            "Wanjiru",
            "Achieng",
            "Kiprono",
            "0712345678",
            "Zuri",
            "1990-04-12",
        ] {
            assert!(
                !page.text.contains(personal),
                "{path} {personal}: {}",
                page.text
            );
        }
    }
    for typed in ["Wanjiru", "0712345678", "a@example.org"] {
        let page = viewer.get(&format!("/customers?q={typed}")).await;
        assert!(
            page.text.contains("Only ids can be looked for"),
            "{}",
            page.text
        );
        assert_eq!(rows(&page.text), 0);
    }
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    let page = care.get(&format!("/customers/{customer}")).await;
    for personal in [
        "Achieng Kiprono",
        "0712345678",
        "Zuri Otieno",
        "<del>Wanjiru</del>",
    ] {
        assert!(page.text.contains(personal), "{personal}: {}", page.text);
    }
    running.shutdown().await;
}

async fn the_page_of_a_customer_shows_link_family_payments_and_what_is_missing(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let (customer, contact) = linked(&world, &program, "Wanjiru").await;
    let child = program.add_dependant(&customer, "Zuri", "Otieno").await;
    let gone = program.add_dependant(&customer, "Baraka", "Otieno").await;
    program.mark_deleted("dependants", &gone).await;
    let registration = program.register(&customer).await;
    program
        .require(&registration, "CHILD", Some(&child), "dateOfBirth")
        .await;
    let policy = uuid::Uuid::new_v4().to_string();
    program.sql(insert_policy(&policy, &customer)).await;
    program
        .sql(format!(
            "INSERT INTO policy_payments (\"policyId\", \"paymentType\", \"transactionReference\", \"amount\", \
             \"expectedPaymentDate\", \"paymentStatus\", \"createdAt\", \"updatedAt\") \
             VALUES ('{policy}', 'MPESA', 'SGH7X2K9QA', 1200.5, {at}, 'COMPLETED', {at}, {at})",
            at = match program.engine() {
                Engine::Sqlite => "1700000000000000",
                Engine::Postgres => "TIMESTAMP '2023-11-14'",
            }
        ))
        .await;
    program.wait_until_idle().await;
    let page = person.get(&format!("/customers/{customer}")).await;
    let number = contact.split_once('x').expect("a prefix").1;
    for part in [
        "Achieng Wanjiru",
        "module=Contacts",
        &format!("record={number}"),
        "Synced",
        "role=\"tooltip\"",
        "Both sides last agreed",
        "Zuri Otieno",
        "<span class=\"badge bad\">Deleted</span>",
        "Date of birth of Child Zuri Otieno",
        "SGH7X2K9QA",
        "KES 1,200.50",
        "Afya",
        "14 Nov 2023",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let nobody = person
        .get(&format!("/customers/{}", uuid::Uuid::new_v4()))
        .await;
    assert_eq!(nobody.status, 404);
    // A row that is gone leaves the contact and the journey.
    let passing = program.insert_customer("Gone").await;
    world.wait_for_contact(&passing, |_| true).await;
    program
        .sql(format!("DELETE FROM customers WHERE \"id\" = '{passing}'"))
        .await;
    program.wait_until_idle().await;
    let page = person.get(&format!("/customers/{passing}")).await;
    assert!(
        page.text.contains("row is gone from MicroBima"),
        "{}",
        page.text
    );
    assert!(
        page.text.contains("The contact is marked as withdrawn"),
        "{}",
        page.text
    );
    running.shutdown().await;
}

async fn the_journey_tells_both_directions_and_pages_on(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let (customer, contact) = linked(&world, &program, "Wanjiru").await;
    program.set(&customer, "lastName", "'Otieno'").await;
    program.wait_until_idle().await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.wait_until_idle().await;
    person
        .post(
            &format!("/customers/{customer}/sync"),
            &[("reason", "she called")],
        )
        .await;
    program.wait_until_idle().await;
    program
        .sql(format!(
            "INSERT INTO webhook_deliveries (received_at, endpoint, proof, secret_number, dedup_key, body, correlation_id, event, \
             module, record_id, status) VALUES ({}, 'vtiger', 'hmac', 1, 'k', '{{}}', 'c-1', 'contact.updated', 'Contacts', \
             '{contact}', 'IGNORED')",
            now(&program)
        ))
        .await;
    let page = person.get(&format!("/customers/{customer}")).await;
    for part in [
        "Customer added",
        "Customer changed",
        "<del>Wanjiru</del> → <ins>Otieno</ins>",
        "The contact is made",
        "The contact is brought up to date",
        "A note is written on the contact",
        "Dependant added",
        "Edits of the contact are merged",
        "customer.sync",
        "she called",
        "Webhook vtiger: contact.updated, nothing to do",
        "1 attempt",
        "To vTiger",
        "From vTiger",
        "In MicroBima",
        "By a person",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    // The cause stands below its effect.
    let place = |part: &str| page.text.find(part).expect(part);
    assert!(place("The contact is made") < place("Customer added"));

    // A long journey: nothing is lost between pages.
    let mut titles = 0;
    for number in 0..40 {
        program
            .set(&customer, "middleName", &format!("'M{number}'"))
            .await;
    }
    program.wait_until_idle().await;
    let mut address = Some(format!("/customers/{customer}"));
    let mut pages = 0;
    while let Some(path) = address {
        let page = person.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        titles += page.text.matches("<dt>Middle name</dt><dd>").count();
        pages += 1;
        address = page.text.contains("rel=\"next\"").then(|| {
            let before = page
                .text
                .split_once("\" rel=\"next\"")
                .expect("an older page")
                .0;
            before.rsplit_once("href=\"").expect("a link").1.to_owned()
        });
        assert!(pages < 20);
    }
    // One of them is the customer's own middle name in the card above.
    assert_eq!(titles, 41, "in {pages} pages");
    running.shutdown().await;
}

async fn a_sync_now_is_queued_told_and_audited(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let (customer, contact) = linked(&world, &program, "Wanjiru").await;
    // Nobody told Pugmark of this edit.
    assert!(world.crm.edit(&contact, &[("lastname", "Changed there")]));
    let path = format!("/customers/{customer}/sync");
    let page = person.post_and_follow(&path, &[]).await;
    assert!(
        page.text.contains("First the contact is read"),
        "{}",
        page.text
    );
    assert!(page.text.contains("customer.update"), "{}", page.text);
    program.wait_until_idle().await;
    world
        .wait_for_contact(&customer, |contact| contact.value("lastname") == "Wanjiru")
        .await;
    let entries = program
        .count(format!(
            "audit_log WHERE action = 'customer.sync' AND subject = 'customer {customer}'"
        ))
        .await;
    assert_eq!(entries, 1);
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    let refused = viewer.post(&path, &[("reason", "x")]).await;
    assert_eq!(refused.status, 403);
    running.shutdown().await;
}

async fn a_sync_that_repeats_a_failure_needs_a_reason(world: World) {
    let running = without_worker(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let customer = program.insert_customer("Wanjiru").await;
    plant(&running, update(&customer)).await;
    let path = format!("/customers/{customer}/sync");
    // One that waits goes on at once; there is still one operation.
    let page = person.post_and_follow(&path, &[]).await;
    assert!(page.text.contains("it waited already"), "{}", page.text);
    assert_eq!(program.count("vtiger_sync_queue").await, 1);
    let now = now(&program);
    program
        .sql(format!(
            "UPDATE vtiger_sync_queue SET status = 'FAILED', head = 0, dead_at = {now}, error_code = 'PUG-2006', \
             error_message = 'refused'"
        ))
        .await;
    let shown = person.get(&format!("/customers/{customer}")).await;
    assert!(
        shown.text.contains("needed: something failed for good"),
        "{}",
        shown.text
    );
    let before = program.count("audit_log").await;
    let refused = person.post(&path, &[("reason", "  ")]).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(program.count("audit_log").await, before);
    let done = person.post(&path, &[("reason", "mended in vTiger")]).await;
    assert_eq!(done.status, 303, "{}", done.text);
    let waiting = program
        .count("vtiger_sync_queue WHERE status = 'PENDING' AND kind = 'customer.create'")
        .await;
    assert_eq!(waiting, 1);
    running.shutdown().await;
}

async fn a_test_customer_is_not_synced(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let id = crate::harness::new_id();
    program.insert_customer_as(&id, "Test", true).await;
    let page = person.get(&format!("/customers/{id}")).await;
    assert!(
        page.text.contains("A test customer: never sent to vTiger."),
        "{}",
        page.text
    );
    let refused = person
        .post(&format!("/customers/{id}/sync"), &[("reason", "x")])
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert_eq!(program.count("vtiger_sync_queue").await, 0);
    running.shutdown().await;
}

async fn comparing_shows_both_sides_and_marks_what_differs(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, contact) = linked(&world, &program, "Wanjiru").await;
    running.shutdown().await;
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let path = format!("/customers/{customer}/compare");
    let equal = person.get(&path).await;
    assert!(
        equal.text.contains("Both sides are equal"),
        "{}",
        equal.text
    );
    let effects = world.crm.journal().effects_on(&contact).len();
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    let page = person.get(&path).await;
    for part in [
        "1 field differs",
        "0712345678",
        "0799000111",
        "Changed in vTiger",
        "Nothing was changed",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert_eq!(page.text.matches("class=\"differs\"").count(), 1);
    program.set(&customer, "lastName", "'Otieno'").await;
    let page = person.get(&path).await;
    assert!(page.text.contains("Changed in MicroBima"), "{}", page.text);
    assert!(page.text.contains("is under way"), "{}", page.text);
    // Looking writes nothing; the one effect is the edit.
    assert_eq!(world.crm.journal().effects_on(&contact).len(), effects + 1);
    running.shutdown().await;
}

async fn comparing_says_so_when_there_is_nothing_to_compare_with(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, _) = linked(&world, &program, "Wanjiru").await;
    running.shutdown().await;
    let running = api_alone(&world).await;
    let person = Browser::signed_in(&running, Role::CustomerCare).await;
    let fresh = program.insert_customer("New").await;
    let page = person.get(&format!("/customers/{fresh}/compare")).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("has no contact in vTiger yet"),
        "{}",
        page.text
    );
    world.crm.go_down().await;
    let page = person.get(&format!("/customers/{customer}/compare")).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("vTiger could not be asked"),
        "{}",
        page.text
    );
    running.shutdown().await;
}

async fn what_others_wrote_is_escaped(world: World) {
    let running = api_alone(&world).await;
    let program = world.other_program().await;
    let person = Browser::signed_in(&running, Role::Admin).await;
    let evil = "<script>alert(1)</script>";
    let id = program.insert_customer(evil).await;
    program.add_dependant(&id, "<b>", evil).await;
    for path in [
        "/customers".to_owned(),
        format!("/customers?q={evil}&badge={evil}&after={evil}"),
        format!("/customers/{id}"),
        format!("/customers/{id}/journey?before={evil}"),
    ] {
        let page = person.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(
            !page.text.contains("<script>alert"),
            "{path}: {}",
            page.text
        );
    }
    running.shutdown().await;
}
