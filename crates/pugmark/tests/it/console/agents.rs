//! The screen Manage agents: what it shows of the staff, and what it lets people do to accounts in all three systems.

use pugmark::people::Role;

use super::Browser;
use crate::accounts::{PASSWORD, Staffed};
use crate::harness::{World, assert_not_in, dump, eventually, on_both_databases};

on_both_databases!(
    agents_are_listed_with_their_badge_and_what_can_be_done,
    a_new_agent_has_one_password_in_both_systems,
    a_new_agent_without_the_tick_has_no_user_in_vtiger,
    what_is_wrong_with_a_new_agent_is_said_at_its_field,
    an_agent_without_a_user_is_synced_and_then_linked,
    a_reset_shows_how_far_it_is_in_each_system_and_goes_on,
    an_agent_is_disabled_with_a_reason_and_enabled_again,
    an_edit_changes_what_differs_and_is_audited,
    the_role_customer_care_is_given_and_taken,
    a_viewer_sees_nobody_s_data_and_changes_nothing,
    no_password_is_on_any_page_or_in_any_table,
);

/// Goes to the page that an act leads to.
async fn act(person: &Browser, path: &str, fields: &[(&str, &str)]) -> String {
    let page = person.post_and_follow(path, fields).await;
    assert_eq!(page.status, 200, "{}", page.text);
    page.text
}

fn twice<'a>(password: &'a str, reason: &'a str) -> [(&'static str, &'a str); 3] {
    [
        ("password", password),
        ("again", password),
        ("reason", reason),
    ]
}

fn new_agent(email: &str) -> Vec<(&'static str, String)> {
    let fields = [
        ("first_name", "Amina"),
        ("last_name", "Wanjiru"),
        ("email", email),
        ("phone", "0712 345 678"),
        ("partner", "1"),
        ("rate", "50.25"),
        ("password", PASSWORD),
        ("again", PASSWORD),
        ("role_agent", "on"),
        ("create_vtiger_user", "on"),
        ("key", "5f1d8f5e-7a0b-4f0e-9a53-0c9c1c6f0b12"),
    ];
    fields.map(|(name, value)| (name, value.to_owned())).into()
}

fn borrowed<'a>(fields: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// The agent in the address that an act leads to.
fn agent_in(location: &str) -> String {
    let rest = location.strip_prefix("/agents/").expect(location);
    rest[..36].to_owned()
}

