//! The open problems, in a line each.

use pugmark_queue::db::{Conn, DbError, Ts};

use crate::http::console::explained;
use crate::http::console::moment::{Moment, counted, encoded};
use crate::http::console::problems::Standing;
use crate::store::problems::{self, COUNTED};

/// So many are shown here; the others on their own page.
pub(super) const SHOWN: usize = 5;

/// A problem in a line.
pub(super) struct Open {
    pub(super) kind: String,
    pub(super) code: String,
    pub(super) explained: bool,
    pub(super) operations: String,
    pub(super) last: Moment,
    pub(super) class: &'static str,
    pub(super) word: &'static str,
    /// The filter that finds its operations.
    pub(super) query: String,
}

/// Those that need somebody, what failed last first.
pub(super) async fn open(conn: &mut Conn, now: Ts) -> Result<Vec<Open>, DbError> {
    let marks = problems::marks(conn).await?;
    let mut found = Vec::new();
    for group in problems::groups(conn).await? {
        let mark = marks
            .iter()
            .find(|mark| mark.kind == group.kind && mark.error_code == group.error_code);
        let standing = Standing::of(mark, group.last, now);
        if standing.is_shown_first() {
            found.push((standing, group));
        }
    }
    found.sort_by_key(|(standing, group)| (*standing, std::cmp::Reverse(group.last)));
    let shown = found.into_iter().map(|(standing, group)| {
        let (class, word) = standing.badge();
        Open {
            explained: explained::of(&group.error_code).is_some(),
            operations: counted(group.operations, COUNTED),
            last: Moment::of(group.last, now),
            class,
            word,
            query: encoded(&format!("kind:{} code:{}", group.kind, group.error_code)),
            kind: group.kind,
            code: group.error_code,
        }
    });
    Ok(shown.collect())
}
