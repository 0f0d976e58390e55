//! What Maxio refuses, in plain words: which field it is about, and what to change.
//!
//! Maxio's own words come along, because they may say more. They hold no bank data: the client takes out what was sent.

use super::check::Faults;

/// A fragment of a message (in small letters), the field of the lead or the setting it is about, and what to do.
const KNOWN: [(&str, &str, &str); 28] = [
    (
        "first name",
        "first_name",
        "Maxio demands a first name; fill it in on the lead",
    ),
    (
        "last name",
        "last_name",
        "Maxio demands a last name; fill it in on the lead",
    ),
    (
        "valid email",
        "email",
        "Maxio does not take the e-mail address; correct it on the lead",
    ),
    (
        "email",
        "email",
        "Maxio demands an e-mail address for bills; fill it in on the lead",
    ),
    (
        "no payment method",
        "maxio.collection",
        "money is due at once and there is no account to take it from: give the lead an IBAN, or set maxio.collection to \
         remittance (by invoice), or maxio.next_billing to a later day",
    ),
    (
        "product with api handle",
        "maxio.product",
        "the site has no such product; set maxio.product to the API handle of one that it has",
    ),
    (
        "valid product",
        "maxio.product",
        "the site has no such product; set maxio.product to the API handle of one that it has",
    ),
    (
        "price point",
        "maxio.price_point",
        "the product has no such price point; set maxio.price_point to the API handle of one that it has, or leave it empty",
    ),
    (
        "customer must be specified",
        "customer",
        "the customer is gone from Maxio; somebody may have deleted it there",
    ),
    (
        "must be unique",
        "reference",
        "something else in Maxio carries this lead's reference; change its reference there",
    ),
    (
        "credit card",
        "maxio.gateway",
        "the site took the account for a card: it has no gateway for bank accounts; set one up in Maxio, or set \
         maxio.collection to remittance",
    ),
    (
        "payment profile: cannot be blank",
        "iban",
        "Maxio found no account in what was sent; check the IBAN and maxio.gateway",
    ),
    (
        "payment profile",
        "iban",
        "Maxio does not take the account; check the IBAN and what maxio.gateway demands",
    ),
    (
        "mandate",
        "iban",
        "the payer's mandate for direct debits is missing or not accepted; see to it in Maxio",
    ),
    (
        "iban",
        "iban",
        "the gateway does not take the IBAN; ask for it again and correct it on the lead",
    ),
    (
        "account number",
        "iban",
        "the gateway does not take the account; ask for the IBAN again and correct it on the lead",
    ),
    (
        "bank account",
        "iban",
        "the gateway does not take the account; ask for the IBAN again and correct it on the lead",
    ),
    (
        "bank name",
        "bank_name",
        "the gateway demands the name of the bank; fill it in on the lead",
    ),
    (
        "billing state",
        "state",
        "the gateway demands the state (province, county) of the address, as its code; fill it in on the lead",
    ),
    (
        "state",
        "state",
        "Maxio does not take the state (province, county); write its code of two or three letters",
    ),
    (
        "country",
        "country",
        "Maxio does not take the country; write its code of two letters",
    ),
    (
        "zip",
        "zip",
        "Maxio does not take the postal code; correct it on the lead",
    ),
    (
        "postal",
        "zip",
        "Maxio does not take the postal code; correct it on the lead",
    ),
    (
        "city",
        "city",
        "Maxio does not take the city; correct it on the lead",
    ),
    (
        "vat",
        "vat_number",
        "Maxio does not take the VAT number; correct it on the lead",
    ),
    (
        "currency",
        "maxio.product",
        "the currencies of site, product and gateway do not fit together; direct debits by SEPA need EUR",
    ),
    (
        "collection method",
        "maxio.collection",
        "the site does not know this way to pay; invoices need Relationship Invoicing",
    ),
    (
        "declined",
        "iban",
        "the payment was declined; ask the customer, or have the lead pay by invoice",
    ),
];

/// What Maxio refused, by the field or the setting to be changed.
pub fn faults(messages: &[String]) -> Faults {
    let mut faults = Faults::new();
    for message in messages {
        let (name, words) = explained(message);
        faults
            .entry(name.to_owned())
            .and_modify(|said| {
                said.push(' ');
                said.push_str(&words);
            })
            .or_insert(words);
    }
    if faults.is_empty() {
        faults.insert(
            "maxio".to_owned(),
            "Maxio gave no reason; its own log of API calls may say more".to_owned(),
        );
    }
    faults
}

fn explained(message: &str) -> (&'static str, String) {
    let small = message.to_lowercase();
    let known = KNOWN
        .iter()
        .find(|(fragment, _, _)| small.contains(fragment));
    match known {
        Some((_, name, what)) => (name, format!("{what} (Maxio: {message})")),
        None => ("maxio", format!("Maxio says: {message}")),
    }
}

/// One sentence for people, naming everything.
pub fn sentence(what: &str, faults: &Faults) -> String {
    let each: Vec<String> = faults
        .iter()
        .map(|(name, fault)| format!("{name}: {fault}"))
        .collect();
    format!("{what}: {}", each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_that_is_known_of_names_what_to_change() {
        let cases = [
            ("First name: cannot be blank.", "first_name"),
            ("Last name: cannot be blank.", "last_name"),
            ("Email address: cannot be blank.", "email"),
            ("Email address: must be a valid email format.", "email"),
            (
                "Reference: must be unique - that value has been taken.",
                "reference",
            ),
            (
                "A Customer must be specified for the subscription to be valid.",
                "customer",
            ),
            (
                "No payment method was on file for the $299.00 balance",
                "maxio.collection",
            ),
            ("Payment profile: cannot be blank.", "iban"),
            ("Credit card number: cannot be blank.", "maxio.gateway"),
            (
                "Credit card expiration month: cannot be blank.",
                "maxio.gateway",
            ),
            (
                "Credit card expiration year: cannot be blank.",
                "maxio.gateway",
            ),
            (
                "Product with API Handle 'x' does not exist for this site.",
                "maxio.product",
            ),
            (
                "Product must be specified and be a valid product provided by the seller.",
                "maxio.product",
            ),
            (
                "Product price point must belong to product.",
                "maxio.price_point",
            ),
            ("Bank account: IBAN is invalid", "iban"),
            ("Something that nobody has seen", "maxio"),
        ];
        for (message, name) in cases {
            let faults = faults(&[message.to_owned()]);
            assert_eq!(faults.keys().collect::<Vec<_>>(), [name], "{message}");
            assert!(faults[name].contains(message), "{faults:?}");
        }
    }

    #[test]
    fn several_refusals_are_all_named() {
        let found = faults(&[
            "First name: cannot be blank.".to_owned(),
            "Credit card number: cannot be blank.".to_owned(),
            "Credit card expiration year: cannot be blank.".to_owned(),
        ]);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            ["first_name", "maxio.gateway"]
        );
        assert!(found["maxio.gateway"].contains("year"), "{found:?}");
        assert!(faults(&[])["maxio"].contains("no reason"));
    }
}
