//! Shell scripts.

use segwall_core::netfilter::{NoteKind, Program, TableFamily, read_iptables_script};
use segwall_core::source::Source;

use crate::show;

fn read(text: &str) -> (Source, Program) {
    let source = Source::new("fw.sh", text);
    let program = read_iptables_script(&source);
    (source, program)
}

/// The rules and the notes of a script that empties its tables first.
fn script(text: &str) -> (Vec<String>, Vec<String>) {
    let (source, program) = read(&format!("iptables -F\n{text}"));
    (show::rules(&program), show::notes(&source, &program))
}

#[test]
fn variables_quotes_and_continued_lines() {
    let (rules, notes) = script(
        "IPT=/sbin/iptables\niptables=\"/usr/sbin/iptables -w\"\nLAN='10.0.0.0/8' WAN=eth1\n\
         export OPTS=\"-m state --state NEW\"\n\
         $IPT -A INPUT -s ${LAN} -j ACCEPT # office\n\
         $iptables -A INPUT \\\n   -i $WAN -p tcp \\\n   --dport 22 $OPTS -j DROP\n\
         ${IPT} -A INPUT -j LOG --log-prefix \"from $WAN: \" ; $IPT -A INPUT -j DROP && $IPT -A INPUT -j ACCEPT\n\
         ${FW:-iptables} -A OUTPUT -o \"$WAN\"+ -j DROP\n",
    );
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(
        rules,
        [
            "filter INPUT: Src={10.0.0.0-10.255.255.255} -> accept",
            "filter INPUT: In={eth1} Proto={6} Dport={22} State={0} -> drop",
            "filter INPUT: -> log Some(\"from eth1: \") None",
            "filter INPUT: -> drop",
            "filter INPUT: -> accept",
            "filter OUTPUT: Out={eth1+} -> drop",
        ]
    );
}

#[test]
fn all_commands_of_iptables() {
    let (rules, notes) = script(
        "iptables -N old; iptables -E old office\niptables --append INPUT --jump office\n\
         iptables -A office -s 10.0.0.1 -j ACCEPT\niptables -I office -s 10.0.0.2 -j ACCEPT\n\
         iptables -I office 2 -s 10.0.0.3 -j ACCEPT\niptables -R office 1 -s 10.0.0.4 -j DROP\n\
         iptables -D office -s 10.0.0.1/32 -j ACCEPT\niptables -A INPUT -j DROP\niptables -D INPUT 2\n\
         iptables -N empty\niptables -X empty\niptables -Z\n\
         iptables -C office -s 10.0.0.3 -j ACCEPT || iptables -A office -s 10.0.0.3 -j ACCEPT\n\
         iptables -C office -s 10.0.0.9 -j ACCEPT || iptables -A office -s 10.0.0.9 -j ACCEPT\n\
         iptables -tnat -F\niptables -t nat -A POSTROUTING -oeth1 -jMASQUERADE\n",
    );
    assert_eq!(notes, ["13: Aside: shows rules or zeroes counters"]);
    assert_eq!(
        rules,
        [
            "filter INPUT: -> jump office",
            "filter office: Src={10.0.0.4} -> drop",
            "filter office: Src={10.0.0.3} -> accept",
            "filter office: Src={10.0.0.9} -> accept",
            "nat POSTROUTING: Out={eth1} -> masquerade",
        ]
    );
}

#[test]
fn what_is_not_followed_is_named_with_its_line() {
    let (rules, notes) = script(
        "WAN_IP=$(ip addr show eth0)\n\
         iptables -A INPUT -d $WAN_IP -j ACCEPT\n\
         for p in 22 80; do iptables -A INPUT -p tcp --dport $p -j ACCEPT; done\n\
         if [ -f /etc/x ]; then\n  iptables -A INPUT -j DROP\nfi\n\
         open() {\n  iptables -P INPUT ACCEPT\n}\n\
         open\n\
         while read l; do iptables -A INPUT -s $l -j DROP; done < list\n\
         . /etc/firewall.conf\n\
         iptables -A INPUT -s `hostname -i` -j DROP\n\
         iptables -A INPUT -p udp --dport $p -j DROP\n\
         case $1 in start) iptables -P INPUT DROP;; stop) ;; esac\n\
         iptables-restore < /etc/rules\n",
    );
    assert_eq!(rules, Vec::<String>::new());
    let lines: Vec<&str> = notes.iter().map(|note| note.split(": ").take(2).last().expect("a kind")).collect();
    assert!(lines.iter().all(|kind| *kind == "NotUnderstood"), "{notes:#?}");
    let lines: Vec<&str> = notes.iter().filter_map(|note| note.split(':').next()).collect();
    assert_eq!(lines, ["3", "4", "5", "8", "11", "12", "13", "14", "15", "16", "17"], "{notes:#?}");
}

