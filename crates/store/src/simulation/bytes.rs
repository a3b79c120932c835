//! Bytes that say whose they are, and whether they are all there.

/// `bytes` bytes, at least eight, of the one numbered `index` of a request.
pub fn payload(request: u32, index: u32, bytes: usize) -> Vec<u8> {
    let mut payload = request.to_le_bytes().to_vec();
    payload.extend_from_slice(&index.to_le_bytes());
    let mut word = u64::from(request) << 32 | u64::from(index);
    while payload.len() < bytes {
        word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17) ^ bytes as u64;
        payload.push(word as u8);
    }
    payload
}

/// Whose bytes these are; `None` if they are not what was written.
pub fn owner(bytes: &[u8]) -> Option<(u32, u32)> {
    let request = u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?);
    let index = u32::from_le_bytes(bytes.get(4..8)?.try_into().ok()?);
    (payload(request, index, bytes.len()) == bytes).then_some((request, index))
}
