//! Requests as bytes: HTTP/1.1 and HTTP/2, signed or nearly so, framed or nearly so.

use identity::{Credentials, KeyPair, RequestView, sign};
use stdx::UnixMillis;
use wire::Codec;

use super::generate::{Dice, call, damage, damage_bytes};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const TYPES: &[&str] = &[
    "application/json",
    "application/x-amz-json-1.0",
    "text/plain",
    "application/cbor",
    "application/x-www-form-urlencoded",
    "",
];
const PATHS: &[&str] = &[
    "/whatever",
    "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a",
    "/?%zz=%00&&==",
    "/../../etc/passwd",
    "//",
    "/service/Kinesis_20131202/operation/PutRecord",
    "/service/GraniteServiceVersion20100801/operation/PutMetricData",
    "/2015-03-31/functions",
    "http://other/",
    "*",
];

/// What is sent, and how the answer comes.
pub(super) struct Request {
    pub(super) bytes: Vec<u8>,
    pub(super) way: Way,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// One HTTP/1.1 request and one answer, on a kept connection.
    Kept,
    /// Whatever comes until the end, on a connection of its own.
    Whole,
    /// The same in HTTP/2's frames.
    Frames,
    /// Sent in part; the rest never comes.
    Stuck,
}

struct Head {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

/// The next request.
pub(super) fn draw(
    dice: &Dice,
    pair: &KeyPair,
    authority: &str,
    iterators: &[String],
    now: UnixMillis,
) -> Request {
    let (operation, mut input) = call(dice, iterators);
    if dice.chance(45) {
        damage(dice, &mut input);
    }
    let (codec, content_type) = match dice.chance(50) {
        true => (Codec::Json, "application/x-amz-json-1.1"),
        false => (Codec::Cbor, "application/x-amz-cbor-1.1"),
    };
    let mut body = Vec::new();
    wire::codec::write(codec, &input, &mut body);
    if dice.chance(35) {
        damage_bytes(dice, &mut body);
    }
    let mut head = Head {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        headers: vec![
            ("content-type".to_owned(), content_type.to_owned()),
            ("host".to_owned(), authority.to_owned()),
            ("x-amz-target".to_owned(), format!("Kinesis_20131202.{}", operation.name)),
        ],
    };
    if dice.chance(8) {
        misdirect(dice, &mut head);
    }
    sign_head(dice, &mut head, pair, &body, now);
    match dice.below(100) {
        0..5 => Request { bytes: frames(dice, &head, &body), way: Way::Frames },
        5..12 => Request { bytes: misframed(dice, &head, &body), way: Way::Whole },
        12 if dice.chance(20) => {
            let mut bytes = framed(&head, &body);
            bytes.truncate(dice.below(bytes.len()));
            Request { bytes, way: Way::Stuck }
        }
        _ => Request { bytes: framed(&head, &body), way: Way::Kept },
    }
}

/// Another method, path, type, or target; or a protocol that this is not.
fn misdirect(dice: &Dice, head: &mut Head) {
    match dice.below(6) {
        0 => head.method = (*dice.pick(&["GET", "PUT", "OPTIONS", "DELETE", "PATCH"])).to_owned(),
        1 => head.path = (*dice.pick(PATHS)).to_owned(),
        2 => head.headers[0].1 = (*dice.pick(TYPES)).to_owned(),
        3 => head.headers[2].1 = (*dice.pick(&["", ".", "Kinesis_20131202.", "X.Y"])).to_owned(),
        4 => {
            head.headers.push(("smithy-protocol".to_owned(), "rpc-v2-cbor".to_owned()));
            head.path = PATHS[5 + dice.below(2)].to_owned();
        }
        _ => head.headers.push(("content-encoding".to_owned(), "gzip".to_owned())),
    }
}

/// Mostly a good signature.
fn sign_head(dice: &Dice, head: &mut Head, pair: &KeyPair, body: &[u8], now: UnixMillis) {
    let credentials = Credentials { pair, region: "us-east-1", service: "kinesis" };
    let (path, query) = head.path.split_once('?').unwrap_or((&head.path, ""));
    let view = RequestView {
        method: &head.method,
        path,
        query,
        headers: head.headers.as_slice(),
        authority: None,
    };
    let names = ["content-type", "host", "x-amz-target"];
    let signed = sign(&credentials, &view, &names, body, now);
    let mut signed = signed.map(|(name, value)| (name.to_owned(), value));
    if dice.chance(8) {
        let mut value = std::mem::take(&mut signed[dice.below(2)].1).into_bytes();
        damage_bytes(dice, &mut value);
        // A head holds no control characters; those are another kind of damage.
        value.retain(|byte| matches!(byte, b' '..=b'~'));
        let value = String::from_utf8_lossy(&value).into_owned();
        signed[dice.below(2)].1 = value;
    }
    if dice.chance(2) {
        head.headers.push(signed[0].clone());
    }
    let kept = if dice.chance(3) { dice.below(2) } else { 2 };
    head.headers.extend(signed.into_iter().take(kept));
}

fn text_of(head: &Head) -> String {
    let lines = head.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    format!("{} {} HTTP/1.1\r\n{}", head.method, head.path, lines.collect::<String>())
}

fn framed(head: &Head, body: &[u8]) -> Vec<u8> {
    let text = format!("{}content-length: {}\r\n\r\n", text_of(head), body.len());
    [text.as_bytes(), body].concat()
}

/// A head and a body that disagree, or that are none.
fn misframed(dice: &Dice, head: &Head, body: &[u8]) -> Vec<u8> {
    let text = text_of(head);
    let sized = |lines: &str| [text.as_bytes(), lines.as_bytes(), b"\r\n", body].concat();
    let len = body.len();
    match dice.below(12) {
        0 => sized(&format!("content-length: {}\r\n", len + 1 + dice.below(100))),
        1 => sized(&format!("content-length: {}\r\n", dice.below(len))),
        2 => sized(&format!("content-length: {len}\r\ncontent-length: {}\r\n", len + 1)),
        3 => sized("content-length: -1\r\n"),
        4 => sized("content-length: 18446744073709551616\r\n"),
        5 => sized("transfer-encoding: chunked\r\n"),
        6 => sized(&format!("transfer-encoding: chunked\r\ncontent-length: {len}\r\n")),
        7 => {
            let chunk = format!("transfer-encoding: chunked\r\n\r\n{len:x}\r\n");
            [text.as_bytes(), chunk.as_bytes(), body, b"\r\n0\r\n\r\n"].concat()
        }
        8 => sized(&format!("x-long: {}\r\n", "a".repeat(1 << (6 + dice.below(12))))),
        9 => sized(&"x: y\r\n".repeat(dice.below(200))),
        10 => dice.bytes(dice.below(400)),
        _ => {
            let mut bytes = framed(head, body);
            damage_bytes(dice, &mut bytes);
            bytes
        }
    }
}

/// A connection of HTTP/2 with a few calls on it, and mostly a flaw.
fn frames(dice: &Dice, head: &Head, body: &[u8]) -> Vec<u8> {
    let mut block = Vec::new();
    let mut literal = |name: &str, value: &str| {
        block.push(0);
        for text in [name, value] {
            // Seven bits of length, and more where they are all set (RFC 7541 § 5.1).
            let mut rest = text.len();
            block.push(rest.min(127) as u8);
            if rest >= 127 {
                rest -= 127;
                while rest >= 128 {
                    block.push((rest % 128 + 128) as u8);
                    rest /= 128;
                }
                block.push(rest as u8);
            }
            block.extend(text.as_bytes());
        }
    };
    literal(":method", &head.method);
    literal(":path", &head.path);
    literal(":scheme", "http");
    literal(":authority", "127.0.0.1");
    for (name, value) in &head.headers {
        literal(name, value);
    }
    let mut bytes = Vec::new();
    frame(&mut bytes, 4, 0, 0, &[]);
    for call in 0..=dice.below(3) as u32 {
        let stream = 2 * call + 1;
        frame(&mut bytes, 1, 4, stream, &block);
        for piece in body.chunks(16_000) {
            frame(&mut bytes, 0, 0, stream, piece);
        }
        frame(&mut bytes, 0, 1, stream, &[]);
        if dice.chance(30) {
            // Any type, any flags, any stream: RST_STREAM, GOAWAY, PING, unknown ones.
            let payload = dice.bytes(*dice.pick(&[0, 4, 5, 8, 40]));
            frame(&mut bytes, dice.below(12) as u8, dice.0.array::<1>()[0], stream, &payload);
        }
    }
    if dice.chance(80) {
        damage_bytes(dice, &mut bytes);
    }
    [PREFACE, &bytes].concat()
}

fn frame(into: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    into.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    into.extend([kind, flags]);
    into.extend(stream.to_be_bytes());
    into.extend(payload);
}
