//! Every code of the policy front-end, once. A code is never given to another finding.

use crate::diag::Code;

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code($code);
        )*

        /// Every code of the policy front-end with its title, in order.
        pub const ALL: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}

codes! {
    // Syntax, keys, types.
    SYNTAX = "SW0101", "not TOML";
    UNKNOWN_KEY = "SW0102", "unknown key";
    WRONG_TYPE = "SW0103", "a value of the wrong type";
    MISSING_KEY = "SW0104", "a key is missing";
    EMPTY_FILE = "SW0105", "the policy is empty";
    NOT_UTF8 = "SW0106", "not UTF-8";
    NUL_BYTE = "SW0107", "a NUL byte";
    TOO_LARGE = "SW0108", "the file is too large";
    TOO_DEEP = "SW0109", "nested too deeply";
    NOT_YET = "SW0110", "not supported yet";
    GIVEN_TWICE = "SW0111", "a key or table is given twice";
    UNKNOWN_WORD = "SW0112", "not one of the possible values";
    CONTROL_CHARACTER = "SW0113", "a control character in a text";
    EMPTY_LIST = "SW0114", "an empty list or text";
    OUT_OF_RANGE = "SW0115", "a number out of range";
    NO_SEGMENTS = "SW0116", "a policy without segments";

    // Names.
    UNKNOWN_NAME = "SW0201", "unknown name";
    BAD_NAME = "SW0202", "not a name";
    RESERVED_NAME = "SW0203", "a reserved name";
    NAME_TWICE = "SW0204", "a name given twice";
    WRONG_KIND = "SW0205", "a name of the wrong kind";
    CYCLE = "SW0206", "a group or service that contains itself";
    BARE_ADDRESS = "SW0207", "a bare address as a rule's end";
    ANY_TO_GATEWAY = "SW0208", "any to the gateway";
    NOT_A_ZONE = "SW0209", "only a zone can be narrowed";
    BUILT_IN_SERVICE = "SW0210", "a built-in service given anew";
    TOO_MANY_ENDS = "SW0211", "groups stand for too many ends";

    // Addresses, interfaces, VLANs.
    VLAN_RANGE = "SW0301", "VLAN out of range";
    VLAN_TWICE = "SW0302", "VLAN used twice on a trunk";
    INTERFACE_NAME_LONG = "SW0303", "interface name too long";
    INTERFACE_NAME = "SW0304", "not an interface name";
    INTERFACE_TWICE = "SW0305", "interface used twice";
    NO_TRUNK = "SW0306", "a VLAN without a trunk";
    WIRING = "SW0307", "unclear which interface is meant";
    BAD_ADDRESS = "SW0308", "not an address, network or range";
    OVERLAP = "SW0309", "networks overlap";
    SPECIAL_NETWORK = "SW0310", "addresses that no host can have";
    GATEWAY_OUTSIDE = "SW0311", "gateway address outside its subnet";
    GATEWAY_RESERVED = "SW0312", "gateway address is the network's or the broadcast address";
    GATEWAY_TWICE = "SW0313", "two gateway addresses in one subnet";
    HOST_NOWHERE = "SW0314", "host outside every segment";
    HOST_IN_TWO = "SW0315", "host in two segments";
    ADDRESS_TWICE = "SW0316", "address used twice";
    HOST_RESERVED = "SW0317", "address that a host cannot have";
    OUTSIDE_ZONE = "SW0318", "address outside its zone";
    NOT_OF_THE_BOX = "SW0319", "not an address of the box";
    INSIDE_SEGMENT = "SW0320", "internet address that lies in a segment";
    NO_NEXT_HOP = "SW0321", "static address without a next hop";
    NEXT_HOP_OUTSIDE = "SW0322", "next hop outside the subnet";
    IPV6_MODE = "SW0323", "IPv6 mode that the subnets do not allow";
    NETWORK_SIZE = "SW0324", "network too small or too large";
    BAD_MAC = "SW0325", "not a hardware address";
    MAC_TWICE = "SW0326", "hardware address used twice in a segment";
    VLAN_NAME = "SW0327", "a VLAN's interface named like another VLAN";

    // Services, ports, limits, schedules.
    BAD_PORT = "SW0401", "not a port or port range";
    UNKNOWN_PROTOCOL = "SW0402", "unknown protocol";
    NO_PORTS = "SW0403", "a protocol that has no ports";
    BAD_ICMP = "SW0404", "not an ICMP type";
    BAD_LIMIT = "SW0405", "not a limit";
    LIMIT_NOT_ACCEPT = "SW0406", "a limit on a drop or reject";
    LIMIT_BY_ALONE = "SW0407", "limit_by without limit";
    BAD_SCHEDULE = "SW0408", "not a schedule";
    BAD_DURATION = "SW0409", "not a duration";
    BAD_DATE = "SW0410", "not a day";
    BAD_TIMEZONE = "SW0411", "unknown time zone";

    // Rules, forwards, claims.
    EXPECT_REJECT = "SW0501", "a claim of a reject";
    FORWARD_NOWHERE = "SW0502", "forward to no segment";
    FORWARD_TWICE = "SW0503", "two forwards of one port";
    FORWARD_FROM = "SW0504", "forward from elsewhere than the internet";
    FORWARD_NO_UPLINK = "SW0505", "forward without an uplink";
    FORWARD_TARGET = "SW0506", "forward to a target that cannot be one";
    FORWARD_PORT = "SW0507", "forward of something without ports";
    FORWARD_TO_PORT = "SW0508", "one target port for a range";

    // DHCP, DNS, log, alerts, notify.
    POOL_OUTSIDE = "SW0601", "pool outside the subnet";
    GATEWAY_IN_POOL = "SW0602", "gateway inside the pool";
    HOST_IN_POOL = "SW0603", "host inside the pool";
    POOL_RESERVED = "SW0604", "pool covers the network's or the broadcast address";
    POOL_FAMILY = "SW0605", "pool is not IPv4";
    DHCP_OPTION = "SW0606", "not a DHCP option of its own";
    BAD_DOMAIN = "SW0607", "not a domain name";
    BAD_REMOTE = "SW0608", "not a log target";
    BAD_NOTIFY = "SW0609", "not one notifier";
    BAD_URL = "SW0610", "not a URL or mail address";
    NOTHING_TO_ACT_ON = "SW0611", "an answer to no alert";
    BAD_SILENCE = "SW0612", "a silence of nothing that there is";
    BAD_LOG_TLS = "SW0613", "TLS to a collector that cannot be set up";

    // Warnings.
    NATIVE_VLAN = "SW0701", "untagged frames on a trunk";
    EXPIRED = "SW0702", "an expired rule";
    NEVER_MATCHES = "SW0703", "a rule that can never match";
    NEVER_OPENS = "SW0704", "ICMP that opens no connection";
    MAC_WITHOUT_DHCP = "SW0705", "a reservation that nobody serves";
    POOL_NOT_SERVED = "SW0706", "a pool that nobody serves";
    DNS_WITHOUT_UPSTREAM = "SW0707", "a resolver that has nobody to ask";
    RESOLVER_UNREACHABLE = "SW0708", "a resolver that the segment may not reach";
    LEARNING = "SW0709", "a segment that learns";
    SILENCE_OVER = "SW0710", "a silence that is over";
}
