//! Names of KMS keys. There is no KMS here: a name of a right form is taken at its word.

use wire::Fault;

use super::faults::invalid_argument;

/// Refuses what names no KMS key: neither a key's id, nor an alias, nor the ARN of either (API
/// reference, StartStreamEncryption).
pub(super) fn check_key_id(key_id: &str) -> Result<(), Fault> {
    let named = match key_id.strip_prefix("arn:") {
        Some(_) => arn_resource(key_id),
        None => Some(key_id),
    };
    let is_arn = key_id.starts_with("arn:");
    let valid = named.is_some_and(|named| match named.split_once('/') {
        Some(("alias", alias)) => is_alias(alias),
        Some(("key", id)) => is_arn && is_key(id),
        _ => !is_arn && is_key(named),
    });
    if valid {
        return Ok(());
    }
    Err(invalid_argument(format!(
        "KeyId {key_id} is not valid. It must be the id or the ARN of a KMS key, or the name or the ARN of an alias."
    )))
}

/// What follows `arn:<partition>:kms:<region>:<account>:`.
fn arn_resource(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':').skip(1);
    let (partition, service) = (parts.next()?, parts.next()?);
    let (region, account) = (parts.next()?, parts.next()?);
    let is_account = account.len() == 12 && account.bytes().all(|digit| digit.is_ascii_digit());
    let is_kms = partition.starts_with("aws") && service == "kms" && !region.is_empty();
    parts.next().filter(|_| is_kms && is_account)
}

fn is_alias(alias: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"/_-".contains(&c);
    !alias.is_empty() && alias.len() <= 250 && alias.bytes().all(allowed)
}

/// A UUID, or the id of a multi-Region key.
fn is_key(id: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|c| c.is_ascii_hexdigit());
    if let Some(digits) = id.strip_prefix("mrk-") {
        return digits.len() == 32 && is_hex(digits);
    }
    let groups: Vec<&str> = id.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) && groups.into_iter().all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_forms_of_a_key() {
        let arn = "arn:aws:kms:us-east-1:123456789012:";
        for key in [
            "12345678-1234-1234-1234-123456789012".to_owned(),
            "mrk-1234567890abcdef1234567890abcdef".to_owned(),
            "alias/aws/kinesis".to_owned(),
            "alias/My_Alias-1".to_owned(),
            format!("{arn}key/12345678-1234-1234-1234-123456789012"),
            format!("{arn}alias/MyAlias"),
            "arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/x".to_owned(),
        ] {
            assert_eq!(check_key_id(&key), Ok(()), "{key}");
        }
        for key in [
            "orders".to_owned(),
            "alias/".to_owned(),
            "alias/a b".to_owned(),
            "key/12345678-1234-1234-1234-123456789012".to_owned(),
            "12345678-1234-1234-1234-12345678901".to_owned(),
            "12345678-1234-1234-1234-12345678901g".to_owned(),
            format!("{arn}12345678-1234-1234-1234-123456789012"),
            format!("{arn}key/orders"),
            "arn:aws:kms:us-east-1:1:key/12345678-1234-1234-1234-123456789012".to_owned(),
            "arn:aws:sqs:us-east-1:123456789012:alias/x".to_owned(),
            "arn:".to_owned(),
        ] {
            assert!(check_key_id(&key).is_err(), "{key}");
        }
    }
}