async fn agents_are_listed_with_their_badge_and_what_can_be_done(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let empty = person.get("/agents").await;
    assert!(
        empty.text.contains("There is no agent yet"),
        "{}",
        empty.text
    );
    let user = staffed.ambassador("Amina Wanjiru").await;
    let page = person.get("/agents").await;
    for part in [
        "Brand Ambassadors",
        "Amina Wanjiru",
        "254712345678",
        "KES 50.00",
        "Active",
        "Not Synced",
        "Sync to VTiger",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    act(
        &person,
        &format!("/agents/{user}/sync"),
        &twice(PASSWORD, "new staff"),
    )
    .await;
    let page = person.get("/agents").await;
    assert!(page.text.contains(">Synced</button>"), "{}", page.text);
    assert!(page.text.contains("module=Users"), "{}", page.text);
    assert!(!page.text.contains("Sync to VTiger"), "{}", page.text);
    for (query, found) in [
        ("q=amina", true),
        ("q=brian", false),
        ("synced=yes", true),
        ("synced=no", false),
        ("q=%00amina&after=x", true),
    ] {
        let page = person.get(&format!("/agents?{query}")).await;
        assert_eq!(
            page.text.contains("Amina Wanjiru"),
            found,
            "{query}: {}",
            page.text
        );
    }
    running.shutdown().await;
}

async fn a_new_agent_has_one_password_in_both_systems(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let form = person.get("/agents/new").await;
    let ticked = "name=\"create_vtiger_user\" checked";
    assert!(form.text.contains(ticked), "it is ticked: {}", form.text);
    let fields = new_agent("amina@example.co.ke");
    let made = person.post("/agents/new", &borrowed(&fields)).await;
    assert_eq!(made.status, 303, "{}", made.text);
    let user = agent_in(made.header("location"));
    let page = person.get(made.header("location")).await;
    for part in [
        "Account made.",
        "Amina Wanjiru",
        "KES 50.25",
        ">Synced</button>",
        "Supabase",
        "vTiger",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let crm = staffed.crm_user("amina@example.co.ke").expect("a user");
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    // Sent once more, the form makes no second account.
    let again = person.post("/agents/new", &borrowed(&fields)).await;
    assert_eq!(agent_in(again.header("location")), user);
    let program = staffed.program().await;
    assert_eq!(program.count("brand_ambassadors").await, 1);
    let who = program
        .one("SELECT actor FROM audit_log WHERE action = 'user.create'")
        .await;
    assert!(who.is_some_and(|who| who.contains("registration_admin-")));
    running.shutdown().await;
}

async fn a_new_agent_without_the_tick_has_no_user_in_vtiger(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let mut fields = new_agent("amina@example.co.ke");
    fields.retain(|(name, _)| *name != "create_vtiger_user");
    let made = person.post("/agents/new", &borrowed(&fields)).await;
    let page = person.get(made.header("location")).await;
    assert!(page.text.contains(">Not Synced</button>"), "{}", page.text);
    assert!(staffed.crm_user("amina@example.co.ke").is_none());
    running.shutdown().await;
}

async fn what_is_wrong_with_a_new_agent_is_said_at_its_field(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    for (field, value, said) in [
        ("again", "another-Pass-1", "is not the same in both fields"),
        (
            "email",
            "amina@maishapoa.customer",
            "is the address of a member",
        ),
        ("phone", "123", "must be a Kenyan mobile number"),
        ("rate", "many", "must be an amount in shillings"),
        ("partner", "999999", "there is no such partner"),
        ("role_agent", "", "must be one or several of"),
    ] {
        let mut fields = new_agent("amina@example.co.ke");
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value.to_owned()));
        let refused = person.post("/agents/new", &borrowed(&fields)).await;
        assert_eq!(refused.status, 422, "{field}: {}", refused.text);
        assert!(refused.text.contains(said), "{field}: {}", refused.text);
        assert!(
            refused.text.contains("value=\"Wanjiru\""),
            "what was typed stays"
        );
        assert!(!refused.text.contains(PASSWORD), "but for the password");
    }
    assert_eq!(staffed.program().await.count("brand_ambassadors").await, 0);
    running.shutdown().await;
}

async fn an_agent_without_a_user_is_synced_and_then_linked(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("/agents/{user}/sync");
    for fields in [
        &[("password", PASSWORD), ("again", PASSWORD)][..],
        &[("password", PASSWORD), ("again", "x"), ("reason", "r")][..],
        &[("reason", "r")][..],
    ] {
        let refused = person.post(&path, fields).await;
        assert_eq!(refused.status, 422, "{}", refused.text);
    }
    assert!(
        staffed.password_is(&user, None, "what-was-before"),
        "nothing was done"
    );
    let page = act(&person, &path, &twice(PASSWORD, "new staff")).await;
    assert!(page.contains("Account synced."), "{page}");
    assert!(
        !page.contains("id=\"sync\""),
        "there is nothing to sync any more: {page}"
    );
    let crm = staffed
        .crm_user("amina.wanjiru@example.co.ke")
        .expect("a user");
    assert!(page.contains(&crm.id), "{page}");
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    let refused = person.post(&path, &twice(PASSWORD, "again")).await;
    assert!(
        refused.text.contains("has the vTiger user"),
        "{}",
        refused.text
    );
    let entries = staffed
        .program()
        .await
        .count("audit_log WHERE action = 'user.sync' AND reason = 'new staff'")
        .await;
    assert_eq!(entries, 1);
    running.shutdown().await;
}

