//! Save files, good and edited by hand.

use segwall_core::netfilter::{NoteKind, Program, TableFamily, read_iptables_save};
use segwall_core::source::Source;

use crate::show;

fn read(text: &str) -> (Source, Program) {
    let source = Source::new("rules.v4", text);
    let program = read_iptables_save(&source, TableFamily::Ip);
    (source, program)
}

#[test]
fn hand_edited_files_are_read() {
    let (source, program) = read(concat!(
        "# by hand\n",
        "*filter\n",
        ":INPUT DROP\n",
        ":FORWARD DROP [0:0]\n",
        ":OUTPUT ACCEPT [12:3456]\n",
        ":office - [0:0]\n",
        "\n",
        "[5:300] -A INPUT -i lo -j ACCEPT\n",
        "-A  FORWARD\t-p  tcp --dport   80  -j ACCEPT\n",
        "  -A FORWARD -p tcp -m tcp ! --syn -m state --state NEW -j DROP\r\n",
        "-A FORWARD -s 10.0.0.0/8,192.168.0.0/255.255.0.0 -i eth0.+ -g office\n",
        "-A office -m comment --comment \"a \\\"b\\\" 'c'\" -j RETURN\n",
        "-I FORWARD -m mac --mac-source 00:11:22:aa:bb:cc -j LOG --log-prefix \"in: \"\n",
        "-A FORWARD ! -o ppp0 -d 10.1.0.1/255.0.0.255 -j REJECT --reject-with tcp-reset -p tcp\n",
        "COMMIT\n",
        "*nat\n",
        ":PREROUTING ACCEPT [0:0]\n",
        ":INPUT ACCEPT [0:0]\n",
        ":OUTPUT ACCEPT [0:0]\n",
        ":POSTROUTING ACCEPT [0:0]\n",
        "-A PREROUTING -i eth1 -p tcp --dport 8000:8010 -j DNAT --to 10.0.0.2-10.0.0.4:80\n",
        "-A POSTROUTING -o eth1 -j SNAT --to-source 192.0.2.1\n",
        "COMMIT\n",
    ));
    assert_eq!(show::notes(&source, &program), Vec::<String>::new());
    assert_eq!(
        show::rules(&program),
        [
            "filter INPUT: In={lo} -> accept",
            "filter FORWARD: Mac={73596058572} -> log Some(\"in: \") None",
            "filter FORWARD: Proto={6} Dport={80} -> accept",
            "filter FORWARD: Proto={6} Flags&0x17!={2} State={0} -> drop",
            "filter FORWARD: Src={10.0.0.0-10.255.255.255} In={eth0.+} -> goto office",
            "filter FORWARD: Src={192.168.0.0-192.168.255.255} In={eth0.+} -> goto office",
            "filter FORWARD: Dst&0xff0000ff={10.0.0.1} Out!={ppp0} Proto={6} -> reject with reset",
            "filter office: -> return \"a \"b\" 'c'\"",
            "nat PREROUTING: In={eth1} Proto={6} Dport={8000-8010} -> dnat 10.0.0.2-10.0.0.4:80-80",
            "nat POSTROUTING: Out={eth1} -> snat 192.0.2.1",
        ]
    );
    let rule = &program.tables[0].chains[0].rules[0];
    assert_eq!(source.slice(rule.span.expect("text")), "[5:300] -A INPUT -i lo -j ACCEPT");
}

#[test]
fn what_restore_refuses_is_left_out_and_said() {
    let (source, program) = read(concat!(
        "*filter\n",
        ":INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n",
        "-A INPUT -p tcp --dport 99999 -j ACCEPT\n",
        "-A INPUT -j nowhere\n",
        "-A nochain -j ACCEPT\n",
        "-A INPUT -m tcp --dport 5 -j ACCEPT\n",
        "-A INPUT -s ! 1.2.3.4 -j ACCEPT\n",
        "-A INPUT -p tcp --dport ! 80 -j ACCEPT\n",
        "-A INPUT --nothing -j ACCEPT\n",
        "-t nat -A POSTROUTING -j MASQUERADE\n",
        "-A INPUT -j ACCEPT -j DROP\n",
        "-A INPUT ! -s 10.0.0.1,10.0.0.2 -j ACCEPT\n",
        "-A INPUT -i averyverylongname -j ACCEPT\n",
        "-A INPUT -j MASQUERADE\n",
        "-A INPUT -j ACCEPT\n",
    ));
    assert_eq!(show::rules(&program), ["filter INPUT: -> accept"]);
    let refused = show::of_kind(&source, &program, NoteKind::Refused);
    let lines: Vec<&str> = refused.iter().filter_map(|note| note.split(':').next()).collect();
    let wanted = ["1", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
    assert_eq!(lines, wanted, "{refused:#?}");
    assert!(refused[0].contains("COMMIT"), "{refused:#?}");
}

#[test]
fn a_policy_that_is_not_given_is_named() {
    let (source, program) = read("*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n");
    let notes = show::of_kind(&source, &program, NoteKind::Before);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("`FORWARD`, `OUTPUT`"), "{notes:?}");
}

#[test]
fn ip6_files_have_their_own_words() {
    let source = Source::new(
        "rules.v6",
        "*filter\n:INPUT DROP\n:FORWARD DROP\n:OUTPUT ACCEPT\n\
         -A INPUT -p ipv6-icmp --icmpv6-type neighbour-sol -m hl --hl-eq 255 -j ACCEPT\n\
         -A INPUT -s fe80::/10 -p icmpv6 -m icmp6 --icmpv6-type 130 -j ACCEPT\n\
         -A INPUT -m addrtype --dst-type LOCAL,MULTICAST -j REJECT\n\
         -4 -A INPUT -j DROP\n\
         COMMIT\n",
    );
    let program = read_iptables_save(&source, TableFamily::Ip6);
    assert_eq!(show::notes(&source, &program), Vec::<String>::new());
    assert_eq!(program.tables[0].family, TableFamily::Ip6);
    assert_eq!(
        show::rules(&program),
        [
            "filter INPUT: Proto={58} IcmpType.IcmpCode={135.0-255} Hops={255} -> accept",
            "filter INPUT: Src={fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff} Proto={58} IcmpType.IcmpCode={130.0-255} -> accept",
            "filter INPUT: Dst.DstType={ff00::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff.2} -> reject 4",
        ]
    );
}

#[test]
fn hidden_legacy_tables_are_told() {
    let (source, program) = read(
        "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n",
    );
    assert_eq!(show::of_kind(&source, &program, NoteKind::NotUnderstood).len(), 1);
}

#[test]
fn built_in_chains_hang_where_the_kernel_hangs_them() {
    let text: String = ["raw", "mangle", "nat", "filter", "security"]
        .iter()
        .map(|table| format!("*{table}\n:OUTPUT ACCEPT\nCOMMIT\n"))
        .collect();
    let (_, program) = read(&text);
    let priorities: Vec<i32> = program
        .tables
        .iter()
        .map(|table| table.chains.iter().find(|chain| chain.name == "OUTPUT").and_then(|chain| chain.base))
        .map(|base| base.expect("every table has OUTPUT").priority)
        .collect();
    assert_eq!(priorities, [-300, -150, -100, 0, 50]);
}
