//! What travels between which systems: one folder per flow, one file per operation kind.

pub mod insurance;
pub mod onboarding;