#[test]
fn other_commands_are_asides() {
    let (rules, notes) = script(
        "modprobe ip_tables\necho 1 > /proc/sys/net/ipv4/ip_forward\nsysctl -w net.ipv4.ip_forward=1\n\
         if [ \"$(id -u)\" -ne 0 ]; then echo \"must be root\" >&2; exit 1; fi\n\
         [ -x /sbin/iptables ] || exit 0\niptables -A INPUT -j DROP\nexit 0\niptables -F\n",
    );
    assert_eq!(rules, ["filter INPUT: -> drop"]);
    assert!(notes.iter().all(|note| note.contains(": Aside: ")), "{notes:#?}");
    assert_eq!(notes[1], "3: Aside: writes to /proc/sys/net/ipv4/ip_forward");
}

#[test]
fn a_call_that_is_refused_changes_nothing() {
    let (rules, notes) = script("iptables -A INPUT -p tcp --dport x/y -j ACCEPT || iptables -A INPUT -j DROP\n");
    assert_eq!(rules.len(), 1, "{rules:?} {notes:?}");
    let (rules, _) = script("set -e\niptables -A nowhere -j DROP\niptables -A INPUT -j ACCEPT\n");
    assert_eq!(rules, Vec::<String>::new(), "the shell stops at a failure");
}

#[test]
fn both_families_and_documents() {
    let (source, program) = read(concat!(
        "ip6tables -F\nip6tables -P INPUT DROP\n",
        "iptables-restore <<'EOF'\n*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n",
        "-A INPUT -i lo -j ACCEPT\nCOMMIT\nEOF\n",
        "ipset create bad hash:net\nipset add bad 10.0.0.0/8\nip6tables -A INPUT -j DROP\n",
        "iptables -A INPUT -m set --match-set bad src -j DROP\n",
    ));
    assert_eq!(show::notes(&source, &program), Vec::<String>::new());
    let families: Vec<_> = program.tables.iter().map(|table| table.family).collect();
    assert_eq!(families, [TableFamily::Ip, TableFamily::Ip6]);
    assert_eq!(
        show::rules(&program),
        ["filter INPUT: In={lo} -> accept", "filter INPUT: Src=@bad -> drop", "filter INPUT: -> drop"]
    );
    assert_eq!(show::content(&program.tables[0].sets[0].content), "[[(167772160, 184549375)]]");
    let rule = &program.tables[0].chains[0].rules[0];
    assert_eq!(source.slice(rule.span.expect("text")), "-A INPUT -i lo -j ACCEPT");
}

#[test]
fn broken_scripts_say_where() {
    for (text, line) in [("iptables -A INPUT -j \"DROP\n", 2), ("if true; then\n", 2), ("fi\n", 2), ("echo `x\n", 0)] {
        let (source, program) = read(&format!("iptables -F\n{text}"));
        let lines: Vec<u32> = program
            .notes
            .iter()
            .filter(|note| note.kind == NoteKind::NotUnderstood)
            .map(|note| source.line(note.span.start))
            .collect();
        assert_eq!(lines.first().copied().unwrap_or_default(), line, "{text:?}: {:?}", program.notes);
    }
}

#[test]
fn values_that_grow_without_end_are_given_up() {
    let mut text = String::from("A=xxxxxxxxxxxxxxxx\n");
    for _ in 0..64 {
        text.push_str("A=$A$A$A$A\n");
    }
    text.push_str("iptables -A INPUT -s $A -j DROP\n");
    let (rules, notes) = script(&text);
    assert_eq!(rules, Vec::<String>::new());
    assert_eq!(notes.len(), 1, "{notes:?}");
}
