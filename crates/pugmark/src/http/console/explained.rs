//! What docs/errors.md says of a code, read once from the page itself, so that both always say the same.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const PAGE: &str = include_str!("../../../../../docs/errors.md");

/// What a code means, and who does what about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explained {
    /// `PUG-2006`, or one of the queue's own words.
    pub(super) code: String,
    /// In one sentence.
    pub(super) meaning: Vec<Piece>,
    /// What Pugmark does by itself.
    pub(super) pugmark: Vec<Piece>,
    /// What is left to a person.
    pub(super) you: Vec<Piece>,
}

/// A piece of a sentence: `true` for what is to be typed as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The words.
    pub(super) text: String,
    /// It is a command, a setting, a name.
    pub(super) is_code: bool,
}

/// Codes that the queue gives by itself: code, meaning, what Pugmark does, what is left to a person.
const QUEUE: [(&str, &str, &str, &str); 9] = [
    (
        "LEASE_EXPIRED",
        "The worker that was at it fell silent; what it did is unknown.",
        "looks before it writes again, and goes on by itself.",
        "need to do nothing. Many of these mean that processes are killed or starved of memory.",
    ),
    (
        "SECRET_EXPIRED",
        "The password that it carried was kept as long as it may be, and is erased.",
        "makes a dead letter of it.",
        "retry it with a new password: `pugmark queue retry ID --password`.",
    ),
    (
        "GAVE_UP_UNAVAILABLE",
        "The other system was not available for longer than `queue.give_up_after`.",
        "tries it no more by itself.",
        "repair the way to that system, then retry.",
    ),
    (
        "GAVE_UP_THROTTLED",
        "The other system limited calls for longer than `queue.give_up_after`.",
        "tries it no more by itself.",
        "ask for a higher limit, then retry.",
    ),
    (
        "GAVE_UP_SESSION_LOST",
        "Sessions were lost again and again for longer than `queue.give_up_after`.",
        "tries it no more by itself.",
        "look at the web server of vTiger, then retry.",
    ),
    (
        "GAVE_UP_UNKNOWN",
        "Whether it was done stayed unknown for longer than `queue.give_up_after`.",
        "tries it no more by itself.",
        "look at the record in the other system, then retry: Pugmark looks there first.",
    ),
    (
        "HANDLER_PANICKED",
        "A fault of Pugmark's own broke the attempt off; what it did before is unknown.",
        "tries again, and looks before it writes.",
        "report it with the lines of the log that carry the same correlation id.",
    ),
    (
        "SHUTDOWN",
        "The process ended while the attempt was under way; what it did is unknown.",
        "looks before it writes again, and goes on by itself.",
        "need to do nothing.",
    ),
    (
        "NOT_RECORDED",
        "The attempt ended, but the store refused to keep what it achieved.",
        "looks before it writes again.",
        "look at the log of `pugmark serve` for what the store said.",
    ),
];

static ALL: LazyLock<BTreeMap<String, Explained>> = LazyLock::new(|| {
    let of_page = PAGE.split("\n## ").skip(1).filter_map(section);
    let of_queue = QUEUE.iter().map(|(code, meaning, pugmark, you)| Explained {
        code: (*code).to_owned(),
        meaning: pieces(meaning),
        pugmark: pieces(pugmark),
        you: pieces(you),
    });
    of_page
        .chain(of_queue)
        .map(|explained| (explained.code.clone(), explained))
        .collect()
});

/// What is known of a code.
pub(super) fn of(code: &str) -> Option<&'static Explained> {
    ALL.get(code)
}

fn section(text: &str) -> Option<Explained> {
    let (code, body) = text.split_once('\n')?;
    let whole = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let (meaning, rest) = whole.split_once("- **Pugmark** ")?;
    let (pugmark, you) = rest.split_once("- **You** ")?;
    Some(Explained {
        code: code.trim().to_owned(),
        meaning: pieces(meaning.trim()),
        pugmark: pieces(pugmark.trim()),
        you: pieces(you.trim()),
    })
}

/// Words and code, without the marks; of a link its words.
fn pieces(text: &str) -> Vec<Piece> {
    let parts = text.split('`').enumerate();
    let pieces = parts.map(|(place, part)| {
        let is_code = place % 2 == 1;
        let text = if is_code {
            part.to_owned()
        } else {
            unlinked(part)
        };
        Piece { text, is_code }
    });
    pieces.filter(|piece| !piece.text.is_empty()).collect()
}

fn unlinked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let parts = link
            .split_once("](")
            .and_then(|(words, after)| Some((words, after.split_once(')')?.1)));
        let Some((words, after)) = parts else { break };
        out.push_str(before);
        out.push_str(words);
        rest = after;
    }
    out.push_str(rest);
    out.replace("**", "").replace('*', "")
}

#[cfg(test)]
mod tests {
    use pugmark_queue::codes;

    use super::*;
    use crate::problem::Code;

    fn plain(pieces: &[Piece]) -> String {
        pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn every_code_is_explained_in_full() {
        let queue = [
            codes::LEASE_EXPIRED,
            codes::SECRET_EXPIRED,
            codes::GAVE_UP_UNAVAILABLE,
            codes::GAVE_UP_THROTTLED,
            codes::GAVE_UP_SESSION_LOST,
            codes::GAVE_UP_UNKNOWN,
            codes::HANDLER_PANICKED,
            codes::SHUTDOWN,
            codes::NOT_RECORDED,
        ];
        for code in Code::ALL.iter().map(|code| code.as_str()).chain(queue) {
            let explained = of(code).unwrap_or_else(|| panic!("{code} is not explained"));
            for part in [&explained.meaning, &explained.pugmark, &explained.you] {
                let text = plain(part);
                assert!(text.len() > 10, "{code}: {text:?}");
                assert!(
                    !text.contains("](") && !text.contains("**"),
                    "{code}: {text}"
                );
            }
        }
        assert_eq!(of("PUG-0000"), None);
    }

    #[test]
    fn code_stands_out_and_links_are_their_words() {
        let pieces = pieces("run `pugmark doctor`, see [two-way.md](two-way.md#desk) and *more*");
        let code: Vec<_> = pieces.iter().filter(|piece| piece.is_code).collect();
        assert_eq!(code.len(), 1);
        assert_eq!(code[0].text, "pugmark doctor");
        assert_eq!(
            plain(&pieces),
            "run pugmark doctor, see two-way.md and more"
        );
    }
}
