//! What the server will say about a password, asked before anything is touched.

use std::fmt;

/// The hash takes no more, in bytes; the server fails on update and breaks down on create when given more.
pub const LONGEST_PASSWORD: usize = 72;

/// The rules of a project (Authentication settings). Lengths are counted in bytes, as the server does.
///
/// Whether a password is known to have leaked is for the server alone to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordRules {
    /// The shortest password; the server's default is 6.
    pub min_bytes: usize,
    /// The longest password; more than [`LONGEST_PASSWORD`] never works, so that is the most that counts.
    pub max_bytes: usize,
    /// Sets of which a password needs at least one character each.
    pub required: Vec<CharacterSet>,
}

impl Default for PasswordRules {
    fn default() -> Self {
        Self {
            min_bytes: 6,
            max_bytes: LONGEST_PASSWORD,
            required: Vec::new(),
        }
    }
}

/// A set of characters a password may have to draw from. All are ASCII, as in the server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CharacterSet {
    /// `a` to `z`.
    Lower,
    /// `A` to `Z`.
    Upper,
    /// `a` to `z` and `A` to `Z`.
    Letters,
    /// `0` to `9`.
    Digits,
    /// Punctuation, without the blank.
    Symbols,
    /// One of these characters.
    OneOf(String),
}

impl CharacterSet {
    fn contains(&self, character: char) -> bool {
        match self {
            Self::Lower => character.is_ascii_lowercase(),
            Self::Upper => character.is_ascii_uppercase(),
            Self::Letters => character.is_ascii_alphabetic(),
            Self::Digits => character.is_ascii_digit(),
            Self::Symbols => character.is_ascii_punctuation(),
            Self::OneOf(characters) => characters.contains(character),
        }
    }
}

impl fmt::Display for CharacterSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lower => formatter.write_str("a lower-case letter"),
            Self::Upper => formatter.write_str("an upper-case letter"),
            Self::Letters => formatter.write_str("a letter"),
            Self::Digits => formatter.write_str("a digit"),
            Self::Symbols => formatter.write_str("a symbol"),
            Self::OneOf(characters) => write!(formatter, "one of {characters}"),
        }
    }
}

/// One rule that a password breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordProblem {
    /// Too few bytes.
    #[error("it must have at least {min} characters")]
    TooShort {
        /// The fewest bytes allowed.
        min: usize,
    },
    /// Too many bytes.
    #[error(
        "it must not be longer than {max} bytes (letters outside of ASCII count more than once)"
    )]
    TooLong {
        /// The most bytes allowed.
        max: usize,
    },
    /// No character of a required set.
    #[error("it must contain {0}")]
    Missing(CharacterSet),
}

/// Every rule that a password breaks; never empty, and never the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordProblems(Vec<PasswordProblem>);

impl PasswordProblems {
    /// The broken rules: length first, then the sets in the order of the rules.
    #[must_use]
    pub fn reasons(&self) -> &[PasswordProblem] {
        &self.0
    }
}

impl fmt::Display for PasswordProblems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let joint = if index == 0 { "" } else { "; " };
            write!(formatter, "{joint}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for PasswordProblems {}

/// Whether a password keeps the rules.
///
/// # Errors
/// [`PasswordProblems`] with every rule it breaks.
pub fn check_password(password: &str, rules: &PasswordRules) -> Result<(), PasswordProblems> {
    let length = length_problem(password, rules);
    let missing = rules
        .required
        .iter()
        .filter(|set| !password.chars().any(|character| set.contains(character)))
        .map(|set| PasswordProblem::Missing(set.clone()));
    let problems: Vec<_> = length.into_iter().chain(missing).collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(PasswordProblems(problems))
    }
}

fn length_problem(password: &str, rules: &PasswordRules) -> Option<PasswordProblem> {
    let max = rules.max_bytes.min(LONGEST_PASSWORD);
    if password.len() < rules.min_bytes {
        Some(PasswordProblem::TooShort {
            min: rules.min_bytes,
        })
    } else if password.len() > max {
        Some(PasswordProblem::TooLong { max })
    } else {
        None
    }
}
