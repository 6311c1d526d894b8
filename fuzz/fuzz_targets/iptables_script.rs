#![no_main]

segwall_fuzz::fuzz!("iptables_script");
