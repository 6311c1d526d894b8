//! The readers of iptables: against examples, against the manual, against nonsense.

mod kinds;
mod manual;
mod nonsense;
mod proved;
mod saves;
mod scripts;
mod show;
mod tutorial;
