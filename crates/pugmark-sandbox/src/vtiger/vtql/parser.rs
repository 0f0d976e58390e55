//! `select .. from M [where ..] [order by ..] [limit ..];` and the messages the real parser gives for anything else.

use super::lexer::{Token, TokenKind, lex};
use super::literal::Value;
use crate::vtiger::dialect::Dialect;
use crate::vtiger::failure::Failure;

/// What is selected.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::vtiger) enum Selection {
    /// `*`
    All,
    /// `count(*)`
    Count,
    /// Fields in the order asked for.
    Fields(Vec<String>),
}

/// An operator of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vtiger) enum Operator {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    Like,
    /// Of the hosted edition only.
    NotLike,
    In,
}

/// `field operator value(s)`.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::vtiger) struct Condition {
    pub(in crate::vtiger) field: String,
    pub(in crate::vtiger) operator: Operator,
    pub(in crate::vtiger) values: Vec<Value>,
}

/// A query that the grammar accepts.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::vtiger) struct Query {
    pub(in crate::vtiger) selection: Selection,
    /// Alternatives (`or`) of conditions that hold together (`and`); empty without `where`.
    pub(in crate::vtiger) alternatives: Vec<Vec<Condition>>,
    pub(in crate::vtiger) order_by: Vec<String>,
    pub(in crate::vtiger) descending: bool,
    /// `limit a` or `limit a,b`, as written.
    pub(in crate::vtiger) limit: Option<(String, Option<String>)>,
}

/// The module that a query names: whatever follows the first `from`, wherever that stands.
pub(in crate::vtiger) fn module_name(query: &str) -> Option<&str> {
    let lower = query.to_ascii_lowercase();
    let mut search = 0;
    while let Some(found) = lower[search..].find("from") {
        let after = search + found + "from".len();
        let name = query[after..].trim_start();
        let spaced = name.len() < query.len() - after;
        let end = name
            .find(|character: char| character.is_whitespace() || character == ';')
            .unwrap_or(name.len());
        if spaced && end > 0 {
            return Some(&name[..end]);
        }
        search = after;
    }
    None
}

/// Parses a query.
///
/// # Errors
/// `QUERY_SYNTAX_ERROR` with the real parser's message, `INTERNAL_SERVER_ERROR` where its lexer dies.
pub(in crate::vtiger) fn parse(dialect: Dialect, query: &str) -> Result<Query, Failure> {
    let tokens = lex(query);
    Parser {
        dialect,
        tokens: &tokens,
        at: 0,
    }
    .query()
}

struct Parser<'a> {
    dialect: Dialect,
    tokens: &'a [Token],
    at: usize,
}

const OPERATORS: &str = "EQ,LT,GT,LTE,GTE,NE,IN,LIKE";

impl<'a> Parser<'a> {
    fn query(&mut self) -> Result<Query, Failure> {
        self.keyword("select", "SELECT")?;
        let selection = self.selection()?;
        // The module's name was checked before; the lexer took it as one word.
        self.take();
        let alternatives = if self.is_word("where") {
            self.conditions()?
        } else {
            Vec::new()
        };
        let (order_by, descending) = if self.is_word("order") {
            self.order()?
        } else {
            (Vec::new(), false)
        };
        let limit = if self.is_word("limit") {
            Some(self.limit()?)
        } else {
            None
        };
        self.end()?;
        Ok(Query {
            selection,
            alternatives,
            order_by,
            descending,
            limit,
        })
    }

    fn selection(&mut self) -> Result<Selection, Failure> {
        let selection = if self.is(TokenKind::Star) {
            self.take();
            Selection::All
        } else if self.is_word("count") {
            self.take();
            self.expect(TokenKind::ParenOpen, "PARENOPEN")?;
            self.expect(TokenKind::Star, "ASTERISK")?;
            self.expect(TokenKind::ParenClose, "PARENCLOSE")?;
            Selection::Count
        } else {
            Selection::Fields(self.names("COLUMNNAME")?)
        };
        if self.is_word("from") {
            self.take();
            return Ok(selection);
        }
        // The real parser's table names the token of the state it fell back to.
        Err(self.unexpected("SELECT", false))
    }

    fn names(&mut self, expected: &str) -> Result<Vec<String>, Failure> {
        let mut names = Vec::new();
        loop {
            match self.peek() {
                Some(token) if token.kind == TokenKind::Word => names.push(token.text.clone()),
                _ => return Err(self.unexpected(expected, false)),
            }
            self.take();
            if !self.is(TokenKind::Comma) {
                return Ok(names);
            }
            self.take();
        }
    }

    fn conditions(&mut self) -> Result<Vec<Vec<Condition>>, Failure> {
        self.take();
        let mut alternatives = vec![vec![self.condition()?]];
        loop {
            let together = self.is_word("and");
            if !together && !self.is_word("or") {
                return Ok(alternatives);
            }
            self.take();
            let condition = self.condition()?;
            match alternatives.last_mut() {
                Some(last) if together => last.push(condition),
                _ => alternatives.push(vec![condition]),
            }
        }
    }

    fn condition(&mut self) -> Result<Condition, Failure> {
        let field = match self.peek() {
            Some(token) if token.kind == TokenKind::Word => token.text.clone(),
            _ => return Err(self.unexpected("COLUMNNAME", false)),
        };
        self.take();
        let operator = self.operator()?;
        let values = if operator == Operator::In {
            self.list()?
        } else {
            vec![self.value()?]
        };
        Ok(Condition {
            field,
            operator,
            values,
        })
    }

