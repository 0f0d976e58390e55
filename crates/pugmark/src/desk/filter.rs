//! The filter language of the operations: `status:dead kind:customer.create older:1h some words`. Pure.
//!
//! What stands in the address is what was typed, so an address can be kept and handed on. Words without a colon are looked for
//! in ids, correlation ids and errors; `"..."` keeps several together.

use std::fmt;
use std::time::Duration;

use pugmark_queue::db::Ts;
use pugmark_queue::{OperationId, Search, Standing};

use crate::flows::insurance::plan::{self, customer_lane, user_lane};
use crate::flows::onboarding;

/// More characters are refused.
pub const LONGEST: usize = 2_000;

/// The filters, each with what it takes, as the page explains them.
pub const FILTERS: [(&str, &str); 10] = [
    (
        "status:",
        "waiting, running, retrying, dead, blocked, done or discarded",
    ),
    ("kind:", "for example customer.create or note.create"),
    ("code:", "for example PUG-2006"),
    ("customer:", "the id of a customer"),
    ("user:", "the id of a staff account"),
    ("record:", "the type and the id of any record: TASK/1f0c..."),
    ("operation:", "the ids of operations, with commas between"),
    ("request:", "a correlation id"),
    ("older:", "queued longer ago than 90s, 30m, 1h, 7d or 2w"),
    ("newer:", "queued within the last 90s, 30m, 1h, 7d or 2w"),
];

const STANDINGS: [(&str, Standing); 11] = [
    ("waiting", Standing::Waiting),
    ("running", Standing::Running),
    ("retrying", Standing::Retrying),
    ("dead", Standing::Dead),
    ("blocked", Standing::Blocked),
    ("done", Standing::Done),
    ("discarded", Standing::Discarded),
    // The words of the API.
    ("pending", Standing::Waiting),
    ("processing", Standing::Running),
    ("failed", Standing::Retrying),
    ("completed", Standing::Done),
];

/// A word of a filter that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misunderstood {
    /// The word, as it was typed.
    pub word: String,
    /// What to write instead.
    pub fix: String,
}

