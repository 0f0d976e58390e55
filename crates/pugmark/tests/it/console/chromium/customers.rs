//! Customers and agents in a real browser.

use serde_json::{Value, json};

use super::{Browser, DESK, PHONE, complaints, enter, look_at_all};
use crate::accounts::Staffed;
use crate::harness::World;

#[tokio::test]
async fn nothing_to_complain_about_on_the_pages_of_customers() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let world = World::sqlite().await;
    let running = world.start().await;
    let program = world.other_program().await;
    let (customer, contact) = crate::two_way::linked(&world, &program, "Wanjiru-Otieno").await;
    program.insert_customer("Were").await;
    program.add_dependant(&customer, "Zuri", "Otieno").await;
    program.set(&customer, "middleName", "'Nyambura'").await;
    program.wait_until_idle().await;
    assert!(world.crm.edit(&contact, &[("mobile", "0799000111")]));
    let base = enter(&mut browser, &running, DESK).await;
    let pages = [
        ("customers", "/customers".to_owned()),
        ("customers-nobody", "/customers?q=nobody".to_owned()),
        ("customer", format!("/customers/{customer}")),
        ("customer-compare", format!("/customers/{customer}/compare")),
        ("customer-journey", format!("/customers/{customer}/journey")),
    ];
    look_at_all(&mut browser, &base, &pages).await;

    // The badge tells more to those who use the keyboard, and Escape puts that away.
    browser
        .open(&format!("{base}/customers/{customer}"), DESK)
        .await;
    let shown = "getComputedStyle(document.querySelector('.tip-text')).display";
    assert_eq!(browser.value(shown).await, "none");
    browser
        .value("document.querySelector('.row a.button').focus()")
        .await;
    for _ in 0..30 {
        if browser
            .value("document.activeElement.matches('.tip')")
            .await
            == true
        {
            break;
        }
        browser.press("Tab").await;
    }
    assert_eq!(browser.value(shown).await, "block");
    browser.press("Escape").await;
    assert_eq!(browser.value(shown).await, "none");
    running.shutdown().await;
}

#[tokio::test]
async fn nothing_to_complain_about_on_the_pages_of_agents() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let staffed = Staffed::extended(World::sqlite().await).await;
    let (running, _) = staffed.start().await;
    let user = staffed.ambassador("Amina Wanjiru").await;
    staffed.ambassador("Brian Kamau").await;
    let base = enter(&mut browser, &running, DESK).await;
    let pages = [
        ("agents", "/agents".to_owned()),
        ("agent", format!("/agents/{user}")),
        ("agent-new", "/agents/new".to_owned()),
    ];
    look_at_all(&mut browser, &base, &pages).await;
    // Without script, and with what is wrong said at the field.
    browser
        .call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        )
        .await;
    browser.open(&format!("{base}/agents/{user}"), PHONE).await;
    browser
        .value(
            "for (const id of ['new-sync', 'new-sync-again']) document.getElementById(id).value = 'First-Pass-1'; \
             document.getElementById('why-sync').value = 'new staff'; \
             document.getElementById('why-sync').form.requestSubmit()",
        )
        .await;
    browser
        .until("document.body.innerText.includes('Account synced.')")
        .await;
    assert_eq!(complaints(&mut browser).await, Vec::<Value>::new());
    browser.picture_of("console", "agent-synced-phone").await;
    running.shutdown().await;
}
