//! Names of countries.

/// ISO 3166-1 codes with the names that answers show: Europe, and where customers of the sandbox's users are. Others show no
/// name.
const NAMES: [(&str, &str); 44] = [
    ("AT", "Austria"),
    ("AU", "Australia"),
    ("BE", "Belgium"),
    ("BG", "Bulgaria"),
    ("CA", "Canada"),
    ("CH", "Switzerland"),
    ("CY", "Cyprus"),
    ("CZ", "Czech Republic"),
    ("DE", "Germany"),
    ("DK", "Denmark"),
    ("EE", "Estonia"),
    ("ES", "Spain"),
    ("FI", "Finland"),
    ("FR", "France"),
    ("GB", "United Kingdom"),
    ("GR", "Greece"),
    ("HR", "Croatia"),
    ("HU", "Hungary"),
    ("IE", "Ireland"),
    ("IN", "India"),
    ("IS", "Iceland"),
    ("IT", "Italy"),
    ("KE", "Kenya"),
    ("LI", "Liechtenstein"),
    ("LT", "Lithuania"),
    ("LU", "Luxembourg"),
    ("LV", "Latvia"),
    ("MC", "Monaco"),
    ("MT", "Malta"),
    ("NG", "Nigeria"),
    ("NL", "Netherlands"),
    ("NO", "Norway"),
    ("NZ", "New Zealand"),
    ("PL", "Poland"),
    ("PT", "Portugal"),
    ("RO", "Romania"),
    ("SE", "Sweden"),
    ("SI", "Slovenia"),
    ("SK", "Slovakia"),
    ("TZ", "Tanzania"),
    ("UA", "Ukraine"),
    ("UG", "Uganda"),
    ("US", "United States"),
    ("ZA", "South Africa"),
];

/// Name of the country with this code.
pub(super) fn name(code: &str) -> Option<&'static str> {
    let code = code.to_ascii_uppercase();
    let position = NAMES.binary_search_by(|(known, _)| (*known).cmp(code.as_str()));
    position.ok().map(|position| NAMES[position].1)
}

#[cfg(test)]
mod tests {
    use super::{NAMES, name};

    #[test]
    fn every_code_is_found() {
        for (code, country) in NAMES {
            assert_eq!(name(code), Some(country));
        }
        assert_eq!((name("ie"), name("XX")), (Some("Ireland"), None));
    }
}
