//! Fuzzing of everything that reads what people and programs write: `make fuzz`.

pub mod mutate;
pub mod targets;

#[doc(hidden)]
pub use libfuzzer_sys;

/// The whole program of a fuzz target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        use $crate::libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};

        fuzz_target!(|bytes: &[u8]| ($crate::targets::named($name).run)(bytes));

        fuzz_mutator!(|data: &mut [u8], size: usize, size_max: usize, seed: u32| {
            let words = $crate::targets::named($name).words;
            $crate::mutate::mutate(data, size, size_max, seed, words)
                .unwrap_or_else(|| fuzzer_mutate(data, size, size_max))
        });
    };
}