    fn operator(&mut self) -> Result<Operator, Failure> {
        let operator = match self.peek() {
            Some(token) if token.text.eq_ignore_ascii_case("like") => Some(Operator::Like),
            Some(token) if token.text.eq_ignore_ascii_case("in") => Some(Operator::In),
            Some(token)
                if self.dialect == Dialect::Cloud && token.text.eq_ignore_ascii_case("notlike") =>
            {
                Some(Operator::NotLike)
            }
            Some(token) => match token.kind {
                TokenKind::Eq => Some(Operator::Eq),
                TokenKind::Ne => Some(Operator::Ne),
                TokenKind::Lt => Some(Operator::Lt),
                TokenKind::Lte => Some(Operator::Lte),
                TokenKind::Gt => Some(Operator::Gt),
                TokenKind::Gte => Some(Operator::Gte),
                _ => None,
            },
            None => None,
        };
        match operator {
            Some(operator) => {
                self.take();
                Ok(operator)
            }
            None => Err(self.unexpected(OPERATORS, true)),
        }
    }

    fn list(&mut self) -> Result<Vec<Value>, Failure> {
        self.expect(TokenKind::ParenOpen, "PARENOPEN")?;
        let mut values = vec![self.value()?];
        while self.is(TokenKind::Comma) {
            self.take();
            values.push(self.value()?);
        }
        self.expect(TokenKind::ParenClose, "PARENCLOSE")?;
        Ok(values)
    }

    fn value(&mut self) -> Result<Value, Failure> {
        let value = match self.peek() {
            Some(Token {
                kind: TokenKind::Quoted,
                text,
            }) => Value::Quoted(text[1..text.len() - 1].to_owned()),
            Some(Token {
                kind: TokenKind::SignedNumber,
                text,
            }) => Value::Number(text.clone()),
            Some(Token {
                kind: TokenKind::Word,
                text,
            }) if text.bytes().all(|byte| byte.is_ascii_digit()) => Value::Number(text.clone()),
            Some(Token {
                kind: TokenKind::Word,
                text,
            }) => Value::Word(text.clone()),
            _ => return Err(self.unexpected("VALUE", true)),
        };
        self.take();
        Ok(value)
    }

    fn order(&mut self) -> Result<(Vec<String>, bool), Failure> {
        self.take();
        self.keyword("by", "BY")?;
        let names = self.names("COLUMNNAME")?;
        let descending = self.is_word("desc");
        if descending || self.is_word("asc") {
            self.take();
        }
        Ok((names, descending))
    }

    fn limit(&mut self) -> Result<(String, Option<String>), Failure> {
        self.take();
        let first = self.limit_value()?;
        if !self.is(TokenKind::Comma) {
            if !self.is(TokenKind::Semicolon) && self.peek().is_some() {
                return Err(self.unexpected("SEMICOLON", true));
            }
            return Ok((first, None));
        }
        self.take();
        Ok((first, Some(self.limit_value()?)))
    }

    fn limit_value(&mut self) -> Result<String, Failure> {
        self.value().map(|value| value.raw().to_owned())
    }

    fn end(&mut self) -> Result<(), Failure> {
        match self.peek() {
            Some(token) if token.kind == TokenKind::Semicolon => self.take(),
            // A word behind the module's name ends the parse without a message of its own.
            Some(token) if token.kind == TokenKind::Word && self.follows_module() => {
                return Err(incomplete());
            }
            Some(_) => return Err(self.unexpected("SEMICOLON", false)),
            None => return Err(incomplete()),
        }
        if self.peek().is_some() {
            return Err(self.unexpected("", false));
        }
        Ok(())
    }

    fn follows_module(&self) -> bool {
        self.at >= 2 && self.tokens[self.at - 2].text.eq_ignore_ascii_case("from")
    }

    fn keyword(&mut self, word: &str, expected: &str) -> Result<(), Failure> {
        if self.is_word(word) {
            self.take();
            return Ok(());
        }
        Err(self.unexpected(expected, false))
    }

    fn expect(&mut self, kind: TokenKind, expected: &str) -> Result<(), Failure> {
        if self.is(kind) {
            self.take();
            return Ok(());
        }
        Err(self.unexpected(expected, false))
    }

    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn take(&mut self) {
        self.at += 1;
    }

    fn is(&self, kind: TokenKind) -> bool {
        self.peek().is_some_and(|token| token.kind == kind)
    }

    fn is_word(&self, word: &str) -> bool {
        self.peek().is_some_and(|token| {
            token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case(word)
        })
    }

    /// `as_value` says whether the lexer would call a word here a value.
    fn unexpected(&self, expected: &str, as_value: bool) -> Failure {
        let Some(token) = self.peek() else {
            return incomplete();
        };
        let name = match token.kind {
            TokenKind::Unlexable => return Failure::unknown_error(),
            TokenKind::Word | TokenKind::SignedNumber | TokenKind::Quoted if as_value => "VALUE",
            TokenKind::Word => "COLUMNNAME",
            TokenKind::SignedNumber | TokenKind::Quoted => "VALUE",
            TokenKind::Star => "ASTERISK",
            TokenKind::ParenOpen => "PARENOPEN",
            TokenKind::ParenClose => "PARENCLOSE",
            TokenKind::Comma => "COMMA",
            TokenKind::Semicolon => "SEMICOLON",
            TokenKind::Eq => "EQ",
            TokenKind::Ne => "NE",
            TokenKind::Lt => "LT",
            TokenKind::Gt => "GT",
            TokenKind::Lte => "LTE",
            TokenKind::Gte => "GTE",
        };
        let text = &token.text;
        Failure::syntax(format!(
            "Syntax Error on line 1: token '{text}' Unexpected {name}({text}), expected one of: {expected}"
        ))
    }
}

fn incomplete() -> Failure {
    Failure::syntax("There is an syntax error in query".into())
}
