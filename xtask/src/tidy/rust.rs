//! Just enough of Rust's grammar to count: comments and literals blanked, functions delimited.

/// The text with comments and literals replaced by spaces, line by line the same.
pub(super) fn blank(text: &str) -> String {
    let mut left = text;
    let mut out = String::with_capacity(text.len());
    while let Some(first) = left.chars().next() {
        let length = opaque_bytes(left, out.chars().next_back()).unwrap_or(0);
        let (taken, keep) = match length {
            0 => (first.len_utf8(), true),
            length => (length, false),
        };
        let (piece, rest) = left.split_at(taken);
        out.extend(piece.chars().map(|c| if keep || c == '\n' { c } else { ' ' }));
        left = rest;
    }
    out
}

/// How many bytes of comment or literal `text` begins with.
fn opaque_bytes(text: &str, before: Option<char>) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment_bytes(text));
    }
    if text.starts_with('"') {
        return Some(quoted_bytes(text));
    }
    // An identifier's last letter is not a literal's prefix.
    if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
        return None;
    }
    let prefix = ["br", "cr", "r", "b", "c"].into_iter().find(|prefix| text.starts_with(prefix));
    let bare = &text[prefix.map_or(0, str::len)..];
    let hashes = bare.bytes().take_while(|byte| *byte == b'#').count();
    if prefix.is_some_and(|prefix| prefix.ends_with('r')) && bare[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = hashes + 1;
        let close = bare[body..].find(&end).map_or(bare.len(), |at| body + at + end.len());
        return Some(text.len() - bare.len() + close);
    }
    let skipped = text.len() - bare.len();
    match bare.chars().next()? {
        '"' if prefix.is_some() => Some(skipped + quoted_bytes(bare)),
        '\'' => character_bytes(bare).map(|bytes| skipped + bytes),
        _ => None,
    }
}

fn block_comment_bytes(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while at < bytes.len() {
        match bytes.get(at..at + 2) {
            Some(b"/*") => (depth, at) = (depth + 1, at + 2),
            Some(b"*/") if depth == 1 => return at + 2,
            Some(b"*/") => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// A string literal from its first quote to its last.
fn quoted_bytes(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character literal; `None` for a lifetime.
fn character_bytes(text: &str) -> Option<usize> {
    let inner = &text[1..];
    if inner.starts_with('\\') {
        let close = inner.char_indices().skip(2).find(|(_, c)| *c == '\'')?;
        return Some(close.0 + 2);
    }
    let first = inner.chars().next()?;
    inner[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + 2)
}

/// A function with a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    /// From one, as editors count.
    pub(super) line: usize,
    pub(super) lines: usize,
}

/// Every function with a body in blanked text.
pub(super) fn functions(blanked: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in blanked.match_indices("fn ") {
        let before = blanked[..at].chars().next_back();
        let name: String = blanked[at + 3..]
            .trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        if name.is_empty() || before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        if let Some(end) = body_end(&blanked[at..]) {
            let line = 1 + blanked[..at].matches('\n').count();
            let lines = 1 + blanked[at..at + end].matches('\n').count();
            found.push(Function { name, line, lines });
        }
    }
    found
}

/// The offset past a function's body, or `None` if it has none.
fn body_end(text: &str) -> Option<usize> {
    let (mut nested, mut braces) = (0_i32, 0_i32);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' | b'[' => nested += 1,
            b')' | b']' => nested -= 1,
            b';' if nested == 0 && braces == 0 => return None,
            b'{' => braces += 1,
            b'}' => {
                braces -= 1;
                if braces <= 0 && nested == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}
