//! The canonical request and the string to sign, for verifying and for signing alike.

use std::borrow::Cow;

use aws_lc_rs::digest;

use super::{ALGORITHM, Form, HeaderView, PathStyle, RequestView};

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";
/// Room for an ordinary canonical request, so that the buffer rarely grows.
const CANONICAL_BYTES_USUAL: usize = 1024;

/// Which query parameters are under the signature.
#[derive(Clone, Copy)]
pub(crate) struct QueryRule {
    /// A presigned query does not cover its own signature.
    pub(crate) form: Form,
    /// Whether a presigned query covers its session token.
    pub(crate) token_signed: bool,
}

/// What a signature in `Authorization` covers of the query: all of it.
pub(crate) fn header_rule() -> QueryRule {
    QueryRule { form: Form::Header, token_signed: true }
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    hash
}

/// A hash as 64 lower-case hex digits.
pub fn hex_of(hash: &[u8; 32]) -> String {
    String::from_utf8(hex_digits(hash).to_vec()).unwrap_or_default()
}

/// Without tables or branches, so that it is done for many digits at once.
fn hex_digits(hash: &[u8; 32]) -> [u8; 64] {
    let digit = |half: u8| half + b'0' + (b'a' - b'9' - 1) * u8::from(half > 9);
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(hash) {
        pair[0] = digit(byte >> 4);
        pair[1] = digit(byte & 15);
    }
    text
}

/// The 32 bytes of 64 lower-case hex digits, read in the same way.
pub(super) fn hash_of(hex: &[u8]) -> Option<[u8; 32]> {
    const NONE: u8 = 16;
    let half = |digit: u8| {
        let (number, letter) = (digit.wrapping_sub(b'0'), digit.wrapping_sub(b'a'));
        let letter = if letter < 6 { letter + 10 } else { NONE };
        if number < 10 { number } else { letter }
    };
    let hex: &[u8; 64] = hex.try_into().ok()?;
    let (mut hash, mut seen) = ([0; 32], 0);
    for (byte, pair) in hash.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (half(pair[0]), half(pair[1]));
        seen |= high | low;
        *byte = high << 4 | low & 15;
    }
    (seen & NONE == 0).then_some(hash)
}

/// Method, path, query, headers, signed headers and payload hash, in canonical form.
pub(crate) fn canonical_request<H: HeaderView + ?Sized>(
    request: &RequestView<'_, H>,
    path_style: PathStyle,
    signed_headers: &str,
    query_rule: QueryRule,
    payload_hash: &str,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(CANONICAL_BYTES_USUAL);
    out.extend_from_slice(request.method.as_bytes());
    out.push(b'\n');
    write_path(&mut out, request.path, path_style);
    out.push(b'\n');
    write_query(&mut out, request.query, query_rule);
    out.push(b'\n');
    for name in names_of(signed_headers) {
        out.extend_from_slice(name.as_bytes());
        out.push(b':');
        write_values(&mut out, request, name);
        out.push(b'\n');
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload_hash.as_bytes());
    out
}

/// What the signature is a MAC of.
pub(crate) fn string_to_sign(timestamp: &str, scope: &str, canonical: &[u8]) -> Vec<u8> {
    let hash = hex_digits(&sha256(canonical));
    let parts = [ALGORITHM.as_bytes(), timestamp.as_bytes(), scope.as_bytes(), &hash];
    parts.join(&b'\n')
}

/// The names in a list of signed headers. By bytes: a search by characters costs more than all the rest.
pub(super) fn names_of(signed_headers: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(signed_headers);
    std::iter::from_fn(move || {
        let list = rest?;
        let end = list.bytes().position(|byte| byte == b';');
        rest = end.map(|end| &list[end + 1..]);
        Some(end.map_or(list, |end| &list[..end]))
    })
}

/// Values trimmed, inner spaces collapsed, joined by commas. `host` and `:authority` stand in for
/// each other: which of them exists depends on the version of HTTP.
fn write_values<H: HeaderView + ?Sized>(
    out: &mut Vec<u8>,
    request: &RequestView<'_, H>,
    name: &str,
) {
    let authority = request.authority.map(str::as_bytes);
    match name {
        "host" => {
            out.extend_from_slice(request.headers.value("host").or(authority).unwrap_or_default());
        }
        ":authority" => {
            let host = || request.headers.value("host");
            out.extend_from_slice(authority.or_else(host).unwrap_or_default());
        }
        _ => {
            for (index, value) in request.headers.values(name).enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_collapsed(out, value);
            }
        }
    }
}

