//! Which keys a query of jq makes, where that can be seen without running it.

/// The keys of a query that is one object (`{customer: .id, year: .at|.[0:4]}`), as AWS wants them;
/// `None` where they follow from the data.
pub(super) fn keys(query: &str) -> Option<Vec<String>> {
    let inside = query.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut members = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0_u32, false, false);
    for letter in inside.chars() {
        let is_plain = !quoted;
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' | '[' | '(' if is_plain => depth += 1,
            // The first brace is closed before the end: this is no single object.
            '}' | ']' | ')' if is_plain => depth = depth.checked_sub(1)?,
            ',' if is_plain && depth == 0 => {
                members.push(String::new());
                continue;
            }
            _ => {}
        }
        members.last_mut()?.push(letter);
    }
    members.iter().map(|member| key(member)).collect()
}

/// The key of `key: value`, `"key": value`, `key` or `$key`.
fn key(member: &str) -> Option<String> {
    let member = member.trim();
    if let Some(rest) = member.strip_prefix('"') {
        let (key, rest) = rest.split_once('"')?;
        let is_literal = !key.contains('\\') && rest.trim_start().starts_with(':');
        return is_literal.then(|| key.to_owned());
    }
    let key = member.split_once(':').map_or(member, |(key, _)| key).trim();
    let key = key.strip_prefix('$').unwrap_or(key);
    let is_name = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| key.to_owned())
}

#[cfg(test)]
mod tests {
    use super::keys;

    #[test]
    fn keys_are_seen_where_they_can_be() {
        let rows: [(&str, Option<&[&str]>); 8] = [
            ("{k:.k}", Some(&["k"])),
            (
                " { customer : .id, \"year\": (.at|[.,1]|{a:1}), $device } ",
                Some(&["customer", "year", "device"]),
            ),
            ("{a: \"x,}\\\"\", b: .c[\"}\"]}", Some(&["a", "b"])),
            ("{(.name): .value}", None),
            ("{a:1} | {b:.a}", None),
            (".a", None),
            ("{\"a\\(1)\": 1}", None),
            ("{\"a b\": 1}", Some(&["a b"])),
        ];
        for (query, expected) in rows {
            let expected = expected.map(|keys| keys.iter().map(|&key| key.to_owned()).collect());
            assert_eq!(keys(query), expected, "{query}");
        }
    }
}
