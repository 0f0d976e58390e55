//! How many calls a changed customer costs, counted by the CRM.

use std::time::Duration;

use pugmark_queue::db::Engine;

use super::Size;
use super::customers;
use super::line::Line;
use super::stores::Stores;
use super::world::World;
use crate::cli::CliError;

const POLL: Duration = Duration::from_millis(200);

pub(super) async fn measure(
    stores: &Stores,
    engine: Engine,
    size: Size,
) -> Result<Vec<Line>, CliError> {
    let mut world = World::start(stores, engine, POLL).await?;
    let ids = customers::insert(&mut world.program, size.customers).await?;
    customers::wait_until_in_step(&mut world.program).await?;
    let creates = world.record_calls();
    let created = world.crm.journal().count_created("Contacts");
    expect(created, size.customers, "created")?;

    customers::edit_all(&mut world.program, &ids).await?;
    customers::wait_until_in_step(&mut world.program).await?;
    let edits = world.record_calls() - creates;
    let contacts = world.crm.records("Contacts");
    let edited = contacts
        .iter()
        .filter(|contact| contact.value("lastname") == "Odhiambo");
    expect(edited.count() as u64, size.customers, "edited")?;
    world.stop().await;

    let line = |what: &str, calls: u64| {
        Line::new(
            format!("CRM calls for {} {what} customers", size.customers),
            engine,
            "calls",
            calls as f64,
            f64::from(size.customers),
            "one call per customer; logins and describe not counted",
        )
    };
    Ok(vec![line("new", creates), line("edited", edits)])
}

/// A ratio of calls to customers says something only if all of them arrived.
fn expect(arrived: u64, customers: u32, what: &str) -> Result<(), CliError> {
    if arrived == u64::from(customers) {
        return Ok(());
    }
    Err(CliError::Other(format!(
        "{arrived} contacts were {what} for {customers} customers"
    )))
}
