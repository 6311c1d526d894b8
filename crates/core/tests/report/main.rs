//! Pages and drawings: they say what the oracle says, nothing of a policy is markup in them, and no text overlaps.

mod common;
mod golden;
mod hostile;
mod oracle;
mod overlap;
mod pages;
