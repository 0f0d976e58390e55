//! vTiger's query language, typed, so that only what the server can parse can be asked.
//!
//! `select <fields> from <module> [where …] [order by …] [limit …];` without parentheses, functions, joins or `not`. The
//! server escapes nothing itself and splices what follows the `x` of an id literal into SQL, so every literal passes
//! [`literal`]'s one quoting function and the literals of id-like fields must be ids.

mod filter;
mod keyset;
mod literal;
mod query;

pub use filter::{Condition, Filter};
pub(crate) use keyset::Order;
pub use keyset::{KeysetQuery, PageStart};
pub use literal::{Literal, quote};
pub use query::{Direction, MAX_ROWS, Query};
