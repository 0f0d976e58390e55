//! Words, numbers, literals and signs.

/// A token with its text as written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword, a name, a bare word or an unsigned number.
    Word,
    /// A number with a sign.
    SignedNumber,
    /// A literal in single quotes.
    Quoted,
    Star,
    ParenOpen,
    ParenClose,
    Comma,
    Semicolon,
    Eq,
    Ne,
    Lt,
    Gt,
    Lte,
    Gte,
    /// What starts no token. The lexer dies when the parser asks for it, which a syntax error before it prevents.
    Unlexable,
}

/// Cuts a query into tokens, the last of which is [`TokenKind::Unlexable`] when the rest starts no token: `.`, `"`, `\`, a
/// lone `-`, an empty literal.
pub(super) fn lex(query: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut rest = query.trim_start();
    while !rest.is_empty() {
        // A module's name is whatever stands between spaces behind `from`.
        let after_from = tokens
            .last()
            .is_some_and(|token| token.text.eq_ignore_ascii_case("from"));
        let (kind, length) = match next(rest) {
            _ if after_from => module_token(rest),
            Some(token) => token,
            None => (TokenKind::Unlexable, rest.len()),
        };
        tokens.push(Token {
            kind,
            text: rest[..length].to_owned(),
        });
        rest = rest[length..].trim_start();
    }
    tokens
}

fn module_token(rest: &str) -> (TokenKind, usize) {
    let length = rest
        .find(|character: char| character.is_whitespace() || character == ';')
        .unwrap_or(rest.len());
    if length == 0 {
        (TokenKind::Semicolon, 1)
    } else {
        (TokenKind::Word, length)
    }
}

fn next(rest: &str) -> Option<(TokenKind, usize)> {
    let bytes = rest.as_bytes();
    let pair = |kind| Some((kind, 2));
    let single = |kind| Some((kind, 1));
    match (bytes[0], bytes.get(1)) {
        (b'\'', _) => literal(rest).map(|length| (TokenKind::Quoted, length)),
        (b'<', Some(b'=')) => pair(TokenKind::Lte),
        (b'>', Some(b'=')) => pair(TokenKind::Gte),
        (b'!', Some(b'=')) => pair(TokenKind::Ne),
        (b'=', _) => single(TokenKind::Eq),
        (b'<', _) => single(TokenKind::Lt),
        (b'>', _) => single(TokenKind::Gt),
        (b'*', _) => single(TokenKind::Star),
        (b'(', _) => single(TokenKind::ParenOpen),
        (b')', _) => single(TokenKind::ParenClose),
        (b',', _) => single(TokenKind::Comma),
        (b';', _) => single(TokenKind::Semicolon),
        (b'+' | b'-', Some(digit)) if digit.is_ascii_digit() => {
            let digits = bytes[1..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit())
                .count();
            Some((TokenKind::SignedNumber, 1 + digits))
        }
        _ => {
            let length = bytes
                .iter()
                .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
                .count();
            (length > 0).then_some((TokenKind::Word, length))
        }
    }
}

/// Length of the literal at the start: `'`, at least one character or doubled quote, `'`. Of all ways to read it the
/// one with the most doubled quotes counts, as a greedy regular expression finds it. The backslash means nothing here.
fn literal(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    let mut fallback = None;
    loop {
        match (bytes.get(at), bytes.get(at + 1)) {
            (None, _) => return fallback,
            (Some(b'\''), Some(b'\'')) => {
                // Should no closing quote follow, the first of the two closes instead.
                if at > 1 {
                    fallback = Some(at + 1);
                }
                at += 2;
            }
            (Some(b'\''), _) => return if at > 1 { Some(at + 1) } else { fallback },
            (Some(_), _) => at += 1,
        }
    }
}
