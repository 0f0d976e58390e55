//! Kenyan phone numbers in the one spelling MicroBima stores for its staff.

/// `254` and nine digits, however the number was typed: 0712345678, 254712345678, +254 (712) 345-678. `None` when it is no
/// Kenyan mobile number.
pub fn canonical(typed: &str) -> Option<String> {
    let spelled = typed
        .chars()
        .all(|letter| letter.is_ascii_digit() || "+-() ".contains(letter));
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0');
    let national = match digits.len() {
        9 => digits,
        12 => digits.strip_prefix("254")?,
        _ => return None,
    };
    (spelled && national.starts_with(['1', '7'])).then(|| format!("254{national}"))
}

/// The spellings under which one number may be stored: as typed first, then those that MicroBima knows.
pub fn spellings(typed: &str) -> Vec<String> {
    let mut all = vec![typed.to_owned()];
    if let Some(canonical) = canonical(typed) {
        let national = canonical.strip_prefix("254").unwrap_or(&canonical);
        for spelling in [
            format!("0{national}"),
            canonical.clone(),
            format!("+{canonical}"),
        ] {
            if !all.contains(&spelling) {
                all.push(spelling);
            }
        }
    }
    all
}
