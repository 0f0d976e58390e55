//! Runs the program itself.

#![allow(clippy::expect_used, reason = "helpers of tests stop the test")]

mod postgres_programs;
mod require;
