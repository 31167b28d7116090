//! The config language from the outside: files in, facts or reports out.

mod arbitrary;
mod asked;
mod bounds;
mod cache;
mod corpus;
mod declared;
mod docs;
mod examples;
mod expressions;
mod facts;
mod include;
mod reject;
mod report;
mod rules;
mod sessions;
mod stories;
mod support;
