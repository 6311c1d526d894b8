//! Matches and targets, one by one.

use segwall_core::netfilter::{TableFamily, read_ipset_save, read_iptables_save, read_iptables_save_with};
use segwall_core::source::Source;

use crate::show;

/// What a rule of a table becomes.
fn one(table: &str, chain: &str, rule: &str) -> String {
    let text = format!("*{table}\n:{chain} ACCEPT\n-A {chain} {rule}\nCOMMIT\n");
    let source = Source::new("x", text);
    let program = read_iptables_save(&source, TableFamily::Ip);
    let notes: Vec<_> = program.notes.iter().filter(|note| !note.text.starts_with("the table")).collect();
    assert!(notes.is_empty(), "{rule}: {notes:?}");
    let rules = show::rules(&program);
    assert_eq!(rules.len(), 1, "{rule}");
    rules[0].split_once(": ").map(|(_, rule)| rule.to_owned()).unwrap_or_default()
}

fn check(cases: &[(&str, &str)]) {
    for (rule, wanted) in cases {
        assert_eq!(one("filter", "FORWARD", rule), *wanted, "{rule}");
    }
}

#[test]
fn addresses_and_interfaces() {
    check(&[
        ("-s 0/0 -i + -j DROP", "-> drop"),
        ("! -s 0/0 -j DROP", "Src!={0.0.0.0-255.255.255.255} -> drop"),
        ("! -i eth+ -o br-lan -j DROP", "In!={eth+} Out={br-lan} -> drop"),
        ("-d www.example.com -j DROP", "?[-d www.example.com] -> drop"),
        ("-m iprange --src-range 10.0.0.1-10.0.0.3 -j DROP", "Src={10.0.0.1-10.0.0.3} -> drop"),
        ("-s 10 -j DROP", "Src={10.0.0.0} -> drop"),
        ("-f -j DROP", "?[-f] -> drop"),
    ]);
}

#[test]
fn protocols_and_ports() {
    check(&[
        ("-p all -j DROP", "-> drop"),
        ("! -p gre -j DROP", "Proto!={47} -> drop"),
        ("-p TCP --dport http: -j DROP", "Proto={6} Dport={80-65535} -> drop"),
        ("-p udp --sport :1023 ! --dport domain -j DROP", "Proto={17} Sport={0-1023} Dport!={53} -> drop"),
        ("-p tcp --dport my-own -j DROP", "Proto={6} ?[--dport my-own] -> drop"),
        ("-p udp -m multiport --dports 53,1024:2048 -j DROP", "Proto={17} Dport={53,1024-2048} -> drop"),
        ("-p tcp -m multiport ! --ports 53 -j DROP", "Proto={6} Sport.Dport!={53.0-65535,0-65535.53} -> drop"),
        ("-p tcp --tcp-flags ALL SYN,ACK -j DROP", "Proto={6} Flags&0x3f={18} -> drop"),
        ("-p tcp --tcp-option 5 -j DROP", "Proto={6} ?[--tcp-option 5] -> drop"),
        ("-p icmp --icmp-type any -j DROP", "Proto={1} -> drop"),
        ("-p icmp ! --icmp-type 3/4 -j DROP", "Proto={1} IcmpType.IcmpCode!={3.4} -> drop"),
    ]);
}

#[test]
fn states_of_connections() {
    check(&[
        ("-m state --state NEW,INVALID -j DROP", "State={0,3} -> drop"),
        ("-m conntrack ! --ctstate est,rel -j DROP", "State!={1,2} -> drop"),
        ("-m conntrack --ctstate NEW,DNAT -j DROP", "State.Translated={0.0-1,0-4.1} -> drop"),
        ("-m conntrack --ctstate SNAT -j DROP", "?[--ctstate SNAT] -> drop"),
        (
            "-m conntrack --ctstate NEW --ctorigdst 192.0.2.1 --ctproto udp -j DROP",
            "State={0} SentDestination={3221225985} Proto={17} -> drop",
        ),
        (
            "-p tcp -m conntrack --ctstate NEW --ctorigdstport 80 --ctdir ORIGINAL -j DROP",
            "Proto={6} State={0} SentPort={80} -> drop",
        ),
    ]);
}

