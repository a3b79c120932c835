//! The policy language: what a resource policy must look like to be one.
//!
//! What policies decide is judged elsewhere; here a document is read and refused where AWS's grammar
//! refuses it (IAM user guide, grammar of the JSON policy language). AWS has published no words of
//! Kinesis's for this, so these are ours.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

use crate::limits::POLICY_BYTES_MAX;

const VERSIONS: &[&str] = &["2012-10-17", "2008-10-17"];
const POLICY_MEMBERS: &[&str] = &["Version", "Id", "Statement"];
const STATEMENT_MEMBERS: &[&str] = &[
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];
const PRINCIPAL_KINDS: &[&str] = &["AWS", "CanonicalUser", "Federated", "Service"];
/// The operators of conditions, without `…IfExists` and the prefixes for sets.
const OPERATORS: &[&str] = &[
    "ArnEquals",
    "ArnLike",
    "ArnNotEquals",
    "ArnNotLike",
    "BinaryEquals",
    "Bool",
    "DateEquals",
    "DateGreaterThan",
    "DateGreaterThanEquals",
    "DateLessThan",
    "DateLessThanEquals",
    "DateNotEquals",
    "IpAddress",
    "NotIpAddress",
    "NumericEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericNotEquals",
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "StringNotEquals",
    "StringNotEqualsIgnoreCase",
    "StringNotLike",
];

/// Why a text is no policy, or not one of this resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for PolicyError {}

fn refused<T>(why: impl Into<String>) -> Result<T, PolicyError> {
    Err(PolicyError(why.into()))
}

/// A text in which `*` stands for any run of characters and `?` for any one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'a>(pub &'a str);

impl Pattern<'_> {
    /// Whether it means `text`.
    pub fn matches(&self, text: &str) -> bool {
        glob(self.0.as_bytes(), text.as_bytes(), |a, b| a == b)
    }

    /// Whether it means the action; the case of letters does not count.
    pub fn matches_action(&self, action: &str) -> bool {
        glob(self.0.as_bytes(), action.as_bytes(), |a, b| a.eq_ignore_ascii_case(&b))
    }
}

/// Goes back to the last `*` only, so its time is at most the product of the lengths.
fn glob(pattern: &[u8], text: &[u8], same: impl Fn(u8, u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || same(c, text[t]) => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

/// Checks a resource policy of `resource`; `is_action` says whether a pattern means any action of the
/// resource's service.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_resource_policy(
    text: &str,
    resource: &str,
    is_action: impl Fn(&Pattern<'_>) -> bool,
) -> Result<(), PolicyError> {
    if text.len() > POLICY_BYTES_MAX {
        return refused(format!("The policy is longer than {POLICY_BYTES_MAX} bytes."));
    }
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else {
        return refused("The policy is not a JSON object.");
    };
    check_members(&policy, POLICY_MEMBERS, "policy")?;
    match policy.get("Version") {
        None => {}
        Some(Value::String(version)) if VERSIONS.contains(&version.as_str()) => {}
        Some(_) => return refused("The policy's Version must be 2012-10-17 or 2008-10-17."),
    }
    if policy.get("Id").is_some_and(|id| !id.is_string()) {
        return refused("The policy's Id must be a string.");
    }
    let statements = match policy.get("Statement") {
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        _ => return refused("The policy has no Statement."),
    };
    let mut sids = BTreeSet::new();
    for statement in statements {
        let Value::Object(statement) = statement else {
            return refused("A Statement must be an object.");
        };
        check_statement(statement, resource, &is_action)?;
        match statement.get("Sid") {
            None => {}
            Some(Value::String(sid)) if sids.insert(sid.as_str()) => {}
            Some(Value::String(sid)) => {
                return refused(format!("More than one Statement has the Sid {sid}."));
            }
            Some(_) => return refused("A Statement's Sid must be a string."),
        }
    }
    Ok(())
}

fn check_statement(
    statement: &Map<String, Value>,
    resource: &str,
    is_action: &impl Fn(&Pattern<'_>) -> bool,
) -> Result<(), PolicyError> {
    check_members(statement, STATEMENT_MEMBERS, "Statement")?;
    let effect = statement.get("Effect").and_then(Value::as_str);
    if !matches!(effect, Some("Allow" | "Deny")) {
        return refused("A Statement's Effect must be Allow or Deny.");
    }
    check_principal(one_of(statement, "Principal", "NotPrincipal")?)?;
    for action in texts(one_of(statement, "Action", "NotAction")?, "Action")? {
        if action != "*" && !is_action(&Pattern(action)) {
            return refused(format!("The action {action} does not exist."));
        }
    }
    let resources = texts(one_of(statement, "Resource", "NotResource")?, "Resource")?;
    if let Some(other) = resources.iter().find(|text| **text != "*" && !text.starts_with("arn:")) {
        return refused(format!("The resource {other} is not an ARN."));
    }
    let positive = statement.contains_key("Resource");
    if positive && !resources.iter().any(|text| Pattern(text).matches(resource)) {
        return refused(format!("A Statement does not apply to the resource {resource}."));
    }
    statement.get("Condition").map_or(Ok(()), check_condition)
}

fn check_members(object: &Map<String, Value>, known: &[&str], of: &str) -> Result<(), PolicyError> {
    match object.keys().find(|member| !known.contains(&member.as_str())) {
        Some(other) => refused(format!("A {of} has no element {other}.")),
        None => Ok(()),
    }
}

/// The value of the one of two members that is there.
fn one_of<'a>(
    statement: &'a Map<String, Value>,
    member: &str,
    negated: &str,
) -> Result<&'a Value, PolicyError> {
    match (statement.get(member), statement.get(negated)) {
        (Some(value), None) | (None, Some(value)) => Ok(value),
        _ => refused(format!("A Statement must have either {member} or {negated}.")),
    }
}

/// One text, or some.
fn texts<'a>(value: &'a Value, what: &str) -> Result<Vec<&'a str>, PolicyError> {
    let found = match value {
        Value::String(text) => Some(vec![text.as_str()]),
        Value::Array(values) => values.iter().map(Value::as_str).collect(),
        _ => None,
    };
    match found {
        Some(texts) if !texts.is_empty() => Ok(texts),
        _ => refused(format!("{what} must be a string or a list of strings.")),
    }
}

