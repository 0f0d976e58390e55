//! What happened between the recordings of `sync` and `convertlead`.

use serde_json::Value;

use super::recording::Recording;
use super::replay::Place;
use super::setting::{insert, moment};
use crate::raw::Caller;

/// Brings the server into the state it was in when this recording was made.
pub(crate) async fn prepare(place: &mut Place, recording: &Recording) {
    match recording.number() {
        655 => contacts_of_three_owners(place),
        660 => {
            at(place, "06:38:12");
            assert!(
                place
                    .sandbox
                    .edit("12x2", &[("title", "changed by api user")])
            );
            assert!(place.sandbox.remove("12x3"));
        }
        667 => leads_by_the_hundred(place, recording),
        671 => lead_to_be_converted(place),
        676 => convert_the_lead(place).await,
        681 => at(place, "06:38:20"),
        685 => {
            let other = [("lastname", "Other"), ("source", "WEBSERVICE")];
            insert(&place.sandbox, 135, "Leads", &other);
            assert!(place.sandbox.convert_lead("10x135", &[]).is_some());
        }
        686 => insert(&place.sandbox, 139, "Leads", &[("lastname", "Bare")]),
        _ => {}
    }
}

fn at(place: &Place, time: &str) {
    place.clock.set(moment(&format!("2026-11-21 {time}")));
}

fn contacts_of_three_owners(place: &Place) {
    at(place, "06:38:10");
    for (number, name, owner) in [
        (2, "Sync1", "19x1"),
        (3, "Sync2", "19x5"),
        (4, "Sync3", "20x2"),
    ] {
        let fields = [
            ("lastname", name),
            ("assigned_user_id", owner),
            ("source", "WEBSERVICE"),
        ];
        insert(&place.sandbox, number, "Contacts", &fields);
    }
    let lead = [("lastname", "SyncLead"), ("source", "WEBSERVICE")];
    insert(&place.sandbox, 5, "Leads", &lead);
}

/// 125 leads, made as quickly as the server could, of which the first answer shows 105; and one whose time was moved back
/// by hand.
fn leads_by_the_hundred(place: &Place, recording: &Recording) {
    let shown = recording.answer["result"]["updated"].as_array().unwrap();
    for position in 0..125 {
        let time = match shown.get(position + 1) {
            Some(lead) => lead["modifiedtime"].as_str().unwrap(),
            None => "2026-11-21 06:38:18",
        };
        place.clock.set(moment(time));
        let name = format!("SB{position:03}");
        let lead = [("lastname", name.as_str()), ("source", "WEBSERVICE")];
        insert(&place.sandbox, position as u64 + 6, "Leads", &lead);
    }
    place.clock.set(moment("2001-01-01 00:00:00"));
    assert!(place.sandbox.edit("10x5", &[]));
    at(place, "06:38:18");
}

/// The lead that is converted. The others had their times moved back, to see 126 of one second.
fn lead_to_be_converted(place: &Place) {
    place.clock.set(moment("2001-01-01 00:00:00"));
    for lead in place.sandbox.records("Leads") {
        assert!(place.sandbox.edit(&lead.id, &[]));
    }
    at(place, "06:38:19");
    let lead = [
        ("firstname", "Conv"),
        ("lastname", "Ert"),
        ("company", "ConvCo"),
        ("email", "conv@example.com"),
        ("phone", "+2547"),
        ("mobile", "+2548"),
        ("leadsource", "Web Site"),
        ("city", "Nairobi"),
        ("description", "desc"),
        ("cf_879", "MB-L-77"),
        ("source", "WEBSERVICE"),
    ];
    insert(&place.sandbox, 131, "Leads", &lead);
}

/// A comment on the lead, then the conversion itself, whose answer was not recorded.
async fn convert_the_lead(place: &Place) {
    let comment = [("commentcontent", "on lead"), ("related_to", "10x131")];
    insert(&place.sandbox, 132, "ModComments", &comment);
    let stock = Recording::all();
    let asked = stock.iter().find(|recording| recording.number() == 670);
    let element = asked.unwrap().parameter("element").unwrap();
    let caller = Caller {
        port: place.sandbox.port(),
        session: place.log_in("admin").await,
    };
    place.sandbox.skip_to_record_number(134);
    let made = caller.post("convertlead", &[("element", element)]).await;
    assert_eq!(made.result()["Contacts"], Value::from("12x134"));
}
