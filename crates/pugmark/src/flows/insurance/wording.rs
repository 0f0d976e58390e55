//! The words in which the CRM's users read what happened.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::events::{ColumnChange, Payment, Person, PersonKind};
use super::week::{PaymentDays, Week};
use crate::store::payments::Paid;

/// "Dependant Zuri Otieno added on 21 Nov 2026".
pub fn person(person: &Person, what: &str, zone: &TimeZone) -> String {
    let kind = match person.kind {
        PersonKind::Dependant => "Dependant",
        PersonKind::Beneficiary => "Beneficiary",
    };
    let at = person.at.unwrap_or_else(Timestamp::now);
    let day = date(at.to_zoned(zone.clone()).date());
    format!("{kind} {} {what} on {day}", person.name)
}

/// "Phone number changed from 0712345678 to 0799000111", one line per column.
pub fn customer_changed(columns: &[&ColumnChange]) -> String {
    let lines: Vec<String> = columns
        .iter()
        .map(|column| {
            format!(
                "{} changed from {} to {}",
                column_name(column.column),
                shown(column, column.from.as_deref()),
                shown(column, column.to.as_deref())
            )
        })
        .collect();
    lines.join("\n")
}

/// "Policy MB-1 changed from Active to Suspended".
pub fn policy_status(name: &str, from: &str, to: &str) -> String {
    format!(
        "Policy {name} changed from {} to {}",
        words_of(from),
        words_of(to)
    )
}

/// "Payment of KES 1,200.00 received on 21 Nov 2026 (SGL31HA2Q1)".
pub fn payment(payment: &Payment, what: &str, days: &PaymentDays) -> String {
    let amount = amount_of(&payment.amount);
    let on = payment
        .paid_at
        .map(|at| format!(" on {}", date(days.day(at))));
    let on = on.unwrap_or_default();
    match what {
        "detached" => format!("Payment of {amount} was taken off ({})", payment.reference),
        _ => format!("Payment of {amount} received{on} ({})", payment.reference),
    }
}

/// The week and what was paid in it, one line each.
pub fn week_summary(week: Week, paid: &Paid, days: &PaymentDays) -> String {
    let mut lines = vec![format!("Payments of the week {}", week.words())];
    if paid.count == 0 {
        lines.push("None".to_owned());
        return lines.join("\n");
    }
    lines.push(format!("Total: {}", money(paid.cents)));
    lines.push(format!("Number: {}", paid.count));
    lines.push(format!("Average: {}", money(paid.average())));
    if let (Some(first), Some(last)) = (paid.first, paid.last) {
        let (first, last) = (days.day(first), days.day(last));
        lines.push(match first == last {
            true => format!("Paid on {}", date(first)),
            false => format!("Paid from {} to {}", date(first), date(last)),
        });
    }
    lines.join("\n")
}

/// "21 Nov 2026".
pub fn date(day: Date) -> String {
    day.strftime("%-d %b %Y").to_string()
}

/// "KES 1,200.00" for 120000 cents.
pub fn money(cents: i64) -> String {
    let digits = (cents / 100).unsigned_abs().to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let sign = if cents < 0 { "-" } else { "" };
    format!("KES {sign}{grouped}.{:02}", (cents % 100).abs())
}

/// `PENDING_ACTIVATION` becomes `Pending activation`; `NATIONAL_ID` keeps its abbreviation.
pub fn words_of(label: &str) -> String {
    let words: Vec<String> = label
        .split('_')
        .enumerate()
        .map(|(position, word)| match word {
            "ID" | "KYC" => word.to_owned(),
            word if position == 0 => capitalised(word),
            word => word.to_lowercase(),
        })
        .collect();
    words.join(" ")
}

/// `dateOfBirth` becomes `Date of birth`; `idNumber` keeps its abbreviation.
pub fn column_name(column: &str) -> String {
    let mut name = String::new();
    for letter in column.chars() {
        if letter.is_uppercase() {
            name.push(' ');
        }
        name.extend(letter.to_lowercase());
    }
    match name.strip_prefix("id ") {
        Some(rest) => format!("ID {rest}"),
        None => capitalised(&name),
    }
}

/// Columns that hold labels of MicroBima's enums.
const LABELS: [&str; 3] = ["status", "gender", "idType"];

fn shown(column: &ColumnChange, value: Option<&str>) -> String {
    match value {
        None | Some("") => "nothing".to_owned(),
        Some(label) if LABELS.contains(&column.column) => words_of(label),
        Some(value) => value.to_owned(),
    }
}

fn amount_of(text: &str) -> String {
    match text.parse::<f64>() {
        // Amounts have two decimals and at most ten digits: exact in this form.
        #[allow(clippy::cast_possible_truncation, reason = "numeric(10,2) fits")]
        Ok(amount) => money((amount * 100.0).round() as i64),
        Err(_) => format!("KES {text}"),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first
            .to_uppercase()
            .chain(letters.as_str().to_lowercase().chars())
            .collect(),
        None => String::new(),
    }
}
