//! Every code of analysis, once. A code is never given to another finding.

use crate::diag::Code;

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal;)*) => {
        $(
            #[doc = $title]
            pub const $name: Code = Code($code);
        )*

        /// Every code of this list with its title, in order.
        pub const ALL: &[(Code, &str)] = &[$(($name, $title)),*];
    };
}
pub(super) use codes;

codes! {
    EXPECT_FAILED = "SW0801", "a claim that does not hold";
    MANAGEMENT_LOCKED_OUT = "SW0802", "management that cannot always open SSH to the box";
    RULE_REFUSED = "SW0803", "a rule that drops take away whole";
    LIMIT_USELESS = "SW0804", "a limit that limits nothing";
    FORWARD_REFUSED = "SW0805", "a port forward that drops take away whole";
    UNDECIDED = "SW0806", "a claim too large to decide";
    RULE_COVERED = "SW0807", "a rule that others cover";
    ANY_TO_ANY = "SW0808", "an accept that joins all segments";
    MANAGEMENT_OPEN = "SW0809", "management that others reach";
    TIME_UNREACHABLE = "SW0810", "a time server that the segment may not reach";
    NAT_UNUSED = "SW0811", "masquerading that no flow uses";
    FORWARD_TO_POOL = "SW0812", "a port forward to an address that changes hands";
    ENDS_SOON = "SW0813", "a rule that ends soon";
    IPV6_GAP = "SW0814", "a drop that IPv6 goes around";
    WIDER_THAN_CLAIMED = "SW0815", "an accept wider than the claims about it";
    END_REFUSED = "SW0816", "an end of an accept that drops take away";
}