fn check_principal(principal: &Value) -> Result<(), PolicyError> {
    if principal.as_str() == Some("*") {
        return Ok(());
    }
    let kinds = principal.as_object().filter(|kinds| !kinds.is_empty());
    let Some(kinds) = kinds else { return refused("Principal must be * or an object.") };
    check_members(kinds, PRINCIPAL_KINDS, "Principal")?;
    for (kind, named) in kinds {
        for text in texts(named, "Principal")? {
            if kind == "AWS" && !is_aws_principal(text) {
                return refused(format!("The principal {text} is not valid."));
            }
        }
    }
    Ok(())
}

/// `*`, an account, or the ARN of a root, user, role or session. It has no wildcards in it.
fn is_aws_principal(text: &str) -> bool {
    let is_account = |text: &str| text.len() == 12 && text.bytes().all(|c| c.is_ascii_digit());
    if text == "*" || is_account(text) {
        return true;
    }
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let [arn, partition, service, region, account, name] = parts[..] else { return false };
    let is_named = match (service, name.split_once('/')) {
        ("iam", None) => name == "root",
        ("iam", Some((kind, name))) => matches!(kind, "user" | "role") && !name.is_empty(),
        ("sts", Some((kind, name))) => {
            matches!(kind, "assumed-role" | "federated-user") && !name.is_empty()
        }
        _ => false,
    };
    let is_plain = !text.contains(['*', '?']) && region.is_empty();
    arn == "arn" && partition.starts_with("aws") && is_account(account) && is_named && is_plain
}

