//! Judging what was typed: every mistake at once, each with its field and what to do. Pure.

use std::collections::{BTreeMap, BTreeSet};

use iban::{Iban, IbanLike, ParseBaseIbanError, ParseIbanError};
use vtiger::{FieldType, Module};

use super::modules::target;
use crate::config::{FieldKind, Form, FormField};

/// Answers by the name of their question. Bank data is among them: they are sealed wherever they are stored, and never logged.
pub type Answers = BTreeMap<String, String>;

/// How much is asked of a form.
#[derive(Clone, Copy)]
pub enum Insist<'a> {
    /// A portal sends what it has; only what it sends must be right.
    Given,
    /// The page: what is required must be there, unless it was sent before and is not shown again.
    Required {
        /// Names of answers that were sent before.
        sent: &'a BTreeSet<String>,
    },
}

/// The answers as they are stored, or what is wrong with each. Empty ones are left out: they change nothing in the CRM.
///
/// `module` is the one the client is in, as far as it is known now; its lengths and picklists count.
///
/// # Errors
/// What is wrong, by name.
pub fn judge(
    form: &Form,
    module: Option<&Module>,
    given: &BTreeMap<String, String>,
    insist: Insist<'_>,
) -> Result<Answers, BTreeMap<String, String>> {
    let mut wrong = BTreeMap::new();
    let mut answers = Answers::new();
    for name in given.keys().filter(|name| form.field(name).is_none()) {
        let what = "is no field of this form (onboarding.form.fields lists them)";
        wrong.insert(name.clone(), what.to_owned());
    }
    for question in &form.fields {
        let text = given.get(&question.name).map(|text| tidy(text, question));
        match text {
            Some(text) if !text.is_empty() => match fit(question, module, &text) {
                Ok(answer) => drop(answers.insert(question.name.clone(), answer)),
                Err(what) => drop(wrong.insert(question.name.clone(), what)),
            },
            given => {
                let needed = match insist {
                    Insist::Given => given.is_some(),
                    Insist::Required { sent } => !sent.contains(&question.name),
                };
                if question.required && needed {
                    wrong.insert(question.name.clone(), "must be filled in".to_owned());
                }
            }
        }
    }
    match wrong.is_empty() {
        true => Ok(answers),
        false => Err(wrong),
    }
}

/// What can be chosen: what vTiger's picklist holds, or else what the settings say.
pub fn choices(question: &FormField, module: Option<&Module>) -> Vec<String> {
    let field = module.and_then(|module| target(module, question).ok());
    match field.map(|field| &field.field_type) {
        Some(FieldType::Picklist(values)) => {
            values.iter().map(|entry| entry.value.clone()).collect()
        }
        _ => question.choices.clone(),
    }
}

/// Most characters of an answer: what the settings allow, and what vTiger's field holds.
pub fn longest(question: &FormField, module: Option<&Module>) -> u32 {
    let field = module.and_then(|module| target(module, question).ok());
    let held = field.and_then(|field| field.length);
    held.map_or(question.max, |held| held.min(question.max))
}

/// Without what nobody types on purpose.
fn tidy(text: &str, question: &FormField) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    match question.kind {
        FieldKind::Lines => text.trim().to_owned(),
        _ => text.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

fn fit(question: &FormField, module: Option<&Module>, text: &str) -> Result<String, String> {
    let stray = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if text.contains(stray) {
        return Err("holds a character that cannot be shown; type it again".to_owned());
    }
    let answer = match question.kind {
        FieldKind::Text | FieldKind::Lines => text.to_owned(),
        FieldKind::Email => email(text)?,
        FieldKind::Phone => phone(text)?,
        FieldKind::Iban => iban(text)?,
        FieldKind::Date => date(text)?,
        FieldKind::Number => number(text)?,
        FieldKind::Choice => text.to_owned(),
    };
    let listed = choices(question, module);
    if !listed.is_empty() && !listed.contains(&answer) {
        return Err(format!("must be one of: {}", listed.join(", ")));
    }
    let (length, longest) = (answer.chars().count(), longest(question, module));
    if length > longest as usize {
        return Err(format!(
            "is too long: {length} characters, and {longest} is the most"
        ));
    }
    Ok(answer)
}

fn email(text: &str) -> Result<String, String> {
    let options = email_address::Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    match email_address::EmailAddress::parse_with_options(text, options) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("must be an e-mail address like name@example.com".to_owned()),
    }
}

fn phone(text: &str) -> Result<String, String> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let usual = text
        .chars()
        .all(|letter| letter.is_ascii_digit() || " +()-./".contains(letter));
    match usual && (5..=20).contains(&digits) && !text[1..].contains('+') {
        true => Ok(text.to_owned()),
        false => Err("must be a phone number like +353 1 234 5678".to_owned()),
    }
}

