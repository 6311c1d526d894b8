//! The shape of the sources, as a test: who may know whom, what core never touches, what a reader may rely on.

mod directions;
mod links;
mod manifests;
mod sources;
mod tree;
