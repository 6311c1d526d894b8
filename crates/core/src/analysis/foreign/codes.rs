//! Every code of findings in rules that have no policy, once. A code is never given to another finding.

use crate::analysis::codes::codes;
use crate::diag::Code;

codes! {
    BY_SOURCE = "SW0901", "a segment known by its address alone";
    FAMILY_MISSING = "SW0902", "a family that no rule sees";
    ANY_OWN_ADDRESS = "SW0903", "a service at every address of the box";
    UNLOGGED = "SW0904", "drops that stand before the log";
    NEVER_MATCHED = "SW0905", "a rule that no packet matches";
    PARTLY = "SW0906", "a drop that comes too late for a part";
    REDUNDANT = "SW0907", "a rule that changes nothing";
    FROM_ANYONE = "SW0908", "an accept from anyone, published to nobody";
    TO_ANYWHERE = "SW0909", "a port that is open to every host";
    NAT_UNUSED = "SW0910", "a translation that nothing forwarded reaches";
    UPLINK_CLOSED = "SW0911", "a translation that no accept leads to";
    INTERFACE_UNKNOWN = "SW0912", "an interface that is not there";
    ICMP_UNNAMED = "SW0913", "no rule for ICMP";
    INVALID_ACCEPTED = "SW0914", "packets without a connection are accepted";
    CONNECTIONS_UNLIMITED = "SW0915", "no limit on new connections";
    RULE_BY_RULE = "SW0916", "rules that are emptied first and set one by one";
    WIPES_OTHERS = "SW0917", "the rules of other programs are wiped";
    GOES_ON = "SW0918", "a script that goes on after a failure";
    LOG_UNLIMITED = "SW0919", "a log without a limit";
    OLD_WORDS = "SW0920", "words of an older iptables";
    DEFAULT_OPEN = "SW0921", "a hook that accepts what no rule decides";
    AFTER_FINAL = "SW0922", "rules behind one that decides everything";
    DNAT_NOWHERE = "SW0923", "a port forward that is dropped";
    SPOOFABLE = "SW0924", "an interface that takes the addresses of others";
    CHAIN_UNUSED = "SW0925", "a chain that nothing leads to";
}