fn check_condition(condition: &Value) -> Result<(), PolicyError> {
    let Value::Object(operators) = condition else {
        return refused("A Condition must be an object.");
    };
    for (operator, keys) in operators {
        let plain = operator
            .strip_prefix("ForAllValues:")
            .or_else(|| operator.strip_prefix("ForAnyValue:"))
            .unwrap_or(operator);
        let plain = plain.strip_suffix("IfExists").unwrap_or(plain);
        if plain != "Null" && !OPERATORS.contains(&plain) {
            return refused(format!("The condition operator {operator} does not exist."));
        }
        let Value::Object(keys) = keys else {
            return refused(format!("The condition {operator} must be an object of keys."));
        };
        for (key, values) in keys {
            let is_plain =
                |value: &Value| value.is_string() || value.is_boolean() || value.is_number();
            let right = match values {
                Value::Array(values) => values.iter().all(is_plain),
                value => is_plain(value),
            };
            if !right {
                return refused(format!("The values of the condition key {key} must be plain."));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const STREAM: &str = "arn:aws:kinesis:us-east-1:123456789012:stream/orders";

    fn check(policy: &str) -> Result<(), PolicyError> {
        let actions = ["kinesis:PutRecord", "kinesis:PutRecords", "kinesis:GetRecords"];
        let is_action = |pattern: &Pattern<'_>| actions.iter().any(|a| pattern.matches_action(a));
        check_resource_policy(policy, STREAM, is_action)
    }

    fn statement() -> Value {
        json!({
            "Sid": "writers",
            "Effect": "Allow",
            "Principal": {"AWS": ["123456789012", "arn:aws:iam::123456789012:role/writer"]},
            "Action": ["kinesis:putrecord", "kinesis:Put*"],
            "Resource": STREAM,
            "Condition": {
                "ForAnyValue:StringLikeIfExists": {"aws:PrincipalTag/team": ["a", "b"]},
                "Bool": {"aws:SecureTransport": true},
            },
        })
    }

    /// The policy with one statement, one member of which is replaced, or taken out by null.
    fn with(member: &str, value: Value) -> String {
        let mut statement = statement();
        match value {
            Value::Null => drop(statement.as_object_mut().unwrap().remove(member)),
            value => statement[member] = value,
        }
        json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
    }

    #[test]
    fn a_policy_of_every_element_is_taken() {
        assert_eq!(check(&with("Sid", Value::Null)), Ok(()));
        assert_eq!(check(&json!({"Statement": statement()}).to_string()), Ok(()));
        for principal in [
            json!("*"),
            json!({"AWS": "*"}),
            json!({"Service": "lambda.amazonaws.com"}),
            json!({"AWS": "arn:aws:iam::123456789012:root"}),
            json!({"AWS": "arn:aws-cn:sts::123456789012:assumed-role/r/s"}),
        ] {
            assert_eq!(check(&with("Principal", principal)), Ok(()));
        }
        for resource in [json!("*"), json!([STREAM, "arn:aws:kinesis:us-east-1:1:stream/x"])] {
            assert_eq!(check(&with("Resource", resource)), Ok(()));
        }
        assert_eq!(check(&with("Action", json!("*"))), Ok(()));
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        for text in ["", "null", "[]", "{", "{}", r#"{"Version":"2012-10-17","Statement":[]}"#] {
            assert!(check(text).is_err(), "{text}");
        }
        let twice = json!({"Statement": [statement(), statement()]}).to_string();
        let version = json!({"Version": "2020-01-01", "Statement": statement()}).to_string();
        let other = json!({"Statement": statement(), "Other": 1}).to_string();
        for text in [twice, version, other] {
            assert!(check(&text).is_err(), "{text}");
        }
        for (member, value) in [
            ("Sid", json!(1)),
            ("Effect", json!("allow")),
            ("Effect", Value::Null),
            ("Principal", Value::Null),
            ("Principal", json!({})),
            ("Principal", json!({"AWS": "me"})),
            ("Principal", json!({"AWS": "arn:aws:iam::123456789012:role/*"})),
            ("Principal", json!({"Someone": "*"})),
            ("NotPrincipal", json!("*")),
            ("Action", Value::Null),
            ("Action", json!([])),
            ("Action", json!("kinesis:MakeCoffee")),
            ("Action", json!("s3:*")),
            ("NotAction", json!("*")),
            ("Resource", Value::Null),
            ("Resource", json!("orders")),
            ("Resource", json!("arn:aws:kinesis:us-east-1:123456789012:stream/other")),
            ("Condition", json!({"Sounds": {"aws:SourceIp": "1"}})),
            ("Condition", json!({"StringLike": "x"})),
            ("Condition", json!({"StringLike": {"k": {}}})),
            ("Colour", json!("red")),
        ] {
            assert!(check(&with(member, value.clone())).is_err(), "{member}: {value}");
        }
        let long = with("Sid", json!("x".repeat(POLICY_BYTES_MAX)));
        assert!(check(&long).is_err());
    }

    #[test]
    fn patterns() {
        for (pattern, text, matches) in [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("*", "", true),
            ("a?c", "ac", false),
            ("a*b*c", "aXbYbc", true),
            ("a*b", "aXbY", false),
            ("", "a", false),
        ] {
            assert_eq!(Pattern(pattern).matches(text), matches, "{pattern} {text}");
        }
        assert!(Pattern("KINESIS:get*").matches_action("kinesis:GetRecords"));
        assert!(!Pattern("KINESIS:get*").matches("kinesis:GetRecords"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = check(&text);
        }

        #[test]
        fn a_text_matches_itself_with_any_part_replaced(
            text in "[a-c]{0,12}",
            from in 0usize..12,
            to in 0usize..12,
        ) {
            let (from, to) = (from.min(text.len()), to.min(text.len()));
            let pattern = format!("{}*{}", &text[..from.min(to)], &text[from.max(to)..]);
            prop_assert!(Pattern(&pattern).matches(&text));
        }
    }
}
