//! Whether Maxio can make a customer of a lead: turns its values into what is sent, or says of every field what is wrong with it.
//!
//! Pure: values in, requests or faults out. No fault repeats an IBAN.

use std::collections::BTreeMap;
use std::str::FromStr;

use ::iban::{Iban, IbanLike, ParseBaseIbanError, ParseIbanError};
use email_address::EmailAddress;
use maxio::{BankDetails, BillingAddress, NewCustomer};
use secrecy::SecretString;
use vtiger::RecordId;

use crate::config::{Collection, Gateway};

/// Values of a lead by the names of `[onboarding.lead]`. May hold bank data, so it has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Values(pub BTreeMap<&'static str, String>);

/// What is wrong, by field: plain words that say what to change.
pub type Faults = BTreeMap<String, String>;

/// The name under which a fault of the lead's id stands.
pub const LEAD_ID: &str = "lead";

/// The longest text that is sent.
const LONGEST: usize = 255;

/// What is to be made in Maxio.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The customer; its reference is the lead's id.
    pub customer: NewCustomer,
    /// The account that is debited; `None`: by invoice.
    pub bank: Option<BankDetails>,
}

impl Values {
    /// A value without blanks around it and without line ends; `None` when nothing is left.
    pub fn get(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?;
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        (!value.is_empty()).then_some(value)
    }
}

/// Turns the values into what Maxio is sent.
///
/// # Errors
/// Everything that is wrong, by field.
pub fn check(
    reference: &str,
    values: &Values,
    collection: Collection,
    gateway: Gateway,
) -> Result<Wanted, Faults> {
    let mut checking = Checking {
        values,
        faults: Faults::new(),
    };
    let iban = match collection {
        Collection::Remittance => None,
        Collection::Iban => checking.iban(true),
        Collection::IbanOrRemittance => checking.iban(false),
    };
    let mut customer = NewCustomer::new(
        checking.needed("first_name", "Maxio demands a first name"),
        checking.needed("last_name", "Maxio demands a last name"),
        checking.email(),
    );
    customer.reference = Some(reference.to_owned());
    customer.organization = checking.text("company");
    customer.phone = checking.text("phone");
    customer.address = checking.text("street");
    customer.city = checking.text("city");
    customer.zip = checking.text("zip");
    customer.state = checking.state();
    customer.country = checking.country();
    customer.vat_number = checking.text("vat_number");
    let bank_name = checking.text("bank_name");
    let billing = BillingAddress {
        address: customer.address.clone(),
        address_2: None,
        city: customer.city.clone(),
        state: customer.state.clone(),
        zip: customer.zip.clone(),
        country: customer.country.clone(),
    };
    if iban.is_some() && gateway == Gateway::Gocardless {
        checking.complete_for_gocardless();
    }
    let bank = iban.map(|iban| BankDetails {
        bank_name,
        billing,
        ..BankDetails::iban(iban)
    });
    if checking.faults.is_empty() {
        Ok(Wanted { customer, bank })
    } else {
        Err(checking.faults)
    }
}

/// What is wrong with the values that are there, of a lead that cannot be read: what is missing may stand in the CRM.
pub fn check_given(values: &Values, collection: Collection, gateway: Gateway) -> Faults {
    let Err(faults) = check("", values, collection, gateway) else {
        return Faults::new();
    };
    faults
        .into_iter()
        .filter(|(name, _)| values.get(name).is_some())
        .collect()
}

/// The lead's id, if it is the id of a record of one of these modules (name and prefix of ids).
///
/// # Errors
/// What is wrong with it.
pub fn lead_id(text: &str, modules: &[(&str, &str)]) -> Result<RecordId, String> {
    let examples: Vec<String> = modules
        .iter()
        .map(|(module, prefix)| format!("{prefix}x123 of {module}"))
        .collect();
    let examples = match examples.is_empty() {
        true => "10x123".to_owned(),
        false => examples.join(" or "),
    };
    let id: RecordId = text.trim().parse().map_err(|_not_an_id| {
        format!(
            "`{}` is no id of vTiger, which consists of two numbers with an x between them, like {examples}; the webhook has \
             to send the record's id",
            shortened(text)
        )
    })?;
    let known = |prefix: &str| modules.iter().any(|(_, of)| *of == prefix);
    if modules.is_empty() || known(id.prefix()) {
        Ok(id)
    } else {
        Err(format!(
            "`{id}` is the id of a record of another module; it should be one like {examples}"
        ))
    }
}

fn shortened(text: &str) -> String {
    let visible = text.chars().filter(|character| !character.is_control());
    visible.take(60).collect()
}

struct Checking<'v> {
    values: &'v Values,
    faults: Faults,
}

