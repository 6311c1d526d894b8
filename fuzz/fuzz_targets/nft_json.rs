#![no_main]

segwall_fuzz::fuzz!("nft_json");
