//! The `where` part of a query.

use crate::id::RecordId;
use crate::vtql::literal::Literal;

/// One comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub(crate) field: String,
    pub(crate) test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Test {
    Compare(&'static str, Literal),
    Like(String),
    In(Vec<Literal>),
}

/// Comparisons joined by `and` and `or`.
///
/// VTQL has no parentheses and binds `and` before `or`, so a filter is kept as alternatives of conjunctions;
/// [`Filter::and`] multiplies them out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Empty means: no restriction.
    pub(crate) alternatives: Vec<Vec<Condition>>,
}

impl Condition {
    fn compare(
        field: impl Into<String>,
        operator: &'static str,
        literal: impl Into<Literal>,
    ) -> Self {
        Self {
            field: field.into(),
            test: Test::Compare(operator, literal.into()),
        }
    }

    /// `field = literal`; text compares without case and trailing spaces.
    pub fn eq(field: impl Into<String>, literal: impl Into<Literal>) -> Self {
        Self::compare(field, "=", literal)
    }

    /// `field != literal`; NULLs match neither this nor `eq`.
    pub fn ne(field: impl Into<String>, literal: impl Into<Literal>) -> Self {
        Self::compare(field, "!=", literal)
    }

    /// `field < literal`
    pub fn lt(field: impl Into<String>, literal: impl Into<Literal>) -> Self {
        Self::compare(field, "<", literal)
    }

    /// `field <= literal`
    pub fn le(field: impl Into<String>, literal: impl Into<Literal>) -> Self {
        Self::compare(field, "<=", literal)
    }

    /// `field > literal`
    pub fn gt(field: impl Into<String>, literal: impl Into<Literal>) -> Self {
        Self::compare(field, ">", literal)
    }

    /// `field >= literal`
    pub fn ge(field: impl Into<String>, literal: impl Into<Literal>) -> Self {
        Self::compare(field, ">=", literal)
    }

    /// `field like pattern`, where `%` stands for any text and `_` for any one character. Text that is meant literally
    /// inside the pattern goes through [`Condition::like_escaped`].
    pub fn like(field: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            test: Test::Like(pattern.into()),
        }
    }

    /// The field contains this text, whatever stands around it; `%`, `_`, `\` and quotes mean themselves.
    pub fn contains(field: impl Into<String>, text: &str) -> Self {
        Self::like(field, format!("%{}%", Self::like_escaped(text)))
    }

    /// The field begins with this text; `%`, `_`, `\` and quotes mean themselves.
    pub fn starts_with(field: impl Into<String>, text: &str) -> Self {
        Self::like(field, format!("{}%", Self::like_escaped(text)))
    }

    /// Text for use inside a `like` pattern where `%`, `_` and `\` mean themselves.
    #[must_use]
    pub fn like_escaped(text: &str) -> String {
        let mut escaped = String::with_capacity(text.len());
        for character in text.chars() {
            if matches!(character, '%' | '_' | '\\') {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        escaped
    }

    /// `field in (…)`; an empty list cannot be asked and is refused when the query is written.
    pub fn is_in<L: Into<Literal>>(
        field: impl Into<String>,
        literals: impl IntoIterator<Item = L>,
    ) -> Self {
        Self {
            field: field.into(),
            test: Test::In(literals.into_iter().map(Into::into).collect()),
        }
    }

    /// `id in (…)`
    pub fn ids<'a>(ids: impl IntoIterator<Item = &'a RecordId>) -> Self {
        Self::is_in("id", ids)
    }
}

impl Filter {
    /// All of these must hold.
    #[must_use]
    pub fn all(conditions: impl IntoIterator<Item = Condition>) -> Self {
        let conditions: Vec<Condition> = conditions.into_iter().collect();
        if conditions.is_empty() {
            Self::default()
        } else {
            Self {
                alternatives: vec![conditions],
            }
        }
    }

    /// Whether nothing is restricted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// Both filters must hold.
    #[must_use]
    pub fn and(self, other: impl Into<Self>) -> Self {
        let other = other.into();
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let both = |one: &Vec<Condition>| {
            let one = one.clone();
            other
                .alternatives
                .iter()
                .map(move |more| [one.as_slice(), more.as_slice()].concat())
                .collect::<Vec<_>>()
        };
        Self {
            alternatives: self.alternatives.iter().flat_map(both).collect(),
        }
    }

    /// Either filter may hold; a filter without conditions already lets everything through.
    #[must_use]
    pub fn or(self, other: impl Into<Self>) -> Self {
        let other = other.into();
        if self.is_empty() || other.is_empty() {
            return Self::default();
        }
        Self {
            alternatives: [self.alternatives, other.alternatives].concat(),
        }
    }

    pub(crate) fn conditions(&self) -> impl Iterator<Item = &Condition> {
        self.alternatives.iter().flatten()
    }
}

impl From<Condition> for Filter {
    fn from(condition: Condition) -> Self {
        Self {
            alternatives: vec![vec![condition]],
        }
    }
}
