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
}
