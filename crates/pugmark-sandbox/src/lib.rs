//! Look-alikes of the outside systems.
