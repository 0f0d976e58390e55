//! Reading the records of a successful answer. Each is wrapped in its name: `{"customer":{…}}`.

use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::call::Call;
use super::classify::without_answer;
use super::transport::Answer;
use crate::error::{Error, Trouble};

/// The one record of an answer.
pub(crate) fn wrapped<T: DeserializeOwned>(
    call: &Call,
    answer: &Answer,
    name: &str,
) -> Result<T, Error> {
    let json: Json = parse(call, answer)?;
    unwrapped(call, answer.status, name, json)
}

/// The records of a list: a bare array of wrapped records.
pub(crate) fn items<T: DeserializeOwned>(
    call: &Call,
    answer: &Answer,
    name: &str,
) -> Result<Vec<T>, Error> {
    let list: Vec<Json> = parse(call, answer)?;
    list.into_iter()
        .map(|item| unwrapped(call, answer.status, name, item))
        .collect()
}

/// What a look-up found: the service answers 404 where there is nothing.
pub(crate) fn found<T>(looked: Result<T, Error>) -> Result<Option<T>, Error> {
    match looked {
        Ok(record) => Ok(Some(record)),
        Err(Error::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Refuses an answer about something else than was asked for: taken for it, somebody would get another's subscription.
/// Case is left out, as the service may compare without.
pub(crate) fn same_reference(call: &Call, asked: &str, got: Option<&str>) -> Result<(), Error> {
    if got.is_some_and(|got| got.eq_ignore_ascii_case(asked)) {
        return Ok(());
    }
    let message = "the answer is about another reference than was asked for".to_owned();
    Err(unreadable(call, None, message))
}

/// An answer that makes no sense.
pub(crate) fn unreadable(call: &Call, status: Option<u16>, message: String) -> Error {
    without_answer(call, Trouble::Unreadable, status, message)
}

fn parse<T: DeserializeOwned>(call: &Call, answer: &Answer) -> Result<T, Error> {
    serde_json::from_slice(&answer.body).map_err(|error| {
        // The parser's own words quote the value it stumbled over.
        let message = format!(
            "HTTP {} with {} that does not hold the expected JSON (line {}, column {})",
            answer.status,
            answer.content_type().unwrap_or("no content type"),
            error.line(),
            error.column()
        );
        unreadable(call, Some(answer.status), message)
    })
}

fn unwrapped<T: DeserializeOwned>(
    call: &Call,
    status: u16,
    name: &str,
    mut json: Json,
) -> Result<T, Error> {
    let record = json.get_mut(name).map(Json::take).ok_or_else(|| {
        let message = format!("HTTP {status} with JSON that does not hold `{name}`");
        unreadable(call, Some(status), message)
    })?;
    serde_path_to_error::deserialize(record).map_err(|error| {
        let message = format!(
            "HTTP {status} with a `{name}` whose field `{}` makes no sense",
            error.path()
        );
        unreadable(call, Some(status), message)
    })
}
