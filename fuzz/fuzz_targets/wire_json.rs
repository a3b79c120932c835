#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _read_or_refused = wire::json::parse(bytes);
});