async fn a_reset_shows_how_far_it_is_in_each_system_and_goes_on(world: World) {
    let mut staffed = Staffed::extended(world).await;
    staffed.world.settings.insurance.users.wait = std::time::Duration::from_millis(300);
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    act(
        &person,
        &format!("/agents/{user}/sync"),
        &twice("First-Pass-1", "new"),
    )
    .await;
    let crm = eventually("the user", || async {
        staffed.crm_user("amina.wanjiru@example.co.ke")
    })
    .await;
    staffed.program().await.wait_until_idle().await;
    staffed.world.crm.go_down().await;
    let sent = person
        .post(
            &format!("/agents/{user}/password"),
            &twice(PASSWORD, "forgotten"),
        )
        .await;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let place = sent.header("location").to_owned();
    let page = eventually("the half that is done", || async {
        let page = person.get(&place).await.text;
        let half = page
            .contains("<strong>Supabase</strong>, password: <span class=\"badge good\">Done")
            && page
                .contains("<strong>vTiger</strong>, password: <span class=\"badge wait\">Not yet");
        half.then_some(page)
    })
    .await;
    assert!(page.contains("Try again"), "{page}");
    assert!(staffed.password_is(&user, None, PASSWORD));
    assert!(!staffed.password_is(&user, Some(&crm.id), PASSWORD));
    let operation = place.split_once("?operation=").expect("the act").1;
    let path = format!("/agents/{user}/retry");
    let fields = [("operation", operation), ("reason", "it is back")];
    // Not in the very moment in which it looks again by itself.
    eventually("the retry is taken", || async {
        let sent = person.post(&path, &fields).await;
        (sent.status == 303).then_some(())
    })
    .await;
    staffed.world.crm.come_back().await.expect("it comes back");
    eventually("both halves are done", || async {
        let page = person.get(&place).await.text;
        (!page.contains("Not yet") && page.contains("<strong>vTiger</strong>, password"))
            .then_some(())
    })
    .await;
    assert!(staffed.password_is(&user, Some(&crm.id), PASSWORD));
    running.shutdown().await;
}

async fn an_agent_is_disabled_with_a_reason_and_enabled_again(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    act(
        &person,
        &format!("/agents/{user}/sync"),
        &twice(PASSWORD, "new"),
    )
    .await;
    let path = format!("/agents/{user}/status");
    let refused = person.post(&path, &[("wanted", "no")]).await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    let page = act(&person, &path, &[("wanted", "no"), ("reason", "left")]).await;
    assert!(page.contains("Inactive"), "{page}");
    let of_crm = || {
        staffed
            .crm_user("amina.wanjiru@example.co.ke")
            .expect("a user")
    };
    eventually("vTiger follows", || async {
        (of_crm().status == "Inactive").then_some(())
    })
    .await;
    let page = act(&person, &path, &[("wanted", "yes")]).await;
    assert!(!page.contains("Inactive"), "{page}");
    eventually("vTiger follows", || async {
        (of_crm().status == "Active").then_some(())
    })
    .await;
    let entries = staffed
        .program()
        .await
        .count("audit_log WHERE action = 'user.disable' AND reason = 'left'")
        .await;
    assert_eq!(entries, 1);
    running.shutdown().await;
}

