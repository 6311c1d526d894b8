//! Every target extension of iptables 1.8.9 with its options.

use super::Version::{V4, V6};
use super::match_list::MACHINE;
use super::modules::{How, Module, Opt, p0, p1, p2};

const CHANGES: &str = "changes the packet in a way that is not modelled";

const fn module(name: &'static str, how: How, options: &'static [Opt]) -> Module {
    Module::new(name, how, options)
}

#[rustfmt::skip] // a table
pub(super) const TARGETS: &[Module] = &[
    module("AUDIT", How::Nothing, &[p1("type")]),
    module("CHECKSUM", How::Nothing, &[p0("checksum-fill")]),
    module("CLASSIFY", How::Nothing, &[p1("set-class")]),
    module("CLUSTERIP", How::Unknown(MACHINE), &[p0("new"), p1("hashmode"), p1("clustermac"), p1("total-nodes"),
        p1("local-node"), p1("hash-init")]).only(V4),
    module("CONNMARK", How::Connmark, &[p1("set-xmark"), p0("save-mark"), p0("restore-mark"), p1("nfmask"),
        p1("ctmask"), p1("mask"), p1("and-mark"), p1("or-mark"), p1("xor-mark"), p1("set-mark"),
        p1("left-shift-mark"), p1("right-shift-mark")]),
    module("CONNSECMARK", How::Nothing, &[p0("save"), p0("restore")]),
    module("CT", How::Ct, &[p0("notrack"), p1("helper"), p1("ctevents"), p1("expevents"), p1("zone-orig"),
        p1("zone-reply"), p1("zone"), p1("timeout")]).tables(&["raw"]),
    module("DNAT", How::Dnat, &[p1("to-destination"), p0("random"), p0("persistent")]).tables(&["nat"]),
    module("DNPT", How::Unknown(CHANGES), &[p1("src-pfx"), p1("dst-pfx")]).only(V6),
    module("DSCP", How::Nothing, &[p1("set-dscp"), p1("set-dscp-class")]),
    module("ECN", How::Nothing, &[p0("ecn-tcp-remove"), p1("ecn-tcp-cwr"), p1("ecn-tcp-ece"), p1("ecn-ip-ect")])
        .only(V4),
    module("HL", How::HopsTarget, &[p1("hl-set"), p1("hl-dec"), p1("hl-inc")]).only(V6),
    module("HMARK", How::ForgetMark, &[p1("hmark-tuple"), p1("hmark-mod"),
        p1("hmark-offset"), p1("hmark-src-prefix"), p1("hmark-dst-prefix"), p1("hmark-sport-mask"),
        p1("hmark-dport-mask"), p1("hmark-spi-mask"), p1("hmark-sport"), p1("hmark-dport"), p1("hmark-spi"),
        p1("hmark-proto-mask"), p1("hmark-rnd")]),
    module("IDLETIMER", How::Nothing, &[p1("timeout"), p1("label"), p0("alarm")]),
    module("LED", How::Nothing, &[p1("led-trigger-id"), p1("led-delay"), p0("led-always-blink")]),
    module("LOG", How::Log, &[p1("log-level"), p1("log-prefix"), p0("log-tcp-sequence"), p0("log-tcp-options"),
        p0("log-ip-options"), p0("log-uid"), p0("log-macdecode")]),
    module("MARK", How::MarkTarget, &[p1("set-xmark"), p1("set-mark"), p1("and-mark"), p1("or-mark"),
        p1("xor-mark")]),
    module("MASQUERADE", How::Masquerade, &[p1("to-ports"), p0("random"), p0("random-fully")]).tables(&["nat"]),
    module("NETMAP", How::Netmap, &[p1("to")]).tables(&["nat"]),
    module("NFLOG", How::Nflog, &[p1("nflog-group"), p1("nflog-prefix"), p1("nflog-range"), p1("nflog-size"),
        p1("nflog-threshold")]),
    module("NFQUEUE", How::Nfqueue, &[p1("queue-num"), p1("queue-balance"), p0("queue-bypass"),
        p0("queue-cpu-fanout")]),
    module("NOTRACK", How::Notrack, &[]).tables(&["raw"]),
    module("RATEEST", How::Nothing, &[p1("rateest-name"), p1("rateest-interval"), p1("rateest-ewmalog")]),
    module("REDIRECT", How::Redirect, &[p1("to-ports"), p0("random"), p0("random-fully")]).tables(&["nat"]),
    module("REJECT", How::Reject, &[p1("reject-with")]).tables(&["filter"]),
    module("SECMARK", How::Nothing, &[p1("selctx")]),
    module("SET", How::SetTarget, &[p2("add-set"), p2("del-set"), p2("map-set"), p1("timeout"), p0("exist"),
        p0("map-mark"), p0("map-prio"), p0("map-queue")]),
    module("SNAT", How::Snat, &[p1("to-source"), p0("random"), p0("random-fully"), p0("persistent")])
        .tables(&["nat"]),
    module("SNPT", How::Unknown(CHANGES), &[p1("src-pfx"), p1("dst-pfx")]).only(V6),
    module("SYNPROXY", How::Unknown("answers in the place of the destination"), &[p1("mss"), p1("wscale"),
        p0("sack-perm"), p0("timestamp"), p0("ecn")]),
    module("TCPMSS", How::Nothing, &[p1("set-mss"), p0("clamp-mss-to-pmtu")]),
    module("TCPOPTSTRIP", How::Nothing, &[p1("strip-options")]),
    module("TEE", How::Nothing, &[p1("gateway"), p1("oif")]),
    module("TOS", How::Nothing, &[p1("set-tos"), p1("and-tos"), p1("or-tos"), p1("xor-tos")]),
    module("TPROXY", How::Unknown("depends on the sockets of the machine"), &[p1("on-port"), p1("on-ip"),
        p1("tproxy-mark")]),
    module("TRACE", How::Nothing, &[]),
    module("TTL", How::HopsTarget, &[p1("ttl-set"), p1("ttl-dec"), p1("ttl-inc")]).only(V4),
    module("ULOG", How::Ulog, &[p1("ulog-nlgroup"), p1("ulog-prefix"), p1("ulog-cprange"), p1("ulog-qthreshold")])
        .only(V4),
];
