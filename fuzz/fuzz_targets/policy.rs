#![no_main]

segwall_fuzz::fuzz!("policy");