async fn an_edit_changes_what_differs_and_is_audited(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let path = format!("/agents/{user}/edit");
    let same = [("partner", "1"), ("phone", "254712345678"), ("rate", "50")];
    let page = act(&person, &path, &same).await;
    assert!(page.contains("Nothing was changed."), "{page}");
    let program = staffed.program().await;
    assert_eq!(
        program.count("audit_log WHERE action = 'user.edit'").await,
        0
    );
    let fields = [
        ("partner", "1"),
        ("phone", "0799000111"),
        ("rate", "75.5"),
        ("reason", "raise"),
    ];
    let page = act(&person, &path, &fields).await;
    for part in ["Changed in MicroBima.", "0799000111", "KES 75.50"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let entries = program
        .count(format!(
            "audit_log WHERE action = 'user.edit' AND subject = '{user}' AND reason = 'raise'"
        ))
        .await;
    assert_eq!(entries, 1);
    let refused = person
        .post(&path, &[("partner", "1"), ("phone", "12"), ("rate", "50")])
        .await;
    assert_eq!(refused.status, 422, "{}", refused.text);
    assert!(
        refused.text.contains("Phone number: must be"),
        "{}",
        refused.text
    );
    running.shutdown().await;
}

async fn the_role_customer_care_is_given_and_taken(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::RegistrationAdmin).await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let page = person.get(&format!("/agents/{user}")).await;
    assert!(
        page.text.contains("amina.wanjiru@example.co.ke"),
        "{}",
        page.text
    );
    let path = format!("/agents/{user}/role");
    let page = act(
        &person,
        &path,
        &[("wanted", "yes"), ("reason", "helps out")],
    )
    .await;
    assert!(
        page.contains("<span class=\"badge\">customer_care</span>"),
        "{page}"
    );
    let page = act(
        &person,
        &path,
        &[("wanted", "no"), ("reason", "back again")],
    )
    .await;
    assert!(
        !page.contains("<span class=\"badge\">customer_care</span>"),
        "{page}"
    );
    assert!(
        page.contains("<span class=\"badge\">brand_ambassador</span>"),
        "{page}"
    );
    running.shutdown().await;
}

async fn a_viewer_sees_nobody_s_data_and_changes_nothing(world: World) {
    let staffed = Staffed::of(world).await;
    let (running, _) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    let viewer = Browser::signed_in(&running, Role::Viewer).await;
    for path in [
        "/agents".to_owned(),
        "/agents?q=amina".to_owned(),
        format!("/agents/{user}"),
    ] {
        let page = viewer.get(&path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(page.text.contains(&user), "{path}: {}", page.text);
        for personal in ["Amina Wanjiru", "254712345678", "example.co.ke"] {
            assert!(
                !page.text.contains(personal),
                "{path} {personal}: {}",
                page.text
            );
        }
    }
    let care = Browser::signed_in(&running, Role::CustomerCare).await;
    for what in ["sync", "password", "status", "edit", "role", "retry"] {
        let path = format!("/agents/{user}/{what}");
        let refused = care.post(&path, &twice(PASSWORD, "because")).await;
        assert_eq!(refused.status, 403, "{path}");
    }
    assert!(staffed.password_is(&user, None, "what-was-before"));
    running.shutdown().await;
}

async fn no_password_is_on_any_page_or_in_any_table(world: World) {
    let staffed = Staffed::extended(world).await;
    let (running, _) = staffed.start().await;
    let person = Browser::signed_in(&running, Role::Admin).await;
    let fields = new_agent("amina@example.co.ke");
    let made = person.post("/agents/new", &borrowed(&fields)).await;
    let place = made.header("location").to_owned();
    let user = agent_in(&place);
    let path = format!("/agents/{user}/password");
    let reset = person.post(&path, &twice(PASSWORD, "forgotten")).await;
    for path in [
        place,
        reset.header("location").to_owned(),
        "/agents".to_owned(),
        "/logs".to_owned(),
        "/audit".to_owned(),
        "/operations".to_owned(),
    ] {
        let page = person.get(&path).await;
        assert!(!page.text.contains(PASSWORD), "{path}: {}", page.text);
    }
    assert!(!reset.text.contains(PASSWORD) && !made.text.contains(PASSWORD));
    assert_not_in(&dump(&staffed.program().await).await, PASSWORD);
    running.shutdown().await;
}
