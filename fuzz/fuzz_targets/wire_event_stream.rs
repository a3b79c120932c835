#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut frames = wire::event_stream::Decoder::new();
    frames.feed(bytes);
    while let Ok(Some(_)) = frames.next_frame() {}
});
