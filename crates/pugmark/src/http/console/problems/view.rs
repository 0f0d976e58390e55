//! The list of problems.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use pugmark_queue::db::{DbError, Ts};
use serde::Deserialize;

use super::state::State as Standing;
use crate::http::AppState;
use crate::http::console::explained::{self, Explained};
use crate::http::console::filters::{Filtered, Kept};
use crate::http::console::frame::{Frame, show, store_down};
use crate::http::console::masking;
use crate::http::console::moment::{Moment, counted, encoded};
use crate::http::console::person::Person;
use crate::store::problems::{self, COUNTED, Group, LOOKED_AT, Look, Mark};

/// What stands in the address.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::http::console) struct Asked {
    /// `all` for those that are snoozed or resolved, too.
    show: String,
    /// Words, each of which is contained in flow, code or state.
    q: String,
}

impl Asked {
    fn means(&self, kind: &str, code: &str, state: &str) -> bool {
        let hay = format!("{kind} {code} {state}").to_lowercase();
        self.q
            .split_whitespace()
            .all(|word| hay.contains(&word.to_lowercase()))
    }
}

struct Problem {
    kind: String,
    code: String,
    explained: Option<&'static Explained>,
    class: &'static str,
    word: &'static str,
    operations: String,
    affected: String,
    first: Moment,
    last: Moment,
    /// What Pugmark does next, and when.
    next: String,
    example: Option<String>,
    mark: Option<Mark>,
    until: Option<Moment>,
    /// The filter that finds its operations.
    query: String,
    /// There are dead letters among them.
    dead: bool,
}

struct Listed {
    problems: Vec<Problem>,
    /// Snoozed and resolved ones that are left out.
    hidden: usize,
    all: bool,
    /// What was asked for, as it was typed.
    q: String,
    /// The same, as part of an address.
    query: String,
}

#[derive(Template)]
#[template(path = "console/problems/list.html")]
struct Page {
    frame: Frame,
    listed: Listed,
    kept: Kept,
    may_care: bool,
    may_change: bool,
}

#[derive(Template)]
#[template(path = "console/problems/list.html", block = "live")]
struct Live {
    frame: Frame,
    listed: Listed,
    may_care: bool,
    may_change: bool,
}

/// `GET /problems`
pub(in crate::http::console) async fn page(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    let gathered = async {
        let listed = gather(&state, &person, &asked).await?;
        let now = [("q", asked.q.as_str()), ("show", asked.show.as_str())];
        let mut conn = state.db.read().await?;
        let kept = Kept::read(&mut conn, &person, Filtered::Problems, &now).await?;
        Ok::<_, DbError>((listed, kept))
    };
    match gathered.await {
        Ok((listed, kept)) => show(&Page {
            frame,
            kept,
            listed,
            may_care: person.may_care(),
            may_change: person.may_change(),
        }),
        Err(error) => store_down(&frame, &error),
    }
}

/// `GET /console/problems`
pub(in crate::http::console) async fn fragment(
    State(state): State<AppState>,
    frame: Frame,
    person: Person,
    Query(asked): Query<Asked>,
) -> Response {
    match gather(&state, &person, &asked).await {
        Ok(listed) => show(&Live {
            frame,
            listed,
            may_care: person.may_care(),
            may_change: person.may_change(),
        }),
        Err(error) => store_down(&frame, &error),
    }
}

