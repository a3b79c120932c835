//! The targets' bodies by name.

/// Runs a decoder of the store's.
///
/// # Panics
/// If it does harm, or there is none of this name.
pub fn store_decoder(name: &str, bytes: &[u8]) {
    let decoders = store::decoders::DECODERS.iter();
    let decoder = decoders.into_iter().find(|own| own.name == name);
    (decoder.expect("a decoder of this name").decode)(bytes);
}

/// Runs a decoder of Data Streams'.
///
/// # Panics
/// As [`store_decoder`].
pub fn streams_decoder(name: &str, bytes: &[u8]) {
    let decoder = streams::decoders::DECODERS.iter().find(|(own, _)| *own == name);
    (decoder.expect("a decoder of this name").1)(bytes);
}

/// Runs an entry of format conversion's.
///
/// # Panics
/// As [`store_decoder`].
pub fn convert_entry(name: &str, bytes: &[u8]) {
    let entry = convert::fuzzing::ENTRIES.iter().find(|(own, _)| *own == name);
    (entry.expect("an entry of this name").1)(bytes);
}
