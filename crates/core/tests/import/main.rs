//! From the rules and files of a box to a policy, and what is different then.

mod box_of;
mod examples;
mod random;
mod readers;
mod tutorial;
