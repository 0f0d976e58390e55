//! What a gateway checks of an IBAN.

/// Length of an IBAN without blanks, the shortest and the longest of any country.
const LENGTHS: std::ops::RangeInclusive<usize> = 15..=34;

/// Whether the check digits are right (ISO 13616: the remainder by 97 is 1). Blanks do not count.
pub(super) fn is_valid(text: &str) -> bool {
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if !LENGTHS.contains(&plain.len()) || !plain.chars().all(|c| c.is_ascii_alphanumeric()) {
        return false;
    }
    let (front, rest) = plain.split_at(4);
    let turned = rest.chars().chain(front.chars());
    let remainder = turned.fold(0_u32, |remainder, character| {
        let value = character.to_digit(36).unwrap_or_default();
        let shift = if value > 9 { 100 } else { 10 };
        (remainder * shift + value) % 97
    });
    remainder == 1
}

#[cfg(test)]
mod tests {
    use super::is_valid;

    #[test]
    fn check_digits_decide() {
        for good in [
            "IE45BOFI90000112345678",
            "IE29AIBK93115212345678",
            "DE89 3704 0044 0532 0130 00",
            "FR1420041010050500013M02606",
        ] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "IE12BOFI90000112345678",
            "IE45",
            "",
            "DE89370400440532013001",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