impl Checking<'_> {
    fn fault(&mut self, name: &str, what: impl Into<String>) {
        self.faults.insert(name.to_owned(), what.into());
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let value = self.values.get(name)?;
        let length = value.chars().count();
        if length > LONGEST {
            self.fault(
                name,
                format!("is {length} characters long; Maxio takes {LONGEST}. Shorten it"),
            );
            return None;
        }
        Some(value)
    }

    fn needed(&mut self, name: &'static str, why: &str) -> String {
        if self.values.get(name).is_none() {
            self.fault(name, format!("is empty; {why}"));
        }
        self.text(name).unwrap_or_default()
    }

    fn email(&mut self) -> String {
        let email = self.needed("email", "Maxio sends bills to it");
        if email.is_empty() || self.faults.contains_key("email") {
            return email;
        }
        let Ok(address) = EmailAddress::from_str(&email) else {
            self.fault(
                "email",
                "is no e-mail address; it should look like name@example.com",
            );
            return email;
        };
        if !address.domain().contains('.') || address.domain().starts_with('[') {
            self.fault(
                "email",
                "has no domain that mail could be sent to; it should look like name@example.com",
            );
        }
        format!(
            "{}@{}",
            address.local_part(),
            address.domain().to_lowercase()
        )
    }

    /// Codes of two or three letters in capitals, as Maxio wants them; a name as it is.
    fn state(&mut self) -> Option<String> {
        let state = self.text("state")?;
        let code = state.len() <= 3 && state.chars().all(|letter| letter.is_ascii_alphanumeric());
        Some(if code {
            state.to_ascii_uppercase()
        } else {
            state
        })
    }

    fn country(&mut self) -> Option<String> {
        let country = self.text("country")?;
        match country_code(&country) {
            Some(code) => Some(code.to_owned()),
            None => {
                self.fault(
                    "country",
                    "is no country that is known; write its English name (Ireland) or its code (IE)",
                );
                None
            }
        }
    }

    fn iban(&mut self, needed: bool) -> Option<SecretString> {
        let Some(text) = self.values.get("iban") else {
            if needed {
                self.fault(
                    "iban",
                    "is empty; direct debit needs the IBAN of the account (maxio.collection = \"iban\")",
                );
            }
            return None;
        };
        match iban(&text) {
            Ok(iban) => Some(iban),
            Err(what) => {
                self.fault("iban", what);
                None
            }
        }
    }

    fn complete_for_gocardless(&mut self) {
        for name in ["bank_name", "street", "city", "zip", "state", "country"] {
            if self.values.get(name).is_none() {
                self.fault(
                    name,
                    "is empty; GoCardless demands the bank's name and a complete address with street, city, postal code, state \
                     and country",
                );
            }
        }
    }
}

/// The two letters of a country, given by code or by English name.
pub fn country_code(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let squeezed: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let underscored = text.split_whitespace().collect::<Vec<_>>().join("_");
    // Not by number: a postal code in the wrong field is no country.
    if !squeezed.chars().any(char::is_alphabetic) {
        return None;
    }
    [text, &squeezed, &underscored]
        .into_iter()
        .find_map(|name| celes::Country::from_str(name).ok())
        .map(|country| country.alpha2)
}

