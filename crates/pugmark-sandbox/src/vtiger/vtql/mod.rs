//! VTQL, vTiger's query language: lexer, parser and evaluator with the limits and oddities of the real ones.

mod condition;
mod evaluate;
mod lexer;
mod literal;
mod parser;

pub(super) use evaluate::{Scope, run};
pub(super) use parser::{module_name, parse};
