//! A durable operation queue.
