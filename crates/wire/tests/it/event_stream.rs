use wire::Codec;
use wire::event_stream::{Decoder, Frame, FrameError, HeaderValue, initial_response};

/// The empty message that AWS's SDKs share as a test vector.
const EMPTY: [u8; 16] = [
    0x00, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00, 0x00, 0x05, 0xc2, 0x48, 0xeb, 0x7d, 0x98, 0xc8, 0xff,
];

fn decode(bytes: &[u8]) -> Result<Option<Frame>, FrameError> {
    let mut decoder = Decoder::new();
    decoder.feed(bytes);
    decoder.next_frame()
}

#[test]
fn checksums_are_the_ieee_crc() {
    let frame = decode(&EMPTY).unwrap().unwrap();
    assert_eq!(frame.headers, []);
    assert!(frame.payload.is_empty());
}

#[test]
fn the_first_message_is_an_empty_structure() {
    for (codec, payload, media) in [
        (Codec::Json, &b"{}"[..], "application/json"),
        (Codec::Cbor, &b"\xa0"[..], "application/x-amz-cbor-1.1"),
    ] {
        let frame = decode(&initial_response(codec)).unwrap().unwrap();
        assert_eq!(frame.text(":event-type"), Some("initial-response"));
        assert_eq!(frame.text(":message-type"), Some("event"));
        assert_eq!(frame.text(":content-type"), Some(media));
        assert_eq!(&frame.payload[..], payload);
    }
}

#[test]
fn every_type_of_header_is_read() {
    let mut headers = Vec::new();
    let values: [&[u8]; 10] = [
        &[0],
        &[1],
        &[2, 0xff],
        &[3, 0x01, 0x00],
        &[4, 0, 0, 0, 5],
        &[5, 0, 0, 0, 0, 0, 0, 0, 6],
        &[6, 0, 2, 1, 2],
        &[7, 0, 1, b'a'],
        &[8, 0, 0, 0, 0, 0, 0, 0, 9],
        &[9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ];
    for value in values {
        headers.extend([1, b'h']);
        headers.extend(value);
    }
    let frame = decode(&message(&headers, b"x")).unwrap().unwrap();
    let read: Vec<HeaderValue> = frame.headers.into_iter().map(|(_, value)| value).collect();
    assert_eq!(
        read,
        [
            HeaderValue::Boolean(true),
            HeaderValue::Boolean(false),
            HeaderValue::Integer(-1),
            HeaderValue::Integer(256),
            HeaderValue::Integer(5),
            HeaderValue::Integer(6),
            HeaderValue::Bytes(vec![1, 2].into()),
            HeaderValue::Text("a".to_string()),
            HeaderValue::Timestamp(9),
            HeaderValue::Uuid(1),
        ]
    );
    for cut in [&[1, b'h'][..], &[1, b'h', 7, 0, 9], &[1, b'h', 10], &[9, b'h'], &[1, 0xff, 0]] {
        assert_eq!(decode(&message(cut, b"")), Err(FrameError::Headers), "{cut:?}");
    }
}

/// A message with correct checksums around any headers.
fn message(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = ((16 + headers.len() + payload.len()) as u32).to_be_bytes().to_vec();
    bytes.extend((headers.len() as u32).to_be_bytes());
    bytes.extend(crc(&bytes).to_be_bytes());
    bytes.extend(headers);
    bytes.extend(payload);
    bytes.extend(crc(&bytes).to_be_bytes());
    bytes
}

/// The IEEE CRC-32, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[test]
fn broken_messages_are_errors_and_partial_ones_wait() {
    for length in 0..EMPTY.len() {
        assert_eq!(decode(&EMPTY[..length]), Ok(None));
    }
    let mut bytes = EMPTY;
    bytes[3] = 0x11;
    assert_eq!(decode(&bytes), Err(FrameError::PreludeChecksum));
    let mut bytes = EMPTY;
    bytes[15] = 0;
    assert_eq!(decode(&bytes), Err(FrameError::Checksum));
    // Lengths that are checksummed but impossible: headers beyond the message, a giant.
    for (total, headers) in [(16_u32, 1_u32), (15, 0), (u32::MAX, 0), (1 << 24, 1 << 20)] {
        let mut bytes = total.to_be_bytes().to_vec();
        bytes.extend(headers.to_be_bytes());
        bytes.extend(crc(&bytes).to_be_bytes());
        assert_eq!(decode(&bytes), Err(FrameError::Length), "{total} {headers}");
    }
}
