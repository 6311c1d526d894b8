#![no_main]

segwall_fuzz::fuzz!("ipset_save");
