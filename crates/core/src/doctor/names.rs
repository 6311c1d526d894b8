//! Every check by its name, with what it asks.

/// Name and question, in the order in which checks are made.
pub const CHECKS: [(&str, &str); 41] = [
    ("programs", "Are the programs that this policy needs installed?"),
    ("module", "Are the kernel's modules loaded, 8021q for VLANs first of all?"),
    ("interface", "Are the trunk, the uplink and untagged segments' interfaces there?"),
    ("vlan", "Is every VLAN device there, with its number, on its trunk?"),
    ("link-up", "Is every interface up?"),
    ("carrier", "Does every interface have a live other end?"),
    ("address", "Does the box have its address in every subnet?"),
    ("address-elsewhere", "Is an address of the box on another interface?"),
    ("uplink-address", "Did the provider give the uplink an address?"),
    ("address-duplicate", "Does somebody else answer for an address of the box?"),
    ("interface-at-boot", "Does a boot bring every interface up?"),
    ("boot-forwarding", "Does somebody's sysctl file switch forwarding on before the rules are in?"),
    ("table", "Is our table in the kernel?"),
    ("rules", "Does the kernel do what the confirmed generation says, for every packet?"),
    ("quarantine", "Does the kernel hold everybody who is on the quarantine's list?"),
    ("forwarding", "Is IPv4 forwarded when it should be, and never without rules?"),
    ("forwarding6", "Is IPv6 forwarded when it should be, and never without rules?"),
    ("rp-filter", "Does the kernel drop packets by their way back, unseen?"),
    ("nftables-service", "Is a service on that flushes all tables, or saves them?"),
    ("iptables-service", "Is a service on that loads rules of iptables at boot?"),
    ("firewall-manager", "Is firewalld, ufw, Docker or another maker of rules on?"),
    ("foreign-tables", "Do other programs' nftables tables change what happens?"),
    ("other-filters", "Do legacy iptables tables, XDP or BPF programs decide too?"),
    ("boot-service", "Does our service load the rules at boot?"),
    ("guard", "Does the guard run, which brings our rules back when somebody flushes them?"),
    ("files", "Are our files as they were written?"),
    ("dhcp-running", "Do the services for DHCP, router advertisements and names run, and start at boot?"),
    ("dhcp-config", "Are their files what the policy says?"),
    ("other-server", "Does another DHCP or DNS server of this box answer, or hold the ports?"),
    ("pool", "Has every pool addresses left?"),
    ("rsyslog-blocks", "Can a vanished log collector stop local logging?"),
    ("log-tls", "Can the daemon read the files for TLS to a collector?"),
    ("conntrack-full", "Has the table of connections room left?"),
    ("conntrack-small", "Is that table as large as this box's memory allows?"),
    ("clock-behind", "Is the clock past the last apply?"),
    ("clock-synchronised", "Does something keep the clock right?"),
    ("applied", "Is the policy file what was applied?"),
    ("waiting", "Does an apply wait to be confirmed?"),
    ("stuck", "Was an apply left half way?"),
    ("disk", "Is there room for another generation?"),
    ("lbu", "On a box that keeps its files in memory: were they committed?"),
];

/// What a check asks.
#[must_use]
pub fn explain(name: &str) -> Option<&'static str> {
    CHECKS.iter().find(|(known, _)| *known == name).map(|(_, question)| *question)
}
