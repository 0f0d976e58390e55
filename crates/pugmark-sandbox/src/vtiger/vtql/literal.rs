//! What a literal means: the language copies it into SQL as it stands, so the database decides.

/// A value in a condition.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::vtiger) enum Value {
    /// In quotes, as written between them.
    Quoted(String),
    /// A number.
    Number(String),
    /// A bare word: to the database a column that does not exist.
    Word(String),
}

impl Value {
    /// Text as the language itself sees it: without the outer quotes.
    pub(in crate::vtiger) fn raw(&self) -> &str {
        match self {
            Value::Quoted(text) | Value::Number(text) | Value::Word(text) => text,
        }
    }

    /// The text the database makes of it; none when it would not see one complete literal. In it `\%` and `\_` still carry
    /// their backslash, for `like` to see.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Value::Quoted(raw) => unescape(raw),
            Value::Number(text) => Some(text.clone()),
            Value::Word(_) => None,
        }
    }
}

/// Undoes the database's escapes. `\%` and `\_` keep the backslash, also outside patterns. None when a quote stands alone
/// or the last character escapes the closing quote: then the literal would go on behind its end.
fn unescape(raw: &str) -> Option<String> {
    let mut out = String::with_capacity(raw.len());
    let mut characters = raw.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => match characters.next() {
                Some('\'') => out.push('\''),
                _ => return None,
            },
            '\\' => match characters.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                '0' => out.push('\0'),
                'b' => out.push('\u{8}'),
                'Z' => out.push('\u{1a}'),
                kept @ ('%' | '_') => {
                    out.push('\\');
                    out.push(kept);
                }
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    Some(out)
}
