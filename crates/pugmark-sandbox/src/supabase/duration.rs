//! Durations as Go writes them: `876000h`, `1h30m`, `-1.5s`. There are no days.

/// Reads a duration; gives nanoseconds, or what Go says about the text.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let complaint = |what: &str| format!("time: {what} duration {text:?}");
    let (sign, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(complaint("invalid"));
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (number, tail) = split_number(rest).ok_or_else(|| complaint("invalid"))?;
        let end = tail
            .find(|character: char| character == '.' || character.is_ascii_digit())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        if unit.is_empty() {
            return Err(complaint("missing unit in"));
        }
        let scale =
            nanoseconds(unit).ok_or_else(|| complaint(&format!("unknown unit {unit:?} in")))?;
        total = number
            .scaled(scale)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(|| complaint("invalid"))?;
        rest = tail;
    }
    i64::try_from(sign * total).map_err(|_| complaint("invalid"))
}

/// Digits in front of the point and behind it.
struct Number<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl Number<'_> {
    fn scaled(&self, scale: i128) -> Option<i128> {
        let whole = digits(self.whole)?.checked_mul(scale)?;
        // More digits than the finest unit can show do not count.
        let fraction = &self.fraction[..self.fraction.len().min(18)];
        let divisor = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
        whole.checked_add(digits(fraction)?.checked_mul(scale)? / divisor)
    }
}

fn digits(text: &str) -> Option<i128> {
    if text.is_empty() {
        Some(0)
    } else {
        text.parse().ok()
    }
}

fn split_number(text: &str) -> Option<(Number<'_>, &str)> {
    let (whole, rest) = leading_digits(text);
    let (fraction, rest) = rest.strip_prefix('.').map_or(("", rest), leading_digits);
    let empty = whole.is_empty() && fraction.is_empty();
    (!empty).then_some((Number { whole, fraction }, rest))
}

fn leading_digits(text: &str) -> (&str, &str) {
    let end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn nanoseconds(unit: &str) -> Option<i128> {
    match unit {
        "ns" => Some(1),
        // Both signs for micro.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}
