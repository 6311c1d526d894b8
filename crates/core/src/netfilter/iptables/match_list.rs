//! Every match extension of iptables 1.8.9 with its options.

use super::Version::{V4, V6};
use super::modules::{How, Module, Opt, n0, n1, n2, p0, p1, pm};

pub(super) const EARLIER: &str = "depends on earlier packets";
pub(super) const INSIDE: &str = "looks at a part of the packet that is not modelled";
pub(super) const MACHINE: &str = "depends on the machine, not on the packet";
pub(super) const TRACKED: &str = "looks at a part of the connection that is not modelled";

const SOURCE_PORT: Opt = n1("source-port");
const SPORT: Opt = n1("sport").means("source-port");
const DESTINATION_PORT: Opt = n1("destination-port");
const DPORT: Opt = n1("dport").means("destination-port");

const fn module(name: &'static str, how: How, options: &'static [Opt]) -> Module {
    Module::new(name, how, options)
}

#[rustfmt::skip] // a table
pub(super) const MATCHES: &[Module] = &[
    module("addrtype", How::Addrtype, &[n1("src-type"), n1("dst-type"), p0("limit-iface-in"), p0("limit-iface-out")]),
    module("ah", How::Unknown(INSIDE), &[n1("ahspi")]).only(V4),
    module("ah", How::Unknown(INSIDE), &[n1("ahspi"), n1("ahlen"), p0("ahres")]).only(V6),
    module("bpf", How::Unknown(INSIDE), &[p1("object-pinned"), p1("bytecode")]),
    module("cgroup", How::Unknown(MACHINE), &[n1("path"), n1("cgroup")]),
    module("cluster", How::Unknown(MACHINE), &[p1("cluster-total-nodes"), n1("cluster-local-node"),
        n1("cluster-local-nodemask"), p1("cluster-hash-seed")]),
    module("comment", How::Comment, &[p1("comment")]),
    module("connbytes", How::Unknown(EARLIER), &[n1("connbytes"), p1("connbytes-dir"), p1("connbytes-mode")]),
    module("connlabel", How::Unknown(EARLIER), &[n1("label"), p0("set")]),
    module("connlimit", How::Unknown(EARLIER), &[n1("connlimit-upto"), n1("connlimit-above"), p1("connlimit-mask"),
        p0("connlimit-saddr"), p0("connlimit-daddr")]),
    module("connmark", How::Unknown(EARLIER), &[n1("mark")]),
    module("conntrack", How::Conntrack, &[n1("ctstate"), n1("ctproto"), n1("ctorigsrc"), n1("ctorigdst"),
        n1("ctreplsrc"), n1("ctrepldst"), n1("ctorigsrcport"), n1("ctorigdstport"), n1("ctreplsrcport"),
        n1("ctrepldstport"), n1("ctstatus"), n1("ctexpire"), p1("ctdir")]),
    module("cpu", How::Unknown(MACHINE), &[n1("cpu")]),
    module("dccp", How::Dccp, &[SOURCE_PORT, SPORT, DESTINATION_PORT, DPORT, n1("dccp-types"), n1("dccp-option")]),
    module("devgroup", How::Unknown(MACHINE), &[n1("src-group"), n1("dst-group")]),
    module("dscp", How::Unknown(INSIDE), &[n1("dscp"), n1("dscp-class")]),
    module("dst", How::Unknown(INSIDE), &[n1("dst-len"), p1("dst-opts")]).only(V6),
    module("ecn", How::Unknown(INSIDE), &[n0("ecn-tcp-cwr"), n0("ecn-tcp-ece"), n1("ecn-ip-ect")]),
    module("esp", How::Unknown(INSIDE), &[n1("espspi")]),
    module("eui64", How::Unknown(INSIDE), &[]).only(V6),
    module("frag", How::Unknown(INSIDE), &[n1("fragid"), n1("fraglen"), p0("fragres"), p0("fragfirst"),
        p0("fragmore"), p0("fraglast")]).only(V6),
    module("hashlimit", How::Hashlimit, &[n1("hashlimit-upto"), n1("hashlimit").means("hashlimit-upto"),
        n1("hashlimit-above"), p1("hashlimit-burst"), p1("hashlimit-mode"), p1("hashlimit-srcmask"),
        p1("hashlimit-dstmask"), p1("hashlimit-name"), p1("hashlimit-htable-size"), p1("hashlimit-htable-max"),
        p1("hashlimit-htable-expire"), p1("hashlimit-htable-gcinterval"), p0("hashlimit-rate-match"),
        p1("hashlimit-rate-interval")]),
    module("hbh", How::Unknown(INSIDE), &[n1("hbh-len"), p1("hbh-opts")]).only(V6),
    module("helper", How::Unknown(TRACKED), &[n1("helper")]),
    module("hl", How::Hops, &[n1("hl-eq"), n1("hl").means("hl-eq"), p1("hl-lt"), p1("hl-gt")]).only(V6),
    module("icmp", How::Icmp, &[n1("icmp-type")]).only(V4),
    module("icmp6", How::Icmp, &[n1("icmpv6-type")]).only(V6),
    module("ipcomp", How::Unknown(INSIDE), &[n1("ipcompspi"), p0("compres")]),
    module("iprange", How::Iprange, &[n1("src-range"), n1("dst-range")]),
    module("ipv6header", How::Unknown(INSIDE), &[p0("soft"), n1("header")]).only(V6),
    module("ipvs", How::Unknown(TRACKED), &[n0("ipvs"), n1("vproto"), n1("vaddr"), n1("vport"), p1("vdir"),
        n1("vmethod"), n1("vportctl")]),
    module("length", How::Unknown(INSIDE), &[n1("length")]),
    module("limit", How::Limit, &[p1("limit"), p1("limit-burst")]),
    module("mac", How::Mac, &[n1("mac-source")]),
    module("mark", How::Mark, &[n1("mark")]),
    module("mh", How::Unknown(INSIDE), &[n1("mh-type")]).only(V6),
    module("multiport", How::Multiport, &[n1("source-ports"), n1("sports").means("source-ports"),
        n1("destination-ports"), n1("dports").means("destination-ports"), n1("ports")]),
    module("nfacct", How::Unknown(EARLIER), &[p1("nfacct-name")]),
    module("osf", How::Unknown(INSIDE), &[n1("genre"), p1("ttl"), p1("log")]),
    module("owner", How::Unknown(MACHINE), &[n1("uid-owner"), n1("gid-owner"), p0("suppl-groups"),
        n0("socket-exists")]),
    module("physdev", How::Unknown(MACHINE), &[n1("physdev-in"), n1("physdev-out"), n0("physdev-is-in"),
        n0("physdev-is-out"), n0("physdev-is-bridged")]),
    module("pkttype", How::Pkttype, &[n1("pkt-type")]),
    module("policy", How::Unknown(MACHINE), &[p1("dir"), p1("pol"), p0("strict"), n1("reqid"), n1("spi"), n1("proto"),
        n1("mode"), n1("tunnel-src"), n1("tunnel-dst"), p0("next")]),
    module("quota", How::Unknown(EARLIER), &[n1("quota")]),
    module("rateest", How::Unknown(EARLIER), &[p0("rateest-delta"), n0("rateest-lt"), n0("rateest-gt"),
        n0("rateest-eq"), p1("rateest"), p1("rateest1"), p1("rateest2"), pm("rateest-bps"), pm("rateest-pps"),
        pm("rateest-bps1"), pm("rateest-bps2"), pm("rateest-pps1"), pm("rateest-pps2")]),
    module("realm", How::Unknown(MACHINE), &[n1("realm")]).only(V4),
    module("recent", How::Recent, &[p1("name"), n0("set"), p0("rsource"), p0("rdest"), p1("mask"), n0("rcheck"),
        n0("update"), n0("remove"), p1("seconds"), p0("reap"), p1("hitcount"), p0("rttl")]),
    module("rpfilter", How::Unknown(MACHINE), &[p0("loose"), p0("validmark"), p0("accept-local"), p0("invert")]),
    module("rt", How::Unknown(INSIDE), &[n1("rt-type"), n1("rt-segsleft"), n1("rt-len"), p0("rt-0-res"),
        p1("rt-0-addrs"), p0("rt-0-not-strict")]).only(V6),
    module("sctp", How::Sctp, &[SOURCE_PORT, SPORT, DESTINATION_PORT, DPORT, n2("chunk-types")]),
    module("set", How::Set, &[n2("match-set"), n2("set").means("match-set"), p0("return-nomatch"),
        n0("update-counters"), n0("update-subcounters"), n1("packets-eq"), p1("packets-lt"), p1("packets-gt"),
        n1("bytes-eq"), p1("bytes-lt"), p1("bytes-gt")]),
    module("socket", How::Unknown(MACHINE), &[p0("transparent"), p0("nowildcard"), p0("restore-skmark")]),
    module("srh", How::Unknown(INSIDE), &[n1("srh-next-hdr"), n1("srh-hdr-len-eq"), n1("srh-hdr-len-gt"),
        n1("srh-hdr-len-lt"), n1("srh-segs-left-eq"), n1("srh-segs-left-gt"), n1("srh-segs-left-lt"),
        n1("srh-last-entry-eq"), n1("srh-last-entry-gt"), n1("srh-last-entry-lt"), n1("srh-tag"), n1("srh-psid"),
        n1("srh-nsid"), n1("srh-lsid")]).only(V6),
    module("state", How::Conntrack, &[n1("state").means("ctstate")]),
    module("statistic", How::Unknown("decided by chance, or by counting packets"), &[p1("mode"), n1("probability"),
        n1("every"), p1("packet")]),
    module("string", How::Unknown(INSIDE), &[p1("algo"), p1("from"), p1("to"), n1("string"), n1("hex-string"),
        p0("icase")]),
    module("tcp", How::Tcp, &[SOURCE_PORT, SPORT, DESTINATION_PORT, DPORT, n2("tcp-flags"), n0("syn"),
        n1("tcp-option")]),
    module("tcpmss", How::Unknown(INSIDE), &[n1("mss")]),
    module("time", How::Time, &[p1("datestart"), p1("datestop"), p1("timestart"), p1("timestop"), n1("monthdays"),
        n1("weekdays"), p0("contiguous"), p0("kerneltz"), p0("localtz").means("kerneltz"), p0("utc")]),
    module("tos", How::Unknown(INSIDE), &[n1("tos")]),
    module("ttl", How::Hops, &[n1("ttl-eq"), n1("ttl").means("ttl-eq"), p1("ttl-gt"), p1("ttl-lt")]).only(V4),
    module("u32", How::Unknown(INSIDE), &[n1("u32")]),
    module("udp", How::Udp, &[SOURCE_PORT, SPORT, DESTINATION_PORT, DPORT]),
];
