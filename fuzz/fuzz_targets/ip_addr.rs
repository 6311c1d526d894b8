#![no_main]

segwall_fuzz::fuzz!("ip_addr");
