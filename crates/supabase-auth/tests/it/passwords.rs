//! Passwords, checked before anything is touched.

use supabase_auth::{CharacterSet, PasswordProblem, PasswordRules, check_password};

fn problems(password: &str, rules: &PasswordRules) -> Vec<PasswordProblem> {
    match check_password(password, rules) {
        Ok(()) => Vec::new(),
        Err(problems) => problems.reasons().to_vec(),
    }
}

fn strict() -> PasswordRules {
    PasswordRules {
        min_bytes: 12,
        required: vec![
            CharacterSet::Lower,
            CharacterSet::Upper,
            CharacterSet::Digits,
            CharacterSet::Symbols,
        ],
        ..PasswordRules::default()
    }
}

#[test]
fn the_default_is_the_servers_six_to_seventy_two_bytes() {
    let rules = PasswordRules::default();
    assert_eq!(
        problems("12345", &rules),
        [PasswordProblem::TooShort { min: 6 }]
    );
    assert!(problems("123456", &rules).is_empty());
    assert!(problems(&"x".repeat(72), &rules).is_empty());
    assert_eq!(
        problems(&"x".repeat(73), &rules),
        [PasswordProblem::TooLong { max: 72 }]
    );
}

#[test]
fn length_is_counted_in_bytes() {
    let rules = PasswordRules::default();
    assert!(problems("äöü", &rules).is_empty(), "six bytes");
    assert_eq!(
        problems(&"ä".repeat(37), &rules),
        [PasswordProblem::TooLong { max: 72 }],
        "74 bytes"
    );
}

#[test]
fn no_rule_can_allow_more_than_the_hash_takes() {
    let rules = PasswordRules {
        max_bytes: 1000,
        ..PasswordRules::default()
    };
    assert_eq!(
        problems(&"x".repeat(73), &rules),
        [PasswordProblem::TooLong { max: 72 }]
    );
}

#[test]
fn every_broken_rule_is_named_at_once() {
    assert_eq!(
        problems("abc", &strict()),
        [
            PasswordProblem::TooShort { min: 12 },
            PasswordProblem::Missing(CharacterSet::Upper),
            PasswordProblem::Missing(CharacterSet::Digits),
            PasswordProblem::Missing(CharacterSet::Symbols),
        ]
    );
    assert!(problems("Correct-Horse-1", &strict()).is_empty());
}

#[test]
fn letters_outside_of_ascii_belong_to_no_set() {
    let rules = PasswordRules {
        required: vec![CharacterSet::Letters],
        ..PasswordRules::default()
    };
    assert_eq!(
        problems("äöü123", &rules),
        [PasswordProblem::Missing(CharacterSet::Letters)]
    );
    assert!(problems("äöü12A", &rules).is_empty());
}

#[test]
fn a_set_can_be_made_of_any_characters() {
    let rules = PasswordRules {
        required: vec![CharacterSet::OneOf("§%".to_owned())],
        ..PasswordRules::default()
    };
    assert!(problems("100% sure", &rules).is_empty());
    assert_eq!(problems("not sure", &rules).len(), 1);
}

#[test]
fn what_is_said_about_a_password_does_not_repeat_it() {
    let password = "hunter";
    let error = check_password(password, &strict()).unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains(password), "{shown}");
    assert_eq!(
        error.to_string(),
        "it must have at least 12 characters; it must contain an upper-case letter; it must contain a digit; \
         it must contain a symbol"
    );
}