/// In the form in which banks exchange it: capitals, no spaces.
fn iban(text: &str) -> Result<String, String> {
    let compact: String = text
        .chars()
        .filter(|letter| !letter.is_whitespace() && *letter != '-')
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let why = match compact.parse::<Iban>() {
        Ok(iban) => return Ok(iban.electronic_str().to_owned()),
        Err(ParseIbanError::InvalidBaseIban {
            source: ParseBaseIbanError::InvalidChecksum,
        }) => {
            "is not right: its check digits do not fit, so a digit is mistyped. Compare it with your bank statement"
        }
        Err(ParseIbanError::InvalidBaseIban { .. }) => {
            "must be an IBAN: two letters for the country, two check digits, then the account"
        }
        Err(ParseIbanError::InvalidBban(_)) => {
            "is not right: it is too short or too long for an IBAN of its country"
        }
        Err(ParseIbanError::UnknownCountry(_)) => {
            "begins with letters that are no country with IBANs"
        }
    };
    Err(why.to_owned())
}

fn date(text: &str) -> Result<String, String> {
    let date: Result<jiff::civil::Date, _> = text.parse();
    match date {
        Ok(date) if (1900..=2200).contains(&date.year()) && text.len() == 10 => {
            Ok(date.to_string())
        }
        _ => Err("must be a day, written like 2026-12-31".to_owned()),
    }
}

fn number(text: &str) -> Result<String, String> {
    let number: Result<u32, _> = text.parse();
    match number {
        Ok(number) if number <= 100_000_000 && !text.starts_with('+') => Ok(number.to_string()),
        _ => Err("must be a whole number, zero or more".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Onboarding;

    fn judged(given: &[(&str, &str)]) -> Result<Answers, BTreeMap<String, String>> {
        let given = given
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        judge(&Onboarding::default().form, None, &given, Insist::Given)
    }

    fn refused(name: &str, text: &str) -> String {
        let wrong = judged(&[(name, text)]).expect_err("it is refused");
        wrong[name].clone()
    }

    #[test]
    fn an_iban_is_taken_in_any_spelling_and_kept_in_one() {
        for text in [
            "IE29AIBK93115212345678",
            "ie29 aibk 9311 5212 3456 78",
            " IE29-AIBK-9311-5212-3456-78 ",
        ] {
            let answers = judged(&[("iban", text)]).expect("right");
            assert_eq!(answers["iban"], "IE29AIBK93115212345678");
        }
    }

    #[test]
    fn a_wrong_iban_is_refused_with_what_is_wrong_and_never_repeated() {
        for (text, why) in [
            ("IE12BOFI90000112345678", "check digits"),
            ("IE29AIBK9311521234567", "too short or too long"),
            ("XX29AIBK93115212345678", "no country"),
            ("hello", "must be an IBAN"),
        ] {
            let said = refused("iban", text);
            let known = ["check digits", "too short", "no country", "must be an IBAN"];
            assert!(
                known.iter().any(|words| said.contains(words)),
                "{text}: {said}"
            );
            assert!(!said.contains(text), "{said}");
            if why == "check digits" {
                assert!(said.contains(why), "{said}");
            }
        }
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let wrong = judged(&[
            ("contactEmail", "nobody"),
            ("contactPhone", "call me"),
            ("iban", "IE00"),
            ("startDate", "31.12.2026"),
            ("employees", "-3"),
            ("payFrequency", "Sometimes"),
            ("companyTradingName", "  "),
            ("favouriteColour", "red"),
            ("notes", "a\u{7}b"),
            ("postalCode", &"x".repeat(31)),
        ])
        .expect_err("refused");
        assert_eq!(wrong.len(), 10, "{wrong:?}");
    }

    #[test]
    fn dates_numbers_and_lines_are_kept_as_meant() {
        let answers = judged(&[
            ("startDate", "2028-02-29"),
            ("employees", "0042"),
            ("sickLeavePolicy", "Statutory\r\n+ 3 days \n"),
            ("companyTradingName", "  Acme \t Corp  "),
            ("bankName", ""),
        ])
        .expect("right");
        assert_eq!(answers["startDate"], "2028-02-29");
        assert_eq!(answers["employees"], "42");
        assert_eq!(answers["sickLeavePolicy"], "Statutory\n+ 3 days");
        assert_eq!(answers["companyTradingName"], "Acme Corp");
        assert!(!answers.contains_key("bankName"), "empty changes nothing");
        assert!(refused("startDate", "2027-02-29").contains("must be a day"));
    }

    #[test]
    fn the_page_insists_on_what_is_required_unless_it_was_sent_before() {
        let form = Onboarding::default().form;
        let none = BTreeSet::new();
        let insist = Insist::Required { sent: &none };
        let wrong = judge(&form, None, &BTreeMap::new(), insist).expect_err("empty");
        let required = form.fields.iter().filter(|field| field.required).count();
        assert_eq!(wrong.len(), required);
        let sent: BTreeSet<String> = form.fields.iter().map(|field| field.name.clone()).collect();
        let insist = Insist::Required { sent: &sent };
        assert!(judge(&form, None, &BTreeMap::new(), insist).is_ok());
    }
}
