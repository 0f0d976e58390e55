//! Values that vTiger keeps, adapts or refuses.

use pugmark_queue::db::Engine;
use pugmark_sandbox::JournalKind;

use super::{after_an_unrelated_edit, sandbox_without, warnings};
use crate::harness::{PATIENCE, Traffic, World, new_id, on_both_databases};

on_both_databases!(
    what_the_crm_keeps_as_it_is_arrives_as_it_is,
    what_the_crm_cannot_keep_is_adapted_named_and_not_sent_again,
    a_name_that_is_too_long_is_cut_named_and_not_sent_again,
);

async fn what_the_crm_keeps_as_it_is_arrives_as_it_is(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    let names = [
        "Ng'ang'a",
        "''",
        "O\\Brien",
        "back\\'slash",
        "trailing\\",
        "double \"quoted\"",
        "Wanjikũ Müller-Nyŏng'o",
        "محمد",
        "王小明",
        "Kamau & Sons",
        "Kamau &amp; Sons",
        "&lt;b&gt; &quot; &#39; &nbsp; &eacute;",
        "<b>bold</b>",
        "100%_",
        "{\"a\":1}",
        "null",
        "0",
        "  spaces around  ",
        "select * from Contacts; --",
    ];
    let mut customers = Vec::new();
    for name in names {
        customers.push((program.insert_customer(name).await, name));
    }
    program.wait_until_idle().await;
    assert_eq!(
        world.out_of_step(&program, &[]).await,
        Vec::<String>::new(),
        "created"
    );
    let before = world.traffic();

    // Each gets the name of another one, in a revise.
    for (number, (customer, _)) in customers.iter().enumerate() {
        let name = names[(number + 1) % names.len()].replace('\'', "''");
        program
            .set(customer, "lastName", &format!("'{name}'"))
            .await;
    }
    program.wait_until_idle().await;
    assert_eq!(
        world.out_of_step(&program, &[]).await,
        Vec::<String>::new(),
        "revised"
    );
    let spent = world.traffic() - before;
    assert_eq!(
        spent,
        Traffic {
            revise: names.len() as u64,
            ..Traffic::default()
        }
    );

    for (customer, _) in &customers {
        assert_eq!(warnings(&running, customer).await, Vec::<String>::new());
        assert_eq!(
            after_an_unrelated_edit(&world, &program, customer).await,
            ["mobile"]
        );
    }
    running.shutdown().await;
}

async fn what_the_crm_cannot_keep_is_adapted_named_and_not_sent_again(world: World) {
    let running = world.start().await;
    let program = world.other_program().await;
    for (name, stored) in [
        ("Kamau 😀", "Kamau \u{fffd}"),
        ("𝒦amau", "\u{fffd}amau"),
        (
            "<script>alert(\"x\")</script>",
            "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;",
        ),
    ] {
        let created = program.insert_customer(name).await;
        world
            .wait_for_contact(&created, |contact| contact.value("lastname") == stored)
            .await;
        let revised = program.insert_customer("Before").await;
        program.wait_until_idle().await;
        program
            .set(&revised, "lastName", &format!("'{name}'"))
            .await;
        world
            .wait_for_contact(&revised, |contact| contact.value("lastname") == stored)
            .await;
        program.wait_until_idle().await;

        for customer in [created, revised] {
            let named = warnings(&running, &customer).await;
            assert!(
                named.len() == 1 && named[0].contains("lastname"),
                "{name}: {named:?}"
            );
            assert_eq!(
                after_an_unrelated_edit(&world, &program, &customer).await,
                ["mobile"],
                "{name}"
            );
            assert_eq!(
                warnings(&running, &customer).await,
                named,
                "the warning stays as long as its reason"
            );
            program.set(&customer, "lastName", "'Kamau'").await;
            world
                .wait_for_contact(&customer, |contact| contact.value("lastname") == "Kamau")
                .await;
            program.wait_until_idle().await;
            assert_eq!(warnings(&running, &customer).await, Vec::<String>::new());
        }
    }
    running.shutdown().await;
}

