//! Reads recorded query texts back into the typed builder, as far as it can express them.

use vtiger::{Condition, Direction, Filter, Literal, Query};

/// The typed query that writes exactly this text; `None` when there is none.
pub(crate) fn typed(text: &str) -> Option<Query> {
    let query = Parser {
        tokens: tokens(text)?,
        position: 0,
    }
    .query()?;
    (query.to_vtql().ok()? == text).then_some(query)
}

/// The typed restriction of a recorded `count(*)`.
pub(crate) fn typed_count(text: &str) -> Option<Query> {
    let star = text.replacen("count(*)", "*", 1);
    let query = Parser {
        tokens: tokens(&star)?,
        position: 0,
    }
    .query()?;
    (query.to_count_vtql().ok()? == text).then_some(query)
}

/// The typed query that `query_related` sends as exactly this text.
pub(crate) fn typed_related(text: &str) -> Option<Query> {
    let plain = text.replacen(" WHERE ", " where ", 1) + ";";
    let query = Parser {
        tokens: tokens(&plain)?,
        position: 0,
    }
    .query()?;
    (query.to_related_vtql().ok()? == text).then_some(query)
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Sign(String),
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut rest = text.trim_start();
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => {
                let (literal, length) = literal(rest)?;
                tokens.push(Token::Text(literal));
                length
            }
            _ if first.is_ascii_alphanumeric() || matches!(first, '_' | '*') => {
                let is_word = |character: char| {
                    character.is_ascii_alphanumeric() || matches!(character, '_' | '*')
                };
                let end = rest
                    .find(|character| !is_word(character))
                    .unwrap_or(rest.len());
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
            _ => {
                let length = if ["!=", "<=", ">="].iter().any(|sign| rest.starts_with(sign)) {
                    2
                } else {
                    first.len_utf8()
                };
                tokens.push(Token::Sign(rest[..length].to_owned()));
                length
            }
        };
        rest = rest[length..].trim_start();
    }
    Some(tokens)
}

/// The value of the literal a text begins with, and how many bytes it takes.
fn literal(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut characters = text.char_indices().skip(1).peekable();
    while let Some((index, character)) = characters.next() {
        let doubled = characters
            .peek()
            .is_some_and(|(_, next)| *next == character);
        match character {
            '\'' if doubled => value.push(characters.next()?.1),
            '\'' => return Some((value, index + 1)),
            '\\' if doubled => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn query(mut self) -> Option<Query> {
        self.word("select")?;
        let fields = self.names()?;
        self.word("from")?;
        let mut query = Query::select(self.name()?);
        if fields != ["*"] {
            query = query.fields(fields);
        }
        if self.word("where").is_some() {
            query = query.filter(self.filter()?);
        }
        if self.word("order").is_some() {
            self.word("by")?;
            query = query.order_by(self.names()?);
            if self.word("desc").is_some() {
                query = query.direction(Direction::Descending);
            }
        }
        if self.word("limit").is_some() {
            let first = self.name()?.parse().ok()?;
            query = match self.sign(",") {
                Some(()) => query.offset(first).limit(self.name()?.parse().ok()?),
                None => query.limit(first),
            };
        }
        self.sign(";")?;
        (self.position == self.tokens.len()).then_some(query)
    }

    fn filter(&mut self) -> Option<Filter> {
        let mut filter: Option<Filter> = None;
        loop {
            let mut all = vec![self.condition()?];
            while self.word("and").is_some() {
                all.push(self.condition()?);
            }
            let all = Filter::all(all);
            filter = Some(match filter {
                None => all,
                Some(before) => before.or(all),
            });
            if self.word("or").is_none() {
                return filter;
            }
        }
    }

    fn condition(&mut self) -> Option<Condition> {
        let field = self.name()?;
        if self.word("like").is_some() {
            return match self.literal()? {
                Literal::Text(pattern) => Some(Condition::like(field, pattern)),
                _ => None,
            };
        }
        if self.word("in").is_some() {
            return self.list(field);
        }
        let Some(Token::Sign(operator)) = self.next() else {
            return None;
        };
        let literal = self.literal()?;
        Some(match operator.as_str() {
            "=" => Condition::eq(field, literal),
            "!=" => Condition::ne(field, literal),
            "<" => Condition::lt(field, literal),
            "<=" => Condition::le(field, literal),
            ">" => Condition::gt(field, literal),
            ">=" => Condition::ge(field, literal),
            _ => return None,
        })
    }

    fn list(&mut self, field: String) -> Option<Condition> {
        self.sign("(")?;
        let mut literals = vec![self.literal()?];
        while self.sign(",").is_some() {
            literals.push(self.literal()?);
        }
        self.sign(")")?;
        Some(Condition::is_in(field, literals))
    }

    fn literal(&mut self) -> Option<Literal> {
        match self.next()? {
            Token::Text(text) => Some(text.as_str().into()),
            Token::Word(number) => number.parse::<i64>().ok().map(Into::into),
            Token::Sign(_) => None,
        }
    }

    fn names(&mut self) -> Option<Vec<String>> {
        let mut names = vec![self.name()?];
        while self.sign(",").is_some() {
            names.push(self.name()?);
        }
        Some(names)
    }

    fn name(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word(name) => Some(name),
            _ => None,
        }
    }

    fn word(&mut self, wanted: &str) -> Option<()> {
        self.take(&Token::Word(wanted.to_owned()))
    }

    fn sign(&mut self, wanted: &str) -> Option<()> {
        self.take(&Token::Sign(wanted.to_owned()))
    }

    fn take(&mut self, wanted: &Token) -> Option<()> {
        (self.tokens.get(self.position)? == wanted).then(|| self.position += 1)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.position).cloned();
        self.position += 1;
        token
    }
}
