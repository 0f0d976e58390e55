//! One timeline of several sources, page by page. Pure.

use std::cmp::Ordering;

use pugmark_queue::OperationId;
use pugmark_queue::db::Ts;

use crate::store::journey::{Until, first_of};

/// Where an entry comes from. What comes later in this list stands above at the same time: a change causes an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Change = 0,
    Webhook = 1,
    Conflict = 2,
    Operation = 3,
    Audit = 4,
}

/// The place of an entry in the timeline; also the cursor behind which a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: Ts,
    pub(super) source: Source,
    /// Among those of one source at one time; numbers with leading zeros.
    pub(super) key: String,
}

impl Place {
    /// The place of an entry with a number.
    pub(super) fn numbered(at: Ts, source: Source, number: i64) -> Self {
        Place {
            at,
            source,
            key: format!("{number:020}"),
        }
    }

    /// The place of an operation: its id tells the millisecond in which it was queued.
    pub(super) fn of_operation(id: OperationId) -> Self {
        Place {
            at: Ts::from_micros(millis_of(id) * 1_000),
            source: Source::Operation,
            key: id.to_string(),
        }
    }

    /// Reads a cursor.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let at = parts.next()?.parse().ok()?;
        let source = match parts.next()? {
            "0" => Source::Change,
            "1" => Source::Webhook,
            "2" => Source::Conflict,
            "3" => Source::Operation,
            "4" => Source::Audit,
            _ => return None,
        };
        let key = parts
            .next()
            .filter(|key| key.len() <= 40 && key.is_ascii())?;
        Some(Place {
            at: Ts::from_micros(at),
            source,
            key: key.to_owned(),
        })
    }

    /// What a source with numbers is asked for so that it gives whatever stands behind this.
    pub(super) fn until(&self, source: Source) -> Until {
        let id = match source.cmp(&self.source) {
            Ordering::Less => i64::MAX,
            Ordering::Equal => self.key.parse().unwrap_or(i64::MIN),
            Ordering::Greater => i64::MIN,
        };
        Until { at: self.at, id }
    }

    /// The same for operations: those with smaller ids stand behind this.
    pub(super) fn before_operation(&self) -> OperationId {
        let micros = self.at.as_micros();
        match (Source::Operation.cmp(&self.source), self.key.parse()) {
            (Ordering::Equal, Ok(id)) => id,
            (Ordering::Less, _) => first_of(micros.div_euclid(1_000) + 1),
            _ => first_of(-(-micros).div_euclid(1_000)),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            self.at.as_micros(),
            self.source as u8,
            self.key
        )
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let keys = (self.at.as_micros(), self.source, &self.key);
        keys.cmp(&(other.at.as_micros(), other.source, &other.key))
    }
}

/// The milliseconds since 1970 in a UUIDv7.
fn millis_of(id: OperationId) -> i64 {
    i64::try_from(id.0.as_u128() >> 80).unwrap_or_default()
}

/// The page behind `after`: its entries, the latest first, and the cursor of the next page if there is one. Each source gave as
/// many as a page holds and one more, or all it has.
pub(super) fn page<T>(
    mut entries: Vec<(Place, T)>,
    after: Option<&Place>,
    size: usize,
) -> (Vec<T>, Option<Place>) {
    entries.retain(|(place, _)| after.is_none_or(|after| place < after));
    entries.sort_by(|(one, _), (other, _)| other.cmp(one));
    let more = entries.len() > size;
    entries.truncate(size);
    let next = entries
        .last()
        .filter(|_| more)
        .map(|(place, _)| place.clone());
    let entries = entries.into_iter().map(|(_, entry)| entry).collect();
    (entries, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64, source: Source, number: i64) -> Place {
        Place::numbered(Ts::from_micros(micros), source, number)
    }

    #[test]
    fn pages_of_several_sources_hold_everything_once_also_at_the_same_time() {
        let all: Vec<(Place, i64)> = [
            at(5_000, Source::Change, 1),
            at(5_000, Source::Change, 2),
            at(5_000, Source::Audit, 1),
            at(5_000, Source::Webhook, 7),
            at(4_000, Source::Change, 9),
            at(6_000, Source::Change, 3),
        ]
        .into_iter()
        .zip(0..)
        .collect();
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let (entries, next) = page(all.clone(), after.as_ref(), 2);
            seen.extend(entries);
            match next {
                Some(next) => after = Place::parse(&next.to_string()),
                None => break,
            }
        }
        assert_eq!(seen, [5, 2, 3, 1, 0, 4]);
    }

    #[test]
    fn sources_are_asked_for_whatever_stands_behind_a_place() {
        let place = at(5_000, Source::Webhook, 7);
        assert_eq!(place.until(Source::Webhook).id, 7);
        assert_eq!(place.until(Source::Change).id, i64::MAX);
        assert_eq!(place.until(Source::Audit).id, i64::MIN);
        let operation = first_of(5);
        assert_eq!(Place::of_operation(operation).at.as_micros(), 5_000);
        // An operation of the same millisecond stands above a webhook, and is not behind it.
        assert_eq!(place.before_operation(), first_of(5));
        let audit = at(5_000, Source::Audit, 1);
        assert_eq!(audit.before_operation(), first_of(6));
        let own = Place::of_operation(operation);
        assert_eq!(own.before_operation(), operation);
        assert_eq!(at(5_001, Source::Change, 1).before_operation(), first_of(6));
    }

    #[test]
    fn what_is_no_cursor_is_none() {
        for text in ["", "x", "1.9.1", "1.0", "1.0.é"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
