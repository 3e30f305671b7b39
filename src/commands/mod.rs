//! What the program can do, one module for each command.

pub mod compile;
pub mod config;
pub mod doctor;
pub mod generate;
pub mod healthcheck;
pub mod mcp;
pub mod packages;
pub mod parts;
pub mod repl;
pub mod run;
pub mod serve;
pub mod zygote;

/// What ends a command: a sentence for the person who gave it.
pub type Error = Box<dyn std::error::Error>;
