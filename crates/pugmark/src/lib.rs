//! Pugmark.
