//! `GET /admin/users`.

use serde_json::{Value, json};

use super::super::call::{Answer, Call, Success};
use super::super::refusal::Refusal;
use super::super::shown;
use super::super::state::Stage;
use super::super::users::{AUDIENCE, User};
use crate::wire::Params;

const DEFAULT_PER_PAGE: u64 = 50;

/// A page of users, the youngest first.
pub(in super::super) fn list(stage: &Stage<'_>, call: &Call<'_>) -> Answer {
    let query = &call.request.query;
    let page = number(query, "page", 1)?;
    let per_page = number(query, "per_page", DEFAULT_PER_PAGE)?;
    let filter = query.text("filter").unwrap_or_default();
    let found: Vec<&User> = stage
        .state
        .users
        .youngest_first()
        .into_iter()
        .filter(|user| user.aud == AUDIENCE && passes(user, filter))
        .collect();
    let total = found.len() as u64;
    // Pages of nothing: the server divides by it.
    let pages = if per_page == 0 {
        return Err(Refusal::Panic);
    } else {
        total.div_ceil(per_page)
    };
    let skipped = page.saturating_sub(1).saturating_mul(per_page);
    let users: Vec<Value> = found
        .into_iter()
        .skip(usize::try_from(skipped).unwrap_or(usize::MAX))
        .take(usize::try_from(per_page).unwrap_or(usize::MAX))
        .map(shown::listed)
        .collect();
    Ok(Success::ok(json!({ "users": users, "aud": AUDIENCE }))
        .header("link", links(query, page, pages))
        .header("x-total-count", total.to_string()))
}

fn number(query: &Params, name: &str, default: u64) -> Result<u64, Refusal> {
    match query.text(name).unwrap_or_default() {
        "" => Ok(default),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| bad(text, "value out of range"))
        }
        text => Err(bad(text, "invalid syntax")),
    }
}

fn bad(text: &str, why: &str) -> Refusal {
    Refusal::invalid(format!(
        "Bad Pagination Parameters: strconv.ParseUint: parsing {text:?}: {why}"
    ))
}

/// Links to the next page and to the last one, as the server knows itself behind the gateway. The parameters stand in
/// the order of their names.
fn links(query: &Params, page: u64, pages: u64) -> String {
    let target = |page: u64| {
        let page = page.to_string();
        let given: Vec<String> = ["filter", "page", "per_page"]
            .into_iter()
            .filter_map(|name| {
                let value = match name {
                    "page" => Some(page.as_str()),
                    _ => query.text(name),
                };
                value.map(|value| format!("{name}={}", escape(value)))
            })
            .collect();
        format!("</admin/users?{}>", given.join("&"))
    };
    let last = format!("{}; rel=\"last\"", target(pages));
    if pages > page {
        format!("{}; rel=\"next\", {last}", target(page + 1))
    } else {
        last
    }
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            b' ' => "+".to_owned(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// The address is compared as it stands, the name without regard to case.
fn passes(user: &User, filter: &str) -> bool {
    let name = user.user_metadata.get("full_name").and_then(Value::as_str);
    filter.is_empty()
        || contains(&user.email, filter)
        || name.is_some_and(|name| contains(&name.to_lowercase(), &filter.to_lowercase()))
}

/// SQL's `LIKE '%filter%'`: `%` stands for any text, `_` for any character, `\` takes both their meaning.
fn contains(text: &str, filter: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = format!("%{filter}%").chars().collect();
    like(&text, &pattern)
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|skipped| like(&text[skipped..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', literal, rest @ ..] | [literal, rest @ ..] => {
            text.first() == Some(literal) && like(&text[1..], rest)
        }
    }
}
