//! What is told, and what is not, of streams of events.

mod bounds;
mod causes;
mod dashboard;
mod detectors;
mod log;
mod net;
mod quiet;
mod scans;