/// An IBAN as machines write it.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn iban(text: &str) -> Result<SecretString, String> {
    let compact: String = text
        .chars()
        .filter(|character| !character.is_whitespace() && *character != '-')
        .flat_map(char::to_uppercase)
        .collect();
    match compact.parse::<Iban>() {
        Ok(_) => Ok(SecretString::from(compact)),
        Err(ParseIbanError::InvalidBaseIban {
            source: ParseBaseIbanError::InvalidChecksum,
        }) => Err(
            "has wrong check digits (mod 97): a character is mistyped, missing or too many. Ask for the IBAN again".to_owned(),
        ),
        Err(ParseIbanError::InvalidBaseIban { .. }) => Err(
            "is no IBAN: it should begin with two letters of the country and two digits, and go on with up to 30 letters and \
             digits"
                .to_owned(),
        ),
        Err(ParseIbanError::InvalidBban(base)) => Err(format!(
            "does not have the length or the form that accounts of {} have; ask for the IBAN again",
            base.country_code()
        )),
        Err(ParseIbanError::UnknownCountry(base)) => Err(format!(
            "begins with {}, which is no country that has IBANs",
            base.country_code()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "IE29 AIBK 9311 5212 3456 78";

    fn values(pairs: &[(&'static str, &str)]) -> Values {
        let pairs = pairs.iter();
        Values(
            pairs
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
        )
    }

    fn complete(more: &[(&'static str, &str)]) -> Values {
        let mut all = values(&[
            ("first_name", "John"),
            ("last_name", "Doe"),
            ("email", "contact@ACMECORP.com"),
            ("company", "Acme Corp Ltd"),
            ("iban", VALID),
        ]);
        all.0.extend(values(more).0);
        all
    }

    fn faults(values: &Values, collection: Collection, gateway: Gateway) -> Faults {
        check("10x456", values, collection, gateway)
            .err()
            .unwrap_or_default()
    }

    #[test]
    fn a_complete_lead_becomes_a_customer_with_an_account() {
        let lead = complete(&[("country", "ireland"), ("state", "d")]);
        let wanted = check("10x456", &lead, Collection::Iban, Gateway::Stripe).unwrap();
        assert_eq!(wanted.customer.reference.as_deref(), Some("10x456"));
        assert_eq!(wanted.customer.email, "contact@acmecorp.com");
        assert_eq!(wanted.customer.country.as_deref(), Some("IE"));
        assert_eq!(wanted.customer.state.as_deref(), Some("D"));
        assert!(wanted.bank.is_some());
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let lead = complete(&[
            ("first_name", "  "),
            ("email", "nobody"),
            ("iban", "IE12BOFI90000112345678"),
            ("country", "Irland"),
            ("city", &"x".repeat(300)),
        ]);
        let faults = faults(&lead, Collection::Iban, Gateway::Stripe);
        let names: Vec<&str> = faults.keys().map(String::as_str).collect();
        assert_eq!(names, ["city", "country", "email", "first_name", "iban"]);
        assert!(faults["iban"].contains("mod 97"), "{faults:?}");
        assert!(!faults["iban"].contains("12345678"), "{faults:?}");
    }

    #[test]
    fn an_iban_is_judged_by_country_length_and_check_digits() {
        for good in [
            VALID,
            "de89 3704 0044 0532 0130 00",
            "FR1420041010050500013M02606",
        ] {
            assert!(iban(good).is_ok(), "{good}");
        }
        let cases = [
            ("IE12BOFI90000112345678", "mod 97"),
            ("DE8937040044053201300", "mod 97"),
            ("DE5137040044053201300", "length"),
            ("12345678", "is no IBAN"),
            ("IE", "is no IBAN"),
            ("XX46370400440532013000", "XX"),
        ];
        for (text, expected) in cases {
            let Err(fault) = iban(text) else {
                panic!("{text} was taken")
            };
            assert!(fault.contains(expected), "{text}: {fault}");
        }
    }

    #[test]
    fn gocardless_needs_a_complete_address_and_only_with_an_account() {
        let lead = complete(&[
            ("bank_name", "AIB"),
            ("street", "1 Main Street"),
            ("city", "Dublin"),
            ("zip", "D02 X285"),
            ("country", "IE"),
        ]);
        let found = faults(&lead, Collection::Iban, Gateway::Gocardless);
        assert_eq!(found.keys().collect::<Vec<_>>(), ["state"]);
        assert!(faults(&lead, Collection::Iban, Gateway::Stripe).is_empty());
        assert!(faults(&lead, Collection::Remittance, Gateway::Gocardless).is_empty());
    }

    #[test]
    fn an_iban_is_asked_for_only_where_it_is_used() {
        let lead = complete(&[("iban", "")]);
        let names = |collection| {
            faults(&lead, collection, Gateway::Stripe)
                .into_keys()
                .collect::<Vec<_>>()
        };
        assert_eq!(names(Collection::Iban), ["iban"]);
        assert!(names(Collection::Remittance).is_empty());
        let invoiced = check(
            "10x456",
            &lead,
            Collection::IbanOrRemittance,
            Gateway::Stripe,
        );
        assert!(invoiced.unwrap().bank.is_none());
        // A wrong one is a mistake, not a wish for an invoice.
        let wrong = complete(&[("iban", "IE12BOFI90000112345678")]);
        assert!(
            check(
                "10x456",
                &wrong,
                Collection::IbanOrRemittance,
                Gateway::Stripe
            )
            .is_err()
        );
    }

    #[test]
    fn countries_are_known_by_code_and_by_name() {
        for (text, code) in [
            ("IE", "IE"),
            ("irl", "IE"),
            ("Ireland", "IE"),
            ("United Kingdom", "GB"),
            ("great britain", "GB"),
            ("United States of America", "US"),
            ("Germany", "DE"),
            ("The Netherlands", "NL"),
            ("Netherlands", "NL"),
            ("Kenya", "KE"),
        ] {
            assert_eq!(country_code(text), Some(code), "{text}");
        }
        for text in ["", "Atlantis", "826", "10115"] {
            assert_eq!(country_code(text), None, "{text}");
        }
    }

    #[test]
    fn an_id_names_two_numbers_and_the_right_module() {
        let modules = [("Leads", "10"), ("Contacts", "12")];
        assert!(lead_id(" 10x456 ", &modules).is_ok());
        assert!(lead_id("12x9", &modules).is_ok());
        assert!(
            lead_id("vtiger_lead_id_456", &modules)
                .unwrap_err()
                .contains("10x123 of Leads")
        );
        assert!(
            lead_id("13x456", &modules)
                .unwrap_err()
                .contains("another module")
        );
        assert!(lead_id("x", &[]).unwrap_err().contains("no id of vTiger"));
    }
}
