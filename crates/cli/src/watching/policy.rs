//! By which policy a box is watched, and what that says of watching.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use segwall_core::leases::Vendors;
use segwall_host::apply::Store;
use segwall_host::linux::Linux;
use segwall_watch::Network;
use segwall_watch::alert::Silence;
use segwall_watch::daemon::Watched;
use segwall_watch::notify::Receiver;

use crate::args::Format;
use crate::commands::watch::options;
use crate::exit::{Answer, Failure};
use crate::input::{DEFAULT_POLICY, Location};
use crate::load::{self, Checked, Reading};
use crate::{clock, router};

/// A sound policy, and what it is called.
pub struct Found {
    /// The policy.
    pub checked: Box<Checked>,
    /// Its path, or which generation it is.
    pub name: String,
}

/// The policy that is named, else that of the generation that holds, else the box's own file.
pub fn find(linux: &mut Linux, policy: Option<&Path>) -> Result<Result<Found, Answer>, Failure> {
    if policy.is_none()
        && let Some(number) = Store::confirmed(linux).map_err(router::refused)?
        && let Some(text) = Store::policy(linux, number).map_err(router::refused)?
    {
        let name = format!("generation {number}");
        // Another policy than the one that holds would name the wrong segments, and tell the wrong people.
        return match load::from_bytes(&name, text.into_bytes()) {
            Reading::Sound(checked) => Ok(Ok(Found { checked, name })),
            Reading::Faulty { .. } => Err(Failure::Refused(format!(
                "the policy of {name} is no sound policy any more; run `segwall check`, then apply it"
            ))),
        };
    }
    let location = Location::of(policy.map(Path::to_owned));
    let name = policy.map_or_else(|| DEFAULT_POLICY.to_owned(), |path| path.display().to_string());
    Ok(load::sound::<()>("watch", &location, Format::Text)?.map(|checked| Found { checked, name }))
}

/// What a policy says of watching.
pub fn watched(checked: &Checked, name: String) -> Watched {
    let policy = &checked.policy;
    let mut options = options(policy);
    options.scans = policy.alerts.scans;
    Watched {
        network: Network::of(policy).with_rules(checked.ruleset.clone(), &name).with_makers(Arc::new(makers())),
        options,
        remote: policy.log.remote.clone(),
        tls: policy.log.tls.clone(),
        receivers: policy.notify.iter().filter_map(|notify| Receiver::of(notify, &policy.log.tls)).collect(),
        silences: Silence::of(policy, &clock::timezone()),
        policy: name,
        quarantine_s: policy.alerts.quarantine_s,
    }
}

/// Who makes which cards, where the box has the list.
pub fn makers() -> Vendors {
    let text = Vendors::files().iter().find_map(|path| fs::read(path).ok());
    text.map(|text| Vendors::read(&String::from_utf8_lossy(&text))).unwrap_or_default()
}

/// Who is where: by the policy that is named, else by the one that holds or the box's own; without any, nothing is known.
pub fn network(policy: Option<&Path>) -> Result<Result<Network, Answer>, Failure> {
    if policy.is_none() && generation().is_none() && !Path::new(DEFAULT_POLICY).exists() {
        return Ok(Ok(Network::unknown()));
    }
    Ok(find(&mut router::open()?, policy)?.map(|found| Network::of(&found.checked.policy)))
}

/// Which generation holds, without reading more than its number.
pub fn generation() -> Option<String> {
    fs::read_to_string("/etc/segwall/confirmed").ok()
}
