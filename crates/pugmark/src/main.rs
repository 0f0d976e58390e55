//! Pugmark.
fn main() {}