#[test]
fn connections_in_every_state() {
    let rules = |rule: &str| -> Vec<String> {
        let text = format!("*filter\n:FORWARD ACCEPT\n-A FORWARD {rule}\nCOMMIT\n");
        let program = read_iptables_save(&Source::new("x", text), TableFamily::Ip);
        show::rules(&program).iter().filter_map(|rule| rule.split_once(": ").map(|(_, rule)| rule.to_owned())).collect()
    };
    assert_eq!(
        rules("-m conntrack --ctproto tcp -j DROP"),
        [
            "State={0} Proto={6} -> drop",
            "State={1} Proto={6} -> drop",
            "State={2} Proto!={1} Proto={6} -> drop",
            "State={2} Proto={1} ?[--ctproto tcp] -> drop"
        ]
    );
    assert_eq!(
        rules("-m conntrack --ctstate DNAT --ctproto tcp --ctorigdstport 80 -j DROP"),
        [
            "State={0} Translated={1} Proto={6} SentPort={80} -> drop",
            "State={1} Translated={1} Proto={6} SentPort={80} -> drop",
            "State={2} Translated={1} Proto!={1} Proto={6} SentPort={80} -> drop",
            "State={2} Translated={1} Proto={1} ?[--ctproto tcp] ?[--ctorigdstport 80] -> drop",
        ]
    );
    assert_eq!(
        rules("-m conntrack ! --ctstate NEW ! --ctorigdst 192.0.2.1 -j DROP"),
        [
            "State={1} Translated={0} ?[! --ctorigdst 192.0.2.1] -> drop",
            "State={1} Translated={1} SentDestination!={3221225985} -> drop",
            "State={2} Proto!={1} SentDestination!={3221225985} -> drop",
            "State={2} Proto={1} ?[! --ctorigdst 192.0.2.1] -> drop",
            "State={3,4} -> drop",
        ]
    );
}

#[test]
fn marks_hops_and_types() {
    check(&[
        ("-m mark --mark 0x10/0xf0 -j DROP", "Mark&0xf0={16} -> drop"),
        ("-m mark ! --mark 5 -j DROP", "Mark!={5} -> drop"),
        ("-m ttl --ttl-lt 1 -j DROP", "Hops={0} -> drop"),
        ("-m ttl --ttl-lt 0 -j DROP", "Hops={} -> drop"),
        ("-m pkttype --pkt-type multi -j DROP", "PktType={2} -> drop"),
        ("-m addrtype --dst-type LOCAL,BROADCAST -j DROP", "DstType={2,3} -> drop"),
        ("-m addrtype ! --src-type LOCAL --limit-iface-in -j DROP", "SrcTypeHere!={2} -> drop"),
    ]);
}

#[test]
fn limits_and_times() {
    check(&[
        ("-m limit -j DROP", "<=3/3600s+5 -> drop"),
        ("-m limit --limit 10/min --limit-burst 7 -j DROP", "<=10/60s+7 -> drop"),
        (
            "-m hashlimit --hashlimit-above 5/sec --hashlimit-mode srcip,dstport --hashlimit-name a -j DROP",
            ">5/1s+5 by Src by Dport of a -> drop",
        ),
        ("-m time --timestart 22:00 --timestop 06:00 -j DROP", "Second={0-21600,79200-86399} -> drop"),
        ("-m time --weekdays Mon,Fri --timestop 23:59:59 -j DROP", "Day={1,5} -> drop"),
        (
            "-m time --weekdays 7 --timestart 23:00 --timestop 01:00 --contiguous -j DROP",
            "Day.Second={1.0-3599,0.3600,0.82800-86399} -> drop",
        ),
        (
            "-m time --datestart 1970-01-02 --datestop 1970-01-02T00:00:01 -j DROP",
            "Time={86400000000000-86401999999999} -> drop",
        ),
        ("-m time --kerneltz --weekdays Mo -j DROP", "?[-m time --kerneltz --weekdays Mo] -> drop"),
        ("-m recent --name ssh --set", "-> nothing"),
        ("-m recent --name ssh --rcheck --seconds 60 -j DROP", "?[-m recent --name ssh --rcheck --seconds 60] -> drop"),
        ("-m geoip ! --src-cc DE,FR -j DROP", "?[-m geoip ! --src-cc DE,FR] -> drop"),
    ]);
}