impl fmt::Display for Misunderstood {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}`: {}", self.word, self.fix)
    }
}

/// Reads a filter. Ages are counted back from `now`.
///
/// # Errors
/// Every word that cannot be understood, in the order in which they stand.
pub fn parse(text: &str, now: Ts) -> Result<Search, Vec<Misunderstood>> {
    let mut search = Search::default();
    let mut wrong = Vec::new();
    if text.chars().count() > LONGEST {
        let word: String = text.chars().take(20).chain(['…']).collect();
        let fix = format!("a filter has at most {LONGEST} characters; leave some words out");
        return Err(vec![Misunderstood { word, fix }]);
    }
    for word in words(text) {
        if let Err(fix) = take(&mut search, &word, now) {
            wrong.push(Misunderstood {
                word: word.typed,
                fix,
            });
        }
    }
    if wrong.is_empty() {
        Ok(search)
    } else {
        Err(wrong)
    }
}

/// A word as it was typed, and without its quotes.
struct Word {
    typed: String,
    text: String,
    /// It began with a quote: a colon in it means nothing.
    quoted: bool,
}

fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(first) = letters.peek().copied() {
        if first.is_whitespace() {
            letters.next();
            continue;
        }
        let (mut typed, mut plain, mut inside) = (String::new(), String::new(), false);
        while let Some(letter) = letters.next_if(|letter| inside || !letter.is_whitespace()) {
            typed.push(letter);
            if letter == '"' {
                inside = !inside;
            } else {
                plain.push(letter);
            }
        }
        found.push(Word {
            typed,
            text: plain.trim().to_owned(),
            quoted: first == '"',
        });
    }
    found
}

fn take(search: &mut Search, word: &Word, now: Ts) -> Result<(), String> {
    if word.text.contains('\0') {
        return Err("holds a character that no operation can hold; leave it out".to_owned());
    }
    let named = word.text.split_once(':').filter(|_| !word.quoted);
    let Some((name, value)) = named else {
        if word.text.is_empty() {
            return Err("is empty; write something between the quotes".to_owned());
        }
        search.words.push(word.text.clone());
        return Ok(());
    };
    let name = name.to_lowercase();
    let known = FILTERS
        .iter()
        .find(|(filter, _)| *filter == format!("{name}:"));
    let Some((_, takes)) = known else {
        return Err(unknown(&name, &word.text));
    };
    if value.is_empty() {
        return Err(format!("says nothing behind the colon; it takes {takes}"));
    }
    match name.as_str() {
        "status" => once(&mut search.standing, standing(value)?, "status"),
        "kind" => once(&mut search.kind, kind(value)?, "kind"),
        "code" => once(&mut search.code, code(value), "code"),
        "customer" => {
            search.lane = Some(customer_lane(value));
            let record = (plan::CUSTOMER.to_owned(), value.to_owned());
            once(&mut search.record, record, "record")
        }
        "user" => {
            search.lane = Some(user_lane(value));
            let record = (plan::USER.to_owned(), value.to_owned());
            once(&mut search.record, record, "record")
        }
        "record" => once(&mut search.record, record(value)?, "record"),
        "operation" => {
            if !search.ids.is_empty() {
                return Err(
                    "is the second one; put all ids into one, with commas between".to_owned(),
                );
            }
            search.ids = ids(value)?;
            Ok(())
        }
        "request" => once(&mut search.correlation_id, value.to_owned(), "request"),
        "older" => once(&mut search.before, now.before(age(value)?), "older"),
        _ => once(&mut search.since, now.before(age(value)?), "newer"),
    }
}

fn once<T>(place: &mut Option<T>, value: T, what: &str) -> Result<(), String> {
    if place.is_some() {
        return Err(format!(
            "is the second {what}; one filter takes one, so remove one of the two"
        ));
    }
    *place = Some(value);
    Ok(())
}

fn unknown(name: &str, word: &str) -> String {
    let names = FILTERS.map(|(filter, _)| filter.trim_end_matches(':'));
    match nearest(name, &names) {
        Some(near) => format!("there is no filter `{name}`; did you mean `{near}:`?"),
        None => format!(
            "there is no filter `{name}`; use one of {}, or quotes to look for it as text: \"{word}\"",
            names.join(", ")
        ),
    }
}

fn standing(value: &str) -> Result<Standing, String> {
    let value = value.to_lowercase();
    let found = STANDINGS.iter().find(|(word, _)| *word == value);
    found.map(|(_, standing)| *standing).ok_or_else(|| {
        let words = STANDINGS.map(|(word, _)| word);
        suggestion("status", &value, &words, &words[..7].join(", "))
    })
}

fn kind(value: &str) -> Result<String, String> {
    let value = value.to_lowercase();
    let kinds = kinds();
    if kinds.contains(&value.as_str()) {
        return Ok(value);
    }
    Err(suggestion("kind", &value, &kinds, &kinds.join(", ")))
}

/// Every kind of operation that this program knows.
pub fn kinds() -> Vec<&'static str> {
    plan::KINDS.into_iter().chain(onboarding::KINDS).collect()
}

fn suggestion(what: &str, value: &str, words: &[&str], listed: &str) -> String {
    match nearest(value, words) {
        Some(near) => format!("there is no {what} `{value}`; did you mean `{what}:{near}`?"),
        None => format!("there is no {what} `{value}`; use one of {listed}"),
    }
}

/// Codes are written in capitals; the number alone is enough.
fn code(value: &str) -> String {
    let number = value.len() == 4 && value.bytes().all(|byte| byte.is_ascii_digit());
    if number {
        format!("PUG-{value}")
    } else {
        value.to_uppercase()
    }
}

fn record(value: &str) -> Result<(String, String), String> {
    let parts = value.split_once('/');
    let parts = parts.filter(|(kind, id)| !kind.is_empty() && !id.is_empty());
    let (kind, id) =
        parts.ok_or("takes the type and the id with a slash between: `record:TASK/1f0c...`")?;
    Ok((kind.to_uppercase(), id.to_owned()))
}

fn ids(value: &str) -> Result<Vec<OperationId>, String> {
    let ids = value.split(',').map(str::trim).filter(|id| !id.is_empty());
    let ids: Result<Vec<OperationId>, _> = ids.map(str::parse).collect();
    let ids = ids.map_err(|_| "takes ids of operations, with commas between")?;
    match ids.is_empty() {
        true => Err("takes ids of operations, with commas between".to_owned()),
        false => Ok(ids),
    }
}

/// The filter that means just these, as far as they are dead letters.
pub fn these(ids: &[OperationId]) -> String {
    let ids: Vec<String> = ids.iter().map(|id| id.0.simple().to_string()).collect();
    format!("status:dead operation:{}", ids.join(","))
}

fn age(value: &str) -> Result<Duration, String> {
    const FORM: &str = "takes a number and a unit: 90s, 30m, 1h, 7d or 2w";
    let split = value.len() - value.chars().last().map_or(0, char::len_utf8);
    let (number, unit) = value.split_at(split);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(FORM.to_owned()),
    };
    let number: u32 = number.parse().map_err(|_| FORM.to_owned())?;
    let seconds = u64::from(number) * seconds;
    if seconds > 100 * 366 * 86_400 {
        return Err("is more than a hundred years; nothing is that old".to_owned());
    }
    Ok(Duration::from_secs(seconds))
}

/// The word that is most like this one, if any is like it at all.
fn nearest<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    let near = words.iter().map(|known| (distance(word, known), *known));
    let (distance, known) = near.min_by_key(|(distance, _)| *distance)?;
    (distance * 3 <= known.chars().count().max(4)).then_some(known)
}

/// How many letters have to be put in, taken out or changed to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, against) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *against);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000_000_000;

    fn read(text: &str) -> Result<Search, Vec<Misunderstood>> {
        parse(text, Ts::from_micros(NOW))
    }

    fn ago(seconds: i64) -> Option<Ts> {
        Some(Ts::from_micros(NOW - seconds * 1_000_000))
    }

    #[test]
    fn each_filter_restricts_what_it_names() {
        let nothing = Search::default();
        let text = |text: &str| Some(text.to_owned());
        let cases = [
            ("", nothing.clone()),
            ("  \t ", nothing.clone()),
            (
                "status:dead",
                Search {
                    standing: Some(Standing::Dead),
                    ..nothing.clone()
                },
            ),
            (
                "STATUS:Dead",
                Search {
                    standing: Some(Standing::Dead),
                    ..nothing.clone()
                },
            ),
            (
                "status:PROCESSING",
                Search {
                    standing: Some(Standing::Running),
                    ..nothing.clone()
                },
            ),
            (
                "kind:Note.Create",
                Search {
                    kind: text("note.create"),
                    ..nothing.clone()
                },
            ),
            (
                "kind:maxio.onboard",
                Search {
                    kind: text("maxio.onboard"),
                    ..nothing.clone()
                },
            ),
            (
                "code:pug-2006",
                Search {
                    code: text("PUG-2006"),
                    ..nothing.clone()
                },
            ),
            (
                "code:2006",
                Search {
                    code: text("PUG-2006"),
                    ..nothing.clone()
                },
            ),
            (
                "request:Abc-1",
                Search {
                    correlation_id: text("Abc-1"),
                    ..nothing.clone()
                },
            ),
            (
                "older:1h",
                Search {
                    before: ago(3_600),
                    ..nothing.clone()
                },
            ),
            (
                "newer:2w older:90s",
                Search {
                    since: ago(1_209_600),
                    before: ago(90),
                    ..nothing.clone()
                },
            ),
            (
                "customer:7f",
                Search {
                    record: Some(("CUSTOMER".into(), "7f".into())),
                    lane: text("customer:7f"),
                    ..nothing.clone()
                },
            ),
            (
                "user:8",
                Search {
                    record: Some(("USER".into(), "8".into())),
                    lane: text("user:8"),
                    ..nothing.clone()
                },
            ),
            (
                "record:task/9",
                Search {
                    record: Some(("TASK".into(), "9".into())),
                    ..nothing.clone()
                },
            ),
            (
                "two words",
                Search {
                    words: vec!["two".into(), "words".into()],
                    ..nothing.clone()
                },
            ),
            (
                "\"two words\"",
                Search {
                    words: vec!["two words".into()],
                    ..nothing.clone()
                },
            ),
            (
                "\"a:b\" c",
                Search {
                    words: vec!["a:b".into(), "c".into()],
                    ..nothing.clone()
                },
            ),
            (
                "request:\"x y\"",
                Search {
                    correlation_id: text("x y"),
                    ..nothing.clone()
                },
            ),
            (
                "\"never closed",
                Search {
                    words: vec!["never closed".into()],
                    ..nothing.clone()
                },
            ),
        ];
        for (typed, meant) in cases {
            assert_eq!(read(typed), Ok(meant), "{typed}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named_with_what_to_write_instead() {
        let cases = [
            (
                "satus:dead",
                "satus:dead",
                "there is no filter `satus`; did you mean `status:`?",
            ),
            (
                "status:deaad",
                "status:deaad",
                "there is no status `deaad`; did you mean `status:dead`?",
            ),
            (
                "status:purple",
                "status:purple",
                "there is no status `purple`; use one of waiting, running, retrying, dead, blocked, done, discarded",
            ),
            (
                "kind:note.creat",
                "kind:note.creat",
                "did you mean `kind:note.create`?",
            ),
            (
                "kind:everything",
                "kind:everything",
                "use one of customer.create, customer.update",
            ),
            (
                "older:1y",
                "older:1y",
                "takes a number and a unit: 90s, 30m, 1h, 7d or 2w",
            ),
            (
                "older:",
                "older:",
                "says nothing behind the colon; it takes queued longer ago than",
            ),
            ("older:é", "older:é", "takes a number and a unit"),
            (
                "newer:4000000000w",
                "newer:4000000000w",
                "more than a hundred years",
            ),
            (
                "record:TASK",
                "record:TASK",
                "the type and the id with a slash between",
            ),
            (
                "status:dead status:done",
                "status:done",
                "is the second status",
            ),
            ("customer:1 user:2", "user:2", "is the second record"),
            ("\"\"", "\"\"", "write something between the quotes"),
            (
                "lorem:ipsum",
                "lorem:ipsum",
                "or quotes to look for it as text: \"lorem:ipsum\"",
            ),
            ("a\0b", "a\0b", "leave it out"),
        ];
        for (typed, word, fix) in cases {
            let wrong = read(typed).expect_err(typed);
            assert_eq!(wrong.len(), 1, "{typed}: {wrong:?}");
            assert_eq!(wrong[0].word, word);
            assert!(wrong[0].fix.contains(fix), "{typed}: {}", wrong[0].fix);
        }
        let all = read("satus:dead fine older:x").expect_err("two are wrong");
        assert_eq!(all.len(), 2, "all at once: {all:?}");
        assert!(read(&"x".repeat(LONGEST + 1)).is_err());
    }
}
