#![no_main]

segwall_fuzz::fuzz!("klog");
