//! The built-in services, and the names of ICMP types.

use segwall_packetset::{PortRange, proto};

use super::model::{Ports, Service};

const T: u8 = proto::TCP;
const U: u8 = proto::UDP;

/// Protocol, first and last port.
type ProtocolPorts = (u8, u16, u16);

/// Name, what it is, and its protocols and ports. Ports as registered with IANA or as the program
/// itself uses them when nobody changes its configuration.
const PORT_SERVICES: &[(&str, &str, &[ProtocolPorts])] = &[
    (
        "activedirectory",
        "what members of an Active Directory domain need from its controllers",
        &[
            (T, 53, 53),
            (U, 53, 53),
            (T, 88, 88),
            (U, 88, 88),
            (U, 123, 123),
            (T, 135, 135),
            (T, 389, 389),
            (U, 389, 389),
            (T, 445, 445),
            (T, 464, 464),
            (U, 464, 464),
            (T, 636, 636),
            (T, 3268, 3269),
            (T, 49152, 65535),
        ],
    ),
    ("amqp", "AMQP, RabbitMQ", &[(T, 5672, 5672)]),
    ("amqps", "AMQP over TLS", &[(T, 5671, 5671)]),
    ("bacula", "Bacula and Bareos", &[(T, 9101, 9103)]),
    ("bgp", "BGP", &[(T, 179, 179)]),
    ("cassandra", "Cassandra clients", &[(T, 9042, 9042)]),
    ("coap", "CoAP", &[(U, 5683, 5684)]),
    ("dhcp", "DHCP server", &[(U, 67, 67)]),
    ("dhcpv6", "DHCPv6 server", &[(U, 547, 547)]),
    ("dns", "DNS", &[(U, 53, 53), (T, 53, 53)]),
    ("dns-over-tls", "DNS over TLS", &[(T, 853, 853)]),
    ("elasticsearch", "Elasticsearch and OpenSearch", &[(T, 9200, 9200)]),
    ("ftp", "FTP control connection", &[(T, 21, 21)]),
    ("git", "git's own protocol", &[(T, 9418, 9418)]),
    ("grafana", "Grafana", &[(T, 3000, 3000)]),
    ("http", "HTTP", &[(T, 80, 80)]),
    ("http-alt", "HTTP on its second port", &[(T, 8080, 8080)]),
    ("http3", "HTTP/3", &[(U, 443, 443)]),
    ("https", "HTTP over TLS", &[(T, 443, 443)]),
    ("imap", "IMAP", &[(T, 143, 143)]),
    ("imaps", "IMAP over TLS", &[(T, 993, 993)]),
    ("ipmi", "IPMI", &[(U, 623, 623)]),
    ("ipp", "printing (IPP, CUPS)", &[(T, 631, 631)]),
    ("iscsi", "iSCSI", &[(T, 3260, 3260)]),
    ("jetdirect", "printing (raw, port 9100)", &[(T, 9100, 9100)]),
    ("kafka", "Kafka", &[(T, 9092, 9092)]),
    ("kerberos", "Kerberos", &[(T, 88, 88), (U, 88, 88)]),
    ("kubernetes-api", "Kubernetes API server", &[(T, 6443, 6443)]),
    ("ldap", "LDAP", &[(T, 389, 389)]),
    ("ldaps", "LDAP over TLS", &[(T, 636, 636)]),
    ("lpd", "printing (LPD)", &[(T, 515, 515)]),
    ("mdns", "multicast DNS", &[(U, 5353, 5353)]),
    ("memcached", "memcached", &[(T, 11211, 11211)]),
    ("modbus", "Modbus/TCP", &[(T, 502, 502)]),
    ("mongodb", "MongoDB", &[(T, 27017, 27017)]),
    ("mqtt", "MQTT", &[(T, 1883, 1883)]),
    ("mqtts", "MQTT over TLS", &[(T, 8883, 8883)]),
    ("mssql", "Microsoft SQL Server", &[(T, 1433, 1433)]),
    ("mysql", "MySQL and MariaDB", &[(T, 3306, 3306)]),
    ("nats", "NATS clients", &[(T, 4222, 4222)]),
    ("nfs", "NFS version 4", &[(T, 2049, 2049)]),
    ("node-exporter", "Prometheus node exporter", &[(T, 9100, 9100)]),
    ("ntp", "NTP", &[(U, 123, 123)]),
    ("nut", "Network UPS Tools", &[(T, 3493, 3493)]),
    ("opcua", "OPC UA", &[(T, 4840, 4840)]),
    ("openvpn", "OpenVPN", &[(U, 1194, 1194)]),
    ("oracle", "Oracle database listener", &[(T, 1521, 1521)]),
    ("pop3", "POP3", &[(T, 110, 110)]),
    ("pop3s", "POP3 over TLS", &[(T, 995, 995)]),
    ("postgresql", "PostgreSQL", &[(T, 5432, 5432)]),
    ("prometheus", "Prometheus", &[(T, 9090, 9090)]),
    ("proxmox", "Proxmox VE web interface", &[(T, 8006, 8006)]),
    ("radius", "RADIUS", &[(U, 1812, 1813)]),
    ("rdp", "Remote Desktop", &[(T, 3389, 3389), (U, 3389, 3389)]),
    ("redis", "Redis and Valkey", &[(T, 6379, 6379)]),
    ("rsync", "rsync daemon", &[(T, 873, 873)]),
    ("rtsp", "RTSP", &[(T, 554, 554)]),
    ("s7", "Siemens S7 (ISO-TSAP)", &[(T, 102, 102)]),
    ("sip", "SIP", &[(U, 5060, 5060), (T, 5060, 5060)]),
    ("sips", "SIP over TLS", &[(T, 5061, 5061)]),
    ("smb", "Windows and Samba file shares", &[(T, 445, 445)]),
    ("smtp", "SMTP between mail servers", &[(T, 25, 25)]),
    ("smtps", "mail submission over TLS", &[(T, 465, 465)]),
    ("snmp", "SNMP queries", &[(U, 161, 161)]),
    ("snmp-trap", "SNMP traps", &[(U, 162, 162)]),
    ("socks", "SOCKS proxy", &[(T, 1080, 1080)]),
    ("squid", "web proxy (Squid)", &[(T, 3128, 3128)]),
    ("ssh", "SSH", &[(T, 22, 22)]),
    ("stun", "STUN and TURN", &[(U, 3478, 3478), (T, 3478, 3478)]),
    ("submission", "mail submission", &[(T, 587, 587)]),
    ("syslog", "syslog over UDP", &[(U, 514, 514)]),
    ("syslog-tcp", "syslog over TCP", &[(T, 514, 514)]),
    ("syslog-tls", "syslog over TLS", &[(T, 6514, 6514)]),
    ("tacacs", "TACACS+", &[(T, 49, 49)]),
    ("telnet", "Telnet", &[(T, 23, 23)]),
    ("tftp", "TFTP requests", &[(U, 69, 69)]),
    ("traceroute", "traceroute with UDP probes", &[(U, 33434, 33534)]),
    ("unifi", "UniFi devices to their controller", &[(T, 8080, 8080), (U, 3478, 3478), (U, 10001, 10001)]),
    ("vnc", "VNC, displays 0 to 9", &[(T, 5900, 5909)]),
    ("winrm", "Windows Remote Management", &[(T, 5985, 5986)]),
    ("wireguard", "WireGuard", &[(U, 51820, 51820)]),
    ("xmpp", "XMPP clients", &[(T, 5222, 5222)]),
    ("zabbix-agent", "Zabbix agent, asked by the server", &[(T, 10050, 10050)]),
    ("zabbix-server", "Zabbix server, told by agents", &[(T, 10051, 10051)]),
];

