//! From the members that are asked for to those that are described.

use delivery::Secrets;
use serde_json::Value;

use super::Members;

/// Members that a description calls otherwise.
const RENAMED: [(&str, &str); 6] = [
    ("S3Configuration", "S3DestinationDescription"),
    ("S3Update", "S3DestinationDescription"),
    ("S3BackupConfiguration", "S3BackupDescription"),
    ("S3BackupUpdate", "S3BackupDescription"),
    ("VpcConfiguration", "VpcConfigurationDescription"),
    ("VpcUpdate", "VpcConfigurationDescription"),
];

/// Members that no description shows: where they are, and what they are called.
const SECRET: [(&str, &str); 4] = [
    ("", "Password"),
    ("", "PrivateKey"),
    ("", "KeyPassphrase"),
    ("EndpointConfiguration", "AccessKey"),
];

/// Members that an update changes member by member (facts/firehose.md § 2.1; the conversion as
/// floci-io/floci issue 3235 probed it). Others are replaced as a whole, `ProcessingConfiguration`
/// among them.
const MERGED: [&str; 5] = [
    "DynamicPartitioningConfiguration",
    "S3DestinationDescription",
    "S3BackupDescription",
    "DataFormatConversionConfiguration",
    "SchemaConfiguration",
];

/// Members as a description calls them, and the secrets among them.
pub(super) fn renamed(mut members: Members) -> (Members, Secrets) {
    for (asked, described) in RENAMED {
        if let Some(value) = members.remove(asked) {
            members.insert(described.to_owned(), value);
        }
    }
    if let Some(Value::Object(vpc)) = members.get_mut("VpcConfigurationDescription") {
        vpc.insert("VpcId".to_owned(), vpc_of(vpc).into());
    }
    let mut secrets = Secrets::new();
    for (place, name) in SECRET {
        let members = match place {
            "" => Some(&mut members),
            place => members.get_mut(place).and_then(Value::as_object_mut),
        };
        if let Some(Value::String(secret)) = members.and_then(|members| members.remove(name)) {
            secrets.insert(name.to_owned(), secret);
        }
    }
    (members, secrets)
}

/// The VPC of a configuration. There are none here to ask, so it is called after its first subnet:
/// the same subnets are in the same VPC.
fn vpc_of(vpc: &Members) -> String {
    let subnet = vpc.get("SubnetIds").and_then(|ids| ids.get(0)).and_then(Value::as_str);
    let subnet = subnet.unwrap_or_default();
    format!("vpc-{}", subnet.strip_prefix("subnet-").unwrap_or(subnet))
}

/// Lays an update over what there is.
pub(super) fn merge(old: &mut Members, update: Members) {
    for (name, value) in update {
        match (old.get_mut(&name), value) {
            (Some(Value::Object(old)), Value::Object(update))
                if MERGED.contains(&name.as_str()) =>
            {
                merge(old, update);
            }
            (_, value) => {
                old.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Members {
        let Value::Object(members) = value else { panic!("{value}") };
        members
    }

    #[test]
    fn secrets_are_taken_out() {
        let asked = json!({
            "Username": "u", "Password": "p", "EndpointConfiguration": {"Url": "x", "AccessKey": "k"},
            "S3Configuration": {"Prefix": "a"},
        });
        let (members, secrets) = renamed(object(asked));
        let expected = json!({
            "Username": "u", "EndpointConfiguration": {"Url": "x"},
            "S3DestinationDescription": {"Prefix": "a"},
        });
        assert_eq!(Value::Object(members), expected);
        let secret = |name: &str| secrets.get(name).map(String::as_str);
        assert_eq!((secret("Password"), secret("AccessKey")), (Some("p"), Some("k")));
    }

    #[test]
    fn some_members_are_merged_and_others_replaced() {
        let mut old = object(json!({
            "S3BackupDescription": {"Prefix": "a", "RoleARN": "r"},
            "ProcessingConfiguration": {"Enabled": true, "Processors": []},
        }));
        let update = json!({
            "S3BackupDescription": {"Prefix": "b"}, "ProcessingConfiguration": {"Enabled": false},
        });
        merge(&mut old, object(update));
        let expected = json!({
            "S3BackupDescription": {"Prefix": "b", "RoleARN": "r"},
            "ProcessingConfiguration": {"Enabled": false},
        });
        assert_eq!(Value::Object(old), expected);
    }
}