fn write_collapsed(out: &mut Vec<u8>, value: &[u8]) {
    // Most values are one word.
    if value.iter().filter(|byte| byte.is_ascii_whitespace()).count() == 0 {
        return out.extend_from_slice(value);
    }
    let words = value.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

fn write_path(out: &mut Vec<u8>, path: &str, style: PathStyle) {
    if path.is_empty() || path == "/" {
        out.push(b'/');
        return;
    }
    let path = if style.normalize { normalized(path) } else { Cow::Borrowed(path) };
    if style.encode {
        write_encoded(out, path.as_bytes(), true);
    } else {
        out.extend_from_slice(path.as_bytes());
    }
}

/// The path with `.`, `..` and empty segments resolved; a slash at its end stays.
fn normalized(path: &str) -> Cow<'_, str> {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let ends_in_folder = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    let slash = if ends_in_folder && !kept.is_empty() { "/" } else { "" };
    Cow::Owned(format!("/{}{slash}", kept.join("/")))
}

/// Parameters decoded, encoded again in one way, and sorted.
fn write_query(out: &mut Vec<u8>, query: &str, rule: QueryRule) {
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (percent_decoded(name), percent_decoded(value));
        let uncovered = rule.form == Form::Query
            && (*name == *b"X-Amz-Signature"
                || (!rule.token_signed && *name == *b"X-Amz-Security-Token"));
        if !uncovered {
            pairs.push((encoded(&name), encoded(&value)));
        }
    }
    pairs.sort();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

fn encoded(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 16);
    write_encoded(&mut out, bytes, false);
    out
}

/// RFC 3986: everything but unreserved characters is encoded, in capitals.
fn write_encoded(out: &mut Vec<u8>, bytes: &[u8], keep_slash: bool) {
    for &byte in bytes {
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        if unreserved || (keep_slash && byte == b'/') {
            out.push(byte);
        } else {
            out.push(b'%');
            out.push(HEX_UPPER[usize::from(byte >> 4)]);
            out.push(HEX_UPPER[usize::from(byte & 15)]);
        }
    }
}

/// The bytes behind `%XX`; what is not an escape stays as it is. A plus sign is a plus sign.
pub(super) fn percent_decoded(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let digit = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_resolve() {
        let cases = [
            ("/", "/"),
            ("//example//", "/example/"),
            ("/./", "/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/../..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
        ];
        for (path, expected) in cases {
            assert_eq!(normalized(path), expected, "{path}");
        }
    }

    #[test]
    fn queries_sort_by_name_then_value() {
        let rule = QueryRule { form: Form::Header, token_signed: true };
        let cases = [
            ("b=2&a=1", "a=1&b=2"),
            ("a", "a="),
            ("a=2&a=1", "a=1&a=2"),
            ("&&x=%7e", "x=~"),
            ("a=b+c", "a=b%2Bc"),
            ("a=%zz", "a=%25zz"),
            ("A=1&a=1&-=1", "-=1&A=1&a=1"),
            ("a==", "a=%3D"),
        ];
        for (query, expected) in cases {
            let mut out = Vec::new();
            write_query(&mut out, query, rule);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{query}");
        }
    }

    #[test]
    fn hex_there_and_back() {
        let hash = sha256(b"levada");
        assert_eq!(hash_of(hex_of(&hash).as_bytes()), Some(hash));
        assert_eq!(hash_of(hex_of(&hash).to_uppercase().as_bytes()), None);
        assert_eq!(hash_of(b"00"), None);
        for byte in 0..=255 {
            let mut text = hex_of(&[byte; 32]);
            assert_eq!(text, format!("{byte:02x}").repeat(32));
            assert_eq!(hash_of(text.as_bytes()), Some([byte; 32]));
            text.replace_range(40..41, "0");
            let mut text = text.into_bytes();
            text[40] = byte;
            assert_eq!(hash_of(&text).is_some(), matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        }
    }

    #[test]
    fn names_are_what_a_search_by_characters_finds() {
        for list in ["", ";", "host", "host;x-amz-date", ";a;;b;", "\u{e9};\u{20ac}"] {
            assert_eq!(names_of(list).collect::<Vec<_>>(), list.split(';').collect::<Vec<_>>());
        }
    }
}
