//! What happens to a customer, as comments on the contact.

mod faults;
mod people;
mod significant;
mod waiting;

use pugmark_sandbox::StoredRecord;

use crate::harness::{World, Writer};

/// The comments there are, oldest first, each without the line that carries our reference.
fn notes(world: &World) -> Vec<String> {
    let records = world.crm.records("ModComments");
    records.iter().map(text_of).collect()
}

/// The same in the order of the alphabet, and none was ever there besides these.
fn all_notes(world: &World) -> Vec<String> {
    let mut notes = notes(world);
    notes.sort();
    let made = world.crm.journal().count_created("ModComments");
    assert_eq!(u64::try_from(notes.len()), Ok(made), "{notes:?}");
    notes
}

fn text_of(note: &StoredRecord) -> String {
    let content = note.value("commentcontent");
    let (text, reference) = content.rsplit_once('\n').expect("a reference");
    assert!(reference.starts_with("[MB-"), "{content}");
    text.to_owned()
}

async fn assert_nothing_died(program: &Writer) {
    let dead = program
        .one("SELECT error_message FROM vtiger_sync_queue WHERE dead_at IS NOT NULL")
        .await;
    assert_eq!(dead, None);
}
