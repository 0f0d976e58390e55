//! First sync.