async fn a_name_that_is_too_long_is_cut_named_and_not_sent_again(world: World) {
    let world = world.before(sandbox_without("Middle Name")).await;
    let running = world.start().await;
    let program = world.other_program().await;
    let customer = new_id();
    program.insert_customer_as(&customer, "Kamau", true).await;
    let (first, middle) = (
        "Achieng-Nyambura-Wanjirũ-Adhiambo",
        "Wanjikũ-Njeri-Makena-Akinyi",
    );
    program
        .sql(format!(
            "UPDATE customers SET \"firstName\" = '{first}', \"middleName\" = '{middle}', \"isTestUser\" = FALSE \
             WHERE \"id\" = '{customer}'"
        ))
        .await;
    let whole = format!("{first} {middle}");
    assert!(whole.chars().count() >= 60);
    let cut: String = whole.chars().take(40).collect();

    world
        .wait_for_contact(&customer, |contact| contact.value("firstname") == cut)
        .await;
    program.wait_until_idle().await;
    let named = warnings(&running, &customer).await;
    assert!(
        named.len() == 1 && named[0].contains("firstname") && named[0].contains("40"),
        "{named:?}"
    );
    assert_eq!(
        after_an_unrelated_edit(&world, &program, &customer).await,
        ["mobile"]
    );
    // A change behind the cut cannot be seen in the CRM, so it is no call.
    let before = world.traffic();
    program
        .set(&customer, "middleName", &format!("'{middle}-Chebet'"))
        .await;
    program.wait_until_idle().await;
    assert_eq!(world.traffic() - before, Traffic::default());
    running.shutdown().await;
}

/// Birth dates that only SQLite lets a program store.
mod birth_dates {
    pub(super) mod sqlite {
        use super::super::*;

        #[tokio::test]
        async fn a_birth_date_that_is_none_is_named_and_nothing_else_is_lost() {
            let world = World::sqlite().await;
            let running = world.start().await;
            let program = world.other_program().await;
            assert_eq!(program.engine(), Engine::Sqlite);
            for odd in [
                "1990-13-45",
                "yesterday",
                "0000-00-00",
                "0004-02-29",
                "12/04/1990",
            ] {
                let customer = new_id();
                program.insert_customer_as(&customer, "Kamau", true).await;
                program
                    .sql(format!("UPDATE customers SET \"dateOfBirth\" = '{odd}', \"isTestUser\" = FALSE WHERE \"id\" = '{customer}'"))
                    .await;
                let contact = world.wait_for_contact(&customer, |_| true).await;
                program.wait_until_idle().await;
                assert_eq!(
                    (contact.value("birthday"), contact.value("lastname")),
                    ("", "Kamau"),
                    "{odd}"
                );
                let named = warnings(&running, &customer).await;
                assert!(
                    named.len() == 1 && named[0].contains("birthday"),
                    "{odd}: {named:?}"
                );
                assert_eq!(
                    after_an_unrelated_edit(&world, &program, &customer).await,
                    ["mobile"],
                    "{odd}"
                );
                assert_eq!(warnings(&running, &customer).await, named);
                program.set(&customer, "dateOfBirth", "'1990-04-12'").await;
                world
                    .wait_for_contact(&customer, |contact| {
                        contact.value("birthday") == "1990-04-12"
                    })
                    .await;
                program.wait_until_idle().await;
                assert_eq!(warnings(&running, &customer).await, Vec::<String>::new());
            }
            running.shutdown().await;
        }

        #[tokio::test]
        async fn a_birth_date_that_becomes_none_leaves_the_contacts_and_costs_no_call() {
            let world = World::sqlite().await;
            let running = world.start().await;
            let program = world.other_program().await;
            let customer = program.insert_customer("Kamau").await;
            program.wait_until_idle().await;
            let before = world.traffic();
            program.set(&customer, "dateOfBirth", "'1990-13-45'").await;
            program.wait_until_idle().await;

            assert_eq!(world.traffic() - before, Traffic::default());
            assert_eq!(
                world
                    .contact_of(&customer)
                    .expect("a contact")
                    .value("birthday"),
                "1990-04-12"
            );
            let named = warnings(&running, &customer).await;
            assert!(
                named.len() == 1 && named[0].contains("1990-13-45"),
                "{named:?}"
            );
            // What the CRM holds is not forgotten meanwhile: the old date again is no difference, another one is.
            program.set(&customer, "dateOfBirth", "'1990-04-12'").await;
            program.wait_until_idle().await;
            assert_eq!(world.traffic() - before, Traffic::default());
            program.set(&customer, "dateOfBirth", "'1991-05-13'").await;
            let journal = world.crm.journal();
            let arrived = |_: &pugmark_sandbox::Journal| {
                world
                    .contact_of(&customer)
                    .is_some_and(|contact| contact.value("birthday") == "1991-05-13")
            };
            assert!(journal.wait_until(arrived, PATIENCE).await);
            let contact = world.contact_of(&customer).expect("a contact");
            let last = journal.effects_on(&contact.id).pop().expect("an effect");
            assert!(
                matches!(&last.kind, JournalKind::Revised { changed, .. } if changed.len() == 1),
                "{last:?}"
            );
            running.shutdown().await;
        }
    }
}
