//! The network of a policy in namespaces without root, and packets of every class of flow through the real kernel.

mod build;
mod capture;
mod classes;
mod error;
mod frame;
pub mod pairs;
mod probe;
mod prober;
mod settings;
mod topology;

pub use error::LabError;
pub use topology::Topology;
