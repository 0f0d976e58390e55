//! Amounts of money as texts.

/// Cents as a decimal number, `299.00` for instance.
pub(super) fn decimal(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// Cents with the sign of their currency, `$299.00` for instance. A currency without a sign known here goes by its code.
pub(super) fn with_sign(cents: i64, currency: &str) -> String {
    let sign = match currency {
        "USD" | "CAD" | "AUD" | "NZD" => "$",
        "EUR" => "\u{20ac}",
        "GBP" => "\u{a3}",
        other => return format!("{other} {}", decimal(cents)),
    };
    format!("{sign}{}", decimal(cents))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_two_decimals_and_the_sign_of_the_site() {
        assert_eq!(
            (decimal(29_900), decimal(5)),
            ("299.00".into(), "0.05".into())
        );
        assert_eq!(with_sign(29_900, "USD"), "$299.00");
        assert_eq!(with_sign(29_900, "KES"), "KES 299.00");
    }
}
