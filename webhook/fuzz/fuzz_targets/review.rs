#![no_main]

// The program has no library: its module is taken as it is.
#[path = "../../src"]
mod product {
    pub(crate) mod review;
}

#[path = "../property.rs"]
mod property;
#[path = "../settings.rs"]
mod settings;

use product::review::Settings;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::review(bytes));
