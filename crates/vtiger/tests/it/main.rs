//! The client against servers that behave like vTiger: recorded, scripted and misbehaving ones.

mod adapting;
mod classification;
mod cloud;
mod configuration;
mod contract;
mod observing;
mod paging;
mod properties;
mod reading;
mod server;
mod sessions;
