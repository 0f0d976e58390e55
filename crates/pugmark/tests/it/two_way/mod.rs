//! The way back: what was edited in the CRM, merged with what MicroBima says.

mod merge;
