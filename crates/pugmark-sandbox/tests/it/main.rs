//! Tests of the sandbox from outside, over real connections.

mod cloud;
mod contract;
mod faults;
mod journal;
mod raw;
mod sessions;
mod store;
