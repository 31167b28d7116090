//! The config language from the outside: files in, facts or reports out.

mod arbitrary;
mod bounds;
mod docs;
mod examples;
mod expressions;
mod facts;
mod include;
mod reject;
mod report;
mod support;
