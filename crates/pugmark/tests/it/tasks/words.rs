//! What people read on a task.

use proptest::prelude::*;
use pugmark::flows::insurance::task::About;

fn about(kind: &str, person: Option<&str>, field: &str) -> About {
    About {
        entity_kind: kind.to_owned(),
        person: person.map(str::to_owned),
        field_path: field.to_owned(),
        customer: "Achieng O'Brien-Otieno".to_owned(),
        customer_id: "0b9f8a52".to_owned(),
        page: None,
    }
}

#[test]
fn a_subject_names_field_person_and_customer() {
    let cases = [
        (
            about("CHILD", Some("Zuri  Otieno"), "dateOfBirth"),
            "Missing Date of birth for child Zuri Otieno (customer Achieng O'Brien-Otieno)",
        ),
        (
            about("SPOUSE", Some(" Baraka "), "idNumber"),
            "Missing ID number for spouse Baraka (customer Achieng O'Brien-Otieno)",
        ),
        (
            about("BENEFICIARY", Some("  "), "firstName"),
            "Missing First name for a beneficiary (customer Achieng O'Brien-Otieno)",
        ),
        (
            about("CUSTOMER", None, "gender"),
            "Missing Gender for customer Achieng O'Brien-Otieno",
        ),
        (
            about("CHILD", None, "children.0.idType"),
            "Missing ID type for a child (customer Achieng O'Brien-Otieno)",
        ),
    ];
    for (about, subject) in cases {
        assert_eq!(about.subject(), subject);
    }
}

#[test]
fn a_name_that_is_too_long_is_cut_and_the_others_stay_whole() {
    let long = "Wanjiru ".repeat(40);
    let subject = about("CHILD", Some(&long), "dateOfBirth").subject();
    assert!(subject.starts_with("Missing Date of birth for child Wanjiru Wanjiru"));
    assert!(
        subject.ends_with("Wanjiru… (customer Achieng O'Brien-Otieno)")
            || subject.ends_with("… (customer Achieng O'Brien-Otieno)"),
        "{subject}"
    );
    let description = about("CHILD", Some(&long), "dateOfBirth").description();
    assert!(
        description.contains(long.trim()),
        "all of it stands in the description"
    );
}

proptest! {
    #[test]
    fn a_subject_never_exceeds_what_vtiger_keeps(
        kind in "\\PC{0,60}", person in "\\PC{0,300}", field in "\\PC{0,300}", customer in "\\PC{0,300}",
    ) {
        let about = About { customer, ..about(&kind, Some(&person), &field) };
        let length = about.subject().chars().count();
        prop_assert!(length <= 255, "{length}: {}", about.subject());
    }
}