async fn gather(state: &AppState, person: &Person, asked: &Asked) -> Result<Listed, DbError> {
    let now = Ts::now();
    let all = asked.show == "all";
    let mut conn = state.db.read().await?;
    let groups = problems::groups(&mut conn).await?;
    let marks = problems::marks(&mut conn).await?;
    let mut found = Vec::new();
    let mut hidden = 0;
    for group in groups {
        let mark = marks
            .iter()
            .find(|mark| mark.kind == group.kind && mark.error_code == group.error_code);
        let standing = Standing::of(mark, group.last, now);
        if !asked.means(&group.kind, &group.error_code, standing.badge().1) {
            continue;
        }
        if !all && !standing.is_shown_first() {
            hidden += 1;
            continue;
        }
        let look = problems::look(&mut conn, &group.kind, &group.error_code).await?;
        let example = problems::example(&mut conn, &group.kind, &group.error_code).await?;
        let example = example.map(|text| match person.sees_personal() {
            true => text,
            false => masking::sentence(&text),
        });
        found.push((
            standing,
            problem(group, &look, mark, standing, example, now),
        ));
    }
    // What needs somebody first, and of that what failed last.
    found.sort_by(|(one, first), (other, second)| {
        (one, &second.last.exact).cmp(&(other, &first.last.exact))
    });
    Ok(Listed {
        problems: found.into_iter().map(|(_, problem)| problem).collect(),
        hidden,
        all,
        query: encoded(asked.q.trim()),
        q: asked.q.clone(),
    })
}

fn problem(
    group: Group,
    look: &Look,
    mark: Option<&Mark>,
    standing: Standing,
    example: Option<String>,
    now: Ts,
) -> Problem {
    let (class, word) = standing.badge();
    let dead = look.dead > 0;
    let status = if dead {
        "status:dead "
    } else {
        "status:retrying "
    };
    Problem {
        explained: explained::of(&group.error_code),
        class,
        word,
        operations: counted(group.operations, COUNTED),
        affected: affected(look),
        first: Moment::of(group.first, now),
        last: Moment::of(group.last, now),
        next: next(look, now),
        example,
        until: mark
            .and_then(|mark| mark.until)
            .filter(|_| standing == Standing::Snoozed)
            .map(|until| Moment::of(until, now)),
        mark: mark.cloned(),
        query: encoded(&format!(
            "{status}kind:{} code:{}",
            group.kind, group.error_code
        )),
        dead,
        kind: group.kind,
        code: group.error_code,
    }
}

/// `12 customers`, `at least 1,000 records`.
fn affected(look: &Look) -> String {
    let (number, one, many) = if look.customers == look.lanes {
        (look.customers, "customer", "customers")
    } else {
        (look.lanes, "record", "records")
    };
    let word = if number == 1 { one } else { many };
    let number = crate::http::api::status::grouped(number);
    if look.operations >= LOOKED_AT {
        format!("at least {number} {word}")
    } else {
        format!("{number} {word}")
    }
}

/// What Pugmark does next with them, and when.
fn next(look: &Look, now: Ts) -> String {
    match (look.dead, look.next_attempt_at) {
        (0, Some(at)) if at > now => format!(
            "Tries again by itself, the next one {}.",
            Moment::of(at, now).words
        ),
        (0, _) => "Tries again by itself, as soon as a worker is free.".to_owned(),
        (_, None) => "Nothing by itself: they wait for a person.".to_owned(),
        (dead, Some(at)) => format!(
            "{dead} of the latest wait for a person; the others are tried again by themselves, the next one {}.",
            Moment::of(at, now).words
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pugmark_does_next_follows_from_what_can_still_be_tried() {
        let now = Ts::from_micros(1_000_000_000);
        let soon = Some(Ts::from_micros(1_090_000_000));
        let look = |dead, next_attempt_at| Look {
            operations: 7,
            dead,
            next_attempt_at,
            lanes: 5,
            customers: 5,
        };
        assert_eq!(
            next(&look(7, None), now),
            "Nothing by itself: they wait for a person."
        );
        assert!(next(&look(0, soon), now).ends_with("the next one in 90 seconds."));
        assert!(next(&look(0, Some(now)), now).contains("as soon as a worker is free"));
        assert!(next(&look(2, soon), now).starts_with("2 of the latest wait for a person"));
        assert_eq!(affected(&look(0, None)), "5 customers");
        let tasks = Look {
            customers: 0,
            lanes: 1,
            ..look(0, None)
        };
        assert_eq!(affected(&tasks), "1 record");
        let many = Look {
            operations: LOOKED_AT,
            lanes: 1_000,
            customers: 1_000,
            ..tasks
        };
        assert_eq!(affected(&many), "at least 1,000 customers");
    }
}
