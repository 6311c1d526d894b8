//! Lease files as the servers write them, and as nobody should.

use std::net::IpAddr;

use proptest::prelude::*;
use segwall_core::leases::{Vendors, is_random, read_dnsmasq, read_kea};

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

const DNSMASQ: &str = "\
1800003600 52:54:00:12:34:56 192.168.20.101 laptop 01:52:54:00:12:34:56
0 52:54:00:12:34:57 192.168.20.102 * *
1800000000 06-52:54:00:12:34:58 192.168.20.103 odd *
nonsense
duid 00:01:00:01:2d:4b:aa:bb:52:54:00:00:00:01
1800003600 1193046 2001:db8:20::1234 laptop 00:01:00:01:2d:4b:aa:bb:52:54:00:12:34:56
1800003600 T1193046 2001:db8:20::1235 * 00:02:00:00:ab:11:01
";

#[test]
fn dnsmasq_s_file_is_read() {
    let leases = read_dnsmasq(DNSMASQ, |_| Some(3600));
    assert_eq!((leases.list.len(), leases.skipped), (5, 1));
    let laptop = &leases.list[&addr("192.168.20.101")];
    assert_eq!(laptop.mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
    assert_eq!(laptop.name.as_deref(), Some("laptop"));
    assert_eq!((laptop.expires_s, laptop.renewed_s), (Some(1_800_003_600), Some(1_800_000_000)));
    let forever = &leases.list[&addr("192.168.20.102")];
    assert_eq!((forever.expires_s, forever.renewed_s, &forever.name), (None, None, &None));
    assert_eq!(leases.list[&addr("192.168.20.103")].mac, None, "not Ethernet");
    assert_eq!(leases.list[&addr("2001:db8:20::1234")].mac, laptop.mac, "from the DUID");
    assert_eq!(leases.list[&addr("2001:db8:20::1235")].mac, None);
}

const KEA: &str = "\
address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context,pool_id
192.168.20.101,52:54:00:12:34:56,,3600,1800003600,1,0,0,lap&#x2ctop,0,,0
192.168.20.102,52:54:00:12:34:57,,3600,1800003600,1,0,0,,0,,0
192.168.20.103,52:54:00:12:34:58,,3600,1800003600,1,0,0,,0,,0
192.168.20.102,52:54:00:12:34:57,,0,1800000000,1,0,0,,0,,0
192.168.20.103,,,3600,1800003600,1,0,0,,1,,0
192.168.20.104,52:54:00:12:34:59,,4294967295,0,1,0,0,,0,,0
";
const KEA6: &str = "\
address,duid,valid_lifetime,expire,subnet_id,pref_lifetime,lease_type,iaid,prefix_len,fqdn_fwd,fqdn_rev,hostname,hwaddr,state
2001:db8:20::7,00:03:00:01:52:54:00:12:34:56,3600,1800003600,1,3600,0,1,128,0,0,,,0
";

#[test]
fn kea_s_files_are_read_and_the_last_word_counts() {
    let leases = read_kea([KEA, KEA6]);
    assert_eq!(leases.skipped, 0);
    let there: Vec<String> = leases.list.keys().map(ToString::to_string).collect();
    assert_eq!(
        there,
        ["192.168.20.101", "192.168.20.104", "2001:db8:20::7"],
        "released and declined ones are nobody's"
    );
    assert_eq!(leases.list[&addr("192.168.20.101")].name.as_deref(), Some("lap,top"));
    assert_eq!(leases.list[&addr("192.168.20.104")].expires_s, None);
    assert_eq!(leases.list[&addr("2001:db8:20::7")].mac, Some([0x52, 0x54, 0, 0x12, 0x34, 0x56]));
}

#[test]
fn makers_are_found_and_made_up_addresses_have_none() {
    let vendors =
        Vendors::read("OUI/MA-L\t\tOrganization\n28-6F-B9   (hex)\t\tNokia Shanghai Bell\nnonsense (hex)\tx\n");
    assert_eq!(vendors.of([0x28, 0x6f, 0xb9, 1, 2, 3]), Some("Nokia Shanghai Bell"));
    assert_eq!(vendors.of([0x2a, 0x6f, 0xb9, 1, 2, 3]), None);
    assert!(is_random([0x2a, 0x6f, 0xb9, 1, 2, 3]));
}

/// Words of lease files in any order, and anything between them.
fn hostile() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("duid".to_owned()),
        Just(" ".to_owned()),
        Just("\n".to_owned()),
        Just(",".to_owned()),
        Just("&#x".to_owned()),
        Just("&#xff".to_owned()),
        Just("address,hwaddr,valid_lifetime,expire,state,hostname,duid\n".to_owned()),
        Just("192.168.20.101".to_owned()),
        Just("fe80::1%eth0".to_owned()),
        Just("52:54:00:12:34:56".to_owned()),
        Just("00:01:00:01".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("-1".to_owned()),
        Just("9223372036854775807".to_owned()),
        "\\PC{0,6}",
        any::<String>(),
    ];
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_without_harm(text in hostile(), lease in any::<Option<u32>>()) {
        let lines = text.lines().count();
        let one = read_dnsmasq(&text, |_| lease);
        prop_assert!(one.list.len() + one.skipped <= lines);
        let two = read_kea([text.as_str(), text.as_str()]);
        prop_assert!(two.list.len() + two.skipped <= 2 * lines);
        let _ = Vendors::read(&text);
    }

    #[test]
    fn a_lease_that_was_written_is_read(octets in any::<[u8; 4]>(), mac in any::<[u8; 6]>(), name in "[a-z0-9.-]{1,20}", end in 1i64..4_000_000_000) {
        let at = IpAddr::from(octets);
        let hex = mac.map(|byte| format!("{byte:02x}")).join(":");
        let leases = read_dnsmasq(&format!("{end} {hex} {at} {name} *\n"), |_| None);
        let lease = &leases.list[&at];
        prop_assert_eq!((lease.mac, lease.name.as_deref(), lease.expires_s), (Some(mac), Some(name.as_str()), Some(end)));
    }
}