/// Built-in services that are not only ports.
const OTHER_SERVICES: &[(&str, &str)] =
    &[("ipsec", "IPsec: IKE, NAT traversal and ESP"), ("ping", "echo requests, IPv4 and IPv6")];

/// What a built-in name stands for.
#[must_use]
pub fn built_in(name: &str) -> Option<Vec<Service>> {
    let ranged = |proto, first, last| Service { proto, ports: Ports::Range(PortRange { first, last }) };
    if let Ok(at) = PORT_SERVICES.binary_search_by_key(&name, |(known, _, _)| known) {
        return Some(PORT_SERVICES[at].2.iter().map(|(proto, first, last)| ranged(*proto, *first, *last)).collect());
    }
    match name {
        "ipsec" => {
            Some(vec![ranged(U, 500, 500), ranged(U, 4500, 4500), Service { proto: proto::ESP, ports: Ports::All }])
        }
        "ping" => Some(icmp_named("echo-request")),
        // The name of a protocol is all of it; ICMP is both of them, since IPv4 and IPv6 obey the same rules.
        "icmp" => {
            Some([proto::ICMP, proto::ICMPV6].into_iter().map(|proto| Service { proto, ports: Ports::All }).collect())
        }
        _ => proto::number(name).map(|proto| vec![Service { proto, ports: Ports::All }]),
    }
}