#[test]
fn targets() {
    check(&[
        ("-j REJECT", "-> reject 3"),
        ("-j REJECT --reject-with host-proh", "-> reject 10"),
        ("-j NFLOG --nflog-group 7", "-> log None Some(7)"),
        ("-j MARK --set-mark 0x1/0x3", "-> mark 0x1/0x3"),
        ("-j MARK --set-xmark 0x4/0x3", "-> some mark"),
        ("-j MARK --and-mark 0xff", "-> mark 0x0/0xffffff00"),
        ("-j NFQUEUE --queue-bypass", "-> queue or accept"),
        ("-j TARPIT", "-> ?[-j TARPIT]"),
        ("-j TCPMSS --clamp-mss-to-pmtu", "-> nothing"),
    ]);
    assert_eq!(one("nat", "PREROUTING", "-p tcp -j REDIRECT --to-port 3128"), "Proto={6} -> redirect :3128-3128");
    assert_eq!(one("nat", "PREROUTING", "-p tcp -j DNAT --to :80"), "Proto={6} -> dnat :80-80");
    assert_eq!(one("nat", "PREROUTING", "-j NETMAP --to 10.2.0.0/16"), "-> netmap 10.2.0.0-10.2.255.255");
    assert_eq!(one("raw", "PREROUTING", "-j CT --notrack"), "-> notrack");
    assert_eq!(one("raw", "PREROUTING", "-j CT --zone 5"), "-> ?[-j CT --zone 5]");
}

#[test]
fn a_changed_ttl_matters_where_a_rule_looks_at_it() {
    let text = "*mangle\n:PREROUTING ACCEPT\n-A PREROUTING -j TTL --ttl-set 64\nCOMMIT\n";
    let read = |text: String| show::rules(&read_iptables_save(&Source::new("x", text), TableFamily::Ip));
    assert_eq!(read(text.to_owned()), ["mangle PREROUTING: -> nothing"]);
    let looking = format!("{text}*filter\n:INPUT ACCEPT\n-A INPUT -m ttl --ttl-gt 5\nCOMMIT\n");
    assert_eq!(read(looking)[0], "mangle PREROUTING: -> ?[-j TTL --ttl-set 64]");
}

#[test]
fn sets_of_ipset() {
    let sets = read_ipset_save(&Source::new(
        "ipset.save",
        "create nets hash:net family inet hashsize 1024 maxelem 65536\n\
         add nets 10.0.0.0/8\nadd nets 192.168.1.7\n\
         create web hash:ip,port family inet\nadd web 10.0.0.1,tcp:80\nadd web 10.0.0.2,udp:53-54\n\
         create old hash:ip timeout 600\nadd old 10.0.0.9 timeout 5\n\
         create grown hash:ip\nadd grown 10.0.0.9\n",
    ));
    assert_eq!(sets.notes, []);
    let source = Source::new(
        "x",
        "*filter\n:FORWARD ACCEPT\n\
         -A FORWARD -m set --match-set nets src -j DROP\n\
         -A FORWARD -m set ! --match-set web src,dst -j DROP\n\
         -A FORWARD -m set --match-set web src -j DROP\n\
         -A FORWARD -m set --match-set old dst -j DROP\n\
         -A FORWARD -m set --match-set other dst -j DROP\n\
         -A FORWARD -m set --match-set grown dst -j SET --add-set grown src\n\
         COMMIT\n",
    );
    let program = read_iptables_save_with(&source, TableFamily::Ip, &sets);
    assert_eq!(
        show::rules(&program),
        [
            "filter FORWARD: Src=@nets -> drop",
            "filter FORWARD: Src.Proto.Dport!=@web -> drop",
            "filter FORWARD: ={} -> drop",
            "filter FORWARD: Dst=@old -> drop",
            "filter FORWARD: Dst=@other -> drop",
            "filter FORWARD: Dst=@grown -> nothing",
        ]
    );
    let shown: Vec<String> = program.tables[0]
        .sets
        .iter()
        .map(|set| format!("{} {} {}", set.name, set.keys, show::content(&set.content)))
        .collect();
    assert_eq!(
        shown,
        [
            "grown 1 ? changed by rules",
            "nets 1 [[(167772160, 184549375)], [(3232235783, 3232235783)]]",
            "old 1 ? its elements end by themselves",
            "other 1 ? kept by ipset, and not given",
            "web 3 [[(167772161, 167772161), (6, 6), (80, 80)], [(167772162, 167772162), (17, 17), (53, 54)]]",
        ]
    );
}