/// Every built-in name but the bare protocols, with what it is, in order.
pub fn built_in_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut names: Vec<_> =
        PORT_SERVICES.iter().map(|(name, what, _)| (*name, *what)).chain(OTHER_SERVICES.iter().copied()).collect();
    names.sort_unstable();
    names.into_iter()
}

/// Type and code of an ICMP message, `None` for every code.
type TypeCode = Option<(u8, Option<u8>)>;

/// Name, ICMP, ICMPv6 (IANA "ICMP Type Numbers" and "ICMPv6 type Numbers").
const ICMP_NAMES: &[(&str, TypeCode, TypeCode)] = &[
    ("address-mask-reply", Some((18, None)), None),
    ("address-mask-request", Some((17, None)), None),
    ("destination-unreachable", Some((3, None)), Some((1, None))),
    ("echo-reply", Some((0, None)), Some((129, None))),
    ("echo-request", Some((8, None)), Some((128, None))),
    ("fragmentation-needed", Some((3, Some(4))), Some((2, None))),
    ("mld-done", None, Some((132, None))),
    ("mld-query", None, Some((130, None))),
    ("mld-report", None, Some((131, None))),
    ("mld2-report", None, Some((143, None))),
    ("neighbor-advertisement", None, Some((136, None))),
    ("neighbor-solicitation", None, Some((135, None))),
    ("node-information-query", None, Some((139, None))),
    ("node-information-reply", None, Some((140, None))),
    ("packet-too-big", Some((3, Some(4))), Some((2, None))),
    ("parameter-problem", Some((12, None)), Some((4, None))),
    ("port-unreachable", Some((3, Some(3))), Some((1, Some(4)))),
    ("redirect", Some((5, None)), Some((137, None))),
    ("router-advertisement", Some((9, None)), Some((134, None))),
    ("router-solicitation", Some((10, None)), Some((133, None))),
    ("source-quench", Some((4, None)), None),
    ("time-exceeded", Some((11, None)), Some((3, None))),
    ("timestamp-reply", Some((14, None)), None),
    ("timestamp-request", Some((13, None)), None),
];

/// The ICMP and ICMPv6 messages of a name, both where both have it; empty where none has.
pub(crate) fn icmp_named(name: &str) -> Vec<Service> {
    let Ok(at) = ICMP_NAMES.binary_search_by_key(&name, |(known, _, _)| known) else { return Vec::new() };
    let (_, v4, v6) = ICMP_NAMES[at];
    [(proto::ICMP, v4), (proto::ICMPV6, v6)]
        .into_iter()
        .filter_map(|(proto, found)| found.map(|(kind, code)| Service { proto, ports: Ports::Icmp { kind, code } }))
        .collect()
}

/// Every name of an ICMP type.
pub(super) fn icmp_names() -> impl Iterator<Item = &'static str> {
    ICMP_NAMES.iter().map(|(name, _, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::names::is_name;

    #[test]
    fn the_lists_are_sorted_and_well_formed() {
        assert!(PORT_SERVICES.is_sorted_by_key(|(name, _, _)| name));
        assert!(ICMP_NAMES.is_sorted_by_key(|(name, _, _)| name));
        for (name, _) in built_in_names() {
            assert!(is_name(name), "{name}");
            let services = built_in(name).expect(name);
            assert!(!services.is_empty());
            for service in services {
                if let Ports::Range(range) = service.ports {
                    assert!(range.first > 0 && range.first <= range.last, "{name}");
                }
            }
        }
    }

    #[test]
    fn one_icmp_name_means_both_families() {
        let ping = built_in("ping").expect("built in");
        assert_eq!(
            ping,
            [(1, 8), (58, 128)].map(|(proto, kind)| Service { proto, ports: Ports::Icmp { kind, code: None } })
        );
        assert_eq!(icmp_named("mld-query").len(), 1);
        assert_eq!(icmp_named("nothing"), []);
    }
}
